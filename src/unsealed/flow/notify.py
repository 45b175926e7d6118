"""Events -> notices -> pages and devices.

    hear    in the transaction of the cause: one row for what may be worth a notice; nothing is asked
    decide  `core.notice` on all that waits -> told or not, and why; jobs for devices, a line for open pages
    ring    job -> device -> told, later or given up

Promises that nobody is told twice of one thing, wherever a process dies: what was decided is not decided again, a push
message takes the place of the same one, and a service that may have taken a notice is not asked again. Promises that
what judging again takes back is taken back everywhere, and rings for nobody. The judge leaves a row behind, and never
waits for a notice.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from hashlib import sha256
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, Engine

from unsealed.core import notice as rules
from unsealed.core.secret import seal, unseal
from unsealed.flow.rounds import rounds
from unsealed.model.errors import BadInput, DeliveryFailed, Gone
from unsealed.model.event import Finding
from unsealed.model.message import CopyId, MessageId, UserId
from unsealed.model.notice import Act, Channel, Detail, Device, DeviceId, Happening, Heard, NoticeId, Told, Wants, Words
from unsealed.model.ports import Bell, Clock, Keys
from unsealed.model.texts import ENGLISH, ENGLISH_ALONE, Languages, Texts
from unsealed.store import devices, events, jobs, notices, preferences
from unsealed.store.engine import alone, reading
from unsealed.store.feed import Change, add_feed
from unsealed.store.jobs import Job
from unsealed.store.notices import Decided, Earlier, State, Waiting
from unsealed.store.writer import Writer

TELL = "tell"  # kind of job: hand tellings.id over
NOTICE = "notice"  # in the feed: open pages ask for what is new
AT_ONCE = 500  # decided in one transaction
LOOK_S = 1.0  # between two looks for what nobody called for: jobs that are due, and causes that a command wrote
LEASE = timedelta(minutes=5)
RINGING = 10  # at a time
AGAIN = timedelta(seconds=15)  # doubled with each try
AGAIN_MOST = timedelta(minutes=30)
NOW_CHANNELS = frozenset({Channel.PAGE, Channel.SYSTEM})  # what is told with another shows here only
DEVICES = frozenset({Channel.PUSH, Channel.CHAT})

log = structlog.get_logger()


# --- hear -------------------------------------------------------------------------------------------------------------


def hear(
    connection: Connection,
    changes: Sequence[events.Changed],
    owners: Mapping[MessageId, events.Owner],
    rejudging: Iterable[MessageId],
) -> None:
    """What the judge changed: readings and clicks that are new, and those that are none any more.

    rejudging: messages whose past is judged again: nobody is told of that, but what was told is taken back.
    """
    past = frozenset(rejudging)
    heard: list[Heard] = []
    gone: list[int] = []
    for change in changes:
        event, act = change.event, _ACTS[change.now.finding]
        rang = change.before is not None and _rings(change.before)
        if rang and act is None:
            gone.append(event.hit)
        elif act is not None and not rang and event.message not in past and _rings(change.now):
            user = owners[event.message].user
            heard.append(
                Heard(
                    cause="hit",
                    cause_id=event.hit,
                    user=user,
                    message=event.message,
                    copy=event.copy,
                    act=act,
                    at=event.at,
                )
            )
    notices.hear(connection, heard)
    notices.take_back(connection, gone)


def hear_bounce(connection: Connection, user: UserId, message: MessageId, copy: CopyId, at: datetime) -> None:
    """A copy came back for good."""
    notices.hear(
        connection,
        [Heard(cause="bounce", cause_id=copy, user=user, message=message, copy=copy, act=Act.BOUNCED, at=at)],
    )


def hear_reply(
    connection: Connection, user: UserId, message: MessageId, copy: CopyId | None, header_id: str, at: datetime
) -> None:
    """Somebody answered. header_id: Message-ID of the answer, by which it is known again."""
    number = int.from_bytes(sha256(f"{user} {header_id}".encode()).digest()[:8]) >> 1
    notices.hear(
        connection,
        [Heard(cause="reply", cause_id=number, user=user, message=message, copy=copy, act=Act.REPLIED, at=at)],
    )


def _rings(judged: events.Judged) -> bool:
    act = _ACTS[judged.finding]
    return act is Act.CLICKED or (act is Act.OPENED and judged.first_of_reading)


_ACTS: dict[str, Act | None] = {finding: rules.act_of(finding) for finding in Finding}


# --- decide -----------------------------------------------------------------------------------------------------------


def decide(engine: Engine, now: datetime, limit: int = AT_ONCE) -> int:
    """Decide on what waits; how many there were. Others can write while it thinks, and nobody else decides.

    Raises:
        Unavailable: temporary; somebody else decides and does not come to an end.
    """
    with alone(engine, "notices") as turn:
        with turn.reading() as connection:
            found = notices.waiting(connection, limit)
            new = [each for each in found if each.state is State.NEW]
            facts = _Facts(connection, new, now) if new else None
        decided = [] if facts is None else [facts.decide(each) for each in new]
        if found:
            with turn.writing() as connection:
                _write(connection, found, decided, now)
        return len(found)


def _write(connection: Connection, found: Sequence[Waiting], decided: Sequence[Decided], now: datetime) -> None:
    gone = [each for each in found if each.state is State.UNDO]
    users = {each.id: each.user for each in found}
    notices.settle(connection, decided, now)
    notices.taken_back(connection, [each.id for each in gone], now)
    tellings = [
        telling
        for each in decided
        if each.leader is None and each.channels & DEVICES
        for telling in devices.send_to(connection, each.id, users[each.id], each.channels & DEVICES)
    ]
    # On a device the later one has taken the place of the earlier already.
    replaced = notices.replaced(connection, [each.id for each in gone]) if gone else set()
    tellings += [
        telling
        for each in gone
        if each.leader is None and Channel.PUSH in each.channels and each.id not in replaced
        for telling in devices.send_to(connection, each.id, each.user, [Channel.PUSH], undo=True)
    ]
    if tellings:
        jobs.add(connection, TELL, tellings, now)
    told = {each.id for each in decided if each.state is State.TOLD}
    _tell_pages(connection, [each for each in found if each.id in told or each.state is State.UNDO], now)


def _tell_pages(connection: Connection, found: Sequence[Waiting], now: datetime) -> None:
    """One line for each user: a page asks for all that is new."""
    pages = {each.user: each.message or MessageId(0) for each in found}
    add_feed(connection, [Change(user=user, message=message, what=NOTICE, at=now) for user, message in pages.items()])


class _Facts:
    """All that is asked for deciding on some notices, and what was decided on those before."""

    def __init__(self, connection: Connection, new: Sequence[Waiting], now: datetime) -> None:
        self._now = now
        users = {each.user for each in new}
        copies = {each.copy for each in new if each.copy is not None and each.act is Act.OPENED}
        ids = {each.message for each in new if each.message is not None}
        self._wants = {user: notices.wants(connection, user) for user in users}
        self._silence = {
            user: notices.silence(
                connection,
                user,
                messages={each.message for each in new if each.user == user and each.message is not None},
                threads={each.thread for each in new if each.user == user},
                contacts={each.address.lower() for each in new if each.user == user},
            )
            for user in users
        }
        self._readings = notices.readings(connection, copies, max((each.at for each in new), default=now))
        self._told: defaultdict[CopyId | None, list[Earlier]] = defaultdict(list)
        for each in notices.told_of(connection, ids):
            self._told[each.copy].append(each)
        self._lately: defaultdict[UserId, list[Earlier]] = defaultdict(list)
        for each in notices.told_lately(connection, users, now - rules.CROWD_WITHIN):
            self._lately[each.user].append(each)

    def decide(self, it: Waiting) -> Decided:
        wants = self._wants[it.user]
        if it.message is None or it.sent_at is None:  # a test: on every channel that there is, silenced or not
            return Decided(id=it.id, state=State.TOLD, channels=wants.channels | DEVICES)
        told = self._told[it.copy]
        happening = Happening(
            act=it.act,
            at=it.at,
            finding=it.finding,
            message=it.message,
            thread=it.thread,
            sent_at=it.sent_at,
            contact=it.address.lower(),
            earlier=tuple(at for at in self._readings.get(it.copy or CopyId(0), ()) if at < it.at),
            told=tuple(each.at for each in told if each.act is Act.OPENED),
        )
        clock = self._now.astimezone(zone_of(wants)).time()
        decision = rules.decide(happening, self._silence[it.user], wants, now=self._now, clock=clock)
        if not decision.channels:
            return Decided(id=it.id, state=State.NOT, why=decision.why or "", occasion=decision.occasion)
        if (leader := self._leader(it)) is not None:
            with_it = decision.channels & NOW_CHANNELS
            return Decided(id=it.id, state=State.TOLD, occasion=decision.occasion, channels=with_it, leader=leader)
        earlier = Earlier(id=it.id, user=it.user, copy=it.copy, act=it.act, at=it.at, decided_at=self._now)
        told.append(earlier)
        self._lately[it.user].append(earlier)
        return Decided(id=it.id, state=State.TOLD, occasion=decision.occasion, channels=decision.channels)

    def _leader(self, it: Waiting) -> NoticeId | None:
        """The notice with which this one is told: a burst is one, and so is a crowd."""
        for each in reversed(self._told[it.copy]):
            same = each.act is it.act or it.act is Act.OPENED  # that it was followed is news after that it was opened
            if same and self._now - each.decided_at <= rules.BURST:
                return each.id
        lately = self._lately[it.user]
        return lately[-1].id if len(lately) >= rules.CROWD else None


# --- in words ---------------------------------------------------------------------------------------------------------


def worded(
    it: Waiting,
    *,
    at: datetime | None,
    twelve: bool,
    detail: Detail,
    gone: bool = False,
    texts: Texts = ENGLISH,
) -> Words:
    """A notice in the words that may stand where it goes. at: when it happened, by the reader's clock."""
    told = Told(
        act=it.act,
        occasion=it.occasion,
        who=it.name or it.address,
        among=it.among,
        subject=it.subject,
        link=it.link,
        at=at,
        twelve=twelve,
        confidence=it.confidence,
        agent=it.agent,
        network=it.network,
        place=it.place,
        more=it.more,
        gone=gone,
    )
    return rules.say(told, message=it.message, tag=tag_of(it), detail=detail, again=bool(it.more), texts=texts)


