// Going back leads to the same place: how far each part of the page was scrolled, and the link that was followed, stay with
// the entry of the browser's history. Browsers do it for whole pages alone; here lists scroll by themselves.
"use strict";
(() => {
  const PARTS = ["main", "list", "detail"];
  const part = (id) => document.getElementById(id);
  const here = () => {
    const scrolled = Object.fromEntries(PARTS.map((id) => [id, part(id)?.scrollTop || 0]));
    const link = document.activeElement?.closest("#main a[href]");
    return { scrolled, link: link?.href, top: link?.getBoundingClientRect().top };
  };
  let wait = 0;
  const remember = () => { clearTimeout(wait); history.replaceState({ ...history.state, place: here() }, ""); };

  const kept = history.state?.place;
  if (kept) {
    for (const id of PARTS) if (part(id)) part(id).scrollTop = kept.scrolled[id];
    const link = kept.link && [...document.querySelectorAll("#main a[href]")].find((each) => each.href === kept.link);
    if (link) { // what is new may have moved it
      link.focus({ preventScroll: true });
      const within = link.closest("#list, #detail, #main");
      within.scrollTop += link.getBoundingClientRect().top - kept.top;
    }
  } else document.querySelector("#list [aria-current].row, #list [aria-current].act")?.scrollIntoView({ block: "nearest" });

  document.addEventListener("scroll", () => { clearTimeout(wait); wait = setTimeout(remember, 150); }, true); // browsers allow so many a minute
  addEventListener("beforeunload", remember);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#main a[href]");
    if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    link.focus({ preventScroll: true }); // not every browser does
    remember();
    // "Back to the list" is the way back where that is where somebody came from: with its page, search and filters.
    if (!link.matches("[data-back], [data-list]") || !document.referrer || history.length < 2 || history.state.within) return;
    const from = new URL(document.referrer);
    const to = new URL(link.href);
    const letter = (address) => address.searchParams.get("m"); // the same list with another letter open is another place
    if (from.origin !== to.origin || from.pathname !== to.pathname || letter(from) !== letter(to)) return;
    event.preventDefault();
    history.back();
  }, true);
})();
