// The browser's zone and clock, told to the server in a cookie, so that it words times as the reader counts them. The pages
// for signing in tell it too: the first page behind them is worded right, and notices have times from the start.
"use strict";
(() => {
  const { timeZone, hour12 } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();
  const told = encodeURIComponent(`${timeZone || "UTC"}~${-new Date().getTimezoneOffset()}~${hour12 ? 12 : 24}`);
  const known = (document.cookie.match(/(?:^|; )zone=([^;]*)/) || [])[1];
  globalThis.wordedElsewhere = told !== (known || "UTC~0~24"); // the page has the times of another zone
  if (told === known) return;
  const https = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `zone=${told}; Path=/; Max-Age=31536000; SameSite=Lax${https}`;
})();
