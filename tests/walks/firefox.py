"""A headless Firefox with real push messages: the browser, driven by Marionette, and the push service that it talks to.

Both speak what Mozilla documents and nothing of the product's: Marionette is `LENGTH:JSON` on a TCP socket
(https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html); the push service is the WebSocket side of
autopush (https://mozilla-services.github.io/autopush-rs/) with the HTTP side of RFC 8030 on the same port. It keeps
nothing but who listens on which channel, and cannot read what it passes on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from tests.patience import PATIENCE_S

CONTROL, ENTER = "\ue009", "\ue007"  # WebDriver §17.4.2
UPGRADE = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


@dataclass
class PushService:
    """What a browser's push service does, on this machine."""

    posted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)  # headers in lower case, and bodies
    acknowledged: list[int] = field(default_factory=list)  # 100: shown; else the browser could not
    _browser: BinaryIO | None = None
    _connection: socket.socket | None = None
    _life: int = 0
    _channels: set[str] = field(default_factory=set)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                key = self.headers["Sec-WebSocket-Key"].encode()
                self.send_response(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                self.send_header(
                    "Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + UPGRADE).digest()).decode()
                )
                if asked := self.headers["Sec-WebSocket-Protocol"]:
                    self.send_header("Sec-WebSocket-Protocol", asked.split(",")[0].strip())
                self.end_headers()
                service._connection = self.connection
                with suppress(OSError, EOFError):
                    service._listen(self.rfile, self.wfile)  # type: ignore[arg-type]
                self.close_connection = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                channel = self.path.removeprefix("/wpush/")
                known = channel in service._channels
                if known:
                    service._pass_on(channel, headers, body)
                self.send_response(201 if known else 410)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """Forget the browser, as a push service may: all its subscriptions are gone, and it is told so."""
        assert self._connection is not None
        self._life += 1
        self._channels.clear()
        self._connection.shutdown(socket.SHUT_RDWR)

    def _listen(self, reader: BinaryIO, writer: BinaryIO) -> None:
        while True:
            first, size = _exactly(reader, 2)
            size &= 127
            if size > 125:
                size = int.from_bytes(_exactly(reader, 2 if size == 126 else 8))
            mask = _exactly(reader, 4)
            body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(_exactly(reader, size)))
            if first & 15 == 8:
                return
            if first & 15 == 1:
                self._answer(writer, json.loads(body))

    def _answer(self, writer: BinaryIO, said: dict[str, Any]) -> None:
        match said.get("messageType"):
            case "hello":
                self._browser = writer
                self._tell(
                    writer, said | {"uaid": f"{self._life:032x}", "status": 200, "use_webpush": True, "broadcasts": {}}
                )
            case "register":
                self._channels.add(said["channelID"])
                where = f"http://127.0.0.1:{self.port}/wpush/{said['channelID']}"
                self._tell(writer, said | {"status": 200, "pushEndpoint": where})
            case "unregister":
                self._tell(writer, said | {"status": 200})
            case "ack":
                self.acknowledged += [each["code"] for each in said["updates"]]
            case None:
                self._tell(writer, {})

    def _pass_on(self, channel: str, headers: dict[str, str], body: bytes) -> None:
        assert self._browser is not None
        data = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
        self.posted.append((headers, body))
        said = {"messageType": "notification", "channelID": channel, "version": f"v{len(self.posted)}", "data": data}
        self._tell(self._browser, said | {"headers": {"encoding": headers["content-encoding"]}})

    def _tell(self, writer: BinaryIO, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        size = bytes([len(body)]) if len(body) < 126 else b"\x7e" + len(body).to_bytes(2)
        with self._writing:
            writer.write(b"\x81" + size + body)
            writer.flush()


def _exactly(reader: BinaryIO, size: int) -> bytes:
    read = reader.read(size)
    if len(read) < size:
        raise EOFError
    return read


PREFERENCES = {
    "alerts.useSystemBackend": False,  # without a desktop the browser's own windows show notifications
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "captivedetect.canonicalURL": "",
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.retryBaseInterval": 100,  # ms
    "dom.push.testing.allowInsecureServerURL": True,
    "dom.push.userAgentID": "",
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    """One browser window. `page` runs a script in the page, `inside` in the browser itself, which may do what a person
    does outside of pages: permit, and press a notification."""

    def __init__(self, program: str, folder: Path, port: int, push: int, proxy: int | None) -> None:
        folder.mkdir()
        said = PREFERENCES | {"marionette.port": port, "dom.push.serverURL": f"ws://127.0.0.1:{push}/"}
        if proxy is not None:
            said |= {"network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": proxy}
            said |= {
                "network.proxy.allow_hijacking_localhost": True,
                "network.proxy.no_proxies_on": f"127.0.0.1:{push}",
            }
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in said.items()]
        (folder / "user.js").write_text("".join(lines))
        self._port = port
        arguments = ["--headless", "--no-remote", "--marionette", "--remote-allow-system-access"]
        self._output = folder.with_suffix(".out").open("wb")
        self._process = subprocess.Popen(
            [program, *arguments, "--profile", str(folder)],
            stdout=self._output,
            stderr=self._output,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder), "MOZ_HEADLESS": "1"},
            start_new_session=True,  # its processes end together
        )
        self._number = 0

    def connect(self, until: Callable[..., Any]) -> None:
        self._socket = until(self._dial, "Firefox listens")
        self._stream = self._socket.makefile("rb")
        self._read()  # its greeting
        timeouts = {"script": int(PATIENCE_S * 1000)}  # of a script that waits for something in the page
        self.ask("WebDriver:NewSession", capabilities={"alwaysMatch": {"timeouts": timeouts}})
        self.inside("Services.prefs.setBoolPref('dom.push.connection.enabled', true)")  # Marionette switched it off

    def _dial(self) -> socket.socket | None:
        assert self._process.poll() is None, "Firefox ended"
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)
        return None

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_S)
        self._output.close()
        for each in ("_stream", "_socket"):
            if hasattr(self, each):
                getattr(self, each).close()

    def ask(self, command: str, **parameters: Any) -> Any:
        self._number += 1
        said = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(said), said))
        _, _, error, result = self._read()
        assert error is None, (command, error)
        return result

    def _read(self) -> Any:
        size = b""
        while (byte := self._stream.read(1)) != b":":
            assert byte, "Firefox is gone"
            size += byte
        return json.loads(self._stream.read(int(size)))

    def visit(self, url: str) -> None:
        self.ask("WebDriver:Navigate", url=url)

    def page(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns; a promise is awaited."""
        return self.ask("WebDriver:ExecuteScript", script=script, args=list(arguments), newSandbox=False)["value"]

    def says(self, words: str, where: str) -> bool:
        """Whether these words stand in `where`, an expression of the page. On the way to another page nothing does."""
        return words in (self.page(f"return {where}") or "")

    def inside(self, script: str, *arguments: Any) -> Any:
        self.ask("Marionette:SetContext", value="chrome")
        try:
            return self.page(script, *arguments)
        finally:
            self.ask("Marionette:SetContext", value="content")

    def click(self, css: str) -> None:
        self.ask("WebDriver:ElementClick", id=self._element(css))

    def write(self, css: str, text: str) -> None:
        self.ask("WebDriver:ElementSendKeys", id=self._element(css), text=text)

    def type(self, *keys: str | tuple[str, ...]) -> None:
        """Type text into what has the focus, letter by letter; a tuple is pressed together, as (CONTROL, "k")."""
        pressed: list[dict[str, str]] = []
        for key in keys:
            for chord in [key] if isinstance(key, tuple) else key:
                pressed += [{"type": "keyDown", "value": each} for each in chord]
                pressed += [{"type": "keyUp", "value": each} for each in reversed(chord)]
        self.ask("WebDriver:PerformActions", actions=[{"type": "key", "id": "keys", "actions": pressed}])

    def _element(self, css: str) -> str:
        found = self.ask("WebDriver:FindElement", using="css selector", value=css)["value"]
        return str(next(iter(found.values())))

    def permit_notices(self, origin: str) -> None:
        """What the browser keeps when somebody presses "Allow"."""
        self.inside(
            "const who = Services.scriptSecurityManager.createContentPrincipalFromOrigin(arguments[0]);"
            "Services.perms.addFromPrincipal(who, 'desktop-notification', Services.perms.ALLOW_ACTION);",
            origin,
        )

    def shown(self) -> list[list[str]]:
        """Titles and words of the notifications on the screen."""
        found: list[list[str]] = self.inside(
            "return [...Services.wm.getEnumerator('alert:alert')].filter((it) => it.gIsActive).map((it) => ["
            "it.document.getElementById('alertTitleLabel').getAttribute('value'),"
            "it.document.getElementById('alertTextLabel').textContent]);"
        )
        return found

    def press(self, title: str, action: str = "") -> None:
        """Press a notification, or one of its buttons. These windows show no buttons, so it is told what a desktop
        tells the browser when one is pressed."""
        self.inside(
            """const [title, action] = arguments;
            const windows = [...Services.wm.getEnumerator('alert:alert')];
            const named = (each) => each.document.getElementById('alertTitleLabel').getAttribute('value');
            const it = windows.find((each) => named(each) === title);
            const button = action ? { QueryInterface: ChromeUtils.generateQI(['nsIAlertAction']), action, title: action,
                iconURL: '', windowsSystemActivationType: false, opaqueRelaunchData: '' } : null;
            it.gAlertListener.observe(button, 'alertclickcallback', it.gAlertCookie);
            it.close();""",
            title,
            action,
        )
