// The page for writing. Promises that no text is lost: every change is kept in this browser at once and on the server
// after a short pause; what only the browser has is offered when the page is opened again. What will be tracked is
// asked of the server, which decides by the letter as it stands; nothing is guessed here.

const { say, plural, locale, hour12 } = globalThis.texts;
const { released } = globalThis.hand;
const root = document.querySelector("[data-compose]");
const start = JSON.parse(root.dataset.compose);
const { People } = await import(root.dataset.peopleModule);

const PAUSE_MS = 700; // without a key before the server is told
const KEPT_ALIVE_MAX = 20000; // characters that a browser sends also when the page is left meanwhile: 64 kB at most
const PATIENCE_MS = 2000; // for the server, when a link is followed
const UNSEEN_MS = 2000; // after which a page that nobody looks at gets its editor
const RETRY_MS = [2000, 4000, 8000, 15000, 30000];

const $ = (what, within = document) => within.querySelector(what);
const all = (what, within = document) => [...within.querySelectorAll(what)];
const form = $("form", root);
const field = (name) => document.getElementById(name);
const clock = (at = new Date()) => at.toLocaleTimeString(locale, { hour: hour12 ? "numeric" : "2-digit", minute: "2-digit", hour12 });
const make = (tag, attributes = {}, ...inside) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
};
const icon = (name, look = "icon s") => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", look);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${root.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
};
const escaped = (text) => text.replace(/[&<>]/g, (each) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[each]);
const paragraphs = (text) => text.split(/\n{2,}/).map((each) => `<p>${escaped(each).replace(/\n/g, "<br>")}</p>`).join("");
const megabytes = new Intl.NumberFormat(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const size = (bytes) => (bytes < 1000000 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${megabytes.format(bytes / 1000000)} MB`);

// ---------------------------------------------------------------- asking the server

const AWAY = { status: 0, data: { error: say("The server does not answer.") } };
const OUT = say("You are signed out. Sign in in another tab, then go on here.");
let csrf = root.dataset.csrf;

/** Ask, and take the answer as it comes: {status, data}. Status 0: nobody answered. Never throws. */
const ask = async (method, path, body, again = true) => {
  let answer, data;
  try {
    answer = await fetch(path, {
      method, credentials: "same-origin", redirect: "error",
      headers: { Accept: "application/json", "X-CSRF-Token": csrf, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body), keepalive: JSON.stringify(body).length < KEPT_ALIVE_MAX }),
    });
  } catch { return AWAY; }
  data = await answer.json().catch(() => ({}));
  if (answer.status === 403 && again && await newToken()) return ask(method, path, body, false);
  if (answer.status === 401) data = { error: OUT };
  if (answer.status >= 500) return { status: 0, data: { error: data.error || say("The server is in trouble.") } };
  return { status: answer.status, data };
};
/** Somebody who signed in again in another tab has a new token; whether there is one. */
const newToken = async () => {
  const page = await fetch("/compose", { credentials: "same-origin" }).then((answer) => answer.text()).catch(() => "");
  const found = new DOMParser().parseFromString(page, "text/html").querySelector("[data-compose]")?.dataset.csrf;
  const fresh = Boolean(found) && found !== csrf;
  csrf = found || csrf;
  return fresh;
};

// ---------------------------------------------------------------- the fields

const people = Object.fromEntries(all("[data-people]").map((box) => [box.dataset.people, new People(box, {
  ask: async (typed) => (await ask("GET", `/compose/contacts?q=${encodeURIComponent(typed)}`)).data.contacts || [],
  changed: () => { changed(); if (unnamed && people.to.first) named(); },
  close: () => icon("close"),
})]));
const show = (name) => {
  $(`[data-line=${name}]`).hidden = false;
  $(`[data-show=${name}]`).hidden = true;
};
for (const button of all("[data-show]")) button.addEventListener("click", () => { show(button.dataset.show); field(button.dataset.show).focus(); });

const plainText = $("[data-plain]");
const plainSwitch = $("[data-plain-switch]");
let content = start.content; // the parts that no field shows: answers, mode, quote, template, signature, opens, clicks
let letter = null; // the editor, once it is there
// The editor is three times as large as all else together, so it comes when the page stands there, or when somebody turns
// to the letter. Until then a letter is begun in a plain field; one that holds something already is shown in it.
let instead = root.dataset.editor ? make("textarea", { class: "letter", "aria-label": say("Letter"), placeholder: say("Write here"), autocomplete: "off" }) : null;
/** The letter of the plain field: a paragraph for each line, as Enter makes one in the editor. */
const begun = () => (instead.value ? instead.value.split("\n").map((line) => `<p>${escaped(line)}</p>`).join("") : "");
/** The words of a letter, without parsing it: the policy of our pages lets no parser meet its styles. */
const wordsOf = (html) => {
  const field = make("textarea");
  field.innerHTML = html.replace(/<(?:br|\/(?:p|h\d|li|tr|div))\b[^>]*>/gi, "\n").replace(/<[^>]*>/g, "");
  return field.value.trim();
};
const showInstead = (html) => {
  instead.value = wordsOf(html);
  instead.readOnly = Boolean(html);
};
if (instead) {
  $("[data-letter]").append(instead);
  $("[data-tools]").inert = plainSwitch.disabled = true;
}

const collect = () => ({
  ...content,
  from: field("from").value,
  ...Object.fromEntries(Object.entries(people).map(([name, each]) => [name, each.value])),
  subject: field("subject").value,
  plain: plainSwitch.checked,
  html: plainSwitch.checked ? content.html : letter ? letter.html : instead && !instead.readOnly ? begun() : content.html,
  text: plainSwitch.checked ? plainText.value : "",
});
const fill = (given) => {
  content = given;
  if (given.from && start.identities.some((each) => each.address === given.from)) field("from").value = given.from;
  for (const [name, each] of Object.entries(people)) {
    each.value = given[name];
    if (given[name] && name !== "to") show(name);
  }
  field("subject").value = given.subject;
  plainSwitch.checked = given.plain;
  if (instead) showInstead(given.html);
  else if (letter && letter.html !== given.html) letter.html = given.html;
  plainText.value = given.text;
  looks();
};
/** What stands or hides with the choices made. */
const looks = () => {
  const plain = plainSwitch.checked;
  $("[data-tools]").hidden = plain;
  $("[data-letter]").hidden = plain;
  plainText.hidden = !plain;
  const signature = start.identities.find((each) => each.address === field("from").value)?.signature || "";
  $("[data-signature] .signature").textContent = signature;
  $("[data-signature]").hidden = !signature || !content.signature;
  $("[data-signature-on]").hidden = !signature || content.signature;
  const answers = Boolean(content.answers);
  $("[data-quote]").hidden = $("[data-quote-off]").hidden = !answers || !content.quote;
  $("[data-quote-on]").hidden = !answers || content.quote;
};

plainSwitch.addEventListener("change", () => {
  if (plainSwitch.checked && letter) { content.html = letter.html; plainText.value ||= letter.text; }
  else if (letter && plainText.value !== letter.text) letter.html = paragraphs(plainText.value);
  if (!plainSwitch.checked) plainText.value = "";
  looks();
  changed();
});
const choose = (name, value) => { content = { ...content, [name]: value }; looks(); changed(); };
for (const [where, name, value] of [["[data-signature-off]", "signature", false], ["[data-signature-on]", "signature", true], ["[data-quote-off]", "quote", false], ["[data-quote-on]", "quote", true]]) {
  $(where).addEventListener("click", () => { choose(name, value); });
}
$("[data-quote]").addEventListener("toggle", async (event) => {
  const frame = $("iframe", event.target);
  if (event.target.open && !frame.src && await there()) frame.src = `/compose/${id}/quote`;
});
form.addEventListener("input", (event) => { if (event.target !== plainSwitch && event.target.type !== "file" && !event.target.closest("[data-people]")) changed(); });
field("from").addEventListener("change", looks);
form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  if (event.ctrlKey || event.metaKey) { event.preventDefault(); send(); }
  else if (event.target === field("subject")) { event.preventDefault(); toLetter(); }
});
const toLetter = () => (plainSwitch.checked || !(letter || instead) ? plainText.focus() : letter ? letter.focus("start") : instead.focus());

// ---------------------------------------------------------------- keeping

let { id, revision } = start;
let kept = ""; // the content that the server has, as JSON
let saved = ""; // since when, in words
let soon = 0;
let here = 0;
let failures = 0;
let under_way = null;
let ended = false; // sent or thrown away

let about_saving = false; // what the line above the fields says

const state = $("[data-state]");
const report = (words) => { if (state.textContent !== words) state.textContent = words; };
const copyName = () => `unsealed-draft ${root.dataset.owner} ${id || `new${location.search}`}`;
const store = (name, value) => { try { if (value) localStorage.setItem(name, value); else localStorage.removeItem(name); } catch { /* full or forbidden: the server keeps it */ } };
const stored = (name) => { try { return JSON.parse(localStorage.getItem(name)); } catch { return null; } };

const changed = () => {
  if (ended) return;
  clearTimeout(here);
  here = setTimeout(keepHere, 200);
  clearTimeout(soon);
  soon = setTimeout(save, PAUSE_MS);
  if (!failures) report("");
};
const keepHere = () => {
  clearTimeout(here);
  const now = collect();
  if (!ended && JSON.stringify(now) !== kept) store(copyName(), JSON.stringify({ at: Date.now(), revision, content: now }));
};
/** What changes the draft on the server, one after the other, in the order in which it was wanted. */
const inTurn = async (work) => {
  while (under_way) await under_way.catch(() => {});
  under_way = work();
  try { return await under_way; } finally { under_way = null; }
};
/** Keep the draft on the server; true when it has what stands here. */
const save = ({ always = false } = {}) => {
  clearTimeout(soon);
  return inTurn(async () => {
    if (ended) return false;
    if (JSON.stringify(collect()) !== kept || (always && !id)) return keep();
    report(saved);
    return true;
  });
};
const keep = async () => {
  const now = collect();
  report(say("Saving"));
  const { status, data } = id ? await ask("PUT", `/compose/${id}`, { revision, content: now }) : await ask("POST", "/compose", now);
  if (status === 200 || status === 201) {
    const before = copyName();
    failures = 0;
    revision = data.revision;
    kept = JSON.stringify(now);
    if (!id) {
      id = data.id;
      history.replaceState(null, "", `/compose/${id}`);
      store(before);
      for (const file of data.attachments || []) if (!file.inline) files.append(listed(file)); // a forwarded message brings its own
    }
    saved = say("Saved %(when)s", { when: clock() });
    const whole = JSON.stringify(collect()) === kept; // nothing was typed meanwhile
    if (whole) store(copyName());
    report(whole ? saved : "");
    if (about_saving) note("");
    if (whole) judge(data.check); // else what it says is old, and the next one comes
    return true;
  }
  keepHere();
  if (status === 409) conflict(data);
  else if (status === 0 || status === 401) {
    report(say("Not saved"));
    note(say("%(why)s Your text is kept in this browser and saved as soon as that is possible.", { why: data.error }), status === 401 ? [{ words: say("Sign in"), href: "/sign-in" }] : [], { saving: true });
    clearTimeout(soon);
    soon = setTimeout(save, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  } else {
    report(say("Not saved"));
    note(say("Not saved: %(why)s Your text is kept in this browser.", { why: data.error || say("the server refused it.") }), [], { saving: true });
    errors(data.fields || {}, true);
  }
  return false;
};
/** The draft's row, made when there is none yet: files and the message below need it. */
const there = async () => Boolean(id) || (await save({ always: true }) && Boolean(id));

addEventListener("online", save);
document.addEventListener("visibilitychange", () => { if (document.hidden) { keepHere(); save(); } });
addEventListener("pagehide", keepHere);
// Whoever leaves by a link leaves with everything kept.
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || link.target || !plain || ended || event.defaultPrevented || JSON.stringify(collect()) === kept || link.closest("[contenteditable]")) return;
  event.preventDefault();
  keepHere();
  await Promise.race([save(), new Promise((done) => setTimeout(done, PATIENCE_MS))]);
  location.href = link.href;
});

/** A line above the fields, with what can be done about it. saving: it goes when the draft is kept. */
const note = (words, acts = [], { saving = false } = {}) => {
  const bar = $("[data-note]");
  about_saving = saving;
  if ($("[data-note-words]").textContent === words) return;
  $("[data-note-words]").textContent = words;
  $("[data-note-acts]").replaceChildren(...acts.map(({ words: label, href, act }) => {
    const button = href ? make("a", { class: "button small", href, target: "_blank", rel: "noopener" }, label) : make("button", { class: "button small", type: "button" }, label);
    if (act) button.addEventListener("click", () => { note(""); act(); });
    return button;
  }));
  bar.hidden = !words;
};
const conflict = (theirs) => {
  report(say("Not saved"));
  if (!theirs.content) { // sent or discarded
    note(theirs.error, theirs.message ? [{ words: say("Show it"), href: `/message/${theirs.message}` }] : []);
    return;
  }
  note(say("This draft was changed in another window meanwhile. Which of the two shall stay?"), [
    { words: say("What stands here"), act: () => { revision = theirs.revision; save(); } },
    { words: say("What the other window has"), act: () => { store(copyName()); revision = theirs.revision; fill(theirs.content); kept = JSON.stringify(collect()); save(); check(); } },
  ]);
};
/** Letters made elsewhere hold more than can be edited. */
const looksKept = () => {
  if (!letter || plainSwitch.checked || letter.shows(letter.html)) return;
  note(say("This letter was made elsewhere and holds more than can be edited here. As it is, it is sent just as it was made; once you change its words, it is sent as it looks here."));
};
/** What only this browser has. */
const offer = () => {
  const found = stored(copyName());
  if (!found || JSON.stringify({ ...start.content, ...found.content }) === kept) { store(copyName()); return; }
  note(say("This browser holds a text of %(when)s that the server never got.", { when: clock(new Date(found.at)) }), [
    { words: say("Take it"), act: () => { fill({ ...start.content, ...found.content }); save(); } },
    { words: say("Throw it away"), act: () => store(copyName()) },
  ]);
};

$("[data-discard]").addEventListener("click", async () => {
  if (ended) return;
  ended = true;
  clearTimeout(soon);
  const { status, data } = await inTurn(async () => (id ? ask("POST", `/compose/${id}/discard`, {}) : { status: 200 }));
  if (status === 200) { store(copyName()); location.href = "/drafts?done=discarded"; return; }
  ended = false;
  note(say("It was not discarded. %(why)s", { why: data.error || say("Try again.") }));
});

// ---------------------------------------------------------------- what will be tracked, as the server says

const KINDS = [[say("Opens and clicks"), true, true], [say("Opens"), true, false], [say("Clicks"), false, true], [say("No tracking"), false, false]];
const SEEN = {
  opens: { full: say("Each recipient: when, on what and from which country."), identified: say("Each recipient: when; no device and no place.") },
  clicks: { full: say("Each recipient and link: when, on what and from which country."), identified: say("Each recipient and link: when; no device and no place.") },
};
const NONE = { errors: {}, warnings: [], opens: "off", clicks: "off", tracked: 0, left: 0, links: [], controls: { opens: { may: true, why: "" }, clicks: { may: true, why: "" } } };
const trackButton = $("[data-track]");
const trackMenu = $("[data-track-menu]");
let verdict = { ...NONE, ...start.check };
let leftSubject = false;
let tried = false; // to send: from then on everything that is missing is said

const check = async () => {
  const now = collect();
  const { status, data } = await ask("POST", "/compose/check", { content: now, ...(id ? { id } : {}) });
  if (status === 200 && JSON.stringify(collect()) === JSON.stringify(now)) judge(data.check); // what was changed meanwhile is judged when it is kept
};
const judge = (said) => {
  if (!said) return;
  verdict = { ...NONE, ...said };
  const { controls, links, tracked, left } = verdict;
  const opens = verdict.opens !== "off";
  const clicks = verdict.clicks !== "off";
  errors(verdict.errors, tried);
  warn();

  $("[data-track-words]").textContent = KINDS.find(([, one, other]) => one === opens && other === clicks)[0];
  $("use", trackButton).setAttribute("href", `${root.dataset.icons}#${opens || clicks ? "bell-on" : "bell-off"}`);
  const eye = $("[data-eye]");
  eye.setAttribute("aria-pressed", String(opens));
  eye.setAttribute("aria-disabled", String(!controls.opens.may));
  eye.title = controls.opens.why;
  $("use", eye).setAttribute("href", `${root.dataset.icons}#${opens ? "eye" : "eye-crossed"}`);
  $("[data-eye-words]").textContent = opens ? say("Opens on") : say("Opens off");
  const finger = $("[data-finger]");
  $("use", finger).setAttribute("href", `${root.dataset.icons}#${clicks ? "finger" : "finger-crossed"}`);
  $("[data-finger-words]").textContent = links.length ? plural("%(tracked)s of %(number)s link", "%(tracked)s of %(number)s links", tracked + left, { tracked }) : say("No links");

  $("[data-will-opens]").textContent = opens ? SEEN.opens[verdict.opens] || say("Each recipient: as allowed.") : controls.opens.why || say("Not in this letter.");
  $("[data-will-clicks]").textContent = clicks ? SEEN.clicks[verdict.clicks] || say("Each recipient and link: as allowed.") : controls.clicks.why || say("Not in this letter.");
  $("[data-will-count]").textContent = links.length ? say("%(tracked)s of %(all)s tracked", { tracked, all: tracked + left }) : "";
  $("[data-no-links]").hidden = Boolean(links.length);
  showLinks();
};
/** What to know before sending; of the subject not before somebody has passed it by. */
const warn = () => {
  const passed = tried || leftSubject || Boolean(plainText.value || wordsOf(collect().html));
  const told = verdict.warnings.filter(({ code }) => passed || code !== "no-subject");
  $("[data-warnings]").replaceChildren(...told.map(({ words }) => make("li", {}, icon("bounce"), make("span", {}, words))));
};
field("subject").addEventListener("blur", () => { leftSubject = true; warn(); });
const showLinks = () => {
  draw(verdict.links);
  letter?.judge(verdict.links.filter((each) => each.where === "body").map((each) => each.tracked));
};
const PLACES = { signature: say("In your signature."), quote: say("In the message below.") };
let drawn = ""; // the links that the list shows, as JSON
let drawing = 0;
const draw = async (links) => {
  const list = $("[data-links]");
  const mine = ++drawing;
  await released(list);
  if (mine !== drawing || JSON.stringify(links) === drawn) return;
  drawn = JSON.stringify(links);
  const focused = [...list.querySelectorAll("input")].indexOf(document.activeElement);
  let n = -1;
  list.replaceChildren(...links.map((link) => {
    const body = link.where === "body";
    const nth = body ? ++n : -1;
    const may = Boolean(link.may && body && letter);
    const box = make("input", { type: "checkbox", class: "box", checked: link.tracked, disabled: !may });
    box.addEventListener("change", () => {
      drawing++; // what was said before is old
      drawn = "";
      letter.track(nth, box.checked);
    });
    return make("li", {}, make("label", { class: may ? "choice" : "choice off" }, box,
      make("span", { class: "t one" }, link.text || link.url), make("span"),
      make("span", { class: "d one", title: link.url }, link.url.replace(/^https?:\/\//, "")),
      make("span", { class: "d" }, may && link.reason === "opt-out" ? say("Switched off by you.") : [PLACES[link.where], link.words].filter(Boolean).join(" "))));
  }));
  if (focused >= 0) list.querySelectorAll("input")[focused]?.focus();
};
const track = (opens, clicks) => {
  content = { ...content, opens, clicks };
  judge({ ...verdict, opens: opens ? (verdict.opens === "off" ? "full" : verdict.opens) : "off", clicks: clicks ? (verdict.clicks === "off" ? "full" : verdict.clicks) : "off" });
  changed();
};
$("[data-eye]").addEventListener("click", () => {
  if (!verdict.controls.opens.may) { note(say("Opens cannot be tracked: %(why)s", { why: verdict.controls.opens.why })); return; }
  track(verdict.opens === "off", verdict.clicks !== "off");
});

const openMenu = (wanted) => {
  trackMenu.hidden = !wanted;
  trackButton.setAttribute("aria-expanded", String(wanted));
  if (!wanted) return;
  const { controls } = verdict;
  const whys = new Set();
  trackMenu.replaceChildren(...KINDS.map(([words, opens, clicks]) => {
    const why = (opens && !controls.opens.may && controls.opens.why) || (clicks && !controls.clicks.may && controls.clicks.why) || "";
    whys.add(why);
    const set = opens === (verdict.opens !== "off") && clicks === (verdict.clicks !== "off");
    const item = make("button", { type: "button", class: why ? "choice off" : "choice", role: "menuitemradio", tabindex: "-1", "aria-checked": String(set), "aria-disabled": String(Boolean(why)) },
      make("span", { class: "radio" }), make("span", { class: "t" }, words), make("span"));
    const more = why ? say("not allowed: %(why)s", { why }) : !opens && !clicks && say("the letter leaves as you wrote it");
    if (more) item.append(make("span", { class: "d" }, more));
    item.addEventListener("click", () => { if (!why) { openMenu(false); trackButton.focus(); track(opens, clicks); } });
    return item;
  }));
  ($("[aria-checked=true]", trackMenu) || trackMenu.firstElementChild).focus();
};
trackButton.addEventListener("click", () => openMenu(trackMenu.hidden));
trackButton.addEventListener("keydown", (event) => { if (["ArrowDown", "ArrowUp"].includes(event.key)) { event.preventDefault(); openMenu(true); } });
trackMenu.addEventListener("keydown", (event) => {
  const items = [...trackMenu.children];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (to !== undefined) { event.preventDefault(); items[to % items.length].focus(); }
  else if (event.key === "Escape") { event.stopPropagation(); openMenu(false); trackButton.focus(); }
  else if (event.key === "Tab") openMenu(false);
});
document.addEventListener("click", (event) => { if (!event.target.closest(".drop-up")) openMenu(false); });

const finger = $("[data-finger]");
const will = $("#will");
const openLinks = (wanted, focus = false) => {
  will.hidden = !wanted;
  finger.setAttribute("aria-expanded", String(wanted));
  if (focus) (wanted ? field("will-title") : finger).focus();
};
finger.addEventListener("click", () => openLinks(will.hidden, true));
$("[data-will-close]").addEventListener("click", () => openLinks(false, true));
will.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); openLinks(false, true); } });

