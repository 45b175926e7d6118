"""What others write stays text. Hostile words in everything that comes from outside or is typed, through one real
installation: every page is opened in Chromium, a notice is shown, every export is read, and nothing runs.

Three things would show it: `ran()`, which every piece of hostile markup calls; an element <xss-mark>; and a sum that
only a template engine would work out. The policy of the pages is the second wall, so a report of it is a failure too.
"""

from __future__ import annotations

import csv
import http.client
import io
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.header import Header
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from tests.mailbox_server import PASSWORD as MAILBOX_PASSWORD
from tests.mailbox_server import MailboxServer
from tests.patience import PATIENCE_S
from tests.walks.places import crawl, places
from tests.walks.test_reply_walk import _watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

SENDER, PASSWORD = "mara@tidewater.example", "correct horse battery"
INES = "ines@harbourline.example"
# What an address may hold without quotes; begins as a formula does.
ODD = "=1+1|cmd'{{1337*1337}}`ran`@harbourline.example"
SUM = "1787569"
CHAT = "slack://AAAAAAAAA/BBBBBBBBB/cccccccccccccccccccccccc"
NUMBER = re.compile(r"[+-]?[0-9.]+")
FORMULA = "=1337*1337+cmd|'/c calc'!A0"
TURNED = "\u202efdp.exe\u2066\u200f"  # words that turn the text behind them round
LONG = "W" * 10_000  # one word of 10 kB
HALF = "\ud83d"  # half a character: JSON and percent signs can carry it, UTF-8 cannot

MARKUP = (
    "\"'></title></textarea></script></style></select><xss-mark></xss-mark><img src=x onerror=ran()>"
    "<script>ran()</script>{{1337*1337}}${1337*1337}"
)
TEXTS = {
    "subject": f"{FORMULA} {MARKUP} {TURNED}",
    "name": f"@SUM(1){TURNED} {MARKUP}",
    "agent": f"Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0 {MARKUP}",
    "script": "javascript:ran()",
    "data": "data:text/html,<script>ran()</script>",
}
LINKS = (
    f'<a href="https://tidewater.example/{quote(MARKUP)}?a=1&amp;b={quote(FORMULA)}">{{}}</a>'
    f'<a href="{TEXTS["script"]}">{{}}</a> <a href="{TEXTS["data"]}">{{}}</a>'
    '<a href="https://tidewater.example/a">=cmd</a><a href=" java\nscript:ran()">x</a>'
)
WALL = re.compile(r"Blocked (?:script execution|autofocusing)\b.*\bframe is sandboxed")
LETTER = (
    "<html><body><xss-mark></xss-mark><script>ran()</script><svg onload=ran()></svg><iframe srcdoc='<script>parent."
    "ran()</script>'></iframe><form action='javascript:ran()'><input autofocus onfocus=ran()></form>"
    "<p style='background:url(https://evil.example/a.png)' onmouseover=ran()>Text</p>{links}"
    "<meta http-equiv=refresh content='0;url=javascript:ran()'><base href='https://evil.example/'>"
    "<img src='https://evil.example/b.png' onerror=ran() onload=ran()></body></html>"
)

# Before all scripts of a page: what hostile markup calls, and what the policy reports.
WATCH = """(() => {
  window.ran = () => { window.hasRun = true; console.error("hostile text ran"); };
  addEventListener("securitypolicyviolation", it => console.error(`policy: ${it.violatedDirective} ${it.blockedURI}`));
})()"""
# What there is of our own page, its frames apart.
LOOK = """() => {
  const shown = (found) => found.map((each) => each.outerHTML.slice(0, 200));
  const leading = ["href", "src", "action", "formaction", "data"];
  const all = [...document.querySelectorAll("*")];
  return {
    ran: window.hasRun === true,
    marks: shown([...document.querySelectorAll("xss-mark")]),
    handlers: shown(all.filter((each) => each.getAttributeNames().some((name) => /^on/i.test(name)))),
    leads: all.flatMap((each) => leading.map((name) => each.getAttribute(name) || "")).filter((it) => /^[\\s\\0-\\x20]*(javascript|vbscript|data):/i.test(it)),
    strange: shown([...document.querySelectorAll("script:not([src]), style, base, object, embed, meta[http-equiv]")]),
    words: `${document.title} ${document.body.innerText}`,
    links: [...document.querySelectorAll("a[href]")].map((each) => each.href),
    beside: [document.documentElement, ...document.querySelectorAll("main, .pane")].filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.className),
  };
}"""  # noqa: E501 - no Python

