"""The programs that are compared in one process with us, and how they get here.

They are installed from the package index into `bench/.work/venv` when they are missing, never into the project's own
environment, and never committed. As `python bench/peers.py` this file runs there, without Unsealed, and answers one
JSON line per line on standard input: first the documents, then which program is to track each of them how often.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import venv as environment
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from types import TracebackType
from typing import Any

WORK = Path(__file__).parent / ".work"
WANTED = ("pytracking[html,crypto]==0.2.2", "lxml==6.1.3")
BASE = "https://t.tidewater.example"


def venv(*packages: str) -> Path:
    """The Python of the peers' environment, with those packages in it."""
    folder = WORK / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        environment.create(folder, with_pip=True)
    known = folder / "installed.json"
    present: list[str] = json.loads(known.read_text()) if known.exists() else []
    missing = [package for package in packages if package not in present]
    if missing:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *missing], check=True)
        known.write_text(json.dumps([*present, *missing]))
    return python


class Peers:
    """The peers' process; `with Peers(documents) as peers`."""

    def __init__(self, documents: Sequence[bytes]) -> None:
        self._documents = documents

    def __enter__(self) -> Peers:
        self._process = subprocess.Popen(
            [venv(*WANTED), __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._write([document.decode() for document in self._documents])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def seconds(self, program: str, repeats: int) -> float:
        """How long that program took to track every document that many times."""
        self._write({"program": program, "repeats": repeats})
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise ChildProcessError(f"{program} failed; its words are above")
        return float(json.loads(answer))

    def _write(self, value: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()


def _pytracking(*, encrypted: bool) -> Callable[[bytes], Any]:
    """As its README says: links and pixel carry the destination and metadata, in base64 or Fernet-encrypted."""
    tracking = importlib.import_module("pytracking")
    adapt = importlib.import_module("pytracking.html").adapt_html
    fernet = importlib.import_module("cryptography.fernet").Fernet
    configuration = tracking.Configuration(
        base_open_tracking_url=f"{BASE}/o/",
        base_click_tracking_url=f"{BASE}/c/",
        encryption_bytestring_key=fernet.generate_key() if encrypted else None,
    )
    metadata = {"copy": 0x1234567890ABCDEF}
    return lambda html: adapt(html.decode(), metadata, configuration=configuration).encode()


def _lxml() -> Callable[[bytes], Any]:
    """The least that a program on lxml can do: parse, set every href to a ready-made address, add the pixel, write."""
    documents = importlib.import_module("lxml.html")

    def track(html: bytes) -> Any:
        tree = documents.fromstring(html)
        for number, anchor in enumerate(tree.iter("a")):
            if anchor.get("href", "").startswith("http"):
                anchor.set("href", f"{BASE}/c/{number:086}")
        tree.body.append(documents.Element("img", {"src": f"{BASE}/o/{0:036}.gif"}))
        return documents.tostring(tree)

    return track


def _main() -> None:
    programs = {
        "pytracking": _pytracking(encrypted=False),
        "pytracking, encrypted": _pytracking(encrypted=True),
        "lxml": _lxml(),
    }
    documents = [document.encode() for document in json.loads(sys.stdin.readline())]
    for line in sys.stdin:
        asked = json.loads(line)
        track = programs[asked["program"]]
        if BASE.encode() not in track(documents[0]):
            raise ValueError(f"{asked['program']} did not track the document")
        begun = process_time()
        for _ in range(asked["repeats"]):
            for document in documents:
                track(document)
        print(json.dumps(process_time() - begun), flush=True)


if __name__ == "__main__":
    _main()
