"""Reading real mailboxes: a Dovecot on this machine, a store on each database, and who gives out access tokens."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

import pytest
import trustme
from imapclient.exceptions import IMAPClientAbortError
from sqlalchemy import Engine, select
from tests.mailbox_server import PASSWORD, MailboxServer
from tests.parts.house import KEYS, SENDER, House
from tests.patience import PATIENCE_S
from tests.token_server import CLIENT, SECRET, TokenServer

from unsealed.core.secret import seal
from unsealed.flow import observe
from unsealed.inlets import imap
from unsealed.model.errors import MailboxClosed
from unsealed.model.ports import RefreshTokens
from unsealed.model.reply import Entered, Mailbox
from unsealed.model.upstream import OAuth, Tls
from unsealed.outlets.oauth import AccessTokens
from unsealed.store import mailboxes, schema

USER = "ines"  # the sender of the house, in the mailbox server
TRUST = ssl.create_default_context()


def at(server: MailboxServer, **more: Any) -> Mailbox:
    given: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "tls": Tls.NONE}
    given |= {"user": USER, "password": PASSWORD}
    return Mailbox(**(given | more))


def oauth(token_server: TokenServer, refresh_token: str) -> OAuth:
    return OAuth(token_url=token_server.url, client_id=CLIENT, client_secret=SECRET, refresh_token=refresh_token)


def tokens(oauth: OAuth, inside: bool = True, kept: RefreshTokens | None = None) -> AccessTokens:
    return AccessTokens(oauth, inside=inside, kept=kept, tls_context=TRUST)


def answer(number: int, *, to: str = "<1@example.org>", by: str = "rob0@x.example", more: str = "") -> bytes:
    return (
        f"From: Rob <{by}>\r\nTo: ines@example.org\r\nSubject: Re: Offer\r\nMessage-ID: <a{number}@x.example>\r\n"
        f"In-Reply-To: {to}\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n{more}\r\nFine with me.\r\n"
    ).encode()


@dataclass
class Watched:
    """A house whose sender's mailbox is being watched."""

    house: House
    server: MailboxServer
    watches: imap.Watches

    def connect(self, **more: Any) -> None:
        given: dict[str, Any] = {"host": "127.0.0.1", "port": self.server.port, "tls": Tls.NONE}
        given |= {"user": USER, "now": datetime.now(UTC)}
        secret = seal(KEYS, more.pop("password", PASSWORD), purpose=mailboxes.purpose(SENDER))
        with self.house.engine.begin() as connection:
            mailboxes.connect(connection, SENDER, secret=secret, **(given | more))
        self.see_to()

    def connect_by(self, oauth: OAuth) -> None:
        mailbox = at(self.server, password="", oauth=oauth)
        with self.house.engine.begin() as connection:
            observe.connect(connection, SENDER, mailbox, KEYS, datetime.now(UTC))
        self.see_to()

    def see_to(self) -> None:
        with self.house.engine.connect() as connection:
            self.watches.see_to(mailboxes.every(connection))

    def wait_until_none_watches(self) -> None:
        """Those that were told to end, too, and are in no list any more."""
        for each in threading.enumerate():
            if isinstance(each, imap.Watch):
                each.join(PATIENCE_S)

    def cursors(self) -> dict[str, int]:
        f = schema.mailbox_folders.c
        with self.house.engine.connect() as connection:
            return {row.folder: row.uid for row in connection.execute(select(f.folder, f.uid))}

    def trouble(self) -> str:
        with self.house.engine.connect() as connection:
            return str(connection.execute(select(schema.mailboxes.c.trouble)).scalar_one())

    def kinds(self) -> list[str]:
        with self.house.engine.connect() as connection:
            return list(connection.execute(select(schema.replies.c.kind).order_by(schema.replies.c.id)).scalars())

    def until(self, question: Callable[[], Any]) -> Any:
        deadline = monotonic() + PATIENCE_S
        while not (said := question()):
            assert monotonic() < deadline, (self.server.log(), self.kinds(), self.trouble())
            sleep(0.02)
        return said

    def watching(self) -> bool:
        return set(self.cursors()) == {"INBOX", "Junk"}