pytestmark = pytest.mark.walk


def encoded(words: str) -> str:
    return Header(words, "utf-8", maxlinelen=900).encode(linesep="\r\n")


def letter(subject: str, to: str, *more: str, html: str = LETTER, links: str = "") -> bytes:
    """A message by a mail program, hostile from head to foot."""
    name = encoded(TEXTS["name"])
    body = html.replace("{links}", links)
    return "\r\n".join(
        (
            f"From: {name} <{SENDER}>",
            f"To: {to}",
            f"Subject: {encoded(subject)}",
            *more,
            "MIME-Version: 1.0",
            'Content-Type: multipart/mixed; boundary="b"',
            "",
            "--b",
            "Content-Type: text/html; charset=utf-8",
            "",
            body.replace("\n", "\r\n"),
            "--b",
            f"Content-Type: text/html; name*=utf-8''{quote(MARKUP)}",
            f"Content-Disposition: attachment; filename*=utf-8''{quote(MARKUP + '.html')}",
            "",
            "<script>ran()</script>",
            "--b--",
            "",
        )
    ).encode()


def answer(number: int, *more: str) -> bytes:
    return "\r\n".join(
        (
            f"From: {encoded(TEXTS['name'])} <{INES}>",
            f"To: {SENDER}",
            f"Subject: {encoded('Re: ' + MARKUP)}",
            f"Message-ID: <{number}'onload=ran()@harbourline.example>",
            "In-Reply-To: <1@tidewater.example>",
            *more,
            "",
            MARKUP,
            "",
        )
    ).encode()


@dataclass
class Desk:
    """A browser that is signed in, says hostile things of itself, and remembers what went wrong on its pages."""

    web: str
    page: Page
    troubles: list[str] = field(default_factory=list)
    csrf: str = ""

    def refuse(self, dialog: Dialog) -> None:
        self.troubles.append(f"a dialog: {dialog.message}")
        dialog.dismiss()  # else the page would wait for an answer, and we without end for the page

    def note(self, said: str) -> None:
        """A letter may hold scripts; the frame that it stands in runs none, and the browser says so."""
        if not WALL.match(said):
            self.troubles.append(said)

    def sign_in(self) -> None:
        self.page.goto(f"{self.web}/sign-in?next=/settings/access")
        self.page.get_by_label("E-mail address").fill(SENDER)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.web}/settings/access")
        self.csrf = self.page.locator("input[name=csrf]").first.get_attribute("value") or ""

    def put(self, path: str, status: int = 303, /, **fields: str) -> str:
        """Fill in a form; where it leads."""
        headers = {"Origin": self.web}
        given: Any = {"csrf": self.csrf, **fields}
        got = self.page.request.post(f"{self.web}{path}", form=given, headers=headers, max_redirects=0)
        assert status == got.status, (path, got.status, re.findall(r"(?s)says wrong.*?</p>", got.text()))
        return got.headers.get("location", "")

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """As the scripts of our pages do."""
        headers = {"X-CSRF-Token": self.csrf, "Origin": self.web, "Accept": "application/json"}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        given = None if body is None else json.dumps(body)
        got = self.page.request.fetch(f"{self.web}{path}", method=method, data=given, headers=headers)
        assert got.ok, (path, got.status, got.text()[:2000])
        return got.json()

    def look(self, url: str) -> list[str]:
        """Open a page; where it leads on."""
        before = len(self.troubles)
        self.page.goto(url)
        found = self.page.evaluate(LOOK)
        wrong = {
            name: found[name] for name in ("ran", "marks", "handlers", "leads", "strange", "beside") if found[name]
        }
        assert {} == wrong, url
        assert SUM not in found["words"], url
        assert not set(TURNED[:1] + "\u2066") & set(found["words"]), f"{url} turns its text round"
        assert [] == self.troubles[before:], url
        # To load the pictures that a letter names is for the reader to say.
        return [each for each in found["links"] if "pictures=on" not in each]


