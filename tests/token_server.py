"""A provider of tokens on the loopback interface: it exchanges refresh tokens for access tokens (RFC 6749 §6), each of
which it renews, and tells mail servers whether an access token is good (RFC 7662)."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

CLIENT, SECRET = "our-application", "hush-hush"


@dataclass
class TokenServer:
    """Promises to take each refresh token once, as the strict ones do."""

    life_s: int = 3600  # of an access token, as it is told to who asks
    given: dict[str, str] = field(default_factory=dict)  # refresh tokens that are good, and whose they are
    good: dict[str, str] = field(default_factory=dict)  # access tokens, and whose they are
    forms: list[dict[str, str]] = field(default_factory=list)  # what was asked of /token

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._turn = threading.Lock()
        provider = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                status, said = provider.asked(self.path, form)
                answer = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)  # at work in patience.serving

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.server_address[1]}/token"

    @property
    def passdb(self) -> str:
        """What a Dovecot needs to ask here."""
        return f"""\
introspection_url = http://127.0.0.1:{self.server.server_address[1]}/introspect
introspection_mode = post
force_introspection = yes
username_attribute = username
active_attribute = active
active_value = true
"""

    def consent(self, user: str) -> str:
        """The person agrees: a refresh token for their mailbox."""
        with self._turn:
            token = f"refresh-{next(self._numbers)}-of-{user}"
            self.given[token] = user
        return token

    def end(self) -> None:
        """All access tokens end, as after an hour."""
        with self._turn:
            self.good.clear()

    def revoke(self) -> None:
        """The person takes it all back."""
        with self._turn:
            self.good.clear()
            self.given.clear()

    def asked(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The answer to a request."""
        with self._turn:
            if path == "/introspect":
                user = self.good.get(form.get("token", ""))
                return 200, {"active": False} if user is None else {"active": True, "username": user}
            self.forms.append(form)
            if (form.get("client_id"), form.get("client_secret")) != (CLIENT, SECRET):
                return 401, {"error": "invalid_client"}
            user = self.given.pop(form.get("refresh_token", ""), None)
            if user is None:
                return 400, {"error": "invalid_grant", "error_description": "The refresh token has ended."}
            number = next(self._numbers)
            access, refresh = f"access-{number}-of-{user}", f"refresh-{number}-of-{user}"
            self.good[access] = self.given[refresh] = user
            return 200, {"access_token": access, "refresh_token": refresh, "expires_in": self.life_s}
