from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import Engine, select
from starlette.applications import Starlette

from unsealed.flow import observe
from unsealed.inlets import web
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.errors import MailboxClosed
from unsealed.model.message import UserId
from unsealed.model.ports import RefreshTokens
from unsealed.model.reply import Entered, Mailbox
from unsealed.model.upstream import OAuth, Tls
from unsealed.store import mailboxes, proofs, schema

MARA = UserId(0x5E9D_0000_0000_0001)  # the owner
OTHER = UserId(0x5E9D_0000_0000_0002)  # a member
HERE = "/settings/mailbox"
GIVEN = {
    "host": "IMAP.tidewater.example",
    "port": "993",
    "tls": "implicit",
    "auth": "password",
    "user": "mara@tidewater.example",
    "password": "corrëct horse",
}


BY_TOKENS = GIVEN | {
    "auth": "xoauth2",
    "password": "",
    "token_url": "https://tokens.example/t",
    "client_id": "our-app",
    "client_secret": "hush",
    "refresh_token": "first",
}


@dataclass
class Door:
    """A mailbox that lets in, or not; whoever gives out its access tokens renews the refresh token each time."""

    asked: list[tuple[Mailbox, bool]] = field(default_factory=list)
    trouble: MailboxClosed | None = None

    def __call__(self, mailbox: Mailbox, inside: bool, tokens: RefreshTokens | None) -> Entered:
        self.asked.append((mailbox, inside))
        if tokens is not None:
            now = asyncio.run(tokens.newest())
            assert now is not None
            asyncio.run(tokens.keep(replace(now, refresh_token=f"after {now.refresh_token}")))
        if self.trouble is not None:
            raise self.trouble
        return Entered(folders=7, watched=("Junk", "INBOX"), idle=True)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def app(around: Surroundings, door: Door) -> Starlette:
    return web.build(replace(around, enter_mailbox=door))


def kept(engine: Engine, user: UserId = MARA) -> mailboxes.Kept | None:
    with engine.connect() as connection:
        return mailboxes.of(connection, user)


async def test_a_mailbox_is_connected_once_it_let_us_in(mara: Any, door: Door, engine: Engine, around: Any) -> None:
    assert "Connect it" in (await mara.get(HERE)).text

    answer = await mara.post(HERE, GIVEN)

    assert (303, f"{HERE}?done=connected#mailbox") == (answer.status, answer.headers["location"])
    wanted = Mailbox(
        host="imap.tidewater.example",
        port=993,
        tls=Tls.IMPLICIT,
        user="mara@tidewater.example",
        password="corrëct horse",
    )
    assert [(wanted, True)] == door.asked
    found = kept(engine)
    assert found is not None
    assert wanted == observe.opened(found, around.keys)
    page = (await mara.get(f"{HERE}?done=connected")).text
    assert "imap.tidewater.example" in page
    assert "works" in page
    assert "corrëct" not in page
    with engine.connect() as connection:
        assert "corrëct" not in str(connection.execute(select(schema.mailboxes)).all())


async def test_trying_says_what_is_there_and_keeps_nothing(mara: Any, engine: Engine) -> None:
    answer = await mara.post(HERE, GIVEN | {"then": "try"})

    assert 200 == answer.status
    assert "It lets us in." in answer.text
    assert "7 folders; looked at: Junk, INBOX" in answer.text
    assert "corrëct" not in answer.text
    assert None is kept(engine)