/** Words beside their fields. What is still empty is no fault before somebody tries to send. */
const errors = (found, every) => {
  for (const place of all("[data-wrong]")) {
    const name = place.dataset.wrong;
    const box = name === "html" ? field(plainSwitch.checked ? "plain" : "letter") : field(name);
    const words = (name && found[name]) || "";
    const shown = words && (every || (box?.value && document.activeElement !== box)) ? words : "";
    $("span", place).textContent = shown;
    place.hidden = !shown;
    if (!box) continue;
    box.toggleAttribute("aria-invalid", Boolean(shown));
    if (shown) { box.setAttribute("aria-invalid", "true"); box.setAttribute("aria-describedby", place.id); } else box.removeAttribute("aria-describedby");
    if (shown && ["cc", "bcc"].includes(name)) show(name);
  }
};
const atSend = (words) => {
  const place = $(".send [data-wrong]");
  $("span", place).textContent = words;
  place.hidden = !words;
};

// ---------------------------------------------------------------- links, templates

const linkDialog = $("[data-link-dialog]");
let linked = null; // what the dialog is about
const askLink = () => {
  linked = letter.link;
  field("link-address").value = linked.href;
  field("link-text").value = linked.text;
  $("[data-unlink]").hidden = !linked.mark;
  linkDialog.showModal();
};
$("form", linkDialog).addEventListener("submit", (event) => { // not at "close", which comes after the next key
  event.preventDefault();
  const typed = field("link-address").value.trim();
  const act = event.submitter?.value ?? "put";
  linkDialog.close();
  if (act === "off" || (act === "put" && !typed && linked.mark)) letter.putLink(linked, "", "");
  else if (act === "put" && typed) letter.putLink(linked, addressOf(typed), field("link-text").value.trim());
  else letter.focus();
});
const addressOf = (typed) => {
  if (/^[a-z][a-z0-9+.-]*:/i.test(typed) || /^(?:#|\{\{)/.test(typed)) return typed;
  return /^[^\s@/]+@[^\s@/]+$/.test(typed) ? `mailto:${typed}` : `https://${typed}`;
};

const templateDialog = $("[data-template-dialog]");
$("[data-tool=template]").addEventListener("click", async () => {
  const words = $("[data-template-words]");
  const list = $("[data-templates]");
  list.replaceChildren();
  words.textContent = say("Looking");
  templateDialog.showModal();
  const { status, data } = await ask("GET", "/compose/templates");
  const found = data.templates || [];
  words.textContent = status !== 200 ? data.error || say("The templates cannot be read now.") : found.length ? "" : say("There is no template yet.");
  list.replaceChildren(...found.map((each) => {
    const button = make("button", { type: "button", class: "button plain" }, icon("templates", "icon"), make("span", { class: "one" }, each.name));
    button.addEventListener("click", () => putTemplate(each));
    return make("li", {}, button);
  }));
  $("button", list)?.focus();
});
const empty = () => !plainSwitch.checked && letter && !letter.html;
let putting = false;
const putTemplate = async (each) => {
  if (putting) return;
  putting = true;
  const { status, data } = await filled(each, empty());
  putting = false;
  const alone = empty(); // still
  if (status !== 200) { $("[data-template-words]").textContent = data.error || say("This template cannot be put in now."); return; }
  templateDialog.close();
  if (!field("subject").value) field("subject").value = data.subject;
  if (plainSwitch.checked) plainText.value += make("div", {}, new DOMParser().parseFromString(data.html, "text/html").body).textContent.trim();
  else if (alone) { letter.html = data.html; letter.focus("end"); looksKept(); }
  else letter?.put(data.html);
  content = { ...content, template: { id: each.id, version: data.version } };
  if (alone) unnamed = data.missing.length && !people.to.first ? { each, html: letter.html, subject: field("subject").value } : null;
  changed();
};
/** The words of a template for whom the letter is for. What nobody knows is asked of who writes, unless it can wait for
 *  a recipient; what they leave empty stays a placeholder, which stops the sending. */
const filled = async (each, can_wait) => {
  const made = (values) => ask("POST", `/templates/${each.id}/fill`, { contact: people.to.first_written, from: field("from").value, values });
  const known = await made({});
  if (known.status !== 200 || !known.data.missing.length || (can_wait && !people.to.first)) return known;
  templateDialog.close();
  let values = {};
  for (let wrong = ""; ;) {
    values = await askValues(known.data.missing, values, wrong);
    if (!values) return known;
    const found = await made(values);
    if (found.status === 200) return found;
    wrong = found.data.error || say("It could not be filled in. Try again.");
  }
};
let unnamed = null; // a letter that is a template and nothing else, waiting for its recipient
const named = async () => {
  const { each, html, subject } = unnamed;
  unnamed = null;
  const own = () => letter.html !== html || field("subject").value !== subject; // the writer's, by now
  if (own()) return;
  const { status, data } = await filled(each, false);
  if (status !== 200 || own()) return;
  field("subject").value = data.subject;
  letter.html = data.html;
  looksKept();
  changed();
};
const valuesDialog = $("[data-values-dialog]");
/** Ask for the words of placeholders; null: they are left as they are. */
const askValues = (missing, before, wrong) => new Promise((answer) => {
  const whom = people.to.first;
  $("[data-values-words]").textContent = whom
    ? say("Not known of %(who)s. What stays empty here stays in the letter, to be filled in before it is sent.", { who: whom })
    : say("Not known. What stays empty here stays in the letter, to be filled in before it is sent.");
  $("[data-values-wrong] span").textContent = wrong;
  $("[data-values-wrong]").hidden = !wrong;
  const entries = missing.map((name, n) => make("div", { class: "entry" },
    make("label", { for: `value-${n}` }, `${name[0].toUpperCase()}${name.slice(1).replaceAll("_", " ")}`),
    make("span", { class: "field" }, make("input", { id: `value-${n}`, maxlength: "1000", autocomplete: "off", "data-name": name, value: String(before[name] ?? "") }))));
  $("[data-values]").replaceChildren(...entries);
  let given = null;
  $("form", valuesDialog).onsubmit = (event) => {
    event.preventDefault();
    const written = all("input", valuesDialog).map((each) => [each.dataset.name, each.value.trim()]).filter(([, value]) => value);
    given = written.length ? Object.fromEntries(written) : null;
    valuesDialog.close();
  };
  $("[data-values-later]").onclick = () => valuesDialog.close();
  valuesDialog.onclose = () => answer(given);
  valuesDialog.showModal();
  $("input", valuesDialog).focus();
});

// ---------------------------------------------------------------- files

const files = $("[data-files]");
let uploads = 0;
const listed = (file) => {
  const off = make("button", { type: "button", class: "button plain small square", "aria-label": say("Remove %(name)s", { name: file.name }) }, icon("close"));
  const row = make("li", {}, icon("clip", "icon"), make("a", { class: "one", href: file.address, target: "_blank", rel: "noopener" }, file.name), make("span", { class: "quiet" }, size(file.size)), off);
  off.addEventListener("click", async () => {
    off.disabled = true;
    const { status, data } = await inTurn(() => ask("POST", `/compose/${id}/attachments/${file.id}/remove`, {}));
    off.disabled = false;
    if (status !== 200) { note(data.error || say("It could not be removed.")); return; }
    row.remove();
    $("[data-attach]").focus();
    check();
  });
  return row;
};
/** Send one file; a picture goes into the text, where the cursor is now. */
const upload = async (file, picture) => {
  const inline = picture && letter && !plainSwitch.checked;
  const place = inline ? letter.place() : null;
  const bar = make("progress", { max: "1", value: 0, "aria-label": say("Sending %(name)s", { name: file.name }) });
  const row = make("li", {}, icon("clip", "icon"), make("span", { class: "one" }, file.name), bar, make("span", { class: "quiet" }, size(file.size)));
  files.append(row);
  uploads++;
  const refused = (words) => {
    uploads--;
    if (inline) letter.forget(place);
    const off = make("button", { type: "button", class: "button plain small square", "aria-label": say("Dismiss %(name)s", { name: file.name }) }, icon("close"));
    off.addEventListener("click", () => row.remove());
    row.replaceChildren(icon("bounce", "icon"), make("span", { role: "alert" }, `${file.name}: ${words}`), off);
  };
  if (!await there()) { refused(say("not sent, the server does not answer.")); return; }
  const request = new XMLHttpRequest(); // the only one that tells how far it is
  request.open("POST", `/compose/${id}/attachments?name=${encodeURIComponent(file.name)}&inline=${inline ? 1 : 0}`);
  request.setRequestHeader("X-CSRF-Token", csrf);
  request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
  request.setRequestHeader("Accept", "application/json");
  request.upload.onprogress = (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; };
  request.onerror = () => refused(say("not sent, the server does not answer."));
  request.onload = () => {
    let data = {};
    try { data = JSON.parse(request.responseText); } catch { /* a page, not words of ours */ }
    if (request.status !== 201) { refused(data.error || say("not taken.")); return; }
    uploads--;
    if (data.inline) {
      row.remove();
      letter.putPicture(place, { src: data.address, alt: data.name.replace(/\.[^.]*$/, "") });
    } else {
      if (inline) letter.forget(place);
      row.replaceWith(listed(data));
      check();
    }
  };
  request.send(file);
};
const pick = (input, picture) => input.addEventListener("change", () => {
  for (const file of input.files) upload(file, picture);
  input.value = "";
  if (picture) letter?.focus(); // to write on behind it
});
pick($("[data-file]"), false);
pick($("[data-picture]"), true);
$("[data-attach]").addEventListener("click", () => $("[data-file]").click());
$("[data-tool=image]").addEventListener("click", () => $("[data-picture]").click());
const carries = (event) => event.dataTransfer?.types.includes("Files");
form.addEventListener("dragover", (event) => { if (carries(event)) { event.preventDefault(); form.classList.add("over"); } });
form.addEventListener("dragleave", (event) => { if (!form.contains(event.relatedTarget)) form.classList.remove("over"); });
form.addEventListener("drop", (event) => {
  form.classList.remove("over");
  if (!carries(event) || event.defaultPrevented) return;
  event.preventDefault();
  for (const file of event.dataTransfer.files) upload(file, false);
});

// ---------------------------------------------------------------- sending, and taking it back

let sending = false;
const hand_in = async () => {
  const answer = await ask("POST", `/compose/${id}/send`, { revision });
  ended = answer.status === 200; // before anything else has its turn
  return answer;
};
const send = async () => {
  if (sending || ended) return;
  if (uploads) { atSend(say("A file is still on its way. Send again when it is there.")); return; }
  tried = true;
  warn();
  sending = true;
  atSend("");
  $("[data-send]").setAttribute("aria-busy", "true");
  for (const each of Object.values(people)) each.input.dispatchEvent(new Event("blur")); // what is half typed counts
  const saved = await save({ always: true });
  const { status, data } = saved ? await inTurn(hand_in) : { status: -1, data: {} };
  $("[data-send]").removeAttribute("aria-busy");
  sending = false;
  if (status === 200) leave(data);
  else if (status === 409) conflict(data);
  else if (status === -1) atSend(say("Not sent, because it could not be saved first."));
  else {
    const fields = data.fields || {};
    errors(fields, true);
    const [first] = Object.keys(fields);
    atSend(data.error || (first ? say("Not sent: %(why)s", { why: fields[first] }) : say("Not sent.")));
    field(first === "html" ? (plainSwitch.checked ? "plain" : "letter") : first)?.focus();
  }
};
$("[data-send]").addEventListener("click", send);

const leaving = $("[data-leaving]");
let ticking = 0;
const leave = ({ message, undo_s: wait }) => {
  store(copyName());
  const to = `/sent?m=${message}`;
  if (!wait) { location.href = to; return; }
  const until = performance.now() + wait * 1000;
  root.hidden = true;
  leaving.hidden = false;
  $("[data-go]").href = to;
  $("[data-leaving-title]").textContent = say("Sent in a moment");
  $("[data-leaving-letter]").textContent = say("%(subject)s, to %(who)s", { subject: field("subject").value || say("(no subject)"), who: people.to.words });
  $("[data-leaving-words]").textContent = plural("Your letter leaves in %(number)s second. Until then you can take it back.", "Your letter leaves in %(number)s seconds. Until then you can take it back.", wait);
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    $("[data-leaving-count]").textContent = left > 0 ? `${left} s` : "";
    if (left <= 0) { clearInterval(ticking); location.href = to; }
  };
  tick();
  ticking = setInterval(tick, 250);
  $("[data-undo]").focus();
};
let undoing = false;
const undo = async () => {
  if (undoing) return;
  undoing = true;
  clearInterval(ticking);
  const { status, data } = await ask("POST", `/compose/${id}/undo`, {});
  undoing = false;
  if (status !== 200) {
    const left = status !== 0 && status !== 401; // else nobody said so
    if (left) $("[data-leaving-title]").textContent = say("It has left");
    $("[data-leaving-words]").textContent = left ? say("It could not be taken back: the letter was handed on already.") : data.error;
    $("[data-leaving-count]").textContent = "";
    $("[data-undo]").hidden = left;
    $(left ? "[data-go]" : "[data-undo]").focus();
    return;
  }
  revision = data.revision ?? revision;
  ended = false;
  leaving.hidden = true;
  root.hidden = false;
  report(say("Taken back; nothing was sent"));
  if (JSON.stringify(collect()) !== kept) changed(); // typed while it was being sent
  toLetter();
};
$("[data-undo]").addEventListener("click", undo);
document.addEventListener("keydown", (event) => { if (!leaving.hidden && event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); undo(); } });

