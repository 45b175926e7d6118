// The offline page: the last notices that this browser was told, with their age. Nothing is asked of anybody.
"use strict";
(async () => {
  const { say, plural, locale, hour12 } = globalThis.texts;
  const kept = await (await caches.open("unsealed-told")).match("/notices/last").catch(() => null);
  const told = kept ? await kept.json() : [];
  if (!told.length) return;
  const age = (at) => { const hours = Math.round((Date.now() - at) / 3600000); return hours < 1 ? say("less than an hour old") : hours < 48 ? say("%(hours)s h old", { hours }) : plural("%(number)s day old", "%(number)s days old", Math.round(hours / 24)); };
  const list = document.querySelector("[data-last-list]");
  for (const each of told) {
    const line = document.createElement("li");
    const words = document.createElement("div");
    const title = document.createElement("b");
    title.textContent = each.title;
    const body = document.createElement("span");
    body.className = "quiet small";
    const when = new Date(each.at).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short", hour12 });
    body.textContent = [...each.body.split("\n").filter(Boolean), when].join(", ");
    words.append(title, document.createElement("br"), body);
    line.append(words);
    list.append(line);
  }
  document.querySelector("[data-last-age]").textContent = age(told[0].at);
  document.querySelector("[data-last]").hidden = false;
})();