@pytest.fixture
def watched(
    engine: Engine, tmp_path: Any, mailbox_server: MailboxServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    monkeypatch.setattr(imap, "IDLE_S", 0.5)
    monkeypatch.setattr(imap, "BELL_S", 0.1)
    house = imap.House(
        engine=engine, keys=KEYS, clock=lambda: datetime.now(UTC), trust=TRUST, tokens=tokens, inside=True
    )
    it = Watched(House(engine, tmp_path), mailbox_server, imap.Watches(house))
    yield it
    it.watches.end()
    it.wait_until_none_watches()  # what is left behind would write into the store of the next test
    it.house.journal.close()


def counts(house: House, copy: Any) -> int:
    with house.engine.connect() as connection:
        return int(connection.execute(select(schema.copies.c.replies).where(schema.copies.c.id == copy)).scalar_one())


# Signing in


def test_a_mailbox_that_lets_us_in_says_what_it_holds(mailbox_server: MailboxServer) -> None:
    seen = imap.try_out(at(mailbox_server), inside=True, trust=TRUST)

    assert Entered(folders=2, watched=("Junk", "INBOX"), idle=True) == seen


@pytest.mark.parametrize(
    ("wrong", "field", "temporary", "words"),
    [
        ({"password": "guess"}, "password", False, "refuses the user name or the password"),
        ({"host": "nowhere.invalid", "tls": Tls.IMPLICIT}, "host", True, "no host named nowhere.invalid"),
        ({"host": "a..b", "tls": Tls.IMPLICIT}, "host", True, "no host named a..b"),
        ({"tls": Tls.STARTTLS}, "tls", True, "offers no STARTTLS"),
        ({"tls": Tls.IMPLICIT}, "tls", True, "there is no TLS on port"),
    ],
)
def test_what_fails_is_said_with_the_entry_to_look_at(
    mailbox_server: MailboxServer, wrong: dict[str, Any], field: str, temporary: bool, words: str
) -> None:
    with pytest.raises(MailboxClosed, match=words) as said:
        imap.try_out(at(mailbox_server, **wrong), inside=True, trust=TRUST)

    assert (field, temporary) == (said.value.field, said.value.temporary)
    assert PASSWORD not in str(said.value)


def test_a_port_where_nobody_listens_is_named(free_port: Callable[[], int]) -> None:
    port = free_port()
    mailbox = Mailbox(host="127.0.0.1", port=port, tls=Tls.NONE, user=USER, password=PASSWORD)

    with pytest.raises(MailboxClosed, match=f"nobody answers on port {port}"):
        imap.try_out(mailbox, inside=True, trust=TRUST)


@pytest.mark.parametrize("greeting", [b"220 mail.example ESMTP\r\n", b"", b"* OK hello\r\n* BYE\r\n", b"x" * 2_000_000])
def test_what_is_no_imap_server_is_told_apart(listening: Callable[[], socket.socket], greeting: bytes) -> None:
    server = listening()

    def speak() -> None:
        with server.accept()[0] as made, suppress(OSError):
            made.sendall(greeting)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    mailbox = Mailbox(host="127.0.0.1", port=server.getsockname()[1], tls=Tls.NONE, user=USER, password=PASSWORD)
    with pytest.raises(MailboxClosed, match="is no IMAP server, or it hung up"):
        imap.try_out(mailbox, inside=True, trust=TRUST)
    speaker.join(PATIENCE_S)


@pytest.mark.parametrize(
    ("after", "field", "words"),
    [
        (b" BAD User is authenticated but not connected.\r\n", "user", "not to the mailbox of this name: .*connected"),
        (b"", "port", "it hung up"),
    ],
)
def test_who_is_let_in_and_shown_nothing_is_told_why(
    listening: Callable[[], socket.socket], after: bytes, field: str, words: str
) -> None:
    server = listening()

    def speak() -> None:
        with server.accept()[0] as made, made.makefile("rwb") as wire, suppress(OSError):
            wire.write(b"* OK hello\r\n")
            wire.flush()
            for line in wire:
                tag, _, command = line.strip().partition(b" ")
                if command.startswith(b"LIST") and not after:
                    return
                told = {b"CAPABILITY": b"* CAPABILITY IMAP4rev1\r\n", b"LOGOUT": b"* BYE\r\n"}.get(command, b"")
                wire.write(told + tag + (after if command.startswith(b"LIST") else b" OK done\r\n"))
                wire.flush()

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    mailbox = Mailbox(host="127.0.0.1", port=server.getsockname()[1], tls=Tls.NONE, user=USER, password="ascii")
    with pytest.raises(MailboxClosed, match=words) as said:
        imap.try_out(mailbox, inside=True, trust=TRUST)
    speaker.join(PATIENCE_S)

    assert (field, True) == (said.value.field, said.value.temporary)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "::1"])