@pytest.fixture
def desk(installation: Any, chromium: Browser) -> Iterator[Desk]:
    context = chromium.new_context(user_agent=f"Mozilla/5.0 {MARKUP}", viewport={"width": 1280, "height": 800})
    context.add_init_script(WATCH)
    made = Desk(f"http://127.0.0.1:{installation.web}", context.new_page())
    context.on("weberror", lambda error: made.troubles.append(str(error.error)))
    context.on("dialog", made.refuse)
    context.on("page", lambda opened: made.troubles.append(f"a window: {opened.url}"))
    context.on("console", lambda said: made.note(said.text) if said.type in ("error", "warning") else None)
    context.on(
        "request",
        lambda asked: made.troubles.append(f"asked {asked.url}") if "evil" in urlsplit(asked.url).netloc else None,
    )
    yield made
    context.close()


def test_nothing_that_others_write_runs(
    installation: Any, mailbox_server: MailboxServer, sink: Any, desk: Desk, until: Callable[..., Any]
) -> None:
    secret, token = installation.add(SENDER, PASSWORD)
    installation.start()
    desk.sign_in()

    def ask(path: str, *, whole: bool = False) -> Any:
        got = installation.get(installation.web, f"/api/v1{path}", Authorization=f"Bearer {token}")
        return got if whole else got.json

    fill(desk)
    told(installation, desk, submit(installation, desk, secret, ask, until))
    noted(desk)
    halved(installation, desk, token)
    posted(installation, desk, until)
    answered(installation, desk, mailbox_server, ask, until)
    bounced(installation, desk, sink, secret, ask, until)
    live(desk, ask)

    thread = f"/thread/{ask('/messages')['messages'][-1]['id']}"
    seen = crawl(desk.web, [thread, "/activity?machine=1", f"/sent?q={quote(MARKUP)}"], desk.look, most=1)
    missing = {each.path for each in places() if each.is_page} - seen - ELSEWHERE
    assert set() == missing
    assert [] == desk.troubles
    exports(desk, ask)
    desk.page.goto("about:blank")  # else it would call the server that is gone an error
    installation.stop()


# Pages of people who are not signed in, and one that a worker keeps; all of them show nothing that others wrote.
ELSEWHERE = {"/sign-in", "/welcome/{secret}", "/settings/{part:path}", "/offline", "/", "/settings"}


def fill(desk: Desk) -> None:
    """Everything that can be typed."""
    name, web = TEXTS["name"], "/settings"
    pasted = LETTER.replace("{links}", LINKS.format(MARKUP, MARKUP, MARKUP))
    words = {"name": f"{MARKUP[:25]}<xss-mark>", "subject": f"{{{{who}}}} {FORMULA}", "html": "<p>{{who}} {links}</p>"}
    hop = dict.fromkeys(("host", "port", "tls", "auth", "user"), MARKUP)
    desk.put(f"{web}/access/app-passwords", 200, label=MARKUP)
    desk.put(f"{web}/access/api-tokens", 200, label=TEXTS["subject"])
    desk.put(
        f"{web}/identities/describe", address=SENDER, name=f"\0{name[:79]}", signature=f"{MARKUP}\n{FORMULA}{TURNED}"
    )
    desk.put(f"{web}/people", 200, email=f"{ODD.partition('@')[0]}@tidewater.example", role="admin")
    desk.put(f"{web}/tracking/exclude", 422, kind="recipients", name=MARKUP, what="both")
    desk.put(f"{web}/tracking/exclude", kind="recipients", name="{{1337*1337}}'`@x.example", what="both")
    desk.put(f"{web}/tracking/exclude", 422, kind="links", name=MARKUP)
    desk.put(f"{web}/sending", 422, whose="own", **hop)
    desk.put(f"{web}/mailbox", 422, **hop)
    desk.put(f"{web}/notifications/chats", name=MARKUP, address=CHAT)
    desk.put("/templates", **words)
    desk.put("/templates", 422, name=MARKUP * 30, subject=MARKUP, html="{{=<xss-mark>}} {{a b}}")
    desk.put("/templates", name=f"+1{FORMULA}", subject=LONG[:250], html=f"<p>{LONG}")
    desk.put("/paste", html=pasted, to=INES, subject=MARKUP)
    desk.put("/reports/team", allowed="people")
    desk.ask("POST", "/compose", {"from": SENDER, "to": f"{MARKUP} <{ODD}>", "subject": MARKUP, "html": LETTER})