async def test_what_fails_stands_beside_its_field_and_nothing_is_kept(mara: Any, door: Door, engine: Engine) -> None:
    door.trouble = MailboxClosed("the server refuses the user name or the password: no", field="password")
    answer = await mara.post(HERE, GIVEN)

    assert 422 == answer.status
    assert 'id="password-says"' in answer.text
    assert "The server refuses the user name or the password: no" in answer.text
    assert "imap.tidewater.example".upper() not in answer.text
    assert "IMAP.tidewater.example" in answer.text
    assert None is kept(engine)


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"host": ""}, "host", "such as imap.example.org"),
        ({"host": "imaps://mail.x.example"}, "host", "Write the name alone"),
        ({"host": "mail.x.example:993"}, "host", "Write the port into its own field"),
        ({"host": "2130706433"}, "host", "not the name of a server"),
        ({"port": "0"}, "port", "mostly 993"),
        ({"port": "99999"}, "port", "mostly 993"),
        ({"tls": "none"}, "tls", "everybody on the way"),
        ({"tls": "maybe"}, "tls", "Choose one of these"),
        ({"user": " "}, "user", "Write the name"),
        ({"user": "a\r\nb"}, "user", "One line"),
        ({"password": ""}, "password", "Write its password"),
        ({"password": "a\0b"}, "password", "One line"),
        ({"password": "a" * 1025}, "password", "at most"),
        ({"auth": "kerberos"}, "auth", "Choose one of these"),
        ({"auth": "xoauth2"}, "token_url", "Write the whole address"),
        (BY_TOKENS | {"token_url": "http://tokens.example/t"}, "token_url", "must begin with https://"),
        (BY_TOKENS | {"client_id": ""}, "client_id", "Write the client ID"),
        (BY_TOKENS | {"refresh_token": ""}, "refresh_token", "Write the refresh token"),
        (BY_TOKENS | {"refresh_token": "a\nb"}, "refresh_token", "invisible characters"),
    ],
)
async def test_bad_input_is_answered_beside_its_field(
    mara: Any, door: Door, typed: dict[str, str], field: str, words: str
) -> None:
    answer = await mara.post(HERE, GIVEN | typed)

    assert 422 == answer.status
    assert f'id="{field}-says"' in answer.text
    assert words in answer.text
    assert [] == door.asked


async def test_a_kept_password_goes_on_for_the_same_name_alone(mara: Any, door: Door, engine: Engine) -> None:
    await mara.post(HERE, GIVEN)
    same = await mara.post(HERE, GIVEN | {"port": "143", "tls": "starttls", "password": ""})
    elsewhere = await mara.post(HERE, GIVEN | {"host": "imap.evil.example", "password": ""})

    assert (303, 422) == (same.status, elsewhere.status)
    assert "Type it again" in elsewhere.text
    assert ["corrëct horse"] * 2 == [mailbox.password for mailbox, _ in door.asked]
    found = kept(engine)
    assert found is not None
    assert ("imap.tidewater.example", 143) == (found.host, found.port)


async def test_the_connected_one_is_tried_again_and_disconnected(mara: Any, door: Door, engine: Engine) -> None:
    assert 422 == (await mara.post(f"{HERE}/try")).status
    await mara.post(HERE, GIVEN)

    assert "It lets us in." in (await mara.post(f"{HERE}/try")).text
    door.trouble = MailboxClosed("nobody answers on port 993 of imap.tidewater.example", field="port", temporary=True)
    assert "Nobody answers on port 993" in (await mara.post(f"{HERE}/try")).text

    answer = await mara.post(f"{HERE}/disconnect")
    assert f"{HERE}?done=disconnected#mailbox" == answer.headers["location"]
    assert None is kept(engine)
    assert "its password or tokens are forgotten" in (await mara.get(f"{HERE}?done=disconnected")).text


async def test_trouble_is_shown_and_when_it_was_looked_at(mara: Any, engine: Engine) -> None:
    await mara.post(HERE, GIVEN)
    found = kept(engine)
    assert found is not None
    with engine.begin() as connection:
        mailboxes.looked(connection, found, at=None, trouble="the server refuses <b>the</b> password")
    page = (await mara.get(HERE)).text

    assert "Something is wrong" in page
    assert "The server refuses &lt;b&gt;the&lt;/b&gt; password" in page


async def test_members_do_not_reach_into_private_networks(
    app: Starlette, around: Surroundings, door: Door, engine: Engine, clock: Any, browser: Any, mail: Any
) -> None:
    for private_hosts, expected in ((False, False), (True, True)):
        it = browser(app=web.build(replace(around, enter_mailbox=door, private_hosts=private_hosts)))
        with engine.begin() as connection:
            it.cookies["unsealed"], it.token = proofs.new_session(connection, OTHER, "127.0.0.1", "test", clock())
        await it.post(HERE, GIVEN)

        assert expected == door.asked[-1][1]


