"""Takes the pictures of the documents from a real installation: `make screenshots`, needs chromium and fonts-inter.

Starts `unsealed serve` in a folder that is thrown away, sends real mail through its SMTP port into the sandbox, asks
for pixels and links as the programs of readers do, and photographs the pages. Nothing in the pictures is painted.
"""

from __future__ import annotations

import http.client
import os
import quopri
import re
import smtplib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import EmailMessage
from pathlib import Path
from shutil import which
from time import monotonic, sleep
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright
from sqlalchemy import select

from unsealed.store import engine as stores
from unsealed.store import schema

IMAGES = Path(__file__).parent / "images"
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


def main() -> int:
    chromium = which("chromium")
    if chromium is None:
        print("chromium is not installed", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="unsealed-") as folder, serving(Path(folder)) as (web, track, smtp):
        data = Path(folder) / "data"
        command(data, "user", "add", SENDER, "--password-stdin", given=PASSWORD)
        app_password = command(data, "app-password", SENDER)
        for subject, to, plain, readers in LETTERS:
            send(smtp, app_password, subject, to, plain)
            for who, what, agent, address in readers:
                sleep(3.2)  # sooner, and no proxy is taken for a reader
                ask(track, path_of(data, subject, who, what), agent, address)
        sleep(1.0)  # until the last request is judged
        shoot(chromium, f"http://127.0.0.1:{web}")
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
        deadline = monotonic() + 30
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


def shoot(chromium: str, web: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        desk = browser.new_context(
            viewport={"width": 1440, "height": 900}, device_scale_factor=1.5, reduced_motion="reduce"
        )
        page = desk.new_page()
        page.goto(f"{web}/sign-in")
        page.fill("input[name=email]", SENDER)
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(f"{web}/activity")
        page.get_by_text("Live", exact=True).first.wait_for()
        page.mouse.move(0, 0)
        page.screenshot(path=IMAGES / "activity.png")
        page.goto(f"{web}/opened")
        page.locator(".rows .row").first.wait_for()
        page.screenshot(path=IMAGES / "opened.png")
        page.goto(f"{web}/sent")
        page.locator(".row", has_text="Proposal for the Harbourline depots").click()
        page.locator("#detail h1", has_text="Proposal for the Harbourline depots").wait_for()
        page.get_by_text("Live", exact=True).wait_for()
        page.mouse.move(0, 0)
        page.screenshot(path=IMAGES / "sent.png")

        page.get_by_role("link", name="Open in full").click()
        page.locator(".message.full summary.event").first.click()
        page.screenshot(path=IMAGES / "message.png")

        page.goto(f"{web}/sandbox")
        page.locator(".copies .row", has_text="Introduction: cold chain audit").click()
        for number, program in enumerate(["Link scanner", "Thunderbird"]):
            page.locator(".judge").get_by_text("Live", exact=True).wait_for()
            page.get_by_role("button", name=program).click()
            page.locator(".hit").nth(number).wait_for()
        page.mouse.move(0, 0)
        page.screenshot(path=IMAGES / "sandbox.png")

        compose(page, web)
        page.screenshot(path=IMAGES / "compose.png")

        phone = browser.new_context(
            viewport={"width": 390, "height": 844},
            device_scale_factor=2,
            color_scheme="dark",
            storage_state=desk.storage_state(),
        )
        page = phone.new_page()
        page.goto(f"{web}/sent")
        page.screenshot(path=IMAGES / "phone.png")
        browser.close()


def compose(page: Page, web: str) -> None:
    """A letter that is being written, with one link switched off by hand and the menu Tracking open."""
    page.goto(f"{web}/compose")
    page.locator("#to").fill("Ines Marchetti <ines@harbourline.example>, Rob Okafor <rob@harbourline.example>,")
    page.get_by_label("Subject").fill("Proposal for the Harbourline depots")
    page.locator("#letter").click()
    page.evaluate(PASTE, LETTER)
    page.get_by_role("checkbox", name="references").click()
    page.get_by_text("Switched off by you.").wait_for()
    page.locator("[data-state]", has_text="Saved").wait_for()
    page.locator("[data-track]").click()
    page.mouse.move(0, 0)


if __name__ == "__main__":
    sys.exit(main())
