"""`unsealed rejudge`: judges history again, and says what changed. Works beside a running server, which then helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic, sleep

import typer
from sqlalchemy import Engine

from unsealed.app.config import Settings
from unsealed.app.wire import now, places
from unsealed.flow import rejudge
from unsealed.flow.judging import Judge
from unsealed.model.errors import BadInput
from unsealed.model.message import MessageId, public_id
from unsealed.store import corrections
from unsealed.store.engine import reading
from unsealed.store.schema import EPOCH

MESSAGES_SHOWN = 10
TELL_EVERY_S = 2.0
IDLE_S = 0.05  # while somebody else judges what we wait for


def read_since(text: str, today: datetime) -> datetime:
    """The beginning of a day, or a moment; UTC unless it says otherwise.

    Raises:
        BadInput: permanent; not a date, or one that is still to come.
    """
    try:
        since = datetime.fromisoformat(text)
        since = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"--since: {text!r} is not a date; write it like 2026-11-21") from error
    if since > today:
        raise BadInput(f"--since: {text} is still to come; leave it out to judge everything again")
    return max(since, EPOCH)


def run(settings: Settings, engine: Engine, since: datetime | None) -> None:
    """Judge everything again, or what came since then."""
    words = "unsealed rejudge" if since is None else f"unsealed rejudge --since {since:%Y-%m-%d}"
    with engine.begin() as connection:
        id = corrections.begin(connection, cause=corrections.Cause.COMMAND, words=words, since=since, now=now())
    judge = Judge(engine, clock=now, locate=places(settings).look_up)
    progress = _Progress()
    while True:
        worked = judge.judge() or judge.judge_hot() or rejudge.step(engine, now())
        with reading(engine) as connection:
            state = corrections.rejudging(connection, id)
        if state is None or state.finished_at is not None:
            break
        progress.tell(state.messages, state.changed)
        if not worked:
            sleep(IDLE_S)
    with reading(engine) as connection:
        found = corrections.difference(connection, id, limit=MESSAGES_SHOWN)
    show(0 if state is None else state.messages, found.findings, found.messages, would=False)


def rehearse(settings: Settings, engine: Engine, since: datetime | None) -> None:
    """Say what `run` would change; writes nothing."""
    found, progress = rejudge.Rehearsal(), _Progress()
    for found in rejudge.rehearse(engine, since, locate=places(settings).look_up):
        progress.tell(found.messages, found.findings.total())
    with reading(engine) as connection:
        most = sorted(found.by_message.items(), key=lambda item: (-item[1], item[0]))[:MESSAGES_SHOWN]
        messages = corrections.with_subjects(connection, most)
    show(found.messages, found.findings, messages, would=True)


def show(
    looked_at: int,
    findings: Mapping[tuple[str, str], int],
    messages: Sequence[tuple[MessageId, str, int]],
    *,
    would: bool,
) -> None:
    """Print what changed: finding by finding, and where most."""
    total = sum(findings.values())
    said = "would be" if would else "is now" if total == 1 else "are now"
    typer.echo(
        f"{_so_many(looked_at, 'message')} judged again; {_so_many(total, 'event')} {said} called something else"
    )
    if not total:
        return
    typer.echo(f"\n{'before':<18}{'after':<18}{'events':>8}")
    for (before, after), count in sorted(findings.items(), key=lambda item: (-item[1], item[0])):
        typer.echo(f"{before.replace('_', ' '):<18}{after.replace('_', ' '):<18}{count:>8,}")
    typer.echo(f"\n{'message':<18}{'events':>8}  subject")
    for message, subject, count in messages:
        typer.echo(f"{public_id(message):<18}{count:>8,}  {subject}")


def _so_many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


class _Progress:
    """Tells every now and then on standard error how far it is."""

    def __init__(self) -> None:
        self._told = monotonic()

    def tell(self, messages: int, changed: int) -> None:
        if monotonic() - self._told >= TELL_EVERY_S:
            self._told = monotonic()
            typer.echo(f"{_so_many(messages, 'message')}, {_so_many(changed, 'change')} so far", err=True)
