// What somebody is doing with the page just now. What changes by itself asks here first, so that nothing is taken from
// under a hand: a button between press and release, a menu that is open, the page that is being left.
"use strict";
globalThis.hand = (() => {
  const LEAVING_MS = 10000; // a way to another page that takes longer was none: it led to a file, or was given up
  const LETTING_GO = ["pointerup", "pointercancel", "dragend", "keyup", "toggle", "close"];

  let left = -LEAVING_MS;
  addEventListener("beforeunload", () => { left = performance.now(); });
  addEventListener("pageshow", () => { left = -LEAVING_MS; });
  /** Whether somebody is on the way to another page. */
  const leaving = () => performance.now() - left < LEAVING_MS;

  /** Whether somebody presses in this part of the page, or has a menu of it open. */
  const holds = (part) => part.isConnected && (part.matches(":active") || part.querySelector("details.drop[open], dialog[open]") !== null);
  let waiting = [];
  const look = () => { const all = waiting; waiting = []; for (const done of all) done(); };
  for (const name of LETTING_GO) addEventListener(name, () => setTimeout(look), true); // behind the click that it makes
  /** Resolves when nobody holds it any more. */
  const released = async (part) => { while (holds(part)) await new Promise((done) => { waiting.push(done); }); };

  // A form goes out once, however often its button is pressed before the answer comes.
  let sent = new WeakMap();
  addEventListener("pageshow", () => { sent = new WeakMap(); });
  addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (event.defaultPrevented || form.method !== "post" || (submitter?.formTarget || form.target)) return;
    const pressed = submitter || form;
    if (performance.now() - sent.get(pressed) < LEAVING_MS) event.preventDefault(); else sent.set(pressed, performance.now());
  });

  return { leaving, holds, released };
})();