def test_nobody_but_who_may_reaches_into_this_machine(mailbox_server: MailboxServer, host: str) -> None:
    with pytest.raises(MailboxClosed, match="private network") as said:
        imap.try_out(at(mailbox_server, host=host, tls=Tls.IMPLICIT), inside=False, trust=TRUST)

    assert "host" == said.value.field
    assert "Login" not in mailbox_server.log()


def test_no_password_goes_in_clear_over_a_network() -> None:
    mailbox = Mailbox(host="mail.x.example", port=143, tls=Tls.NONE, user=USER, password=PASSWORD)

    with pytest.raises(MailboxClosed, match="without TLS"):
        imap.try_out(mailbox, inside=True, trust=TRUST)


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_tls_is_verified(program: Callable[[str], str], free_port: Callable[[], int], tls: Tls) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    pem = (b"".join(each.bytes() for each in made.cert_chain_pems), made.private_key_pem.bytes())
    server = MailboxServer(program=program("dovecot"), port=free_port(), tls_port=free_port(), certificate=pem)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    server.start()
    try:
        port = server.tls_port if tls is Tls.IMPLICIT else server.port
        mailbox = at(server, host="localhost", port=port, tls=tls)

        assert 2 == imap.try_out(mailbox, inside=True, trust=trusting).folders
        with pytest.raises(MailboxClosed, match="the certificate of localhost is not valid"):
            imap.try_out(mailbox, inside=True, trust=TRUST)
        with pytest.raises(MailboxClosed, match=r"the certificate of 127\.0\.0\.1 is not valid"):
            imap.try_out(replace(mailbox, host="127.0.0.1"), inside=True, trust=trusting)
    finally:
        server.stop()


def test_a_server_that_sends_without_end_is_left(mailbox_server: MailboxServer) -> None:
    with imap.entered(at(mailbox_server), inside=True, trust=TRUST) as client:
        client.fresh().noop()
        with pytest.raises(IMAPClientAbortError, match="without end"):
            client._wire.read(imap.ANSWER_BYTES + 1)


# Watching


def test_an_answer_counts_and_the_mailbox_stays_as_it_was(watched: Watched) -> None:
    [rob, _] = watched.house.message(copies=2)
    watched.server.put(USER, answer(0))  # before it was connected
    watched.connect()
    watched.until(watched.watching)
    watched.server.put(USER, answer(1), answer(2, more="Auto-Submitted: auto-replied\r\n"))
    watched.server.put(USER, answer(3, to="<other@example.org>"), answer(4, by="stranger@y.example"), folder="Junk")
    watched.until(lambda: len(watched.kinds()) == 3)

    assert 1 == counts(watched.house, rob)
    assert "" == watched.trouble()
    assert [False] * 3 == [b"\\Seen" in flags for flags in watched.server.flags(USER)]


def test_an_answer_that_lies_in_several_folders_counts_once(watched: Watched) -> None:
    [rob] = watched.house.message()
    watched.connect()
    watched.until(watched.watching)
    watched.server.put(USER, answer(1), folder="Junk")
    watched.server.put(USER, answer(1), answer(2))
    watched.until(lambda: len(watched.kinds()) == 2 and watched.cursors() == {"INBOX": 2, "Junk": 1})

    assert 2 == counts(watched.house, rob)


