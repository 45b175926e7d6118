"""Next hops that people choose: kept, opened, and what they say about the mail of whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from unsealed.core.next_hop import Written
from unsealed.flow import upstreams as flow
from unsealed.model.errors import BadInput, Refused
from unsealed.model.message import UserId
from unsealed.model.upstream import OAuth, Tls, Upstream
from unsealed.store import audit, people, schema, upstreams
from unsealed.store.engine import reading
from unsealed.store.people import Role
from unsealed.store.upstreams import EVERYBODY, Kept

WRITTEN = Written(
    host="smtp.example.org", port="587", tls="starttls", auth="password", user="ann", password="open sesame"
)
TOKENS = replace(
    WRITTEN,
    auth="xoauth2",
    password="",
    token_url="https://tokens.example/t",
    client_id="id",
    client_secret="hush",
    refresh_token="once more",
)


class Keys:
    newest = 1

    def key(self, key_id: int) -> bytes | None:
        return bytes(range(64)) if key_id == 1 else None


class OtherKeys(Keys):
    def key(self, key_id: int) -> bytes | None:
        return bytes(64) if key_id == 1 else None


@pytest.fixture
def users(engine: Engine, now: datetime) -> dict[str, UserId]:
    with engine.begin() as connection:
        return {
            role: people.add_user(connection, f"{role}@example.org", role, now)
            for role in (Role.OWNER, Role.ADMIN, Role.MEMBER)
        }


@pytest.fixture
def keep(engine: Engine, users: dict[str, UserId], now: datetime) -> Callable[..., Any]:
    """`keep("member", written)` keeps what that person typed; what is wrong comes back."""

    def put(by: str, written: Written, owner: UserId | None = None, *, private_hosts: bool = False) -> Any:
        with engine.begin() as connection:
            who = users[by]
            owner = who if owner is None else owner
            return flow.keep(connection, who, owner, written, keys=Keys(), private_hosts=private_hosts, now=now)

    return put


def route(engine: Engine, user: UserId) -> Kept | None:
    with reading(engine) as connection:
        return upstreams.route(connection, user)


def opened(engine: Engine, user: UserId, *, private_hosts: bool = False) -> Upstream:
    kept = route(engine, user)
    assert kept is not None
    return flow.opened(kept, keys=Keys(), private_hosts=private_hosts)


def stored(engine: Engine) -> str:
    with engine.connect() as connection:
        tables = [select(each).order_by(*each.primary_key) for each in (schema.upstreams, schema.audit)]
        return str([[*row] for each in tables for row in connection.execute(each)])


def test_what_was_kept_is_opened_again(engine: Engine, users: Any, keep: Any) -> None:
    assert keep("member", WRITTEN) == {}

    assert opened(engine, users["member"]) == Upstream(
        host="smtp.example.org", port=587, tls=Tls.STARTTLS, user="ann", password="open sesame", inside=False
    )


def test_tokens_are_kept_sealed_and_opened_again(engine: Engine, users: Any, keep: Any) -> None:
    assert keep("member", TOKENS) == {}

    found = opened(engine, users["member"])
    assert found.oauth == OAuth(
        token_url="https://tokens.example/t", client_id="id", client_secret="hush", refresh_token="once more"
    )
    assert found.password == ""


@pytest.mark.parametrize("whose", ["member", "everybody"])
async def test_a_refresh_token_that_was_renewed_is_sealed_in_the_place_of_the_last(
    engine: Engine, users: Any, keep: Any, whose: str
) -> None:
    owner = users.get(whose, EVERYBODY)
    keep("owner" if owner == EVERYBODY else whose, TOKENS, owner)
    before = opened(engine, owner)
    assert before.oauth is not None
    tokens = flow.KeptTokens(engine, owner, before, Keys())
    again = flow.KeptTokens(engine, owner, before, Keys())
    await tokens.keep(replace(before.oauth, refresh_token="and again"))
    newest = await again.newest()

    assert newest == replace(before.oauth, refresh_token="and again")
    assert opened(engine, owner) == replace(before, oauth=newest)
    assert "and again" not in stored(engine)
    assert 1 == stored(engine).count(audit.What.SENDING)  # nobody chose anything


@pytest.mark.parametrize(
    "typed",
    [replace(TOKENS, client_id="other", refresh_token="mine"), replace(TOKENS, user="bob"), WRITTEN, None],
    ids=["application", "mailbox", "password", "removed"],
)
async def test_what_was_typed_meanwhile_is_not_replaced_by_a_renewed_token(
    engine: Engine, users: Any, keep: Any, now: datetime, typed: Written | None
) -> None:
    owner = users["member"]
    keep("member", TOKENS)
    before = opened(engine, owner)
    assert before.oauth is not None
    tokens = flow.KeptTokens(engine, owner, before, Keys())
    if typed is None:
        with engine.begin() as connection:
            flow.remove(connection, owner, owner, now)
    else:
        assert keep("member", typed) == {}
    then = stored(engine)
    await tokens.keep(replace(before.oauth, refresh_token="too late"))

    assert await tokens.newest() is None
    assert then == stored(engine)


def test_only_the_secret_that_was_read_is_replaced(engine: Engine, users: Any, keep: Any) -> None:
    keep("member", TOKENS)
    with engine.begin() as connection:
        kept = upstreams.of(connection, users["member"])
        assert kept is not None
        assert upstreams.renew(connection, kept, b"one")
        assert not upstreams.renew(connection, kept, b"two")


def test_no_secret_stands_in_the_database(engine: Engine, keep: Any) -> None:
    keep("member", WRITTEN)
    keep("owner", TOKENS)

    for secret in ("open sesame", "hush", "once more"):
        assert secret not in stored(engine)
    with reading(engine) as connection:
        assert "secret" not in repr(connection.execute(select(schema.audit.c.words)).all())


def test_the_own_comes_before_everybodys_and_others_are_nobodys_business(engine: Engine, users: Any, keep: Any) -> None:
    assert route(engine, users["member"]) is None
    keep("owner", replace(WRITTEN, host="all.example"), EVERYBODY)
    keep("member", WRITTEN)

    hosts = {role: found.host for role, user in users.items() if (found := route(engine, user))}
    assert hosts == {"owner": "all.example", "admin": "all.example", "member": "smtp.example.org"}
    with reading(engine) as connection:
        assert upstreams.host(connection, users["member"]) == "smtp.example.org"
        assert upstreams.host(connection, users["admin"]) == "all.example"


def test_only_owners_and_administrators_choose_for_everybody(engine: Engine, users: Any, keep: Any) -> None:
    with pytest.raises(Refused, match="only owners and administrators"):
        keep("member", WRITTEN, EVERYBODY)
    with pytest.raises(Refused):
        keep("member", WRITTEN, users["owner"])
    with pytest.raises(Refused):
        keep("owner", WRITTEN, users["member"])

    assert keep("admin", WRITTEN, EVERYBODY) == {}


def test_only_owners_may_name_private_hosts_unless_the_settings_let_everybody(
    engine: Engine, users: Any, keep: Any
) -> None:
    private = replace(WRITTEN, host="10.0.0.5")
    for role in ("member", "admin"):
        assert "host" in keep(role, private)
    assert keep("owner", private) == {}
    assert opened(engine, users["owner"]).inside

    assert keep("member", private, private_hosts=True) == {}
    assert opened(engine, users["member"], private_hosts=True).inside
    assert not opened(engine, users["member"]).inside  # the setting was taken back


def test_what_is_wrong_changes_nothing(engine: Engine, users: Any, keep: Any) -> None:
    keep("member", WRITTEN)

    assert list(keep("member", replace(WRITTEN, port="0"))) == ["port"]
    assert list(keep("member", replace(WRITTEN, host="evil.example", password=""))) == ["password"]
    assert opened(engine, users["member"]).host == "smtp.example.org"


def test_the_password_goes_on_when_only_the_port_changes(engine: Engine, users: Any, keep: Any) -> None:
    keep("member", WRITTEN)
    assert keep("member", replace(WRITTEN, port="465", tls="implicit", password="")) == {}

    assert (opened(engine, users["member"]).port, opened(engine, users["member"]).password) == (465, "open sesame")


def test_a_password_does_not_open_for_a_host_that_somebody_wrote_into_the_database(
    engine: Engine, users: Any, keep: Any
) -> None:
    keep("member", WRITTEN)
    with engine.begin() as connection:
        connection.execute(update(schema.upstreams).values(host="evil.example"))

    with pytest.raises(BadInput, match="cannot be opened"):
        opened(engine, users["member"])


def test_with_another_key_ring_nothing_opens_and_the_form_asks_again(
    engine: Engine, users: Any, keep: Any, now: datetime
) -> None:
    keep("member", WRITTEN)
    kept = route(engine, users["member"])
    assert kept is not None
    with pytest.raises(BadInput):
        flow.opened(kept, keys=OtherKeys(), private_hosts=False)
    with engine.begin() as connection:
        who = users["member"]
        silent = replace(WRITTEN, password="")
        wrong = flow.keep(connection, who, who, silent, keys=OtherKeys(), private_hosts=False, now=now)

    assert list(wrong) == ["password"]


def test_forms_show_all_but_the_secrets(engine: Engine, users: Any, keep: Any) -> None:
    keep("member", TOKENS)
    shown = flow.shown(route(engine, users["member"]), Keys())

    assert (shown["host"], shown["port"], shown["auth"]) == ("smtp.example.org", "587", "xoauth2")
    assert (shown["token_url"], shown["client_id"]) == ("https://tokens.example/t", "id")
    assert shown["password"] == shown["client_secret"] == shown["refresh_token"] == ""
    assert flow.shown(None, Keys())["port"] == "587"


def test_removing_forgets_the_secret_and_says_so(engine: Engine, users: Any, keep: Any, now: datetime) -> None:
    keep("member", WRITTEN)
    later = now + timedelta(minutes=1)
    with engine.begin() as connection:
        assert flow.remove(connection, users["member"], users["member"], later)
    with engine.begin() as connection:
        assert not flow.remove(connection, users["member"], users["member"], later)
        with pytest.raises(Refused):
            flow.remove(connection, users["member"], EVERYBODY, later)

    assert route(engine, users["member"]) is None
    with reading(engine) as connection:
        lines = [(line.what, line.words) for line in audit.lines(connection, users["member"])]
    assert lines == [
        ("way of mail changed", "own mail: the usual way"),
        ("way of mail changed", "own mail: by smtp.example.org port 587, starttls as ann"),
    ]