async def test_nobody_tries_for_ever(mara: Any, door: Door, clock: Callable[[], Any]) -> None:
    door.trouble = MailboxClosed("no", field="password")
    answers = [await mara.post(HERE, GIVEN) for _ in range(11)]

    assert [422] * 10 + [429] == [answer.status for answer in answers]
    assert 10 == len(door.asked)


# Tokens instead of a password


def oauth(engine: Engine, around: Surroundings) -> OAuth | None:
    found = kept(engine)
    assert found is not None
    return observe.opened(found, around.keys).oauth


async def test_a_mailbox_is_connected_with_tokens_and_the_renewed_one_is_kept(
    mara: Any, door: Door, engine: Engine, around: Surroundings
) -> None:
    answer = await mara.post(HERE, BY_TOKENS)

    assert (303, f"{HERE}?done=connected#mailbox") == (answer.status, answer.headers["location"])
    given = {"token_url": "https://tokens.example/t", "client_id": "our-app", "client_secret": "hush"}
    [(asked, _)] = door.asked
    assert ("", OAuth(**given, refresh_token="first")) == (asked.password, asked.oauth)
    assert OAuth(**given, refresh_token="after first") == oauth(engine, around)
    page = (await mara.get(HERE)).text
    assert "https://tokens.example/t" in page
    assert 'value="our-app"' in page
    assert [] == [word for word in ("hush", "first") if f'"{word}' in page or f" {word}<" in page]
    with engine.connect() as connection:
        assert "after first" not in str(connection.execute(select(schema.mailboxes)).all())


async def test_trying_with_kept_tokens_keeps_what_was_renewed(
    mara: Any, door: Door, engine: Engine, around: Surroundings
) -> None:
    await mara.post(HERE, BY_TOKENS)
    silent = BY_TOKENS | {"client_secret": "", "refresh_token": "", "then": "try"}
    for path, form in ((f"{HERE}/try", {}), (HERE, silent)):
        assert "It lets us in." in (await mara.post(path, form)).text

    found = oauth(engine, around)
    assert found is not None
    assert "after after after first" == found.refresh_token
    assert ["first", "after first", "after after first"] == [
        mailbox.oauth.refresh_token for mailbox, _ in door.asked if mailbox.oauth is not None
    ]


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "imap.evil.example"},
        {"user": "rob@tidewater.example"},
        {"token_url": "https://evil.example/t"},
        {"client_id": "another"},
    ],
)
async def test_a_kept_refresh_token_goes_nowhere_else(mara: Any, door: Door, elsewhere: dict[str, str]) -> None:
    await mara.post(HERE, BY_TOKENS)
    answer = await mara.post(HERE, BY_TOKENS | {"client_secret": "", "refresh_token": ""} | elsewhere)

    assert 422 == answer.status
    assert 'id="refresh_token-says"' in answer.text
    assert 1 == len(door.asked)


async def test_from_a_password_to_tokens_and_back_nothing_is_taken_for_the_other(
    mara: Any, door: Door, engine: Engine, around: Surroundings
) -> None:
    await mara.post(HERE, GIVEN)
    assert "Write the refresh token" in (await mara.post(HERE, BY_TOKENS | {"refresh_token": ""})).text
    assert 303 == (await mara.post(HERE, BY_TOKENS)).status
    assert "Write its password" in (await mara.post(HERE, GIVEN | {"password": ""})).text
    assert None is not oauth(engine, around)
    assert 303 == (await mara.post(HERE, GIVEN)).status
    assert None is oauth(engine, around)
    assert 3 == len(door.asked)


async def test_a_refused_refresh_token_stands_beside_its_field(mara: Any, door: Door, engine: Engine) -> None:
    words = (
        "no access token: x.example answered 400: invalid_grant; enter a new refresh token, or correct client ID and "
        "secret"
    )
    door.trouble = MailboxClosed(words, field="refresh_token", temporary=True)
    answer = await mara.post(HERE, BY_TOKENS)

    assert 422 == answer.status
    assert 'id="refresh_token-says"' in answer.text
    assert f"No{words[2:]}." in answer.text
    assert None is kept(engine)