def test_a_renumbered_folder_is_read_again_and_nothing_counts_twice(watched: Watched) -> None:
    [rob] = watched.house.message()
    watched.connect()
    watched.until(watched.watching)
    watched.server.put(USER, answer(1), answer(2))
    watched.until(lambda: counts(watched.house, rob) == 2)
    watched.watches.see_to([])
    watched.wait_until_none_watches()  # it has these files open
    with watched.server.client(USER) as client:  # as after a move to another server: all are there, with other numbers
        client.select_folder("INBOX")
        client.delete_messages(client.search())
        client.expunge()
    for path in (watched.server.folder / "mail" / USER).glob("dovecot*"):
        if path.is_file():
            path.unlink()
    watched.server.put(USER, answer(2), answer(1), answer(3))
    watched.see_to()
    watched.until(lambda: counts(watched.house, rob) == 3)

    assert ["reply"] * 3 == watched.kinds()


def test_after_the_server_was_away_nothing_is_missed(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "PAUSE_S", 0.05)
    [rob] = watched.house.message()
    watched.connect()
    watched.until(watched.watching)
    watched.server.halt()
    watched.until(lambda: "nobody answers on port" in watched.trouble())
    watched.server.run()
    watched.server.put(USER, answer(1))
    watched.until(lambda: counts(watched.house, rob) == 1)

    assert "" == watched.trouble()


def test_a_refused_password_is_said_and_not_tried_again(watched: Watched) -> None:
    watched.connect(password="not this one")
    watched.until(lambda: "refuses the user name or the password" in watched.trouble())
    [watch] = watched.watches._running.values()
    watch.join(PATIENCE_S)
    watched.see_to()

    assert not watch.is_alive()
    assert [watch] == list(watched.watches._running.values())
    watched.until(lambda: watched.server.log().count("auth failed") == 1)


def test_a_mailbox_that_was_disconnected_is_read_no_more(watched: Watched) -> None:
    watched.house.message()
    watched.connect()
    watched.until(watched.watching)
    [watch] = watched.watches._running.values()
    with watched.house.engine.begin() as connection:
        assert mailboxes.disconnect(connection, SENDER, datetime.now(UTC))
    watched.server.put(USER, answer(1))
    watch.join(PATIENCE_S)

    assert not watch.is_alive()
    assert [] == watched.kinds()


