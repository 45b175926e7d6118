// Notices in open pages: cards, system notices, the speaker buttons, and this browser as a device for push messages.
// live.js says what is new, or that something is. Of several tabs one shows it.
"use strict";
(() => {
  const { say } = globalThis.texts;
  const { leaving, released } = globalThis.hand;
  const $ = (what, within = document) => within.querySelector(what);
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const read = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const write = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private window */ } };
  const alone = (name, work) => navigator.locks ? navigator.locks.request(name, work) : work();
  const SHOWN = 100; // keys that are remembered
  const CARDS = 3;
  const sprite = $("[data-toasts]")?.dataset.icons;
  if (!sprite) return; // not signed in

  let token = "";
  let system = false;
  let worker = null;
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").then((found) => { worker = found; offer(); }, () => {});

  // ---------------------------------------------------------------- what is new
  let asking = false;
  let again = false;
  const look = async () => {
    if (leaving()) { setTimeout(look, 1000); return; } // a card would go with the page; the next one shows it
    if (asking) { again = true; return; }
    asking = true;
    try {
      const since = read("unsealed-notices-at");
      const answer = await fetch(`/notices/new${since ? `?since=${since}` : ""}`, { credentials: "same-origin" });
      if (answer.ok) {
        const told = await answer.json();
        token = told.csrf;
        system = told.system;
        if (document.hidden) hold(); // it was hidden before that was known
        for (const each of all("[data-notices-word]")) each.textContent = told.realtime ? say("Notices") : say("Notices are off");
        await show(told.notices, told.at);
      }
    } catch { /* the next one asks again */ }
    asking = false;
    if (again) { again = false; look(); }
  };
  // at: up to when these are all; the stream brings some that are newer.
  const show = async (notices, at) => {
    const mine = await alone("unsealed-notices", () => {
      if (leaving()) return null;
      const known = JSON.parse(read("unsealed-notices-shown") || "[]");
      const fresh = notices.filter((each) => !known.includes(each.key));
      write("unsealed-notices-shown", JSON.stringify([...known, ...fresh.map((each) => each.key)].slice(-SHOWN)));
      if (at) write("unsealed-notices-at", at);
      return fresh;
    });
    if (!mine) { look(); return; } // when somebody stays after all
    for (const each of mine) await (queue = queue.then(() => tell(each)).catch(() => {}));
  };
  let queue = Promise.resolve(); // one after the other: each may take away what the one before it shows
  const tell = async (it) => {
    for (const tag of [it.gone && it.tag, it.instead]) if (tag) { drop(tag); tabs?.postMessage({ gone: tag }); }
    await remember(it);
    if (!document.hidden && it.page && !it.gone) { await released($("[data-toasts]")); card(it); }
    else if (it.system) await outside(it);
    if (it.instead) await withdraw(it.instead);
  };
  const remember = async (it) => {
    const one = { title: it.outside.title, body: it.outside.body, tag: it.tag, path: it.path, at: Date.now() };
    try {
      await alone("unsealed-told", async () => { // the service worker writes there too
        const cache = await caches.open("unsealed-told");
        const kept = await cache.match("/notices/last");
        const told = (kept ? await kept.json() : []).filter((each) => each.tag !== it.tag && each.tag !== it.instead);
        await cache.put("/notices/last", new Response(JSON.stringify([one, ...told].slice(0, 20))));
      });
    } catch { /* no caches here */ }
  };
  const outside = async (it) => {
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    const said = { body: it.outside.body, tag: it.tag, silent: it.again, data: { path: it.path, message: it.message } };
    try { await (await navigator.serviceWorker.ready).showNotification(it.outside.title, { ...said, renotify: !it.again, actions: [{ action: "open", title: say("Open") }, ...(it.message ? [{ action: "mute", title: say("Mute") }] : [])] }); } catch { /* none here */ }
  };
  const withdraw = async (tag) => { // a push message may have brought it, so it can stand there whatever is chosen here
    try { for (const each of await (await navigator.serviceWorker.getRegistration())?.getNotifications({ tag }) ?? []) each.close(); } catch { /* none here */ }
  };
  const tabs = "BroadcastChannel" in window ? new BroadcastChannel("unsealed-notices") : null;
  tabs?.addEventListener("message", (event) => { if (event.data.gone) drop(event.data.gone); });

  // ---------------------------------------------------------------- cards
  const icon = (name) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${sprite}#${name}`);
    svg.append(use);
    return svg;
  };
  const element = (name, className, text) => { const made = document.createElement(name); if (className) made.className = className; if (text !== undefined) made.textContent = text; return made; };
  const button = (label, name, work) => {
    const made = element("button", "button plain small square");
    made.type = "button";
    made.setAttribute("aria-label", label);
    made.title = label;
    made.append(icon(name));
    made.addEventListener("click", work);
    return made;
  };
  const drop = (tag) => { for (const each of all("[data-toasts] > .toast")) if (each.dataset.tag === tag) each.remove(); };
  const card = (it) => {
    const room = $("[data-toasts]");
    drop(it.tag);
    const made = element("div", "toast");
    made.dataset.tag = it.tag;
    const link = element("a", "what");
    link.href = it.path;
    const [subject, detail] = it.body.split("\n");
    link.append(element("b", "", it.title));
    if (subject) link.append(element("span", "soft small one", subject));
    if (detail) link.append(element("span", "quiet tiny", detail));
    const buttons = element("span", "buttons");
    if (it.message) buttons.append(button(say("Mute this message"), "speaker", async () => { if (await press({ scope: "message", of: it.message, silent: "1" })) { made.remove(); turn(it.message, true, say("No notices: silenced")); } }));
    buttons.append(button(say("Dismiss"), "close", () => made.remove()));
    made.append(icon("bell"), link, buttons);
    room.append(made);
    while (room.children.length > CARDS) room.firstElementChild.remove();
  };

  // ---------------------------------------------------------------- speakers
  const press = async (fields) => {
    const form = new URLSearchParams({ csrf: token, ...fields });
    const answer = await fetch("/silence", { method: "POST", body: form, credentials: "same-origin", headers: { Accept: "application/json" } }).catch(() => null);
    return answer?.ok ? answer.json() : null;
  };
  const turn = (message, silent, words) => {
    for (const it of all(`button[data-speaker="${message}"]`)) {
      it.setAttribute("aria-pressed", String(silent));
      it.title = words;
      it.value = `${message}.${silent ? 0 : 1}`;
      $("use", it).setAttribute("href", `${sprite}#${silent ? "mute" : "speaker"}`);
      for (const each of all("[data-speaker-words]", it)) each.textContent = words;
    }
    dispatchEvent(new CustomEvent("unsealed:silenced", { detail: message }));
  };
  document.addEventListener("click", async (event) => {
    const it = event.target.closest("button[data-speaker]");
    if (!it || !token) return; // then the form is sent
    event.preventDefault();
    if (it.ariaBusy) return;
    it.ariaBusy = "true";
    const told = await press({ one: it.value });
    it.ariaBusy = null;
    if (told) turn(it.dataset.speaker, told.silent, told.words); else it.form.requestSubmit(it);
  });

  // ---------------------------------------------------------------- this browser as a device
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const report = (words) => { const place = $("[data-push-says]"); if (place) { place.textContent = words; place.hidden = false; } };
  const offer = () => {
    const ask = $("[data-push]");
    if (!ask) return;
    if (!worker || !("Notification" in window)) { report(say("This browser cannot take notices here. On an iPhone or iPad: share, “Add to Home Screen”, then open Unsealed from there.")); return; }
    ask.hidden = false;
    ask.addEventListener("click", async () => {
      if (ask.ariaBusy) return;
      ask.setAttribute("aria-busy", "true");
      try { report(await subscribe(ask.dataset.push, ask.dataset.csrf)); } catch (error) { report(say("It did not work: %(why)s", { why: error.message })); }
      ask.removeAttribute("aria-busy");
    });
  };
  const subscribe = async (key, csrf) => {
    if (await Notification.requestPermission() !== "granted") return say("The browser was told to show no notices from here. Change that in its settings for this page.");
    if (!("pushManager" in worker)) return say("System notices are allowed. Messages to a closed page are beyond this browser.");
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error(say("the browser’s push service does not answer"))), 15000)); // it can hang for ever
    const subscribed = navigator.serviceWorker.ready.then((active) => active.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) }));
    const made = (await Promise.race([subscribed, late])).toJSON();
    const form = new URLSearchParams({ csrf, address: made.endpoint, key: made.keys.p256dh, auth: made.keys.auth });
    const answer = await fetch("/settings/notifications/devices", { method: "POST", body: form, credentials: "same-origin" });
    if (!answer.ok) return (await answer.json().catch(() => ({}))).error || say("It was not added.");
    location.href = "/settings/notifications?added#devices";
    return say("Added.");
  };

  // What was told is not left behind for who uses this browser next.
  document.addEventListener("submit", (event) => { if (event.target.matches("form[action='/sign-out']")) { try { caches.delete("unsealed-told"); } catch { /* none */ } } });

  // ---------------------------------------------------------------- when
  addEventListener("unsealed:notice", (event) => { if (event.detail) show(event.detail).catch(look); else look(); });
  // Hidden tabs let go of the live stream. When system notices are wanted, one of them keeps a stream of its own.
  let held = null;
  const hold = () => {
    if (!document.hidden) { held?.abort(); held = null; try { navigator.clearAppBadge?.(); } catch { /* none */ } look(); return; }
    if (!system || held || !navigator.locks || !("Notification" in window) || Notification.permission !== "granted") return;
    held = new AbortController();
    const ended = held.signal;
    navigator.locks.request("unsealed-hidden", { signal: ended }, () => new Promise((done) => {
      const source = new EventSource("/live");
      source.addEventListener("ready", look);
      source.addEventListener("change", (event) => { if (JSON.parse(event.data).what === "notice") setTimeout(look, 400); }); // a tab that is seen goes first
      ended.addEventListener("abort", () => { source.close(); done(); });
    })).catch(() => {});
  };
  document.addEventListener("visibilitychange", hold);
  look();
})();
