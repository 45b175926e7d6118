from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from starlette.applications import Starlette
from tests.parts.web.read import text

from unsealed.flow import policy
from unsealed.inlets import web
from unsealed.inlets.web.surroundings import Surroundings
from unsealed.model.message import UserId
from unsealed.model.policy import Level, Place, Rule, Scope, Switches
from unsealed.store import policies, proofs, schema
from unsealed.store.engine import reading
from unsealed.store.policies import EVERYBODY

MARA = UserId(0x5E9D_0000_0000_0001)
PAGE = "/settings/tracking"
HOSTILE = [
    "a\r\nb.example",
    "a\0.example",
    "\u202eexample.org",
    "x" * 10_000,
    "=?utf-8?q?a=0d=0ab?=",
    "<script>alert(1)</script>",
    "",
    "..",
]


def said(engine: Engine) -> tuple[Place, Place]:
    with reading(engine) as connection:
        return policies.place(connection, MARA), policies.place(connection, EVERYBODY)


def names(engine: Engine, owner: UserId = MARA) -> list[tuple[str, str]]:
    with reading(engine) as connection:
        return [(row.scope.value, row.name) for row in policies.exclusions(connection, owner)]


@pytest.fixture
def member(engine: Engine, mail: Any) -> None:
    """Mara is no owner."""
    with engine.begin() as connection:
        connection.execute(update(schema.users).where(schema.users.c.id == MARA).values(role="member"))


# --- the page ---------------------------------------------------------------------------------------------------------


async def test_the_page_says_what_holds_and_that_nobody_has_chosen(mara: Any) -> None:
    page = (await mara.get(PAGE)).text

    assert "Nobody has chosen yet what is tracked here, so opens and links both are." in text(page)
    assert "Opens On Nobody said otherwise Links On" in text(page)


async def test_the_owner_reads_everywhere_that_nobody_has_chosen_until_somebody_does(mara: Any) -> None:
    words = "Mail is tracked in full, as nobody has chosen yet."
    assert words in (await mara.get("/sent")).text

    await mara.post(f"{PAGE}/first", {"what": "both"})

    assert words not in (await mara.get("/sent")).text


async def test_where_nothing_can_be_tracked_nobody_is_asked_to_choose(around: Surroundings, mara: Any) -> None:
    mara.app = web.build(replace(around, tracking=Switches(opens=Level.OFF, clicks=Level.OFF)))

    assert "obody has chosen" not in (await mara.get(PAGE)).text


async def test_own_defaults_are_kept_and_shown(mara: Any, engine: Engine) -> None:
    await mara.get(PAGE)
    answer = await mara.post(PAGE, {"opens": "off", "clicks": "", "strict": "1"})

    assert answer.status == 303
    assert said(engine)[0] == Place(limit=Rule(scope=Scope.USER), opens=Level.OFF, strict=True)
    page = (await mara.get(answer.headers["location"].partition("#")[0])).text
    assert "Saved. It holds for mail from now on" in page
    assert "Opens Off Your choice, below Links On" in text(page)
    assert re.search(r'name="opens" value="off" checked', page)


async def test_a_limit_disables_the_control_and_says_which_rule_it_is(
    mara: Any, engine: Engine, clock: Callable[[], datetime]
) -> None:
    fixed = Place(limit=Rule(scope=Scope.ACCOUNT), opens=Level.OFF, opens_may_change=False)
    with engine.begin() as connection:
        policies.keep(connection, EVERYBODY, fixed, by=MARA, now=clock())

    page = (await mara.get(PAGE)).text
    assert "Open tracking is switched off for everybody here" in text(page)
    yours = page[page.index('id="yours-opens"') : page.index('id="yours-clicks"')]
    assert re.search(r'value="full" disabled', yours)
    assert re.search(r'value="identified" disabled', yours)

    answer = await mara.post(PAGE, {"opens": "full"})
    assert answer.status == 422
    assert "Open tracking is switched off for everybody here." in text(answer.text)
    assert said(engine)[0].opens is None