def submit(installation: Any, desk: Desk, secret: str, ask: Any, until: Callable[..., Any]) -> dict[str, str]:
    """A letter by a mail program, with hostile text wherever one fits; path of the pixel and of a link of one copy."""
    words = encoded(MARKUP)
    more = (
        "Message-ID: <1@tidewater.example>",
        f"Cc: {words} <{ODD}>",
        f"X-PM-Tag: {words}",
        f"X-PM-Metadata-{MARKUP.partition(' ')[0][:20].replace(':', '')}: {words}",
        f"X-Unsealed-Copies: {MARKUP[:60]}",
        "X-Unsealed-Hidden-Link: on",
    )
    links = LINKS.format(*(MARKUP.replace("<xss-mark></xss-mark>", f"&lt;xss-mark&gt;{FORMULA}") for _ in range(3)))
    raw = letter(TEXTS["subject"], f"{encoded(TEXTS['name'])} <{INES}>", *more, links=links)
    assert {} == installation.send(SENDER, secret, SENDER, [INES, ODD], raw)
    assert ask("/messages")["messages"][0]["subject"].startswith(FORMULA)

    def copies() -> list[str]:
        html = desk.page.request.get(f"{desk.web}/sandbox").text()
        ids: list[str] = re.findall(r'class="row" href="/sandbox/(\w+)"', html)
        return ids if len(ids) == 2 else []

    raw = desk.page.request.get(f"{desk.web}/sandbox/{until(copies, 'two copies')[0]}/source.eml").body()
    parts = [part for part in message_from_bytes(raw).walk() if not part.is_multipart()]
    page = b"".join(part.get_payload(decode=True) or b"" for part in parts)  # type: ignore[misc]
    found = {what: re.search(rb"http://127\.0\.0\.1:\d+(/%b/[A-Za-z0-9_.-]+)" % what.encode(), page) for what in "oc"}
    assert all(found.values()), page
    return {what: match[1].decode() for what, match in found.items() if match}


def told(installation: Any, desk: Desk, readers: dict[str, str]) -> None:
    """Somebody reads, and a page that stands open says so."""
    desk.page.goto(f"{desk.web}/sent")
    desk.page.get_by_text("Live", exact=True).first.wait_for()
    for what in "oc":
        load(installation, readers[what])
    desk.page.locator(".toast").first.wait_for()
    assert "<xss-mark>" in desk.page.locator(".toast").first.inner_text()
    assert 0 == desk.page.locator("xss-mark").count()


def load(installation: Any, path: str) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", installation.track, timeout=PATIENCE_S)) as connection:
        headers = {
            "User-Agent": TEXTS["agent"],
            "Accept-Language": f"en;{MARKUP}",
            "Referer": f"https://evil.example/{MARKUP}",
            "X-Forwarded-For": f"{MARKUP}, 203.0.113.21",
        }
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().status in (200, 302)


def noted(desk: Desk) -> None:
    """What is kept of a contact, and where else somebody stands."""
    here = f"/contacts/{INES}"
    desk.put(here, what="notes", notes=f"\0{FORMULA}\n{MARKUP}{TURNED}\n{LONG[:1000]}")
    desk.put(here, 422, what="notes", notes=LONG * 3)
    desk.put(here, 422, what="records", name0="CRM", value0=TEXTS["script"])
    records = {"name0": MARKUP[:30], "value0": f"https://crm.example/{quote(MARKUP)[:150]}"}
    records |= {"name1": FORMULA[:30], "value1": f"-1{MARKUP[:100]}", "name2": "@x", "value2": LONG[:150]}
    desk.put(here, what="records", **records)


