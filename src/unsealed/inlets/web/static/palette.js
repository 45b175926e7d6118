// The command palette (Ctrl-K): everything that this page and the app can do, by name. Actions are the links and buttons
// that stand on the page, so nothing can be done here that cannot be seen there. A combobox over a list box; the focus
// stays in the field. The setting for single keys does not touch it: Ctrl-K is no single key.
(() => {
  "use strict";
  const { say } = globalThis.texts;
  const dialog = document.querySelector("[data-palette]");
  if (!dialog) return;
  const field = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  const none = dialog.querySelector("[data-palette-none]");
  const SHOWN = 40;
  let found = [];
  let chosen = 0;
  let actions = [];

  const words = (element) => [...element.childNodes].map((each) => (each.nodeName === "KBD" ? "" : each.textContent)).join("");
  const named = (element) => (element.getAttribute("aria-label") || words(element) || element.title).replace(/\s+/g, " ").trim();
  const usable = (element) => !element.disabled && element.getAttribute("aria-disabled") !== "true" && element.getClientRects().length > 0;
  // Where an action belongs, in words: the region it stands in.
  const group = (element) => {
    if (element.closest(".rail .nav")) return say("Go to");
    const region = element.closest("nav[aria-label], form[aria-label], section[aria-label]")?.getAttribute("aria-label");
    return region || say("This page");
  };

  const gather = () => {
    const seen = new Set();
    const made = [];
    // What can be done here stands first, then other places, then the order and the filters of a list.
    const add = (name, where, run, rank = 1) => {
      if (!name || name.length > 90 || seen.has(`${where}\n${name}`)) return;
      seen.add(`${where}\n${name}`);
      made.push({ name, where, run, rank });
    };
    for (const element of document.querySelectorAll("#main a.button[href], #main button:not([role]), #main .tabs a[href], #main .drop .menu a[href], #main a.pick[href], .rail-foot button:not([data-palette-open])")) {
      const inMenu = element.closest("details.drop");
      if (element.closest(".rows > li:not(.follow:is(:focus-within, :has([aria-current]))), .line > li, [role=toolbar], .tools") || !(inMenu ? usable(inMenu) : usable(element))) continue;
      const rank = element.closest("nav, .drop > .menu, .rail-foot") ? 2 : 0;
      add(named(element), group(element), () => { if (inMenu) inMenu.open = true; element.click(); }, rank);
    }
    for (const input of document.querySelectorAll("#main input[type=search]")) if (usable(input)) add(input.closest("label")?.querySelector(".vh")?.textContent.trim() || say("Search"), say("This page"), () => input.focus());
    for (const link of document.querySelectorAll(".rail .nav a[href], .rail > a.button[href]")) add(named(link), say("Go to"), () => link.click());
    for (const [name, there] of [[say("All notices, settings"), "/settings/notifications"], [say("Silence all mail, settings"), "/settings/notifications#silence-h"], [say("Tracking, settings"), "/settings/tracking"], [say("Where mail goes out, settings"), "/settings/sending"], [say("Mailbox, settings"), "/settings/mailbox"], [say("Addresses, settings"), "/settings/identities"], [say("Your devices, settings"), "/settings/devices"], [say("New template"), "/templates/new"], [say("Paste HTML, get tracked HTML"), "/paste"]]) add(name, say("Go to"), () => { location.href = there; });
    return made.sort((one, other) => one.rank - other.rank);
  };

  // Every word that was typed begins a word of the name; names that begin with it stand first.
  const matching = (typed) => {
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
    const ranked = [];
    for (const action of actions) {
      const name = action.name.toLowerCase();
      const parts = `${name} ${action.where.toLowerCase()}`.split(/[^\p{L}\p{N}]+/u);
      if (words.every((word) => parts.some((part) => part.startsWith(word)))) ranked.push([words.length && name.startsWith(words[0]) ? 0 : 1, action]);
    }
    return ranked.sort((one, other) => one[0] - other[0]).slice(0, SHOWN).map(([, action]) => action);
  };

  const choose = (index) => {
    chosen = found.length ? (index + found.length) % found.length : 0;
    [...list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === chosen)));
    const option = list.children[chosen];
    if (option) { field.setAttribute("aria-activedescendant", option.id); option.scrollIntoView({ block: "nearest" }); }
    else field.removeAttribute("aria-activedescendant");
  };
  const show = () => {
    found = matching(field.value);
    list.replaceChildren(...found.map((action, number) => {
      const option = document.createElement("li");
      const where = document.createElement("span");
      option.id = `palette-${number}`;
      option.setAttribute("role", "option");
      option.append(action.name, where);
      where.textContent = action.where;
      return option;
    }));
    none.hidden = found.length > 0;
    choose(0);
  };
  const run = (index) => {
    const action = found[index];
    if (!action) return;
    dialog.close();
    // Parts of the page may have been replaced since the list was made.
    (gather().find((each) => each.name === action.name && each.where === action.where) || action).run();
  };
  const open = () => {
    if (dialog.open || document.querySelector("dialog[open]")) return;
    actions = gather();
    field.value = "";
    dialog.showModal();
    show();
    field.focus();
  };

  field.addEventListener("input", show);
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const keys = { ArrowDown: () => choose(chosen + 1), ArrowUp: () => choose(chosen - 1), Enter: () => run(chosen) };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  list.addEventListener("click", (event) => { const option = event.target.closest("[role=option]"); if (option) run([...list.children].indexOf(option)); });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k" && !event.defaultPrevented) { event.preventDefault(); open(); }
  });
  for (const button of document.querySelectorAll("[data-palette-open]")) {
    button.hidden = false;
    button.addEventListener("click", () => { button.closest("details")?.removeAttribute("open"); open(); });
  }
})();