def tag_of(it: Waiting) -> str:
    """What takes the place of what: all of one copy, as the latest says more than those before."""
    return f"c{it.copy:x}" if it.copy is not None and not it.more else f"n{it.leader or it.id:x}"


def own_time(at: datetime, wants: Wants) -> datetime | None:
    """A moment by the user's own clock, for where no browser tells its zone; None where the zone is not known."""
    return at.astimezone(zone_of(wants)) if wants.zone else None


def zone_of(wants: Wants) -> tzinfo:
    """The user's own zone; UTC where it is not known."""
    return _zone(wants.zone)


def is_zone(name: str) -> bool:
    """Whether a name is that of a zone here."""
    return _zone(name) is not UTC


@lru_cache(maxsize=600)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return UTC


# --- devices ----------------------------------------------------------------------------------------------------------


def add_device(connection: Connection, user: UserId, device: Device, keys: Keys, now: datetime) -> DeviceId:
    """Send notices to a device as well; its address and keys are sealed with the key ring."""
    words = json.dumps({"address": device.address, "key": device.key, "auth": device.auth})
    return devices.put(
        connection,
        user,
        device.channel,
        address=device.address,
        name=device.name,
        sealed=seal(keys, words, purpose=f"device:{user}"),
        trusted=device.trusted,
        now=now,
    )