async def test_the_owner_decides_for_everybody(mara: Any, engine: Engine) -> None:
    await mara.get(PAGE)
    form = {"opens": "off", "clicks": "identified", "clicks_may_change": "1"}
    assert (await mara.post(f"{PAGE}/everybody", form)).status == 303
    assert said(engine)[1] == Place(
        limit=Rule(scope=Scope.ACCOUNT), opens=Level.OFF, clicks=Level.IDENTIFIED, opens_may_change=False
    )

    assert (await mara.post(f"{PAGE}/everybody", form | {"off": "1"})).status == 303
    assert said(engine)[1].limit == Rule(scope=Scope.ACCOUNT, opens=Level.OFF, clicks=Level.OFF)
    assert "Opens Off Open tracking is switched off" in text((await mara.get(PAGE)).text)


@pytest.mark.usefixtures("member")
@pytest.mark.parametrize(
    ("path", "form"),
    [
        (f"{PAGE}/everybody", {"opens": "off"}),
        (f"{PAGE}/exclude", {"kind": "links", "name": "a.example", "everybody": "1"}),
        (f"{PAGE}/include", {"scope": "destination", "name": "a.example", "everybody": "1"}),
        (f"{PAGE}/first", {"what": "nothing"}),
    ],
)
async def test_others_do_not(mara: Any, engine: Engine, path: str, form: dict[str, str]) -> None:
    page = (await mara.get(PAGE)).text
    assert "For everybody here" not in text(page)
    assert "obody has chosen" not in page

    assert (await mara.post(path, form)).status in (403, 422)
    assert said(engine)[1] == Place(limit=Rule(scope=Scope.ACCOUNT))
    assert names(engine, EVERYBODY) == []


@pytest.mark.parametrize(
    ("form", "kept"),
    [
        ({"kind": "recipients", "name": " Ines@B\xfccher.example "}, ("recipient", "ines@xn--bcher-kva.example")),
        ({"kind": "recipients", "name": "@Example.org"}, ("recipient_domain", "example.org")),
        ({"kind": "links", "name": "https://calendar.example/me"}, ("destination", "calendar.example")),
    ],
)
async def test_lists_take_what_people_write(
    mara: Any, engine: Engine, form: dict[str, str], kept: tuple[str, str]
) -> None:
    await mara.get(PAGE)
    answer = await mara.post(f"{PAGE}/exclude", form)

    assert answer.status == 303
    assert names(engine) == [kept]
    assert kept[1] in (await mara.get(PAGE)).text
    gone = await mara.post(f"{PAGE}/include", {"scope": kept[0], "name": kept[1]})
    assert gone.status == 303
    assert names(engine) == []
    assert (await mara.post(f"{PAGE}/include", {"scope": kept[0], "name": kept[1]})).status == 404


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
@pytest.mark.parametrize("kind", ["recipients", "links"])
async def test_what_cannot_stand_on_a_list_is_said_beside_the_field(
    mara: Any, engine: Engine, kind: str, name: str
) -> None:
    await mara.get(PAGE)
    answer = await mara.post(f"{PAGE}/exclude", {"kind": kind, "name": name})

    assert answer.status == 422
    assert 'aria-invalid="true"' in answer.text
    assert "<script>alert" not in answer.text
    assert "\u202e" not in answer.text
    assert names(engine) == []


@pytest.mark.parametrize("form", [{"scope": "user", "name": ""}, {"scope": "\0", "name": "x"}, {}])
async def test_only_lists_can_be_shortened(mara: Any, form: dict[str, str]) -> None:
    await mara.get(PAGE)
    assert (await mara.post(f"{PAGE}/include", form)).status == 404


# --- learning from a signature ----------------------------------------------------------------------------------------


