"""History judged again: because a sender said what an event was, because rules or data changed, because somebody asked.

A rejudging is a row in the store. Whoever judges calls `step` when nothing new waits: it marks the next messages, and
flow.judging works the marks off, behind all that is new. So nothing is lost wherever a process dies, several may work
at once, and what comes of it equals a judgement from scratch. What changed is listed; nobody is notified of the past.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from unsealed.core.agent import read_agent
from unsealed.core.correction import correction_scope
from unsealed.core.judge import RULES_VERSION
from unsealed.core.network import locate as locate_by_ranges
from unsealed.flow.judging import REJUDGED, Locate, look
from unsealed.model.errors import BadInput, Refused
from unsealed.model.event import Answer, HitId
from unsealed.model.message import MessageId, UserId
from unsealed.model.policy import Level
from unsealed.model.texts import later
from unsealed.store import audit, corrections, events, marks
from unsealed.store.audit import What
from unsealed.store.corrections import Cause, Said
from unsealed.store.engine import reading
from unsealed.store.feed import Change, add_feed
from unsealed.store.schema import EPOCH

REHEARSED_AT_ONCE = 50  # messages

_SAID = {Answer.ME: "you", Answer.MACHINE: "a machine", Answer.THEM: "them"}


def correct(
    engine: Engine,
    user: UserId,
    hit: HitId,
    answer: Answer,
    now: datetime,
    *,
    locate: Locate = locate_by_ranges,
) -> int:
    """Remember what the sender says that an event was, for all that came or will come from there; the correction's id.

    The message of the event is judged again at once, the user's others in the background. An earlier answer about the
    same event is taken back. locate: the same as the judge's, so that both name networks alike.

    Raises:
        BadInput: permanent; the user has no such event, or its raw facts are no longer kept.
        Refused: permanent; said to be them, and no person can have done it.
    """
    with engine.begin() as connection:
        facts = events.facts(connection, user, hit)
        if facts is None:
            raise BadInput(later("There is no such event, or it is so old that what it looked like is no longer kept."))
        if answer is Answer.THEM:
            _check_possible(facts)
        said = _said(user, hit, answer, facts, locate)
        if (former := corrections.undo_about(connection, user, hit, now)) is not None:
            audit.note(connection, user, What.UNDONE, f"no longer {_SAID[former.answer]}: {former.words}", now)
        words = f"you said that this was {_SAID[answer]}: {said.words}"
        rejudging = corrections.begin(
            connection, cause=Cause.CORRECTION, words=words, user=user, user_agent=said.user_agent, now=now
        )
        id = corrections.add(connection, said, rejudging, now)
        marks.mark(connection, {facts.message: EPOCH}, rejudging=rejudging, urgent=True)
        audit.note(connection, user, What.CORRECTED, f"{_SAID[answer]}: {said.words}", now)
        return id


def _check_possible(facts: events.Facts) -> None:
    """A person must have been able to do it.

    Raises:
        Refused: permanent; nobody can.
    """
    if facts.trap:
        raise Refused(later("No person can see the link that this followed, so it was not them. It stays a machine."))
    if facts.method == "HEAD":
        raise Refused(later("This asked for nothing that a person could have seen, so it was not them."))


def _said(user: UserId, hit: HitId, answer: Answer, facts: events.Facts, locate: Locate) -> Said:
    """The answer, with all that it holds for."""
    agent, network, recipient = correction_scope(
        answer,
        hit=hit,
        user_agent=facts.user_agent,
        address=facts.address,
        network=locate(facts.address).network,
        recipient=facts.recipient,
        prefetch=facts.prefetch,
    )
    return Said(
        user=user,
        message=facts.message,
        hit=hit,
        answer=answer,
        user_agent=agent,
        network=network,
        recipient=recipient,
        words=_words(facts, network, recipient),
    )


def undo(engine: Engine, user: UserId, correction: int, now: datetime) -> None:
    """Take back what was said; history is judged again as though it had not been.

    Raises:
        BadInput: permanent; the user has no such correction, or it was undone before.
    """
    with engine.begin() as connection:
        said = corrections.undo(connection, user, correction, now)
        if said is None:
            raise BadInput(later("There is no such correction, or it was undone before."))
        words = f"you took back that this was {_SAID[said.answer]}: {said.words}"
        rejudging = corrections.begin(
            connection, cause=Cause.UNDO, words=words, user=user, user_agent=said.user_agent, now=now
        )
        marks.mark(connection, {said.message: EPOCH}, rejudging=rejudging, urgent=True)
        audit.note(connection, user, What.UNDONE, f"no longer {_SAID[said.answer]}: {said.words}", now)


def step(engine: Engine, now: datetime) -> bool:
    """Have the next messages of the oldest unfinished rejudging judged again.

    False: nothing is left to mark, or those that were marked before are still waiting for the judge.
    """
    with reading(engine) as connection:
        if not corrections.any_unfinished(connection):
            return False
    with engine.begin() as connection:
        rejudging = corrections.oldest_unfinished(connection)
        if rejudging is None or corrections.marks_left(connection, rejudging.id):
            return False
        position, found = corrections.next_messages(
            connection,
            after=rejudging.position,
            user=rejudging.user,
            user_agent=rejudging.user_agent,
            since=rejudging.since,
        )
        if position is None:
            corrections.finish(connection, rejudging.id, now)
            if (begun_by := corrections.begun_by(connection, rejudging.id)) is not None:
                # Their page says that judging goes on, and when the last change came it still did.
                user, message = begun_by
                add_feed(connection, [Change(user=user, message=message, what=REJUDGED, at=now)])
        else:
            marks.mark(connection, dict.fromkeys(found, rejudging.since or EPOCH), rejudging=rejudging.id)
            corrections.move(connection, rejudging.id, position, len(found))
        return True


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """What judging again would change."""

    messages: int = 0
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)  # before, after -> events
    by_message: Counter[MessageId] = field(default_factory=Counter)


def rehearse(engine: Engine, since: datetime | None, *, locate: Locate = locate_by_ranges) -> Iterator[Rehearsal]:
    """Judge everything again for show: writes nothing and takes no lock. Gives the sum so far, again and again."""
    found, after = Rehearsal(), -1
    everything = marks.as_marked(since or EPOCH)
    while True:
        with reading(engine) as connection:
            position, messages = corrections.next_messages(connection, after=after, since=since)
        if position is None:
            return
        after = position
        for start in range(0, len(messages), REHEARSED_AT_ONCE):
            asked = [
                marks.Mark(message=message, since=since or EPOCH, seq=0)
                for message in messages[start : start + REHEARSED_AT_ONCE]
            ]
            with reading(engine) as connection:
                changes = look(connection, asked, locate, among=everything).changes(connection)
            found.messages += len(asked)
            for change in changes:
                if change.before is not None and change.before.finding != change.now.finding:
                    found.findings[change.before.finding, change.now.finding] += 1
                    found.by_message[change.event.message] += 1
            yield found


def keep_up(engine: Engine, data: str, now: datetime) -> bool:
    """Begin to judge history again when rules or data are others than those it was judged with; whether it was begun.

    data: the fingerprint of the data about networks and places.
    """
    judged_with = {"rules": RULES_VERSION, "data": data}
    with reading(engine) as connection:
        if corrections.judged_with(connection) == judged_with:
            return False
    with engine.begin() as connection:
        before = corrections.judge_with(connection, judged_with)
        if before == judged_with or not events.any_judged(connection):
            return False
        rules = "" if before is None else before.get("rules", "")
        if rules != RULES_VERSION:
            words = f"rules {rules} -> {RULES_VERSION}" if rules else f"rules {RULES_VERSION}"
            corrections.begin(connection, cause=Cause.RULES, words=words, now=now)
        else:
            corrections.begin(connection, cause=Cause.DATA, words="new data about networks and places", now=now)
        return True


# --- what a correction holds for --------------------------------------------------------------------------------------


def _words(facts: events.Facts, network: str, recipient: str) -> str:
    """For the list in the settings: "Thunderbird on Windows, 192.0.2.0/24, for rob@x.example"."""
    if facts.level < Level.FULL:  # what is not kept is not shown either
        words = "the program and network of this event"
    else:
        agent = read_agent(facts.user_agent)
        words = agent.client or "a program without a name"
        if agent.system:
            words += f" on {agent.system}"
        if network == "local":
            words += ", your own network"
        elif not network.startswith("hit:"):
            words += f", {network.removeprefix('operator:')}"
    if network.startswith("hit:"):
        return f"{words}, this event only"
    if not recipient:
        return words
    return f"{words}, for {f'everybody at {recipient[1:]}' if recipient.startswith('@') else recipient}"