// ---------------------------------------------------------------- begin

const withoutEditor = () => {
  plainSwitch.checked = true;
  plainSwitch.disabled = true;
  plainText.value ||= wordsOf(content.html);
  looks();
  if ($("[data-note]").hidden) note(say("The editor is not installed, so letters are plain text here. Run “make install”, which fetches it, and start Unsealed again."));
};
fill(start.content);
kept = JSON.stringify(collect());
for (const each of [...Object.values(people).map(({ input }) => input), field("subject")]) each.readOnly = false;
if (!instead) withoutEditor();
for (const file of start.attachments) if (!file.inline) files.append(listed(file));
const room = matchMedia("(width >= 80rem)"); // beside the letter; elsewhere the list takes its place
room.addEventListener("change", () => openLinks(room.matches));
openLinks(room.matches);
if (start.check) judge(start.check); else check();
offer();
if (form.contains(document.activeElement)) { /* somebody was quicker */ }
else if (!people.to.value) field("to").focus(); else if (!field("subject").value) field("subject").focus(); else toLetter();

// ---------------------------------------------------------------- the editor

/** Resolves when the editor is wanted: the page is there, or somebody has turned to the letter. */
const wanted = () => new Promise((done) => {
  instead.addEventListener("focus", done);
  requestAnimationFrame(() => setTimeout(() => (globalThis.requestIdleCallback ? requestIdleCallback(done, { timeout: UNSEEN_MS }) : done())));
  setTimeout(done, UNSEEN_MS);
});
/** Put the editor in the place of the plain field, with what was typed there, and where it was being typed. */
const arrive = async () => {
  let composing = null; // a word that an input method puts together stays whole
  instead.addEventListener("compositionstart", () => { composing = new Promise((done) => { instead.addEventListener("compositionend", () => setTimeout(done), { once: true }); }); });
  if (document.activeElement !== instead) await wanted();
  const [kit, { Letter }] = await Promise.all([import(root.dataset.editor), import(root.dataset.letterModule)]).catch(() => [null, {}]);
  await composing;
  const focused = document.activeElement === instead;
  const typed = instead.readOnly ? "" : instead.value;
  if (kit) {
    letter = new Letter(kit, {
      place: $("[data-letter]"), tools: $("[data-tools]"), swatches: $("[data-swatches]"), content: content.html, typed, chosen: [instead.selectionStart, instead.selectionEnd],
      changed: () => changed(), files: (files) => files.forEach((file) => upload(file, file.type.startsWith("image/"))), askLink: () => askLink(),
    });
  } else content = { ...content, html: collect().html };
  instead.remove();
  instead = null;
  $("[data-tools]").inert = plainSwitch.disabled = false;
  if (!letter) withoutEditor();
  if (!letter && typed) changed();
  if (focused) { if (letter) letter.focus(); else plainText.focus(); }
  if (!letter) return;
  drawn = ""; // its links can be switched now
  showLinks();
  if ($("[data-note]").hidden) looksKept();
  if (!start.id && start.content.template && content.template === start.content.template) {
    unnamed = { each: content.template, html: start.content.html, subject: start.content.subject };
    if (people.to.first) named();
  }
};
if (instead) arrive();