def opened(device: devices.SealedDevice, keys: Keys) -> Device:
    """A device with its address and keys.

    Raises:
        BadInput: permanent; sealed with another ring.
    """
    kept = json.loads(unseal(keys, device.sealed, purpose=f"device:{device.user}"))
    return Device(id=device.id, channel=device.channel, name=device.name, trusted=device.trusted, **kept)


def send_test(connection: Connection, user: UserId, number: int, now: datetime) -> NoticeId:
    """A test on every channel, on its way when the caller's transaction ends. number: random."""
    heard = Heard(cause="test", cause_id=number, user=user, message=None, copy=None, act=Act.TESTED, at=now)
    notices.hear(connection, [heard])
    return notices.caused(connection, "test", number)


# --- the loop ---------------------------------------------------------------------------------------------------------


class Notifier:
    """Decides on what waits and rings; belongs to one event loop. Several processes may have one each.

    owner: names this process in the leases; the same at each of its starts, and no two processes at a time share it.
    """

    def __init__(
        self,
        engine: Engine,
        bells: Mapping[Channel, Bell],
        *,
        keys: Keys,
        clock: Clock,
        writer: Writer,
        languages: Languages = ENGLISH_ALONE,
        owner: str = "notify",
        look_s: float = LOOK_S,
    ) -> None:
        self._engine = engine
        self._bells = bells
        self._keys = keys
        self._clock = clock
        self._writer = writer
        self._languages = languages
        self._owner = owner
        self._look_s = look_s
        self._reclaimed = False
        self._called = asyncio.Event()

    def look(self) -> None:
        """There is something to decide on."""
        self._called.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Tell until `stop` is set."""
        await rounds("notices", self._round, stop, every_s=self._look_s, called=self._called)

    async def _round(self) -> int:
        if not self._reclaimed:
            await self._writer.run(lambda c: jobs.reclaim(c, self._owner, self._clock()))
            self._reclaimed = True
        return await self.step()

    async def step(self) -> int:
        """Decide on what waits and ring what is due; how much there was."""
        new, due = await asyncio.to_thread(self._look)
        worked = 0
        if new:
            worked += await asyncio.to_thread(decide, self._engine, self._clock())
        if new or due:
            now = self._clock()
            taken = await self._writer.run(
                lambda c: jobs.lease(c, (TELL,), owner=self._owner, now=now, until=now + LEASE, limit=RINGING)
            )
            await asyncio.gather(*(self._ring(job) for job in taken))
            worked += len(taken)
        return worked

    def _look(self) -> tuple[bool, bool]:
        with reading(self._engine) as connection:
            return notices.any_waiting(connection), jobs.any_due(connection, (TELL,), self._clock())

    async def _ring(self, job: Job) -> None:
        telling = await asyncio.to_thread(self._telling, job)
        if telling is None or (telling.taken_back and not telling.undo):
            await self._writer.run(lambda c: jobs.done(c, job.id, self._owner))
            return
        device = telling.device
        if device.channel is Channel.CHAT and telling.begun:  # it may have taken the notice before we died
            await self._end(job, telling, "it was interrupted, and perhaps arrived")
            return
        try:
            if device.channel is Channel.CHAT:
                await self._writer.run(lambda c: devices.telling_begins(c, telling.id))
            words = await asyncio.to_thread(self._words, telling)
            await self._bells[device.channel].ring(opened(device, self._keys), words)
        except Gone:
            await self._writer.run(lambda c: self._forget(c, job, telling))
        except DeliveryFailed as error:
            await self._failed(job, telling, error)
        except BadInput as error:
            await self._end(job, telling, str(error))
        except Exception as error:
            log.exception("notice.unknown_error", job=job.id)
            await self._failed(job, telling, DeliveryFailed(f"local trouble: {type(error).__name__}", temporary=True))
        else:
            await self._end(job, telling, "")
            log.info("notice.told", channel=device.channel, attempt=job.attempts)

    def _telling(self, job: Job) -> devices.Telling | None:
        with reading(self._engine) as connection:
            return devices.telling(connection, job.subject)

    def _words(self, telling: devices.Telling) -> Words:
        with reading(self._engine) as connection:
            wants = notices.wants(connection, telling.device.user)
            texts = self._languages.of(preferences.language_of_letters(connection, telling.device.user))
        it = telling.notice
        words = worded(
            replace(it, more=0),
            at=own_time(it.at, wants),
            twelve=wants.twelve,
            detail=wants.detail,
            gone=telling.undo,
            texts=texts,
        )
        return replace(words, page=Channel.PAGE in it.channels and it.message is not None)

    async def _failed(self, job: Job, telling: devices.Telling, error: DeliveryFailed) -> None:
        now = self._clock()
        ours = min(AGAIN * 2 ** min(job.attempts - 1, 10), AGAIN_MOST)
        again_at = now + (ours if error.wait is None else max(error.wait, AGAIN))  # who knows when, says when
        if not error.temporary or again_at - job.first_at > rules.LATE or telling.notice.act is Act.TESTED:
            await self._end(job, telling, str(error))
            return

        def later(connection: Connection) -> None:
            if jobs.later(connection, job.id, self._owner, due_at=again_at, error=str(error)):
                devices.telling_waits(connection, telling.id)

        await self._writer.run(later)
        log.info("notice.delayed", channel=telling.device.channel, attempt=job.attempts, next_at=again_at.isoformat())

    async def _end(self, job: Job, telling: devices.Telling, trouble: str) -> None:
        def end(connection: Connection) -> None:
            if jobs.done(connection, job.id, self._owner):
                device, now = telling.device.id, self._clock()
                devices.telling_ended(connection, telling.id, device, trouble=trouble, now=now)

        await self._writer.run(end)

    def _forget(self, connection: Connection, job: Job, telling: devices.Telling) -> None:
        if jobs.done(connection, job.id, self._owner):
            devices.forget(connection, telling.device.id)
            log.info("notice.device_gone", channel=telling.device.channel)
