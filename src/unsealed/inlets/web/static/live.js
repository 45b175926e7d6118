// Live pages. Everything works without this file; with it, states change in place, times age, keys move.
// No framework. Asks the server for rendered parts and puts them where the old ones stood.
"use strict";
(() => {
  const { say, plural, locale } = globalThis.texts;
  const { holds, leaving, released } = globalThis.hand;
  const $ = (what, within = document) => within.querySelector(what);
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const wide = matchMedia("(width >= 60rem)");
  const keep = (store, name, value) => { try { if (value !== undefined) store.setItem(name, value); return store.getItem(name); } catch { return null; } };

  if (globalThis.wordedElsewhere && !keep(sessionStorage, "zone-told") && !leaving()) { keep(sessionStorage, "zone-told", "yes"); location.reload(); }

  const reload = () => { // never under the hands of who writes, and not instead of where somebody is going
    if ($("[data-compose]")) return;
    if (leaving() || holds(document.documentElement)) setTimeout(reload, 1000); else location.reload();
  };

  // ---------------------------------------------------------------- times age by the same words as the server's
  const DAY = 86400000;
  const midnights = (then, now) => Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(then).setHours(0, 0, 0, 0)) / DAY);
  const ago = (at, now) => {
    const passed = now - at;
    if (passed < 60000) return say("just now");
    if (passed < 3600000) return say("%(number)s min ago", { number: Math.floor(passed / 60000) });
    const days = midnights(at, now);
    if (days === 0 || passed < DAY / 2) return say("%(number)s h ago", { number: Math.floor(passed / 3600000) });
    if (days === 1) return say("yesterday");
    if (days < 7) return new Date(at).toLocaleDateString(locale, { weekday: "long" });
    return null; // a date does not age
  };
  const age = (within = document) => {
    const now = Date.now();
    for (const time of all("time[data-ago]", within)) {
      const since = ago(Date.parse(time.dateTime), now);
      const words = since && (time.dataset.ago && since !== say("just now") ? time.dataset.ago.replace("%(ago)s", since) : since);
      if (words && time.textContent !== words) time.textContent = words;
    }
  };
  setInterval(age, 15000);

  // ---------------------------------------------------------------- parts put in place of the old ones
  const page = async (address, options) => {
    const answer = await fetch(address, { credentials: "same-origin", ...options });
    if (answer.status === 401 || answer.redirected && answer.url.includes("/sign-in")) { reload(); throw new Error("signed out"); }
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };
  const open = (within) => new Set(all("details[open][data-key]", within).map((each) => each.dataset.key));
  const swap = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    const opened = open(old);
    const before = new Set(all("details[data-key]", old).map((each) => each.dataset.key));
    const focused = old.contains(document.activeElement) && place(old, document.activeElement);
    for (const each of all("details[data-key]", fresh)) { // what was closed stays closed, unless what stands open moved into it
      const moved = all("details[open][data-key]", each).some((inner) => !before.has(inner.dataset.key));
      if (before.has(each.dataset.key)) each.open = opened.has(each.dataset.key) || moved;
    }
    for (const each of all("input[type=checkbox]:checked", old)) { const same = $(`[name="${each.name}"]`, fresh); if (same) same.checked = true; }
    const node = document.importNode(fresh, true);
    if (card && old.contains(card)) node.append(card); // it is still being read
    old.replaceWith(node);
    if (focused) (found(node, focused) || node).focus?.({ preventScroll: true });
    age(node);
  };
  // Where the focus stood, so that it stands there again after a swap.
  const place = (within, element) => {
    const path = [];
    for (let each = element; each && each !== within; each = each.parentElement) path.unshift([...each.parentElement.children].indexOf(each));
    return path;
  };
  const found = (within, path) => path.reduce((each, index) => each && each.children[index], within);

  // ---------------------------------------------------------------- what changed
  const rows = () => $("[data-rows]");
  const story = () => $("[data-refresh]");
  const dirty = new Set();
  const loud = new Set(); // of these, who listens hears; what is judged again is no news
  const news = new Set();
  let asking = false;

  const flush = async () => {
    if (asking || !dirty.size) return;
    asking = true;
    const ids = [...dirty];
    dirty.clear();
    try {
      await Promise.all([freshRows(ids), freshStory(ids), freshHappenings(ids)]);
      voice(ids.filter((id) => loud.delete(id)).length);
    } catch { // the next change asks again, or the stream when it is back
      again(ids);
      asking = false;
      return;
    }
    asking = false;
    flush();
  };
  const again = (ids) => { for (const id of ids) dirty.add(id); };
  // A part that somebody has a hand on is asked for again when it is let go.
  const put = (old, fresh, ids) => {
    if (holds(old)) released(old).then(() => { again(ids); flush(); }); else swap(old, fresh);
  };
  const freshRows = async (ids) => {
    const list = rows();
    const here = list ? ids.filter((id) => $(`li[data-message="${id}"]`, list)).slice(0, 100) : [];
    if (!here.length) return;
    const fresh = await page(`${list.dataset.rows}&${here.map((id) => `id=${id}`).join("&")}`);
    for (const row of all("li[data-message]", fresh)) {
      const old = $(`li[data-message="${row.dataset.message}"]`, list);
      if (!old) continue;
      if ($("a[aria-current]", old)) $("a", row).setAttribute("aria-current", "true");
      put(old, row, [row.dataset.message]);
    }
  };
  // Lines of what happened: those that stand here change in place, those that do not are counted.
  const freshHappenings = async (ids) => {
    const list = $("[data-happenings]");
    if (!list) return;
    const fresh = all("li[data-row]", await page(list.dataset.happenings));
    const here = new Map(all("li[data-row]", list).map((row) => [row.dataset.row, row]));
    if (!here.size) { if (fresh.length) reload(); return; }
    for (const row of fresh) {
      const old = here.get(row.dataset.row);
      if (old && $("a[aria-current]", old)) $("a", row).setAttribute("aria-current", "true");
      if (old) put(old, row, ids);
    }
    if ("older" in list.dataset) return;
    const known = fresh.findIndex((row) => here.has(row.dataset.row));
    pill(fresh.slice(0, known < 0 ? fresh.length : known).length);
  };
  const freshStory = async (ids) => {
    const article = story();
    if (!article || article.dataset.message !== "*" && !ids.includes(article.dataset.message)) return;
    const fresh = await page(article.dataset.refresh);
    if (story() !== article) return; // another letter stands there by now
    for (const part of all("[data-region]", fresh)) {
      const old = $(`[data-region="${part.dataset.region}"]`);
      if (old) put(old, part, ids);
    }
  };
  const voice = (number) => {
    const place = $("[data-said]");
    if (place && number) place.textContent = plural("%(number)s message changed", "%(number)s messages changed", number);
  };
  const pill = (number = news.size) => {
    const bar = $("[data-news]");
    if (!bar) return;
    bar.hidden = !number;
    $("[data-news-count]", bar).textContent = plural("%(number)s new", "%(number)s new", number);
  };
  // Taken back by its sender: it is nowhere any more.
  const gone = (message) => {
    if (news.delete(message)) pill();
    const row = $(`[data-rows] li[data-message="${message}"]`);
    row?.remove();
    if (story()?.dataset.message === message) { if (!leaving()) location.href = "/sent"; }
    else if (row && !$("[data-rows] li[data-message]")) reload();
  };
  const COUNTED = new Set(["accepted", "human_open", "proxied_open", "human_click", "reply"]);
  const changed = ({ message, what, notices }) => {
    if (what === "notice") { dispatchEvent(new CustomEvent("unsealed:notice", { detail: notices })); return; } // notices.js shows it
    if (what === "gone") { gone(message); return; }
    const list = rows();
    if ($("[data-rows-empty]") && what === "accepted") { reload(); return; }
    if (list && !$(`li[data-message="${message}"]`, list) && COUNTED.has(what)) { news.add(message); pill(); }
    dirty.add(message);
    meanwhile?.add(message);
    if (what !== "rejudged") loud.add(message);
    flush();
  };

  // What was asked for before a press may arrive behind it, and show the state of before.
  addEventListener("unsealed:silenced", (event) => { again([event.detail]); flush(); });

  // ---------------------------------------------------------------- the stream
  const bar = $("[data-live]");
  let source = null;
  let last = document.body.dataset.feed || "";
  let failures = 0;
  let paused = keep(sessionStorage, "paused") === "yes";

  const word = (text) => { for (const each of all("[data-live-word]")) if (each.textContent !== text) each.textContent = text; };
  const connect = () => {
    if (source || paused || document.hidden || !bar) return;
    source = new EventSource(`/live${last ? `?after=${last}` : ""}`);
    source.addEventListener("ready", (event) => { failures = 0; last = event.lastEventId || last; word(say("Live")); flush(); });
    source.addEventListener("change", (event) => { last = event.lastEventId; changed(JSON.parse(event.data)); });
    source.addEventListener("reset", reload);
    source.onerror = () => {
      word(say("Reconnecting"));
      if (source && source.readyState === EventSource.CLOSED) { // refused, not broken: the browser gives up by itself
        source = null;
        page("/sent/rows").catch(() => {}); // signed out meanwhile: leads to the sign-in page
        setTimeout(connect, Math.min(30000, 1000 * 2 ** failures++));
      }
    };
  };
  const disconnect = (text) => { source?.close(); source = null; word(text); };
  const pause = (wanted) => {
    paused = wanted;
    keep(sessionStorage, "paused", wanted ? "yes" : "no");
    for (const button of all("[data-live-pause]")) {
      button.setAttribute("aria-pressed", String(wanted));
      button.setAttribute("aria-label", wanted ? say("Go on with live updates") : say("Pause live updates"));
      const use = $("use", button);
      use.setAttribute("href", use.getAttribute("href").replace(/#.*/, wanted ? "#play" : "#pause"));
    }
    if (wanted) disconnect(say("Paused")); else { word(say("Reconnecting")); connect(); }
  };
  if (bar) {
    for (const each of all("[data-live]")) each.hidden = false;
    for (const button of all("[data-live-pause]")) button.addEventListener("click", () => pause(!paused));
    if (paused) pause(true);
    // A hidden tab lets go of its connection: browsers allow six to one host, over all tabs.
    document.addEventListener("visibilitychange", () => { if (document.hidden) { if (!paused) disconnect(say("Reconnecting")); } else { age(); connect(); } });
    addEventListener("pagehide", () => source?.close());
    addEventListener("pageshow", (event) => { if (event.persisted) { source = null; connect(); } });
    connect();
  }

  // ---------------------------------------------------------------- list and detail without loading the whole page
  const SPLIT = new Set(["/sent", "/activity", "/opened"]);
  const splits = (path) => SPLIT.has(path) || path.startsWith("/thread/");
  const ROWS = ".rows .row, .acts .act";
  let turn = 0; // answers may come in another order than they were asked for: the last that was asked for stays
  let meanwhile = null; // what changed while a letter was on its way, which may have left before
  const show = async (address, row) => {
    const mine = ++turn;
    const pane = $("#detail");
    const asked = new URL(address, location.href);
    const id = asked.searchParams.get("m") || story()?.dataset.message;
    pane.setAttribute("aria-busy", "true");
    meanwhile ??= new Set();
    try {
      const fresh = $("article", await page(`${asked.pathname}/detail/${id}${asked.search}`));
      if (mine !== turn) return;
      pane.replaceChildren(document.importNode(fresh, true));
      pane.scrollTop = 0;
    } catch {
      if (mine === turn && !leaving()) location.href = address; // a browser gives up what it loads for a page that is left
      return;
    }
    pane.removeAttribute("aria-busy");
    history.pushState({ within: true }, "", address); // place.js keeps there where it was scrolled
    document.title = `${$("h1", pane).textContent} - Unsealed`;
    if (row) for (const each of all(ROWS)) { if (each === row) each.setAttribute("aria-current", "true"); else each.removeAttribute("aria-current"); }
    age(pane);
    again(meanwhile);
    meanwhile = null;
    flush();
  };
  const plain = (event) => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || !plain(event) || !$("#detail") || link.origin !== location.origin || link.pathname !== location.pathname || !splits(link.pathname)) return;
    const row = link.closest("#list .row, #list .act");
    if (row && !wide.matches || !row && !link.closest("#detail .tabs, #detail .pages")) return;
    event.preventDefault();
    show(link.href, row);
  });
  addEventListener("popstate", () => location.reload());

  // ---------------------------------------------------------------- each recipient's state, over the marks of a row
  let card = null;
  let wait = 0;
  const drop = () => { clearTimeout(wait); card?.remove(); card = null; };
  const lay = async (item) => {
    const { pathname, search } = new URL($(".row", item).href); // so that what it leads to leads back to this list
    let fresh;
    try { fresh = $(".people", await page(`${pathname}/detail/${item.dataset.message}${search}`)); } catch { return; }
    if (!fresh || !item.matches(":hover")) return;
    drop();
    card = document.createElement("div");
    card.className = "card menu";
    card.append(document.importNode(fresh, true));
    item.append(card);
    const pane = item.closest(".pane").getBoundingClientRect();
    card.classList.toggle("up", card.getBoundingClientRect().bottom > pane.bottom && item.offsetTop > card.offsetHeight);
  };
  document.addEventListener("pointerover", (event) => {
    const item = event.target.closest?.("#list li[data-message]");
    if (card && item === card.parentElement) return;
    drop();
    if (item && event.pointerType === "mouse" && event.target.closest(".mark, .end, .pick-row")) wait = setTimeout(lay, 350, item);
  });

  // Menus close when something else is pressed.
  document.addEventListener("click", (event) => { for (const each of all("details.drop[open]")) if (!each.contains(event.target)) each.open = false; });

  // Forms that need no new page: the judgement beside them is live.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-stay]") || !source) return;
    event.preventDefault();
    const button = event.submitter;
    const fields = new URLSearchParams(new FormData(form, button));
    if (button) button.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body: fields, credentials: "same-origin", redirect: "manual" });
      if (answer.type !== "opaqueredirect" && !answer.ok) throw new Error();
      for (const each of all("[data-stay] [aria-pressed]")) each.setAttribute("aria-pressed", String(each === button));
    } catch { form.removeAttribute("data-stay"); form.requestSubmit(button); return; }
    button?.removeAttribute("aria-busy");
  });

  // ---------------------------------------------------------------- several letters at once
  const picks = () => all(".pick-row");
  const counted = () => {
    const number = picks().filter((each) => each.checked).length;
    const chosen = plural("%(number)s selected", "%(number)s selected", number);
    for (const each of all("[data-bulk-count]")) each.textContent = chosen;
    for (const each of all("[data-bulk]")) each.hidden = false;
    const place = $("[data-said]");
    if (place && $("#bulk")) place.textContent = number ? chosen : "";
  };
  document.addEventListener("change", (event) => { if (event.target.matches(".pick-row")) counted(); });
  $("[data-bulk=all]")?.addEventListener("click", () => { for (const each of picks()) each.checked = true; counted(); });
  $("#bulk")?.addEventListener("reset", () => setTimeout(counted));
  const here = () => document.activeElement?.closest?.(".rows li") || $(".row[aria-current]")?.closest("li");
  const pick = () => {
    const box = here()?.querySelector(".pick-row");
    if (box) { box.checked = !box.checked; counted(); }
  };
  if ($("#bulk")) counted();

  // ---------------------------------------------------------------- keys
  const help = $("[data-help]");
  let keys = keep(localStorage, "keys") !== "off";
  let before = "";
  let forget = 0;
  const step = (by) => {
    const list = all(ROWS).filter((each) => each.checkVisibility()); // some are folded away
    if (!list.length) return;
    const here = list.findIndex((each) => each === document.activeElement);
    const from = here >= 0 ? here : list.findIndex((each) => each.hasAttribute("aria-current"));
    const next = list[Math.max(0, Math.min(list.length - 1, from + by))];
    next.focus();
    if (wide.matches && $("#detail")) next.click();
  };
  const ACTIONS = {
    j: () => step(1),
    k: () => step(-1),
    x: pick,
    "/": () => { const field = $("[data-key='/']"); if (field) field.focus(); else location.href = "/sent#search"; },
    m: () => $("button[data-speaker]:enabled", here() || $("#main"))?.click(),
    e: () => here()?.querySelector("[data-done]")?.click(),
    "?": () => help?.showModal(),
    c: () => { location.href = "/compose"; },
    ...Object.fromEntries(["activity", "sent", "opened", "contacts", "reports", "drafts", "templates"].map((place) => [`g ${place[0]}`, () => { location.href = `/${place}`; }])),
    "g b": () => $(".nav a[href='/sandbox']")?.click(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (card) { drop(); return; }
      const menu = $("details.drop[open]");
      if (menu) { menu.open = false; $("summary", menu).focus(); return; }
      if (event.target.matches("input, textarea")) { event.target.blur(); return; }
      const back = all("[data-back]").find((each) => each.offsetParent);
      if (back && !$("dialog[open]")) back.click();
      return;
    }
    if (!keys || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select, dialog, [contenteditable], [role=menu]")) return;
    const action = ACTIONS[`${before} ${event.key}`] || ACTIONS[event.key];
    before = event.key;
    clearTimeout(forget); // that of an earlier key must not part "g" from "s"
    forget = setTimeout(() => { before = ""; }, 1200);
    if (action) { event.preventDefault(); action(); }
  });
  for (const button of all("[data-help-open]")) { button.hidden = false; button.addEventListener("click", () => help.showModal()); }
  const toggle = $("[data-keys]");
  if (toggle) { toggle.checked = keys; toggle.addEventListener("change", () => { keys = toggle.checked; keep(localStorage, "keys", keys ? "on" : "off"); }); }
})();