def halved(installation: Any, desk: Desk, token: str) -> None:
    """Halves of characters, NUL and octets of no text, through each kind of door: mended or refused, never a fault."""
    page = desk.page
    letter = {"from": SENDER, "to": INES, "subject": f"{HALF}\0{TURNED}", "html": f"<p>{HALF}\0</p>"}
    headers = {"X-CSRF-Token": desk.csrf, "Origin": desk.web, "Content-Type": "application/json"}
    got = page.request.post(f"{desk.web}/compose", data=json.dumps(letter), headers=headers)
    assert got.status in (201, 400, 422), got.text()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    got = page.request.put(f"{desk.web}/api/v1/contacts/{INES}", data=json.dumps({"notes": HALF}), headers=headers)
    assert got.status < 500, got.text()
    form = urlencode({"csrf": desk.csrf, "html": "<p>x</p>", "to": ""}) + "&subject=%ED%A0%BD%00%FF"
    headers = {"Origin": desk.web, "Content-Type": "application/x-www-form-urlencoded"}
    assert 500 > page.request.post(f"{desk.web}/paste", data=form, headers=headers, max_redirects=0).status
    for query in ("%ED%A0%BD", "%00", "%FF", quote(TURNED), LONG[:2000]):
        desk.look(f"{desk.web}/sent?q={query}")
        desk.look(f"{desk.web}/contacts?q={query}")
    with socket.create_connection(("127.0.0.1", installation.track), timeout=PATIENCE_S) as line:
        line.sendall(
            b"GET /nothing HTTP/1.1\r\nHost: x\r\nUser-Agent: \xed\xa0\xbd\xff\x1b[2J\r\nConnection: close\r\n\r\n"
        )
        assert line.recv(9).startswith(b"HTTP/1.1 ")


def posted(installation: Any, desk: Desk, until: Callable[..., Any]) -> None:
    """The daily letter, which comes as soon as the server looks: words of others are its text, and no head of it."""
    desk.page.goto(f"{desk.web}/settings/notifications")
    desk.page.get_by_label("One letter a day").check()
    desk.page.get_by_label("daily letter at").fill("00:00")
    desk.page.get_by_role("button", name="Save").click()
    desk.page.get_by_text("Saved.", exact=True).wait_for()
    desk.page.goto("about:blank")  # else it would call the server that is away an error
    installation.stop()
    installation.start()

    def letters() -> list[Any]:
        html = desk.page.request.get(f"{desk.web}/sandbox").text()
        ids = re.findall(r'class="row" href="/sandbox/(\w+)"', html)
        raw = [desk.page.request.get(f"{desk.web}/sandbox/{id}/source.eml").body() for id in ids]
        found = [message_from_bytes(each, policy=policy.default) for each in raw]
        return [each for each in found if str(each["Subject"]).startswith("Your mail")]

    [digest] = until(letters, "the daily letter")
    assert ("text/plain", SENDER) == (digest.get_content_type(), digest["To"].strip("<>"))
    assert "xss-mark" in digest.get_content()
    assert [] == [line for line in digest.get_content().splitlines() if not line.isprintable()]


def answered(installation: Any, desk: Desk, server: MailboxServer, ask: Any, until: Callable[..., Any]) -> None:
    """Somebody answers, a machine answers, and a report comes back."""
    fields = {"host": "127.0.0.1", "port": str(server.port), "tls": "none", "user": SENDER}
    desk.put("/settings/mailbox", **fields, auth="password", password=MAILBOX_PASSWORD)
    until(lambda: _watched(installation) == 2, "both folders have their place")
    report = (
        f"From: {encoded(MARKUP)} <MAILER-DAEMON@mx.example>\r\nTo: {SENDER}\r\nSubject: {encoded(MARKUP)}\r\n"
        "Message-ID: <b@mx.example>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {MARKUP}\r\n\r\n"
        f"Final-Recipient: rfc822; {ODD}\r\nAction: failed\r\nStatus: 5.2.2\r\n"
        f"Diagnostic-Code: smtp; 552 5.2.2 {MARKUP}\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <1@tidewater.example>\r\n\r\n--b--\r\n"
    ).encode()
    server.put(SENDER, answer(1), answer(2, "Auto-Submitted: auto-replied"), report)
    until(lambda: ask("/activity?show=replies")["happenings"], "the answer was found")


