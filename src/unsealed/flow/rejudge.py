"""History judged again: because a sender said what an event was, because rules or data changed, because somebody asked.

A rejudging is a row in the store. Whoever judges calls `step` when nothing new waits: it marks the next messages, and
flow.judging works the marks off, behind all that is new. So nothing is lost wherever a process dies, several may work
at once, and what comes of it equals a judgement from scratch. What changed is listed; nobody is notified of the past.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import Engine

from unsealed.core.agent import read_agent
from unsealed.core.network import locate as locate_by_ranges
from unsealed.model.errors import BadInput, Refused
from unsealed.model.event import Answer, HitId, Located, Network, NetworkClass
from unsealed.model.message import UserId
from unsealed.model.policy import Level
from unsealed.store import audit, corrections, events
from unsealed.store.audit import What
from unsealed.store.corrections import Cause, Said
from unsealed.store.schema import EPOCH

_SAID = {Answer.ME: "you", Answer.MACHINE: "a machine", Answer.THEM: "them"}


def correct(
    engine: Engine,
    user: UserId,
    hit: HitId,
    answer: Answer,
    now: datetime,
    *,
    locate: Callable[[str], Located] = locate_by_ranges,
) -> int:
    """Remember what the sender says that an event was, for all that came or will come from there; the correction's id.

    The message of the event is judged again at once, the user's others in the background. An earlier answer about the
    same event is taken back. locate: the same as the judge's, so that both name networks alike.

    Raises:
        BadInput: permanent; the user has no such event, or its raw facts are no longer kept.
        Refused: permanent; it is known to have been a machine, and said to be a person.
    """
    with engine.begin() as connection:
        facts = events.facts(connection, user, hit)
        if facts is None:
            raise BadInput("there is no such event, or it is so old that what it looked like is no longer kept")
        if answer is Answer.THEM and facts.trap:
            raise Refused("this link is hidden, so that no person can follow it: it was a machine")
        network = locate(facts.address).network
        agent, key, recipient = _scope(answer, facts, network)
        said = Said(
            user=user,
            message=facts.message,
            hit=hit,
            answer=answer,
            user_agent=agent,
            network=key,
            recipient=recipient,
            words=_words(facts, key, recipient),
        )
        if (former := corrections.undo_about(connection, user, hit, now)) is not None:
            audit.note(connection, user, What.UNDONE, f"no longer {_SAID[former.answer]}: {former.words}", now)
        words = f"you said that this was {_SAID[answer]}: {said.words}"
        rejudging = corrections.begin(
            connection, cause=Cause.CORRECTION, words=words, user=user, user_agent=agent, now=now
        )
        id = corrections.add(connection, said, rejudging, now)
        events.mark(connection, {facts.message: EPOCH}, rejudging=rejudging, urgent=True)
        audit.note(connection, user, What.CORRECTED, f"{_SAID[answer]}: {said.words}", now)
        return id


def undo(engine: Engine, user: UserId, correction: int, now: datetime) -> None:
    """Take back what was said; history is judged again as though it had not been.

    Raises:
        BadInput: permanent; the user has no such correction, or it was undone before.
    """
    with engine.begin() as connection:
        said = corrections.undo(connection, user, correction, now)
        if said is None:
            raise BadInput("there is no such correction, or it was undone before")
        words = f"you took back that this was {_SAID[said.answer]}: {said.words}"
        rejudging = corrections.begin(
            connection, cause=Cause.UNDO, words=words, user=user, user_agent=said.user_agent, now=now
        )
        events.mark(connection, {said.message: EPOCH}, rejudging=rejudging, urgent=True)
        audit.note(connection, user, What.UNDONE, f"no longer {_SAID[said.answer]}: {said.words}", now)


def step(engine: Engine, now: datetime) -> int:
    """Have the next messages of the oldest unfinished rejudging judged again; how many were looked at.

    0: nothing is left to mark, or those that were marked before are still waiting for the judge.
    """
    with engine.begin() as connection:
        rejudging = corrections.oldest_unfinished(connection)
        if rejudging is None or corrections.marks_left(connection, rejudging.id):
            return 0
        position, found = corrections.next_messages(
            connection,
            after=rejudging.position,
            user=rejudging.user,
            user_agent=rejudging.user_agent,
            since=rejudging.since,
        )
        if position is None:
            corrections.finish(connection, rejudging.id, now)
            return 1
        events.mark(connection, dict.fromkeys(found, rejudging.since or EPOCH), rejudging=rejudging.id)
        corrections.move(connection, rejudging.id, position, len(found))
        return 1


# --- what a correction holds for --------------------------------------------------------------------------------------


_MANY_ADDRESSES = frozenset(
    {
        NetworkClass.GOOGLE_PROXY,
        NetworkClass.APPLE_RELAY,
        NetworkClass.MICROSOFT,
        NetworkClass.YAHOO_PROXY,
        NetworkClass.WEBMAIL_PROXY,
        NetworkClass.SECURITY_VENDOR,
        NetworkClass.SSE_PROXY,
    }
)


def _key(address: str, network: Network) -> str:
    if network.kind is NetworkClass.LOCAL:
        return "local"
    if network.kind in _MANY_ADDRESSES and network.operator:
        return f"operator:{network.operator}"
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip_network((parsed, 56 if isinstance(parsed, IPv6Address) else 24), strict=False))


def _scope(answer: Answer, facts: events.Facts, network: Network) -> tuple[str, str, str]:
    domain = facts.recipient.rpartition("@")[2]
    match answer:
        case Answer.ME:
            recipient = ""
        case Answer.MACHINE:
            recipient = f"@{domain}" if domain else ""
        case Answer.THEM:
            recipient = facts.recipient
    return facts.user_agent, _key(facts.address, network), recipient


def _words(facts: events.Facts, key: str, recipient: str) -> str:
    """For the list in the settings: "Thunderbird on Windows, 192.0.2.0/24, for rob@x.example"."""
    if facts.level < Level.FULL:  # what is not kept is not shown either
        what = "the program and network of this event"
    else:
        agent = read_agent(facts.user_agent)
        name = agent.client or "a program without a name"
        where = "your own network" if key == "local" else key.removeprefix("operator:")
        what = f"{name} on {agent.system}, {where}" if agent.system else f"{name}, {where}"
    if not recipient:
        return what
    return f"{what}, for {f'everybody at {recipient[1:]}' if recipient[:1] == '@' else recipient}"