async def test_domains_of_the_signature_are_proposed_and_added_at_once(mara: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(schema.links.delete())
    assert "Nothing to propose" in text((await mara.get(PAGE)).text)
    with engine.begin() as connection:
        signature = "Mara\nwww.tidewater.example\nhttps://calendar.example/mara"
        connection.execute(
            update(schema.identities).where(schema.identities.c.user_id == MARA).values(signature=signature)
        )
    page = (await mara.get(PAGE)).text
    assert re.findall(r'name="learn-\d" value="([^"]+)" checked', page) == ["calendar.example", "tidewater.example"]
    assert "calendar.example in your signature" in text(page)

    answer = await mara.post(f"{PAGE}/learn", {"learn-1": "calendar.example", "learn-2": "tidewater.example"})
    assert (303, f"{PAGE}?excluded#links") == (answer.status, answer.headers["location"])
    assert names(engine) == [("destination", "calendar.example"), ("destination", "tidewater.example")]
    assert "Nothing to propose" in text((await mara.get(PAGE)).text)


async def test_what_nearly_all_letters_carry_is_proposed_and_not_ticked(mara: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        c = schema.messages.c
        latest = select(c.id).where(c.user_id == MARA).order_by(c.received_at.desc()).limit(policy.LEARNED_FROM)
        for message in connection.execute(latest).scalars().all():
            row = {"message_id": message, "position": 900, "offset": 0, "part": "html", "text": "", "reason": ""}
            link = row | {"destination": "https://www.calendar.example/mara", "tracked": True}
            connection.execute(schema.links.insert().values(link))
    page = (await mara.get(PAGE)).text

    found = re.search(r'name="learn-1" value="calendar.example"(.*?)>', page)
    assert found
    assert "checked" not in found[1]
    assert re.search(r"calendar\.example in (\d+) of \1 letters with links", text(page))


@pytest.mark.parametrize("form", [{}, *({"learn-1": "ok.example", "learn-2": name} for name in HOSTILE)], ids=ascii)
async def test_what_cannot_be_learned_is_said_and_nothing_is_added(
    mara: Any, engine: Engine, form: dict[str, str]
) -> None:
    await mara.get(PAGE)
    answer = await mara.post(f"{PAGE}/learn", form)

    assert answer.status == 422
    assert 'role="alert"' in answer.text
    assert names(engine) == []


# --- the first run ----------------------------------------------------------------------------------------------------


async def test_the_first_question_chooses_nothing_beforehand(mara: Any) -> None:
    page = (await mara.get(f"{PAGE}/first")).text

    assert "What may Unsealed track?" in page
    assert "checked" not in page

    answer = await mara.post(f"{PAGE}/first", {})
    assert (answer.status, "Choose one of the three" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("what", "opens", "clicks"),
    [("nothing", Level.OFF, Level.OFF), ("clicks", Level.OFF, Level.FULL), ("both", Level.FULL, Level.FULL)],
)
async def test_the_answer_is_a_default_and_asked_once(
    mara: Any, engine: Engine, what: str, opens: Level, clicks: Level
) -> None:
    await mara.get(f"{PAGE}/first")
    answer = await mara.post(f"{PAGE}/first", {"what": what, "eu": "1"})

    assert (answer.status, answer.headers["location"]) == (303, "/sent")
    assert said(engine)[1] == Place(limit=Rule(scope=Scope.ACCOUNT), opens=opens, clicks=clicks)
    assert ("recipient_domain", "de") in names(engine, EVERYBODY)
    assert len(names(engine, EVERYBODY)) == len(policy.EU_DOMAINS) == 31
    assert (await mara.get(f"{PAGE}/first")).status == 303
    assert "Nobody has chosen" not in (await mara.get(PAGE)).text


async def test_what_the_settings_file_switches_off_cannot_be_chosen(
    around: Surroundings, mara: Any, engine: Engine
) -> None:
    mara.app = web.build(replace(around, tracking=Switches(opens=Level.OFF)))
    page = (await mara.get(f"{PAGE}/first")).text
    assert re.search(r'value="both" class="box" required disabled', page)

    await mara.post(f"{PAGE}/first", {"what": "both"})
    assert said(engine)[1].opens is Level.OFF


# --- the API ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def api(app: Starlette, mail: Any, engine: Engine, clock: Callable[[], datetime], browser: Any) -> Any:
    with engine.begin() as connection:
        token = proofs.new_api_token(connection, MARA, "test", clock())
    it = browser(app=app, origin="http://127.0.0.1:8025")

    async def ask(body: object = None, *, raw: bytes | None = None) -> tuple[int, Any]:
        sent = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        method = "GET" if body is None and raw is None else "PUT"
        answer = await it.request(method, "/api/v1/tracking", {"authorization": f"Bearer {token}"}, sent)
        return answer.status, json.loads(answer.body)

    return ask


async def test_the_api_says_what_the_page_says(api: Any) -> None:
    status, found = await api()

    assert status == 200
    assert found["opens"] == {"level": "full", "at_most": "full", "because": ""}
    assert found["yours"] == {"opens": None, "clicks": None, "strict": False, "excluded": []}
    assert found["everybody"]["chosen"] is False


async def test_what_is_not_named_stays(api: Any, engine: Engine) -> None:
    listed = [{"kind": "recipient_domain", "name": "Quiet.example", "opens": "off"}]
    assert (await api({"yours": {"opens": "identified", "excluded": listed}}))[0] == 200
    status, found = await api({"yours": {"strict": True}, "everybody": {"clicks": "off"}})

    assert status == 200
    assert (found["opens"]["level"], found["clicks"]["level"]) == ("identified", "off")
    assert found["yours"]["excluded"] == [
        {"kind": "recipient_domain", "name": "quiet.example", "opens": "off", "clicks": None}
    ]
    assert (await api({"yours": {"excluded": []}}))[1]["yours"]["excluded"] == []
    assert said(engine)[0].strict


async def test_asking_above_the_ceiling_is_422_with_its_name_and_changes_nothing(api: Any, engine: Engine) -> None:
    await api({"everybody": {"opens_at_most": "off"}})

    status, answer = await api({"yours": {"opens": "full", "excluded": [{"kind": "destination", "name": "a.example"}]}})

    assert (status, answer["error"]["message"]) == (422, "Open tracking is switched off for everybody here.")
    assert said(engine)[0].opens is None
    assert names(engine) == []


@pytest.mark.usefixtures("member")
async def test_a_member_speaks_for_nobody_else(api: Any, engine: Engine) -> None:
    assert (await api({"everybody": {"opens": "off"}}))[0] == 403
    assert (await api({"yours": {"opens": "off"}}))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"yours": 1}',
        b'{"opens": "off"}',
        b"[" * 100_000,
    ],
    ids=lambda body: ascii(body[:60]),
)
async def test_what_cannot_be_read_is_400(api: Any, engine: Engine, body: bytes) -> None:
    status, answer = await api(raw=body)

    assert (status, bool(answer["error"]["message"])) == (400, True)
    assert said(engine)[0] == Place(limit=Rule(scope=Scope.USER))
    assert names(engine) == []


