"""Writing through all processes: a draft survives kill -9, a letter is taken back before it leaves, and another one
leaves by itself; the same from the command line, the API and pasted HTML."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from tests.patience import PATIENCE_S

SENDER = "mara@tidewater.example"
LETTER = {
    "from": SENDER,
    "to": "ines@harbour.example, Rob <rob@quay.example>",
    "subject": "The offer",
    "html": '<p>See <a href="https://offer.example/a">the offer</a> and '
    '<a href="https://offer.example/b" data-unsealed="off">this</a>.</p>',
}

pytestmark = pytest.mark.walk


@dataclass
class Browser:
    """Signed in; asks as the scripts of our pages do."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        given = {"origin": f"http://127.0.0.1:{self.port}", "accept": "text/html", **headers}
        if self.cookies:
            given["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            for line in answer.headers.get_all("set-cookie") or ():
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.read(), answer.headers.get("location", "")
        finally:
            connection.close()

    def sign_in(self, path: str) -> None:
        page = self.ask("GET", path)[1].decode()
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page))
        assert 200 == self.form(path, hidden | {"password": "correct horse battery"})[0]
        found = re.search(r'data-csrf="([^"]+)"', self.ask("GET", "/compose")[1].decode())
        assert found is not None
        self.csrf = found[1]

    def form(self, path: str, fields: dict[str, str]) -> tuple[int, bytes, str]:
        body = urlencode({"csrf": self.csrf} | fields).encode()
        return self.ask("POST", path, body, **{"content-type": "application/x-www-form-urlencoded"})

    def json(self, method: str, path: str, body: object) -> tuple[int, Any]:
        headers = {"content-type": "application/json", "x-csrf-token": self.csrf, "accept": "application/json"}
        status, answer, _ = self.ask(method, path, json.dumps(body).encode(), **headers)
        return status, json.loads(answer)


def test_what_is_written_survives_and_leaves_when_it_should(
    installation: Any, until: Callable[..., Any], tmp_path: Path
) -> None:
    installation.command("user", "add", SENDER)
    token = installation.command("api-token", SENDER)
    installation.start()
    browser = Browser(installation.web)
    browser.sign_in(urlsplit(installation.command("user", "link", SENDER)).path)

    def message(id: str) -> Any:
        path = f"/api/v1/messages/{id}"
        return installation.get(installation.web, path, authorization=f"Bearer {token}").json

    def arrived(id: str) -> bool:
        return all(copy["delivery"] == "delivered" for copy in message(id)["copies"])

    # A draft survives kill -9 of everything.
    status, made = browser.json("POST", "/compose", LETTER)
    assert (201, {}) == (status, made["check"]["errors"])
    status, saved = browser.json(
        "PUT", f"/compose/{made['id']}", {"revision": 1, "content": LETTER | {"subject": "The second offer"}}
    )
    assert (200, 2) == (status, saved["revision"])
    installation.kill()
    installation.start()
    assert b"The second offer" in browser.ask("GET", f"/compose/{made['id']}")[1]

    # It is taken back before it leaves, although the server dies in between.
    status, sent = browser.json("POST", f"/compose/{made['id']}/send", {"revision": 2})
    assert (200, 10) == (status, sent["undo_s"])
    status, back = browser.json("POST", f"/compose/{made['id']}/undo", {})
    assert 200 == status
    assert 404 == message(sent["message"])["error"]["status"]

    # With no time to take it back, it leaves at once; each copy has the chosen links and its own pixel.
    assert 303 == browser.form("/drafts/undo", {"undo_s": "0"})[0]
    status, sent = browser.json("POST", f"/compose/{made['id']}/send", {"revision": back["revision"]})
    assert 200 == status
    until(lambda: arrived(sent["message"]), "delivery into the sandbox")
    whole = message(sent["message"])
    assert [("https://offer.example/a", True), ("https://offer.example/b", False)] == [
        (each["url"], each["tracked"]) for each in whole["links"]
    ]
    for copy in whole["copies"]:
        raw = browser.ask("GET", f"/sandbox/{copy['id']}/source.eml")[1].replace(b"=\r\n", b"")
        base = f"http://127.0.0.1:{installation.track}".encode()
        assert (1, 1) == (raw.count(base + b"/o/"), raw.count(base + b"/c/"))
        assert b"https://offer.example/b" in raw
    assert 409 == browser.json("POST", f"/compose/{made['id']}/undo", {})[0]

    # The same walk from the command line and through the API, while the server runs.
    letter = tmp_path / "letter.html"
    letter.write_text(LETTER["html"], encoding="utf-8")
    given = ["--from", SENDER, "--to", "ines@harbour.example", "--subject", "By hand", "--html", str(letter)]
    id = installation.command("send", *given, "--track", "opens")
    until(lambda: arrived(id), "delivery of what the command line sent")
    assert ("full", "off") == (message(id)["tracking"]["opens"], message(id)["tracking"]["clicks"])
    connection = http.client.HTTPConnection("127.0.0.1", installation.web, timeout=PATIENCE_S)
    connection.request("POST", "/api/v1/messages", json.dumps(LETTER).encode(), {"authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    id = json.loads(answer.read())["id"]
    connection.close()
    assert 202 == answer.status
    until(lambda: arrived(id), "delivery of what the API took")

    # Pasted HTML: nothing is sent, and its picture counts.
    status, _, there = browser.form("/paste", {"html": LETTER["html"], "to": "", "subject": "Elsewhere"})
    page = browser.ask("GET", there)[1].decode()
    [pixel] = re.findall(rf"http://127\.0\.0\.1:{installation.track}/o/[\w-]+\.gif", page)
    assert 303 == status
    assert 200 == installation.load(pixel).status
    id = there.partition("m=")[2]
    until(lambda: message(id)["raw"] == 1, "the opening of what was pasted")
    assert ["sent"] == [copy["delivery"] for copy in message(id)["copies"]]
