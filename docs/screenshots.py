"""Takes the pictures of the documents from a real installation: `make screenshots`, needs chromium and fonts-inter.

Starts `unsealed serve` in a folder that is thrown away, sends real mail through its SMTP port into the sandbox, asks
for pixels and links as the programs of readers do, and photographs the pages. Nothing in the pictures is painted.
"""

from __future__ import annotations

import base64
import http.client
import os
import quopri
import re
import smtplib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from itertools import product
from pathlib import Path
from shutil import which
from time import monotonic, sleep
from urllib.parse import parse_qs, urlsplit

from docs import history
from playwright.sync_api import Page, sync_playwright
from sqlalchemy import select

from unsealed.store import engine as stores
from unsealed.store import schema

IMAGES = Path(__file__).parent / "images"
MAIN = "Proposal for the Harbourline depots"
SENDER = "mara@tidewater.example"
PASSWORD = "correct horse battery"  # noqa: S105 - of a folder that is thrown away

THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:155.0) Gecko/20100101 Firefox/155.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
APPLE = "Mozilla/5.0"
SCANNER = "Barracuda Sentinel (EE)"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
TABLET = "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"

HOME, OFFICE, GOOGLE, RELAY = "81.2.69.142", "203.0.113.40", "66.249.84.9", "172.224.226.12"

LETTER = """<html><body>
<p>Good morning,</p>
<p>Thank you for showing us round yesterday. Here is what we propose, in the order in which you asked:</p>
<ul>
<li>one sensor set per gate, as drawn in <a href="https://tidewater.example/plan">the plan</a>;</li>
<li>the terms, with the discount for both sites, under <a href="https://tidewater.example/prices">the prices</a>;</li>
<li>three sites of the same kind, under <a href="https://tidewater.example/references">references</a>.</li>
</ul>
<p>If that suits you, please <a href="https://tidewater.example/visit">book a visit</a> before the end of the month.</p>
<p>With kind regards,<br>Mara Lindqvist</p>
</body></html>"""

PASTE = """(html) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/html", html);
  const paste = new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true});
  document.querySelector("#letter").dispatchEvent(paste);
}"""

Reader = tuple[str, str, str, str]  # whose copy, what is asked for ("open" or "click"), user agent, address

LETTERS: list[tuple[str, list[str], bool, list[Reader]]] = [  # oldest first; True: plain text only, so not tracked
    ("Minutes of Tuesday", ["Jonas Weber <jonas@northgate.example>", "Aiko Tanaka <aiko@northgate.example>"], True, []),
    ("Your order of spare parts", ["Priya Nair <priya@spindle.example>"], False, []),
    (
        "Renewal terms for 2027",
        ["Hanne Vestergaard <hanne@fjordline.example>"],
        False,
        [("hanne", "open", TABLET, HOME)],
    ),
    ("Introduction: cold chain audit", ["Tomás Iglesias <tomas@salinas.example>"], False, []),
    (
        "Notes from our call on Monday",
        ["Claire Dubuc <claire@atelier.example>", "Dario Conti <dario@atelier.example>"],
        False,
        [("claire", "open", PHONE, HOME), ("dario", "open", THUNDERBIRD, OFFICE), ("dario", "click", FIREFOX, OFFICE)],
    ),
    (
        "Re: Notes from our call on Monday",
        ["Claire Dubuc <claire@atelier.example>"],
        False,
        [("claire", "open", PHONE, HOME), ("claire", "click", FIREFOX, HOME)],
    ),
    ("Re: Notes from our call on Monday, dates", ["Claire Dubuc <claire@atelier.example>"], False, []),
    ("Thursday's site visit", ["Yusuf Demirel <yusuf@northgate.example>"], False, [("yusuf", "click", FIREFOX, HOME)]),
    (
        "Invitation: open day at the yard",
        ["Tom Adeyemi <tom@icehouse.example>", "Lotte Brandsma <lotte@fennel.example>"],
        False,
        [("tom", "open", APPLE, RELAY), ("lotte", "open", SCANNER, OFFICE)],
    ),
    (
        "Draft contract, second round",
        ["Lotte Brandsma <lotte@fennel.example>"],
        False,
        [("lotte", "open", GMAIL, GOOGLE)],
    ),
    (
        "Proposal for the Harbourline depots",
        [
            "Ines Marchetti <ines@harbourline.example>",
            "Rob Okafor <rob@harbourline.example>",
            "Lotte Brandsma <lotte@fennel.example>",
        ],
        False,
        [
            ("rob", "open", APPLE, RELAY),
            ("lotte", "open", GMAIL, GOOGLE),
            ("ines", "open", THUNDERBIRD, HOME),
            ("ines", "click", FIREFOX, HOME),
        ],
    ),
]


