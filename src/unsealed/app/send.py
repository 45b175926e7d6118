"""`unsealed send`: one letter from the command line, by the way of all mail; also while the server runs.

Promises that the id which is printed stands for a committed message; a running server hands it over within seconds,
and one that is started later does so then.
"""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine

from unsealed.app.config import Settings
from unsealed.app.wire import LiveKeys, now
from unsealed.core import compose
from unsealed.core.drafting import Desk
from unsealed.core.instrument import Tracking
from unsealed.flow import request, send
from unsealed.model.errors import BadInput
from unsealed.model.message import MessageId, UserId
from unsealed.model.policy import LinkScope
from unsealed.store import engine as stores
from unsealed.store import identities, people, upstreams

TRACK = {
    "opens+clicks": (True, True),
    "opens": (True, False),
    "clicks": (False, True),
    "none": (False, False),
}


def letter(
    settings: Settings,
    engine: Engine,
    wanted: request.Wanted,
) -> MessageId:
    """Send a letter in the name of whose address it comes from.

    Raises:
        BadInput: something is wrong with it; says what.
    """
    with stores.reading(engine) as connection:
        try:
            address = people.clean_address(request.sender(wanted.sender)[1])
        except BadInput as error:
            raise BadInput(f"--from: {error}") from None
        user = identities.holder(connection, address)
        if user is None:
            raise BadInput(f"--from {address}: nobody here has proven that this address is theirs")
        desk = _desk(connection, settings, user)
        outgoing = request.read(connection, user, wanted, desk)
    planned = send.plan(outgoing, tracking=desk.tracking)
    with engine.begin() as connection:
        return send.write(connection, planned, desk.now)


def _desk(connection: Connection, settings: Settings, user: UserId) -> Desk:
    keys, host = LiveKeys(settings.data), upstreams.host(connection, user)
    return Desk(
        tracking=Tracking(base_url=settings.track_url, keys=keys, key_id=keys.newest),
        switches=settings.allowed if host is None else settings.allowed_by(host),
        mark=settings.tracking.subject_mark,
        now=now(),
    )


def track(written: str | None) -> tuple[bool | None, bool | None]:
    """Opens and clicks, of the words of --track; None: nothing is asked for.

    Raises:
        BadInput: other words.
    """
    if written is None:
        return None, None
    if written not in TRACK:
        raise BadInput(f"--track is one of {', '.join(TRACK)}, not {written!r}")
    return TRACK[written]


def links(written: str | None) -> LinkScope | None:
    """In which parts links are tracked.

    Raises:
        BadInput: not a word for that.
    """
    try:
        return None if written is None else LinkScope(written)
    except ValueError:
        raise BadInput(f"--links is one of {', '.join(LinkScope)}, not {written!r}") from None


def text_of(path: Path | None, option: str) -> str | None:
    """A text in UTF-8; of "-", what stands on standard input.

    Raises:
        BadInput: the file cannot be read, is no text, or is empty, as one is that another program failed to write.
    """
    if path is None:
        return None
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{option} {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{option} {path}: the file is not written in UTF-8") from None
    if not text.strip():
        raise BadInput(f"{option} {path}: there is nothing in it")
    return text


def files(paths: Sequence[Path]) -> list[compose.Part]:
    """Files to go along, typed by their names.

    Raises:
        BadInput: one cannot be read, or has a name that mail cannot carry.
    """
    made = []
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadInput(f"--attach {path}: {error.strerror}") from None
        kind = mimetypes.guess_type(path.name)[0] or ""
        made.append(
            compose.Part(name=compose.file_name(path.name), media_type=compose.media_type(kind), content=content)
        )
    return made


def values(written: Sequence[str], template: str | None) -> dict[str, str]:
    """Values of the template's placeholders, each as NAME=TEXT.

    Raises:
        BadInput: there is no name, or no template: braces in other texts are sent as they are.
    """
    if written and not template:
        raise BadInput("--value is for the placeholders of a template; name it with --template")
    found = {}
    for each in written:
        name, mark, value = each.partition("=")
        if not (name and mark):
            raise BadInput(f"--value {each[:60]!r} is not written as NAME=TEXT")
        found[name] = value
    return found