ADDRESS, DOMAIN, LINKS = (
    {"kind": kind, "name": "a.example"} for kind in ("recipient", "recipient_domain", "destination")
)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"yours": {"opens": "most"}}, "yours.opens"),
        ({"yours": {"clicks": "anonymous"}}, "yours.clicks"),
        ({"everybody": {"opens": "most"}}, "everybody.opens"),
        ({"everybody": {"clicks_at_most": ""}}, "everybody.clicks_at_most"),
        (
            {"yours": {"excluded": [LINKS, {"kind": "user", "name": "a.example", "opens": "off"}]}},
            "yours.excluded[1].kind",
        ),
        ({"yours": {"excluded": [ADDRESS | {"opens": "off"}]}}, "yours.excluded[0].name"),
        ({"everybody": {"excluded": [DOMAIN | {"opens": "most"}]}}, "everybody.excluded[0].opens"),
        ({"yours": {"excluded": [ADDRESS | {"name": "a@b.example"}]}}, "yours.excluded[0]"),
        ({"yours": {"excluded": [LINKS | {"clicks": "full"}]}}, "yours.excluded[0]"),
        *(({"yours": {"excluded": [LINKS | {"name": name}]}}, "yours.excluded[0].name") for name in HOSTILE),
    ],
    ids=lambda value: ascii(value)[:60],
)
async def test_a_value_that_cannot_be_kept_is_422_by_field_and_changes_nothing(
    api: Any, engine: Engine, body: object, field: str
) -> None:
    status, answer = await api(body)

    assert (422, [field]) == (status, [*answer["error"]["fields"]])
    assert all(words.endswith(".") for words in answer["error"]["fields"].values())
    assert said(engine)[0] == Place(limit=Rule(scope=Scope.USER))
    assert names(engine) == []


async def test_what_is_too_large_is_not_read(api: Any, engine: Engine) -> None:
    status, answer = await api(raw=b" " * 300_000)

    assert (413, "The body has more than 262,144 bytes.") == (status, answer["error"]["message"])
    assert names(engine) == []


async def test_a_put_needs_a_token(app: Starlette, browser: Any) -> None:
    it = browser(app=app, origin="http://127.0.0.1:8025")

    assert (await it.request("PUT", "/api/v1/tracking", {}, b"{}")).status == 401