def main(only: Sequence[str] = ()) -> int:
    """Take all pictures, or those that are named."""
    chromium = which("chromium")
    if chromium is None:
        print("chromium is not installed", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="unsealed-") as folder:
        data = Path(folder) / "data"
        command(data, "user", "add", SENDER, "--password-stdin", given=PASSWORD)
        app_password = command(data, "app-password", SENDER)
        history.write(data, SENDER, datetime.now(UTC))  # noqa: TID251 - letters of the last weeks
        with serving(Path(folder)) as (web, track, smtp):
            for subject, to, plain, _ in LETTERS:
                send(smtp, app_password, subject, to, plain)
            sleep(3.2)  # sooner, and no proxy is taken for a reader
            for subject, _, _, readers in LETTERS:
                for who, what, agent, address in readers:
                    ask(track, path_of(data, subject, who, what), agent, address)
            sleep(1.0)  # until the last request is judged
            links = {"welcome": urlsplit(command(data, "user", "link", "jana@tidewater.example")).path}
            shoot(chromium, f"http://127.0.0.1:{web}", links, only)
    return 0


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, int, int]]:
    web, track, smtp = ports = free_port(), free_port(), free_port()
    settings = {
        "UNSEALED_DATA": str(folder / "data"),
        "UNSEALED_WEB_LISTEN": f"127.0.0.1:{web}",
        "UNSEALED_TRACK_LISTEN": f"127.0.0.1:{track}",
        "UNSEALED_TRACK_TRUSTED_PROXIES": "127.0.0.1",
        "UNSEALED_SMTP_LISTEN": f"127.0.0.1:{smtp}",
        "UNSEALED_LOG_LEVEL": "warning",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "unsealed.app", "serve"],
        cwd=folder,
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = monotonic() + 120
        while not (healthy(web) and healthy(track)):
            if process.poll() is not None or monotonic() > deadline:
                raise SystemExit("the server did not start")
            sleep(0.1)
        yield ports
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        return int(listening.getsockname()[1])


def healthy(port: int) -> bool:
    try:
        return ask(port, "/healthz", "", "127.0.0.1") == 200
    except OSError:
        return False


