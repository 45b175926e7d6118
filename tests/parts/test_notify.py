"""From hits to notices on both databases: the ingest, the decision, the bells."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from tests.parts.house import CURL, FIREFOX, HOME, KEYS, NOON, SENDER, THUNDERBIRD, House, a_hit
from tests.parts.push_service import PushService, b64
from tests.patience import PATIENCE_S

from unsealed.flow import notify, rejudge
from unsealed.flow.notify import Notifier, decide
from unsealed.model.errors import DeliveryFailed, Gone
from unsealed.model.event import Answer
from unsealed.model.message import CopyId
from unsealed.model.notice import (
    Act,
    Channel,
    Detail,
    Device,
    DeviceId,
    Press,
    Quiet,
    Readings,
    Scope,
    Wants,
    Why,
    Words,
)
from unsealed.outlets.webpush import WebPush, new_key
from unsealed.store import devices, notices, schema
from unsealed.store.writer import Writer

EVERY = Wants(readings=Readings.EVERY, detail=Detail.ALL, zone="Europe/Lisbon")
SOON = NOON + timedelta(hours=2)


@dataclass
class FakeBell:
    """Keeps what rings, or answers as told."""

    answers: list[Exception | None] = field(default_factory=list)
    rung: list[tuple[Device, Words]] = field(default_factory=list)

    async def ring(self, device: Device, words: Words) -> None:
        self.rung.append((device, words))
        if self.answers and (error := self.answers.pop(0)) is not None:
            raise error

    async def close(self) -> None:
        pass


@dataclass
class Notices:
    """A house in which notices are made."""

    house: House
    push: FakeBell = field(default_factory=FakeBell)
    chat: FakeBell = field(default_factory=FakeBell)
    now: datetime = SOON

    @property
    def engine(self) -> Engine:
        return self.house.engine

    def want(self, wants: Wants) -> None:
        with self.engine.begin() as connection:
            notices.want(connection, SENDER, wants)

    def press(self, scope: Scope, silent: bool = True, of: object = "") -> None:
        self.now += timedelta(seconds=1)
        with self.engine.begin() as connection:
            notices.press(connection, SENDER, Press(scope=scope, of=str(of), silent=silent, at=self.now))

    def device(self, channel: Channel = Channel.PUSH, address: str = "https://push.example/1", **more: str) -> DeviceId:
        device = Device(id=DeviceId(0), channel=channel, name="Firefox", address=address, **more)  # type: ignore[arg-type]
        with self.engine.begin() as connection:
            return notify.add_device(connection, SENDER, device, KEYS, NOON)

    def happen(self, copy: CopyId, after_s: float, **more: object) -> None:
        self.house.write(a_hit(copy, after_s, **more))  # type: ignore[arg-type]
        self.house.take_in()

    def decide(self) -> int:
        return decide(self.engine, self.now)

    def states(self) -> list[tuple[str, str]]:
        n = schema.notices.c
        with self.engine.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(select(n.state, n.why).order_by(n.id))]

    def jobs(self) -> list[tuple[str, int]]:
        j = schema.jobs.c
        query = select(j.state, j.attempts).where(j.kind == notify.TELL).order_by(j.id)
        with self.engine.connect() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def feed(self) -> int:
        with self.engine.connect() as connection:
            return len(connection.execute(select(schema.feed.c.id).where(schema.feed.c.what == notify.NOTICE)).all())

    async def step(self) -> int:
        """What the loop does in one round."""
        writer = Writer(self.engine)
        notifier = Notifier(
            self.engine,
            {Channel.PUSH: self.push, Channel.CHAT: self.chat},
            keys=KEYS,
            clock=lambda: self.now,
            writer=writer,
        )
        try:
            return await notifier.step()
        finally:
            await writer.close()


@pytest.fixture
def it(engine: Engine, tmp_path: Path) -> Notices:
    made = Notices(House(engine, tmp_path / "journal"))
    made.want(EVERY)
    return made


async def test_a_reading_rings_once_on_every_device_and_tells_the_pages(it: Notices) -> None:
    [copy] = it.house.message()
    it.device(), it.device(Channel.CHAT, "tgram://a/b")
    it.happen(copy, 3600)
    it.happen(copy, 3660)  # the same reading

    assert 2 <= await it.step()
    assert 0 == await it.step()

    assert [("told", "")] == it.states()
    assert 1 == it.feed()
    [(device, words)] = it.push.rung
    assert ("Firefox", "https://push.example/1") == (device.name, device.address)
    assert "rob0@x.example opened it" == words.title
    assert "Offer\n13:00, Thunderbird on Linux, certain" == words.body
    assert 1 == len(it.chat.rung)


def test_machines_and_repeats_leave_no_trace(it: Notices) -> None:
    [copy] = it.house.message()
    it.happen(copy, 3600, agent=CURL)

    assert 0 == it.decide()
    assert [] == it.states()


@pytest.mark.parametrize(
    ("scope", "of", "why"),
    [
        (Scope.REALTIME, "", Why.REALTIME_OFF),
        (Scope.ALL, "", Why.ALL),
        (Scope.CONTACT, "rob0@x.example", Why.CONTACT),
        (Scope.MESSAGE, "message", Why.MESSAGE),
        (Scope.THREAD, "message", Why.THREAD),
    ],
)
async def test_what_is_silenced_is_judged_and_counted_all_the_same(
    it: Notices, scope: Scope, of: str, why: Why
) -> None:
    [copy] = it.house.message()
    it.device()
    it.press(scope, of=it.house.message_of(copy) if of == "message" else of)
    it.happen(copy, 3600)
    await it.step()

    assert [("not", why)] == it.states()
    assert (1, 0) == it.house.counts(copy)[:2]
    assert ([], 0) == (it.push.rung, it.feed())

    it.press(scope, silent=False, of=it.house.message_of(copy) if of == "message" else of)
    it.happen(copy, 5400)
    await it.step()

    assert ("told", "") == it.states()[-1]
    assert 1 == len(it.push.rung)


def test_an_exception_after_mute_all_and_new_mail_speak(it: Notices) -> None:
    [old], [excepted] = it.house.message(), it.house.message()
    it.press(Scope.ALL)
    it.press(Scope.MESSAGE, silent=False, of=it.house.message_of(excepted))
    [new] = it.house.message()
    message = it.house.message_of(new)
    with it.engine.begin() as connection:
        m = schema.messages
        connection.execute(update(m).where(m.c.id == message).values(received_at=it.now + timedelta(seconds=5)))
    for copy in (old, excepted, new):
        it.happen(copy, 7300)
    it.decide()

    assert [("not", Why.ALL), ("told", ""), ("told", "")] == it.states()


async def test_what_is_judged_again_is_taken_back_everywhere_and_rings_for_nobody(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    it.happen(copy, 3600)
    await it.step()
    rejudge.correct(it.engine, SENDER, it.house.hit(), Answer.ME, it.now)
    it.house.work_off()
    await it.step()

    assert [("back", "")] == it.states()
    assert ["rob0@x.example opened it", "Taken back"] == [words.title for _, words in it.push.rung]
    assert it.push.rung[0][1].tag == it.push.rung[1][1].tag
    assert it.push.rung[1][1].again
    assert 2 == it.feed()

    with it.engine.connect() as connection:
        said = connection.execute(select(schema.corrections.c.id)).scalar_one()
    rejudge.undo(it.engine, SENDER, said, it.now)  # a person again: but that is no news
    it.house.work_off()
    assert 0 == await it.step()
    assert 2 == len(it.push.rung)


async def test_what_was_told_since_of_the_same_copy_is_not_taken_back_with_it(it: Notices) -> None:
    """Both have one tag, so on a device "Taken back" would stand in the place of a click that holds."""
    [copy] = it.house.message()
    it.device()
    it.happen(copy, 3600)
    await it.step()
    it.now += timedelta(minutes=5)
    it.happen(copy, 3900, agent=FIREFOX, link=0)
    await it.step()
    rejudge.correct(it.engine, SENDER, it.house.hit(0), Answer.MACHINE, it.now)
    it.house.work_off()
    await it.step()

    assert [("back", ""), ("told", "")] == it.states()
    assert ["rob0@x.example opened it", "rob0@x.example clicked a link"] == [words.title for _, words in it.push.rung]
    with it.engine.connect() as connection:
        gone, _ = notices.for_page(connection, SENDER, NOON)
        assert {gone.id} == notices.replaced(connection, [gone.id])


async def test_what_is_taken_back_before_anybody_was_told_is_never_told(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    it.happen(copy, 3600)
    rejudge.correct(it.engine, SENDER, it.house.hit(), Answer.MACHINE, it.now)
    it.house.work_off()
    await it.step()

    assert [("back", "")] == it.states()
    assert [] == it.push.rung


async def test_a_burst_rings_once(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    for number in range(3):
        it.happen(copy, 3600 + 11 * number, link=number, agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0")
    await it.step()

    assert [("told", "")] * len(it.states()) == it.states()
    assert 1 == len(it.push.rung)
    with it.engine.connect() as connection:
        shown = notices.for_page(connection, SENDER, NOON)
    assert [None, *[shown[0].id] * (len(shown) - 1)] == [each.leader for each in shown]


async def test_of_a_crowd_the_first_ring_and_the_others_are_told_with_them(it: Notices) -> None:
    it.device()
    copies = it.house.message(copies=9)
    for copy in copies:
        it.happen(copy, 3600)
    while await it.step():
        pass

    assert [("told", "")] * 9 == it.states()
    assert 5 == len(it.push.rung)
    with it.engine.connect() as connection:
        leaders = [each for each in notices.for_page(connection, SENDER, NOON) if each.more]
    assert [4] == [each.more for each in leaders]

    with it.engine.begin() as connection:  # one of the four was no reader after all
        notices.taken_back(connection, [each.id for each in notices.for_page(connection, SENDER, NOON)][-1:], it.now)
    with it.engine.connect() as connection:
        assert [3] == [each.more for each in notices.for_page(connection, SENDER, NOON) if each.more]


async def test_in_quiet_hours_nothing_rings(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    it.want(replace(EVERY, quiet=Quiet(begins=time(13), ends=time(15)), zone="Europe/Lisbon"))  # it is 14:00 there
    it.happen(copy, 3600)
    await it.step()

    assert [("not", "quiet")] == it.states()
    assert [] == it.push.rung


def test_the_hours_are_the_users_own(it: Notices) -> None:
    [copy] = it.house.message()
    it.want(replace(EVERY, quiet=Quiet(begins=time(22), ends=time(8)), zone="Pacific/Auckland"))  # 03:00 there
    it.happen(copy, 3600)
    it.decide()

    assert [("not", "quiet")] == it.states()


async def test_a_bounce_and_an_answer_are_told(it: Notices) -> None:
    [copy] = it.house.message()
    message = it.house.message_of(copy)
    with it.engine.begin() as connection:
        for _ in range(2):  # handed over again after a crash
            notify.hear_bounce(connection, SENDER, message, copy, it.now)
            notify.hear_reply(connection, SENDER, message, copy, "<1@x.example>", it.now)
    it.decide()

    assert [("told", "")] * 2 == it.states()
    with it.engine.connect() as connection:
        assert {Act.BOUNCED, Act.REPLIED} == {each.act for each in notices.for_page(connection, SENDER, NOON)}


# --- devices that do not answer ---------------------------------------------------------------------------------------


async def test_a_device_that_is_gone_is_forgotten(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    it.push.answers = [Gone()]
    it.happen(copy, 3600)
    await it.step()

    with it.engine.connect() as connection:
        assert [] == devices.listed(connection, SENDER)
    assert 0 == await it.step()


async def test_a_device_that_is_away_is_tried_later_with_the_same_notice(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    it.push.answers = [DeliveryFailed("503", temporary=True), RuntimeError("a bug")]
    it.happen(copy, 3600)
    for _ in range(3):
        await it.step()
        assert 0 == await it.step()  # not at once
        it.now += timedelta(minutes=5)

    assert 3 == len(it.push.rung)
    assert 1 == len({words.tag for _, words in it.push.rung})
    assert [("done", 3)] == it.jobs()
    with it.engine.connect() as connection:
        [device] = devices.listed(connection, SENDER)
    assert "" == device.trouble
    assert device.told_at is not None


async def test_who_says_when_to_come_again_is_asked_then_and_not_before(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    waits = (timedelta(minutes=20), timedelta(0))  # longer than ours would be, and not at all
    it.push.answers = [DeliveryFailed("429", temporary=True, wait=wait) for wait in waits]
    it.happen(copy, 3600)
    rung = []
    for gap in (timedelta(0), timedelta(minutes=19), timedelta(minutes=1), timedelta(seconds=1), timedelta(seconds=14)):
        it.now += gap
        await it.step()
        rung.append(len(it.push.rung))

    assert [1, 1, 2, 2, 3] == rung


async def test_who_asks_us_to_wait_until_it_is_history_is_not_asked_again(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    it.push.answers = [DeliveryFailed("429", temporary=True, wait=timedelta(hours=wait)) for wait in (6, 12)]
    it.happen(copy, 3600)
    for _ in range(3):
        await it.step()
        it.now += timedelta(hours=6)

    assert 2 == len(it.push.rung)
    assert [("done", 2)] == it.jobs()


async def test_a_refusal_for_good_is_shown_beside_the_device(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    it.push.answers = [DeliveryFailed("the push service answered 400", temporary=False)]
    it.happen(copy, 3600)
    await it.step()

    with it.engine.connect() as connection:
        [device] = devices.listed(connection, SENDER)
    assert "the push service answered 400" == device.trouble


@pytest.mark.parametrize(("channel", "rings"), [(Channel.PUSH, 2), (Channel.CHAT, 1)])
async def test_after_a_crash_nothing_is_shown_twice(it: Notices, channel: Channel, rings: int) -> None:
    """A push message takes the place of the same one; a chat would show it again, so it is not sent again."""
    [copy] = it.house.message()
    it.device(channel, "tgram://a/b" if channel is Channel.CHAT else "https://push.example/1")
    it.happen(copy, 3600)
    bell = it.push if channel is Channel.PUSH else it.chat

    class Killed(BaseException):
        pass

    async def die(device: Device, words: Words) -> None:
        bell.rung.append((device, words))
        raise Killed

    alive, bell.ring = bell.ring, die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await it.step()
    bell.ring = alive  # type: ignore[method-assign]
    it.now += timedelta(minutes=6)  # the lease is over
    await it.step()

    assert rings == len(bell.rung)
    assert 1 == len({words.tag for _, words in bell.rung})
    assert [("done", 2)] == it.jobs()
    assert [("told", "")] == it.states()


async def test_a_notice_goes_through_a_real_push_service_and_the_browser_reads_it(it: Notices) -> None:
    [copy] = it.house.message()
    public, secret = new_key()
    async with PushService() as service:
        it.device(address=service.endpoint, key=b64(service.browser.key), auth=b64(service.browser.auth))
        it.push = WebPush(secret, origin="http://127.0.0.1", clock=lambda: it.now, private=True)  # type: ignore[assignment]
        it.happen(copy, 3600)
        await it.step()

        assert "rob0@x.example opened it" == service.shown()["title"]
        assert service.claims(public)


HOSTILE = "=1+1|cmd <script>ran()</script>{{1337*1337}}\r\n.\r\nBcc: x@evil.example\x1b[2J\u202efdp.exe\u2066 @everyone"


@pytest.mark.parametrize("words", [HOSTILE, "W" * 10_000, "\u0308" * 10_000])
async def test_hostile_words_stay_text_on_one_line_wherever_a_notice_goes(it: Notices, words: str) -> None:
    [copy] = it.house.message()
    it.house.hide_link(copy, 0)
    with it.engine.begin() as connection:
        connection.execute(update(schema.copies).values(name=words))
        connection.execute(update(schema.messages).values(subject=words))
        connection.execute(update(schema.links).values(text=words, trap=False))
    async with PushService() as service:
        it.device(address=service.endpoint, key=b64(service.browser.key), auth=b64(service.browser.auth))
        it.device(Channel.CHAT, "tgram://a/b")
        it.push = WebPush(new_key()[1], origin="http://127.0.0.1", clock=lambda: it.now, private=True)  # type: ignore[assignment]
        it.happen(copy, 3600)
        await it.step()
        it.happen(copy, 4000, agent=FIREFOX, link=0)
        await it.step()
        pushed = [service.shown(number) for number in range(len(service.pushed))]

    chatted = [{"title": each.title, "body": each.body} for _, each in it.chat.rung]
    assert 2 == len(pushed)
    assert chatted == [{"title": each["title"], "body": each["body"]} for each in pushed]
    for each in chatted:
        lines = [each["title"], *each["body"].split("\n")]
        assert 3 == len(lines)
        assert all(line.isprintable() and len(line) < 200 for line in lines), lines
        assert each["title"].startswith(words[:20])


# --- a test, and the loop ---------------------------------------------------------------------------------------------


async def test_a_test_goes_everywhere_whatever_is_silenced_and_says_how_it_went(it: Notices) -> None:
    it.device()
    it.device(Channel.CHAT, "tgram://a/b")
    it.push.answers = [DeliveryFailed("it does not answer", temporary=True)]
    it.press(Scope.REALTIME)
    with it.engine.begin() as connection:
        number = notify.send_test(connection, SENDER, 1, it.now)
    await it.step()

    with it.engine.connect() as connection:
        found = devices.outcome(connection, SENDER, number)
    assert [("failed", "it does not answer"), ("told", "")] == sorted(each[1:] for each in found)
    assert "A test" == it.chat.rung[0][1].title


async def test_the_loop_tells_by_itself_and_survives_a_store_that_does_not_answer(it: Notices) -> None:
    [copy] = it.house.message()
    it.device()
    rang = asyncio.Event()

    class Once(FakeBell):
        async def ring(self, device: Device, words: Words) -> None:
            rang.set()

    writer, stop = Writer(it.engine), asyncio.Event()
    notifier = Notifier(it.engine, {Channel.PUSH: Once()}, keys=KEYS, clock=lambda: it.now, writer=writer, look_s=0.01)
    failing = [OSError("away"), ValueError("a bug")]
    step = notifier.step

    async def stumble() -> int:
        if failing:
            raise failing.pop()
        return await step()

    notifier.step = stumble  # type: ignore[method-assign]
    running = asyncio.create_task(notifier.run(stop))
    it.house.write(a_hit(copy, 3600, THUNDERBIRD, HOME))
    await asyncio.to_thread(it.house.take_in)
    async with asyncio.timeout(PATIENCE_S):
        await rang.wait()
        stop.set()
        await running
    await writer.close()