def bounced(installation: Any, desk: Desk, sink: Any, secret: str, ask: Any, until: Callable[..., Any]) -> None:
    """A next hop that says hostile things: in its dialogue, and when it refuses."""

    async def refuse(server: object, session: Any, envelope: Any, address: str, options: object) -> str:
        return f"550 5.1.1 {MARKUP}"

    sink.handle_RCPT = refuse
    desk.put("/settings/sending", whose="own", host="127.0.0.1", port=str(sink.port), tls="none", auth="password")
    installation.send(SENDER, secret, SENDER, [INES], letter(f"{MARKUP} {LONG}", INES))
    until(lambda: "bounced" in {each["state"] for each in ask("/messages")["messages"]}, "refused")


def live(desk: Desk, ask: Any) -> None:
    """What scripts put into pages: what is chosen from lists, and a letter that answers the hostile one."""
    page = desk.page
    page.goto(f"{desk.web}/sent")
    page.locator("#rows .row").first.click()
    page.locator("#detail h1").wait_for()
    page.keyboard.press("Control+k")
    page.locator("[data-palette] [role=option]").first.wait_for()
    page.goto(f"{desk.web}/compose")
    page.locator("#letter").wait_for()
    page.locator("#to").press_sequentially("ines")
    page.locator("#to-list [role=option]").first.wait_for()
    page.locator("#to").press("Enter")
    page.get_by_role("button", name="Template").click()
    page.locator("[data-templates] button").first.wait_for()
    newest = ask("/messages")["messages"][-1]["id"]
    for how in ("reply", "forward"):
        page.goto(f"{desk.web}/compose?{how}={newest}")
        page.locator("#letter").wait_for()
        page.locator("[data-quote] summary").click()
        page.frame_locator("[data-quote] iframe").locator("body").wait_for()
    drafts = desk.look(f"{desk.web}/drafts")
    draft = next(each for each in drafts if "/compose/" in each)
    page.goto(draft)
    page.locator("#letter").wait_for()
    name = MARKUP.replace("/", "")[:100]  # of a path only the end is kept
    page.locator("[data-file]").set_input_files({"name": name, "mimeType": "text/html", "buffer": b"<script>ran()"})
    page.get_by_role("link", name="onerror=ran()").wait_for()
    page.locator("[data-finger]").click()
    assert 0 == page.locator("xss-mark").count()


def exports(desk: Desk, ask: Any) -> None:
    """Files hold no formula, and data is never taken for a page."""
    for name in ("figures", "messages", "recipients", "events"):
        got = desk.page.request.get(f"{desk.web}/reports/{name}.csv?period=year")
        assert "text/csv; charset=utf-8" == got.headers["content-type"]
        assert got.headers["content-disposition"].startswith("attachment; ")
        rows = list(csv.reader(io.StringIO(got.text().lstrip("\ufeff"))))
        assert len(rows) > 1
        cells = [cell for row in rows for cell in row]
        assert [] == [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\n＝＋－＠") and not NUMBER.fullmatch(cell)]
    newest = ask("/messages")["messages"][-1]["id"]
    paths = [
        "/messages",
        f"/messages/{newest}",
        f"/messages/{newest}/events",
        f"/threads/{newest}",
        "/activity?machine=1",
    ]
    for path in [*paths, "/contacts", "/templates", "/tracking", "/opened", "/reports?by=link"]:
        got = ask(path, whole=True)
        assert 200 == got.status, path
        assert got.headers["content-type"].startswith("application/json"), path
        assert "nosniff" == got.headers["x-content-type-options"], path
        got.json  # noqa: B018 - it can be read
    for path in (f"/message/{newest}/original.eml", f"/copy/{ask(f'/messages/{newest}')['copies'][0]['id']}/sent.eml"):
        got = desk.page.request.get(f"{desk.web}{path}")
        assert (200, True) == (got.status, got.headers["content-disposition"].startswith("attachment")), path
        assert "nosniff" == got.headers["x-content-type-options"], path