def ask(port: int, path: str, agent: str, address: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        headers = {"User-Agent": agent, "X-Forwarded-For": address, "Accept-Language": "en-GB,en;q=0.7"}
        if agent in (APPLE, GMAIL, SCANNER):
            del headers["Accept-Language"]
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status


def command(data: Path, *arguments: str, given: str = "") -> str:
    done = subprocess.run(  # noqa: S603 - our own command, our own words
        [sys.executable, "-m", "unsealed.app", *arguments, "--data", str(data)],
        input=f"{given}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def send(port: int, app_password: str, subject: str, to: list[str], plain: bool) -> None:
    letter = EmailMessage()
    letter["From"] = f"Mara Lindqvist <{SENDER}>"
    letter["To"] = ", ".join(to)
    letter["Subject"] = subject
    letter["Message-ID"] = f"<{subject.replace(' ', '-')}@tidewater.example>"
    if subject.startswith("Re: "):
        letter["In-Reply-To"] = "<Notes-from-our-call-on-Monday@tidewater.example>"
    letter.set_content("Dear all,\n\nplease find the plan below.\n\nMara\n")
    if not plain:
        letter.add_alternative(
            LETTER,
            subtype="html",
        )
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.login(SENDER, app_password)
        client.send_message(letter)


def path_of(data: Path, subject: str, who: str, what: str) -> str:
    """The tracking address in the copy that `who` got."""
    question = (
        select(schema.sandbox.c.raw)
        .join(schema.messages, schema.messages.c.id == schema.sandbox.c.message_id)
        .where(schema.messages.c.subject == subject, schema.sandbox.c.recipient.startswith(f"{who}@"))
    )
    engine = stores.connect(stores.sqlite_url(data))
    deadline = monotonic() + 30
    raw = None
    while raw is None and monotonic() < deadline:
        with stores.reading(engine) as connection:
            raw = connection.execute(question).scalar()
        sleep(0.1)
    engine.dispose()
    found = re.search(rb"http://[^\"']+/%b/[A-Za-z0-9_.-]+" % what[:1].encode(), quopri.decodestring(raw or b""))
    if found is None:
        raise SystemExit(f"no {what} in the copy of {who}")
    return urlsplit(found[0].decode()).path


@dataclass(frozen=True, slots=True)
class Screen:
    """One picture: its name, the route that it shows, and how to get there from a signed-in page."""

    name: str
    place: str
    go: Callable[[Desk], None]


@dataclass(frozen=True, slots=True)
class Desk:
    """A browser on one installation, in one of MODES."""

    page: Page
    web: str
    links: Mapping[str, str]  # one-time links and addresses that a picture needs

    def open(self, path: str) -> None:
        self.page.goto(f"{self.web}{path}")


def at(path: str, *, then: str = "") -> Callable[[Desk], None]:
    """Open an address; then: what to click there, as CSS."""

    def go(desk: Desk) -> None:
        desk.open(path)
        if then:
            desk.page.locator(then).first.click()

    return go


def thread(desk: Desk) -> None:
    desk.open(desk.links["thread"])


def letter(desk: Desk) -> None:
    """A message in full, one of its events open."""
    desk.open(desk.links["message"])
    desk.page.locator(".message.full summary.event").first.click()


def sent(desk: Desk) -> None:
    desk.open("/sent")
    if desk.page.viewport_size == WIDE:
        desk.page.locator(".row", has_text=MAIN).click()
        desk.page.locator("#detail h1", has_text=MAIN).wait_for()


def sandbox(desk: Desk) -> None:
    """A copy and how its loads were judged; at first it is loaded by a scanner and by Thunderbird."""
    desk.open("/sandbox")
    desk.page.locator(".copies .row", has_text="Introduction: cold chain audit").click()
    desk.page.locator(".judge, .hits, .letter, main").first.wait_for()
    if not desk.page.locator(".hit").count():
        for number, program in enumerate(["Link scanner", "Thunderbird"]):
            desk.page.locator(".judge").get_by_text("Live", exact=True).wait_for()
            desk.page.get_by_role("button", name=program).click()
            desk.page.locator(".hit").nth(number).wait_for()


def compose(desk: Desk) -> None:
    """A letter that is being written, with one link switched off by hand; on a desk with the menu Tracking open."""
    page = desk.page
    desk.open("/compose")
    page.locator("#to").fill("Ines Marchetti <ines@harbourline.example>, Rob Okafor <rob@harbourline.example>,")
    page.get_by_label("Subject").fill("Proposal for the Harbourline depots")
    page.locator("#letter").click()
    page.evaluate(PASTE, LETTER)
    if page.viewport_size == WIDE:
        page.get_by_role("checkbox", name="references").click()
        page.get_by_text("Switched off by you.").wait_for()
    page.locator("[data-state]", has_text="Saved").wait_for()
    if page.viewport_size == WIDE:
        page.locator("[data-track]").click()


def palette(desk: Desk) -> None:
    desk.open("/sent")
    desk.page.keyboard.press("Control+k")
    desk.page.locator("[data-palette] [role=option]").first.wait_for()


def keys(desk: Desk) -> None:
    desk.open("/sent")
    desk.page.keyboard.press("?")


def first_run(desk: Desk) -> None:
    """The page of somebody who comes for the first time."""
    desk.page.context.clear_cookies()
    desk.open(desk.links["welcome"])


def signed_out(desk: Desk) -> None:
    desk.page.context.clear_cookies()
    desk.open("/sign-in")


SCREENS = (
    Screen("activity", "/activity", at("/activity")),
    Screen("highlights", "/activity", at("/activity?state=highlights")),
    Screen("sent", "/sent", sent),
    Screen("opened", "/opened", at("/opened")),
    Screen("silent", "/opened", at("/opened?state=silent")),
    Screen("message", "/message/{id}", letter),
    Screen("thread", "/thread/{id}", thread),
    Screen("contacts", "/contacts", at("/contacts")),
    Screen("contact", "/contacts/{address:path}", at("/contacts/ines@harbourline.example")),
    Screen("drafts", "/drafts", at("/drafts")),  # the next one leaves drafts behind
    Screen("compose", "/compose", compose),
    Screen("templates", "/templates", at("/templates")),
    Screen("template-new", "/templates/new", at("/templates/new")),
    Screen("template", "/templates/{id}", at("/templates", then=".cards a")),
    Screen("paste", "/paste", at("/paste")),
    Screen("reports", "/reports", at("/reports?period=90&by=template")),
    Screen("reports-team", "/reports/team", at("/reports/team")),
    Screen("sandbox", "/sandbox", at("/sandbox")),
    Screen("sandbox-copy", "/sandbox/{id}", sandbox),
    Screen("tracking-first", "/settings/tracking/first", at("/settings/tracking/first")),
    *(
        Screen(f"settings-{name}", f"/settings/{name}", at(f"/settings/{name}"))
        for name in (
            "access", "data", "devices", "identities", "judging", "language", "mailbox", "notifications", "people",
            "sending", "tracking",
        )
    ),
    Screen("commands", "/sent", palette),
    Screen("keys", "/sent", keys),

    Screen("not-there", "/message/{id}", at("/message/0123456789abcdef")),
    Screen("offline", "/offline", at("/offline")),
    Screen("welcome", "/welcome/{secret}", first_run),
    Screen("sign-in", "/sign-in", signed_out),
)  # fmt: skip

LOCALE = "en-GB"  # not that of the machine
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
MODES = {"": (WIDE, "light"), "-dark": (WIDE, "dark"), "-phone": (NARROW, "light")}
UNDECIDED = frozenset({"tracking-first"})  # is asked once
HIDE = "(all) => all.forEach((each) => { each.style.display = 'none'; })"
SHARP = frozenset({"sent", "message", "sandbox-copy", "compose"})  # stand large in documents

# A quarter of what it takes as PNG.
TO_WEBP = """async (png) => {
  const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({type: "image/webp", quality: 0.82})).arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}"""


def listed() -> str:
    """The document that shows all pictures."""
    head = "# Every screen\n\nMade by `make screenshots` of a real installation: light, dark, and on a phone.\n"
    sizes = {"": 420, "-dark": 420, "-phone": 130}
    parts = [head]
    for screen in SCREENS:
        name = screen.name.replace("-", " ").capitalize()
        parts.append(f"\n## {name}\n")
        for mode, width in sizes.items():
            look = mode.removeprefix("-") or "light"
            parts.append(f'<img src="images/{screen.name}{mode}.webp" width="{width}" alt="{name}, {look}">')
    return "\n".join(parts) + "\n"


def shoot(chromium: str, web: str, links: dict[str, str], only: Sequence[str]) -> None:
    """Take every picture in every mode."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        press = browser.new_page()
        door = browser.new_context(locale=LOCALE)
        page = door.new_page()
        page.goto(f"{web}/sign-in")
        page.fill("input[name=email]", SENDER)
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(f"{web}/activity")
        signed_in = door.storage_state()
        wanted = [each for each in SCREENS if not only or each.name in only]

        def photograph(screens: Sequence[Screen]) -> None:
            for screen, mode in product(screens, MODES):  # so that the pictures of a screen agree
                size, scheme = MODES[mode]
                context = browser.new_context(
                    viewport=size,  # type: ignore[arg-type]  # a literal
                    color_scheme=scheme,  # type: ignore[arg-type]
                    device_scale_factor=1.5 if screen.name in SHARP and not mode else 1,
                    reduced_motion="reduce",
                    storage_state=signed_in,
                    locale=LOCALE,
                )
                page = context.new_page()
                screen.go(Desk(page, web, links))
                page.mouse.move(0, 0)
                page.wait_for_load_state()
                page.evaluate("document.fonts.ready")
                if not mode:
                    settle(page)
                page.locator("[data-toasts]").evaluate_all(HIDE)  # what was told, and what is told just now
                png = base64.b64encode(page.screenshot(animations="disabled", caret="hide")).decode()
                webp = base64.b64decode(press.evaluate(TO_WEBP, png))
                (IMAGES / f"{screen.name}{mode}.webp").write_bytes(webp)
                context.close()

        photograph([each for each in wanted if each.name in UNDECIDED])
        prepare(page, web, links)
        door.close()
        photograph([each for each in wanted if each.name not in UNDECIDED])
        browser.close()
    (IMAGES.parent / "screens.md").write_text(listed(), encoding="utf-8")


def settle(page: Page) -> None:
    """Wait until a page that has live updates has them."""
    live = page.locator("[data-live-word]:visible").first
    if live.count():
        live.get_by_text("Live", exact=True).wait_for()


def prepare(page: Page, web: str, links: dict[str, str]) -> None:
    """What a person would have done by now: notes on a contact, a reminder, a draft, sums of all people allowed."""
    page.goto(f"{web}/settings/tracking/first")
    page.locator("input[name=what][value=both]").check()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_load_state()
    page.goto(f"{web}/contacts/ines@harbourline.example")
    page.get_by_role("textbox", name="Notes").fill("Decides with Rob. Calls before ten.")
    page.get_by_role("button", name="Save the notes").click()
    page.get_by_text("Notes saved.").wait_for()
    page.goto(f"{web}/sent")
    href = page.locator(".row", has_text=MAIN).get_attribute("href") or ""
    message = parse_qs(urlsplit(href).query)["m"][0]
    links["message"] = f"/message/{message}"
    href = page.locator(".row", has_text="Re: Notes from our call").first.get_attribute("href") or ""
    links["thread"] = f"/thread/{parse_qs(urlsplit(href).query)['m'][0]}"
    page.goto(f"{web}/compose")
    page.locator("#to").fill("Lotte Brandsma <lotte@fennel.example>,")
    page.get_by_label("Subject").fill("Dates for the second site")
    page.locator("[data-state]", has_text="Saved").wait_for()
    page.goto(f"{web}/reports/team")
    page.get_by_role("button", name="Allow").click()
    page.get_by_role("button", name="Show each person too").click()
    page.get_by_role("button", name="Show sums alone").wait_for()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
