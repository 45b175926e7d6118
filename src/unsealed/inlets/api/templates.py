"""Templates, for programs: the same as the pages under /templates.

    GET    /api/v1/templates                 those that you are offered, own and shared
    POST   /api/v1/templates                 a new one; 201
    GET    /api/v1/templates/{id}            one, with the words of its newest version, or of `?version=N`
    PUT    /api/v1/templates/{id}            what is not named stays; other words are a new version
    DELETE /api/v1/templates/{id}            not offered any more; its versions stay
    GET    /api/v1/templates/{id}/versions   all versions, and what came of your letters made from them

    {"name", "subject", "html", "text", "shared": false, "removed": false, "version": the one that a PUT is based on,
     "tracking": {"opens": "off", "clicks": null, "opens_at_most": null, "clicks_at_most": "identified"}}

What cannot be kept is answered 422, by field in `error.fields`; a PUT based on a version that is not the newest any
more 409. Then nothing was changed.
"""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import Route

from unsealed.flow import templates
from unsealed.flow.request import Faulty
from unsealed.inlets.api.door import Door, Question
from unsealed.inlets.api.tracking import level_of, word_of
from unsealed.model.errors import sentence
from unsealed.model.message import from_public_id, public_id
from unsealed.model.policy import Place, Rule, Scope
from unsealed.model.template import TemplateId, TemplateRow
from unsealed.store import policies
from unsealed.store import templates as shelf

BODY_BYTES_MAX = 4 * 1024 * 1024

Found = TypeVar("Found")


class Tracking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    opens: str | None = None  # off, identified, full: of letters that ask for nothing; null: what is usual
    clicks: str | None = None
    opens_at_most: str | None = None  # null: no limit here
    clicks_at_most: str | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    subject: str
    version: int  # the newest
    shared: bool  # everybody here may use it
    owner: str  # sign-in name of who made it
    changed: datetime


class Templates(msgspec.Struct, frozen=True, kw_only=True):
    templates: tuple[Template, ...]


class WholeTemplate(Template, frozen=True, kw_only=True):
    html: str
    text: str  # "": made from the HTML
    placeholders: tuple[str, ...]
    removed: bool
    may_change: bool
    tracking: Tracking
    left_out: tuple[str, ...] = ()  # of the answer to POST and PUT: elements that a letter cannot hold