def test_no_log_holds_a_name_a_password_or_a_letter(
    watched: Watched, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    watched.house.message()
    watched.connect()
    watched.until(watched.watching)
    watched.server.put(USER, answer(1))
    watched.until(watched.kinds)
    said = caplog.text + "".join(capsys.readouterr())

    assert [] == [word for word in (PASSWORD, USER, "rob0", "Offer", "a1@x.example") if word in said]


def test_many_messages_come_in_portions(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "BATCH", 3)
    [rob] = watched.house.message()
    watched.connect()
    watched.until(watched.watching)
    watched.server.put(USER, *(answer(number) for number in range(8)))
    watched.until(lambda: counts(watched.house, rob) == 8)

    assert 8 == watched.cursors()["INBOX"]


# Tokens instead of a password


@pytest.fixture
def by_token(watched: Watched, token_mailbox_server: MailboxServer, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(imap, "PAUSE_S", 0.1)
    watched.server = token_mailbox_server
    return watched


def secret_of(watched: Watched) -> OAuth | None:
    with watched.house.engine.connect() as connection:
        kept = mailboxes.of(connection, SENDER)
    assert kept is not None
    return observe.opened(kept, KEYS).oauth


@pytest.mark.parametrize("method", ["XOAUTH2", "OAUTHBEARER"])
def test_an_answer_is_seen_in_a_mailbox_that_is_signed_in_to_with_tokens(
    by_token: Watched, token_server: TokenServer, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    offers = imap.Client.has_capability
    monkeypatch.setattr(
        imap.Client,
        "has_capability",
        lambda client, name: offers(client, name) and name in ("IDLE", f"AUTH={method}"),
    )
    [rob] = by_token.house.message()
    first = token_server.consent(USER)
    by_token.connect_by(oauth(token_server, first))
    by_token.until(by_token.watching)
    by_token.server.put(USER, answer(1))
    by_token.until(lambda: counts(by_token.house, rob) == 1)

    assert "" == by_token.trouble()
    by_token.until(lambda: f"method={method}" in by_token.server.log())
    [renewed] = token_server.given
    assert renewed != first
    assert oauth(token_server, renewed) == secret_of(by_token), "the last one that was given, sealed"
    assert [first] == [form["refresh_token"] for form in token_server.forms]


def test_a_token_that_ended_is_asked_for_again_and_no_answer_is_missed(
    by_token: Watched, token_server: TokenServer
) -> None:
    [rob] = by_token.house.message()
    by_token.connect_by(oauth(token_server, token_server.consent(USER)))
    by_token.until(by_token.watching)
    token_server.end()
    by_token.server.halt()  # as Microsoft does when the token ends
    by_token.server.run()
    by_token.server.put(USER, answer(1))
    by_token.until(lambda: counts(by_token.house, rob) == 1)
    by_token.until(lambda: by_token.trouble() == "")

    assert 2 == len({form["refresh_token"] for form in token_server.forms})


def test_a_refused_refresh_token_is_said_and_another_one_reads_on_where_the_last_ended(
    by_token: Watched, token_server: TokenServer
) -> None:
    [rob] = by_token.house.message()
    by_token.connect_by(oauth(token_server, token_server.consent(USER)))
    by_token.until(by_token.watching)
    token_server.revoke()
    by_token.server.halt()
    by_token.server.run()
    by_token.until(lambda: "enter a new refresh token" in by_token.trouble())
    said = by_token.trouble()
    by_token.server.put(USER, answer(1))
    by_token.connect_by(oauth(token_server, token_server.consent(USER)))
    by_token.until(lambda: counts(by_token.house, rob) == 1)
    by_token.until(lambda: by_token.trouble() == "")

    assert said.startswith("no access token: localhost answered 400: invalid_grant The refresh token has ended; ")


def test_who_agreed_as_somebody_else_gets_into_no_mailbox(
    token_mailbox_server: MailboxServer, token_server: TokenServer
) -> None:
    ours = oauth(token_server, token_server.consent("rob"))
    with pytest.raises(MailboxClosed, match="must be for this mailbox") as said:
        imap.try_out(at(token_mailbox_server, oauth=ours), inside=True, trust=TRUST, tokens=tokens(ours))

    assert ("refresh_token", True) == (said.value.field, said.value.temporary)
    assert "Login:" not in token_mailbox_server.log()


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"refresh_token": "guess"}, "refresh_token", "400: invalid_grant.* enter a new refresh token"),
        ({"client_secret": "guess"}, "refresh_token", "401: invalid_client; enter a new refresh token"),
        ({"token_url": "http://nowhere.invalid/token"}, "token_url", "no access token: the token address must begin"),
        ({"token_url": "https://nowhere.invalid/token"}, "token_url", "no access token: nowhere.invalid could not be"),
    ],
)
def test_why_there_is_no_token_is_said_with_the_entry_to_look_at(
    token_mailbox_server: MailboxServer, token_server: TokenServer, wrong: dict[str, str], field: str, words: str
) -> None:
    ours = replace(oauth(token_server, token_server.consent(USER)), **wrong)
    with pytest.raises(MailboxClosed, match=words) as said:
        imap.try_out(at(token_mailbox_server, oauth=ours), inside=True, trust=TRUST, tokens=tokens(ours))

    assert (field, True) == (said.value.field, said.value.temporary)


def test_a_server_that_takes_passwords_alone_is_told_apart(
    mailbox_server: MailboxServer, token_server: TokenServer
) -> None:
    ours = oauth(token_server, token_server.consent(USER))
    with pytest.raises(MailboxClosed, match="offers no sign-in with OAuth") as said:
        imap.try_out(at(mailbox_server, oauth=ours), inside=True, trust=TRUST, tokens=tokens(ours))

    assert "auth" == said.value.field


def test_no_log_holds_a_token(
    by_token: Watched, token_server: TokenServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    by_token.connect_by(oauth(token_server, token_server.consent(USER)))
    by_token.until(by_token.watching)
    token_server.revoke()
    by_token.server.halt()
    by_token.server.run()
    by_token.until(lambda: "enter a new refresh token" in by_token.trouble())
    said = caplog.text + "".join(capsys.readouterr()) + by_token.trouble()

    assert [] == [word for word in (SECRET, USER, "access-", "refresh-") if word in said]
