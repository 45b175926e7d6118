// The service worker: shows push messages, answers their buttons, and has a page for being offline. Every page works
// without it. FILES and SAID stand in front of this file: what is kept for being offline, and the words in the language of the reader.
"use strict";
const SHELL = "unsealed-shell";
const TOLD = "unsealed-told"; // the last notices, for the offline page; emptied when somebody signs out
const KEPT = 20;

self.addEventListener("install", (event) => event.waitUntil((async () => {
  await caches.delete(SHELL);
  await (await caches.open(SHELL)).addAll(FILES);
  await self.skipWaiting();
})()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const asked = new URL(event.request.url);
  if (event.request.mode === "navigate" && event.request.method === "GET") {
    event.respondWith(fetch(event.request).catch(async () => (await caches.match("/offline")) || Response.error()));
  } else if (FILES.includes(asked.pathname)) {
    event.respondWith(fetch(event.request).catch(async () => (await caches.match(asked.pathname)) || Response.error()));
  }
});

// ---------------------------------------------------------------- push
const remember = (one) => navigator.locks.request(TOLD, async () => { // two may come at once, and open pages write there too
  const cache = await caches.open(TOLD);
  const kept = await cache.match("/notices/last");
  const told = [{ ...one, at: Date.now() }, ...(kept ? await kept.json() : []).filter((each) => each.tag !== one.tag)];
  await cache.put("/notices/last", new Response(JSON.stringify(told.slice(0, KEPT))));
});
const badge = async () => {
  const number = (await self.registration.getNotifications()).length;
  try { await (number ? self.navigator.setAppBadge(number) : self.navigator.clearAppBadge()); } catch { /* no badges here */ }
};
const show = async (said) => {
  const { title, body, tag, silent, data } = said;
  const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  await remember({ title, body, tag, path: data.path });
  if (data.page && open.some((each) => each.visibilityState === "visible")) return; // the page shows it
  const buttons = [{ action: "open", title: SAID.open }, ...(data.message ? [{ action: "mute", title: SAID.mute }] : [])];
  await self.registration.showNotification(title, { body, tag, silent: Boolean(silent), renotify: !silent, data, icon: data.icon, actions: buttons });
  await badge();
};
self.addEventListener("push", (event) => {
  let said;
  try { said = event.data.json().notification; } catch { said = null; }
  if (!said?.title) said = { title: "Unsealed", body: SAID.something, tag: "unsealed", data: { path: "/sent" } };
  event.waitUntil(show(said));
});

const mute = async (message) => {
  const { csrf } = await (await fetch("/notices/new", { credentials: "same-origin" })).json();
  const form = new URLSearchParams({ csrf, scope: "message", of: message, silent: "1" });
  const answer = await fetch("/silence", { method: "POST", body: form, credentials: "same-origin", headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
};
const visit = async (path) => {
  const address = new URL(path, self.location.origin).href;
  const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const here = open.find((each) => new URL(each.url).origin === self.location.origin);
  try { if (here) { await here.focus(); await here.navigate(address); return; } } catch { /* not ours to lead */ }
  await self.clients.openWindow(address);
};
self.addEventListener("notificationclick", (event) => {
  const { path = "/sent", message } = event.notification.data || {};
  event.notification.close();
  event.waitUntil((async () => {
    if (event.action === "mute" && message) { try { await mute(message); } catch { await visit(path); } } else await visit(path);
    await badge();
  })());
});
self.addEventListener("notificationclose", (event) => event.waitUntil(badge()));

// The browser changed its address at the push service: tell ours, or nothing arrives any more.
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil((async () => {
  const { csrf, push } = await (await fetch("/notices/new", { credentials: "same-origin" })).json();
  const options = event.oldSubscription?.options || { userVisibleOnly: true, applicationServerKey: push }; // not every browser says what is gone
  const fresh = (event.newSubscription || await self.registration.pushManager.subscribe(options)).toJSON();
  const form = new URLSearchParams({ csrf, address: fresh.endpoint, key: fresh.keys.p256dh, auth: fresh.keys.auth });
  await fetch("/settings/notifications/devices", { method: "POST", body: form, credentials: "same-origin" });
})()));