class Version(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    subject: str
    html: str
    text: str
    at: datetime
    by: str
    messages: int  # letters of yours made from it
    recipients: int
    opened: int  # of them, as judged
    clicked: int


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    versions: tuple[Version, ...]  # the newest first


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str | None = None
    subject: str | None = None
    html: str | None = None
    text: str | None = None
    shared: bool | None = None
    removed: bool | None = None
    version: int | None = None
    tracking: Tracking | None = None


def routes(door: Door) -> list[Route]:
    """The routes of this module."""
    return [
        door.get("/api/v1/templates", _templates),
        door.change("POST", "/api/v1/templates", Said, _create, bytes_max=BODY_BYTES_MAX, status=HTTPStatus.CREATED),
        door.get("/api/v1/templates/{id}", _template),
        door.change("PUT", "/api/v1/templates/{id}", Said, _change, bytes_max=BODY_BYTES_MAX),
        door.delete("/api/v1/templates/{id}", _remove),
        door.get("/api/v1/templates/{id}/versions", _versions),
    ]


def _templates(question: Question) -> Templates:
    question.only()
    return Templates(
        templates=tuple(Template(**_head(row)) for row in shelf.list_for(question.connection, question.user))
    )


def _template(question: Question) -> WholeTemplate:
    question.only("version")
    return _whole(question, _find(question), question.given.get("version", ""))


def _versions(question: Question) -> Versions:
    question.only()
    row = _find(question)
    uses = shelf.uses(question.connection, question.user, row.id)
    made = []
    for each in shelf.versions(question.connection, row.id):
        use = uses.get(each.version)
        made.append(
            Version(
                version=each.version,
                subject=each.content.subject,
                html=each.content.html,
                text=each.content.text,
                at=each.at,
                by=each.by,
                messages=use.messages if use else 0,
                recipients=use.copies if use else 0,
                opened=use.opened if use else 0,
                clicked=use.clicked if use else 0,
            )
        )
    return Versions(versions=tuple(made))


def _create(question: Question, said: Said) -> WholeTemplate:
    written = _read(said.name or "", said.subject or "", said.html or "", said.text or "")
    made = templates.create(question.connection, question.user, written, question.now)
    row = shelf.find(question.connection, question.user, made)
    return _kept(question, _there(row), said, written.left_out)


def _change(question: Question, said: Said) -> WholeTemplate:
    row = _find(question)
    there = _there(shelf.version(question.connection, row.id, row.version)).content
    written = _read(
        row.name if said.name is None else said.name,
        there.subject if said.subject is None else said.subject,
        there.html if said.html is None else said.html,
        there.text if said.text is None else said.text,
    )
    if templates.change(question.connection, question.user, row, written, question.now, said.version) is None:
        raise HTTPException(409, f"Version {row.version} is the newest by now. Nothing was changed.")
    return _kept(question, row, said, written.left_out)


def _remove(question: Question) -> None:
    templates.offer(question.connection, question.user, _find(question), False, question.now)


def _find(question: Question) -> TemplateRow:
    number = from_public_id(question.path["id"])
    if number is None:
        raise HTTPException(404)
    return _there(shelf.find(question.connection, question.user, TemplateId(number)))


def _there(found: Found | None) -> Found:
    if found is None:
        raise HTTPException(404)
    return found


def _whole(question: Question, row: TemplateRow, version: str = "") -> WholeTemplate:
    """version: which; "" for the newest."""
    written = version or str(row.version)
    number = int(written) if written.isascii() and written.isdigit() and len(written) <= 9 else 0
    found = _there(shelf.version(question.connection, row.id, number))
    place = policies.of_template(question.connection, public_id(row.id))
    return WholeTemplate(
        **(_head(row) | {"subject": found.content.subject, "version": number}),
        html=found.content.html,
        text=found.content.text,
        placeholders=templates.read(
            name=row.name, subject=found.content.subject, html=found.content.html, text=found.content.text
        ).placeholders,
        removed=row.removed,
        may_change=templates.may_change(question.connection, question.user, row),
        tracking=Tracking(
            opens=word_of(place.opens),
            clicks=word_of(place.clicks),
            opens_at_most=word_of(place.limit.opens),
            clicks_at_most=word_of(place.limit.clicks),
        ),
    )


def _read(name: str, subject: str, html: str, text: str) -> templates.Written:
    written = templates.read(name=name, subject=subject, html=html, text=text)
    if written.wrong:
        raise Faulty({field: sentence(words) for field, words in written.wrong.items()})
    return written


def _kept(question: Question, row: TemplateRow, said: Said, left_out: tuple[str, ...]) -> WholeTemplate:
    connection, user, now = question.connection, question.user, question.now
    if said.shared is not None and said.shared != row.shared:
        templates.share(connection, user, row, said.shared)
    if said.removed is not None and said.removed != row.removed:
        templates.offer(connection, user, row, not said.removed, now)
    if said.tracking is not None:
        asked = said.tracking
        limit = Rule(
            scope=Scope.TEMPLATE,
            name=public_id(row.id),
            opens=level_of("tracking.opens_at_most", asked.opens_at_most),
            clicks=level_of("tracking.clicks_at_most", asked.clicks_at_most),
        )
        opens, clicks = level_of("tracking.opens", asked.opens), level_of("tracking.clicks", asked.clicks)
        place = Place(limit=limit, opens=opens, clicks=clicks)
        templates.keep_tracking(connection, user, row, place, question.switches, now)
    kept = shelf.find(connection, row.user, row.id)  # an administrator may have taken it from themselves
    return msgspec.structs.replace(_whole(question, kept or row), left_out=left_out)


def _head(row: TemplateRow) -> dict[str, Any]:
    return {
        "id": public_id(row.id),
        "name": row.name,
        "subject": row.subject,
        "version": row.version,
        "shared": row.shared,
        "owner": row.owner,
        "changed": row.changed_at,
    }
