"""Sending, for programs.

    POST /api/v1/messages   one letter to its recipients; 202 and its id once it is on disk

    {"from": "ann@example.org", "to": "Ines <ines@x.example>" or a list, "cc", "bcc", "subject", "html", "text",
     "track": {"opens": true, "clicks": true or a level, "links": "html", "html+text" or "none"},
     "template": id or name, "values": {"first_name": "Ines"},
     "attachments": [{"name", "type", "content": base64}], "tag", "metadata": {}}

Asking for more tracking than is allowed is answered 422 with the rule that forbids it; so is everything else that is
wrong with a letter, by field in `error.fields`. Then nothing was sent.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.core import compose
from unsealed.flow import request as requests
from unsealed.flow import send
from unsealed.flow.request import Faulty, Wanted
from unsealed.inlets.api.door import Door, answered, body_of, decoded
from unsealed.inlets.api.tracking import OFFERED
from unsealed.model.errors import BadInput, sentence
from unsealed.model.message import public_id
from unsealed.model.policy import Level, LinkScope
from unsealed.store.engine import reading

BODY_BYTES_MAX = 36 * 1024 * 1024  # 25 MB of files, as base64
FILES = 100

People = str | tuple[str, ...]


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    type: str = "application/octet-stream"
    content: str  # base64


class Track(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    opens: bool | str | None = None  # true: as much as is usual here; or off, identified, full
    clicks: bool | str | None = None
    links: str | None = None  # in which parts: none, html, html+text


class Letter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sender: str = msgspec.field(name="from")
    to: People = ()
    cc: People = ()
    bcc: People = ()
    subject: str | None = None
    html: str | None = None
    text: str | None = None
    track: Track = Track()
    template: str = ""
    values: Mapping[str, str] = {}
    attachments: tuple[File, ...] = ()
    tag: str = ""
    metadata: Mapping[str, str] = {}


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    id: str  # 16 hex digits, as in GET /api/v1/messages/{id}


def routes(door: Door) -> list[Route]:
    """The routes of this module."""

    async def send_letter(request: Request) -> Response:
        user, written = await door.who(request), await body_of(request, BODY_BYTES_MAX)

        def work() -> Accepted:
            wanted = _read(decoded(written, Letter))
            with reading(door.engine) as connection:
                desk = door.desk(connection, user)
                outgoing = requests.read(connection, user, wanted, desk)
            planned = send.plan(outgoing, tracking=desk.tracking)  # takes its time, so in no transaction
            with door.engine.begin() as connection:
                accepted = send.write(connection, planned, desk.now)
            return Accepted(id=public_id(accepted))

        return await answered(work, HTTPStatus.ACCEPTED)

    return [Route("/api/v1/messages", send_letter, methods=["POST"])]


def _read(letter: Letter) -> Wanted:
    return Wanted(
        sender=letter.sender,
        to=_people(letter.to),
        cc=_people(letter.cc),
        bcc=_people(letter.bcc),
        subject=letter.subject,
        html=letter.html,
        text=letter.text,
        opens=_level("track.opens", letter.track.opens),
        clicks=_level("track.clicks", letter.track.clicks),
        links=_links(letter.track.links),
        template=letter.template,
        values=letter.values,
        files=_files(letter.attachments),
        tag=letter.tag,
        metadata=letter.metadata,
    )


def _people(written: People) -> str:
    return written if isinstance(written, str) else ", ".join(written)


def _level(field: str, written: bool | str | None) -> Level | bool | None:
    if not isinstance(written, str):
        return written
    if written not in OFFERED:
        raise Faulty({field: f"It is true, false, or one of {', '.join(OFFERED)}, not {written[:40]!r}."})
    return OFFERED[written]


def _links(written: str | None) -> LinkScope | None:
    if written is None:
        return None
    try:
        return LinkScope(written)
    except ValueError:
        raise Faulty({"track.links": f"It is one of {', '.join(LinkScope)}, not {written[:40]!r}."}) from None


def _files(given: Sequence[File]) -> list[compose.Part]:
    if len(given) > FILES:
        raise Faulty({"attachments": f"A message has at most {FILES} files."})
    made = []
    for number, each in enumerate(given):
        where = f"attachments[{number}]"
        try:
            name = compose.file_name(each.name)
            content = base64.b64decode(each.content, validate=True)
        except binascii.Error:
            raise Faulty({f"{where}.content": "This is not base64."}) from None
        except BadInput as error:
            raise Faulty({f"{where}.name": sentence(error)}) from None
        made.append(compose.Part(name=name, media_type=compose.media_type(each.type), content=content))
    return made
