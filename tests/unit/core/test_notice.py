from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from unsealed.core.notice import LATE, act_of, decide, is_quiet, occasion, on_what, pressed, say, silenced
from unsealed.model.event import Agent, ClientKind, Device, Finding, NetworkClass, Place, PlaceState
from unsealed.model.message import MessageId
from unsealed.model.notice import (
    Act,
    Channel,
    Detail,
    Happening,
    Occasion,
    Press,
    Quiet,
    Readings,
    Scope,
    Silence,
    Told,
    Wants,
    Why,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVERY = Wants(readings=Readings.EVERY)


def opened(at: datetime = NOON, **said: object) -> Happening:
    it = Happening(
        act=Act.OPENED,
        at=at,
        finding=Finding.HUMAN_OPEN,
        message=MessageId(1),
        thread=1,
        sent_at=NOON - DAY,
        contact="ines@harbourline.example",
    )
    return replace(it, **said)  # type: ignore[arg-type]


def why(
    it: Happening, silence: Silence | None = None, wants: Wants = EVERY, *, now: datetime | None = None
) -> Why | None:
    return decide(it, silence or Silence(), wants, now=now or it.at, clock=time(12)).why


# --- silence, over all orders of presses ------------------------------------------------------------------------------

THREADS = {1: 1, 2: 1, 3: 3, 4: 4}  # message -> its conversation
CONTACTS = {1: "ines@x.example", 2: "rob@x.example", 3: "ines@x.example", 4: "rob@x.example"}


def expected(presses: Sequence[Press], message: int, sent_at: datetime) -> bool:
    """Whether a message is silent, told from the story of all presses instead of what stands."""
    if next((press.silent for press in reversed(presses) if press.scope is Scope.REALTIME), False):
        return True
    mine = [press for press in presses if press.scope is Scope.MESSAGE and press.of == str(message)]
    if mine and mine[-1].silent:
        return True
    since = presses.index(mine[-1]) if mine else -1

    def stands(scope: Scope, of: str) -> bool:
        """The last word about it is silence, and it came after the message's own."""
        said = [press for press in presses if press.scope is scope and press.of == of]
        return bool(said) and said[-1].silent and presses.index(said[-1]) > since

    everything = [press for press in presses if press.scope is Scope.ALL]
    covered = bool(everything) and sent_at <= everything[-1].at
    return (
        stands(Scope.THREAD, str(THREADS[message]))
        or stands(Scope.CONTACT, CONTACTS[message])
        or (covered and stands(Scope.ALL, ""))
    )


class Speakers(RuleBasedStateMachine):
    """Presses any speaker in any order, sends mail in between, and asks of every message whether it is silent."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.silence = Silence()
        self.presses: list[Press] = []
        self.sent: dict[int, datetime] = {1: NOON}

    def press(self, scope: Scope, silent: bool, of: str = "") -> None:
        self.now += MINUTE
        press = Press(scope=scope, of=of, silent=silent, at=self.now)
        self.presses.append(press)
        self.silence = pressed(self.silence, press)

    @rule(message=st.sampled_from(sorted(THREADS)))
    def send(self, message: int) -> None:
        self.now += MINUTE
        self.sent.setdefault(message, self.now)

    @rule(silent=st.booleans())
    def master_switch(self, silent: bool) -> None:
        self.press(Scope.REALTIME, silent)

    @rule(silent=st.booleans())
    def mute_all(self, silent: bool) -> None:
        self.press(Scope.ALL, silent)

    @rule(silent=st.booleans(), message=st.sampled_from(sorted(THREADS)))
    def message_speaker(self, silent: bool, message: int) -> None:
        if message in self.sent:
            self.press(Scope.MESSAGE, silent, str(message))

    @rule(silent=st.booleans(), thread=st.sampled_from(sorted(set(THREADS.values()))))
    def thread_speaker(self, silent: bool, thread: int) -> None:
        self.press(Scope.THREAD, silent, str(thread))

    @rule(silent=st.booleans(), contact=st.sampled_from(sorted(set(CONTACTS.values()))))
    def contact_speaker(self, silent: bool, contact: str) -> None:
        self.press(Scope.CONTACT, silent, contact)

    @invariant()
    def every_message_is_as_silent_as_the_story_says(self) -> None:
        for message, sent_at in self.sent.items():
            it = opened(
                self.now,
                message=MessageId(message),
                thread=THREADS[message],
                contact=CONTACTS[message],
                sent_at=sent_at,
            )
            found = silenced(self.silence, it.message, it.thread, it.contact, it.sent_at)

            assert expected(self.presses, message, sent_at) == (found is not None)
            decision = decide(it, self.silence, EVERY, now=self.now, clock=time(12))
            assert found == decision.why
            assert bool(decision.channels) == (found is None)


Speakers.TestCase.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
TestSpeakers = Speakers.TestCase


def silence_of(*presses: tuple[Scope, str, bool]) -> Silence:
    found = Silence()
    for number, (scope, of, silent) in enumerate(presses):
        found = pressed(found, Press(scope=scope, of=of, silent=silent, at=NOON + number * MINUTE))
    return found


def test_mute_all_silences_what_was_sent_and_lets_new_mail_speak() -> None:
    muted = silence_of((Scope.ALL, "", True))

    assert Why.ALL is why(opened(sent_at=NOON), muted)
    assert why(opened(sent_at=NOON + MINUTE), muted) is None


def test_a_speaker_switched_on_after_mute_all_is_an_exception_and_one_before_is_not() -> None:
    assert why(opened(), silence_of((Scope.ALL, "", True), (Scope.MESSAGE, "1", False))) is None
    assert Why.ALL is why(opened(), silence_of((Scope.MESSAGE, "1", False), (Scope.ALL, "", True)))


def test_the_master_switch_stops_even_the_exceptions() -> None:
    off = silence_of((Scope.ALL, "", True), (Scope.MESSAGE, "1", False), (Scope.REALTIME, "", True))

    assert Why.REALTIME_OFF is why(opened(), off)


def test_a_silenced_recipient_silences_only_what_that_recipient_does() -> None:
    muted = silence_of((Scope.CONTACT, "ines@harbourline.example", True))

    assert Why.CONTACT is why(opened(), muted)
    assert why(opened(contact="rob@harbourline.example"), muted) is None
    assert why(opened(contact=""), muted) is None


# --- what is worth telling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("finding", [finding for finding in Finding if not finding.counted])
def test_machines_repeats_and_the_sender_never_ring(finding: Finding) -> None:
    assert Why.NO_PERSON is why(opened(finding=finding))
    assert act_of(finding) is None


def test_first_only_is_once_for_each_recipient() -> None:
    first = Wants(readings=Readings.FIRST)

    assert why(opened(), wants=first) is None
    assert Why.NOT_FIRST is why(opened(earlier=(NOON - HOUR,)), wants=first)


def test_every_reading_is_every_one_but_the_same_reading_only_once() -> None:
    assert why(opened(earlier=(NOON - HOUR,), told=(NOON - HOUR,))) is None
    assert Why.SAME_READING is why(opened(told=(NOON + 5 * MINUTE,)))  # an earlier request came to be known later


def test_hot_is_the_third_reading_within_an_hour() -> None:
    hot = Wants(readings=Readings.HOT, revival_weeks=0)

    assert Why.NOT_HOT is why(opened(earlier=(NOON - 20 * MINUTE,)), wants=hot)
    assert why(opened(earlier=(NOON - 40 * MINUTE, NOON - 20 * MINUTE)), wants=hot) is None
    assert Why.NOT_HOT is why(opened(earlier=(NOON - 2 * HOUR, NOON - 20 * MINUTE)), wants=hot)


@pytest.mark.parametrize("readings", Readings)
def test_a_message_that_comes_back_to_life_after_weeks_is_always_told(readings: Readings) -> None:
    wants = Wants(readings=readings, revival_weeks=3)
    it = opened(earlier=(NOON - timedelta(weeks=3),))

    assert why(it, wants=wants) is None
    assert Occasion.REVIVED is decide(it, Silence(), wants, now=NOON, clock=time(12)).occasion


def test_only_what_is_wanted_is_told() -> None:
    assert Why.NOT_WANTED is why(opened(), wants=Wants(acts=frozenset({Act.REPLIED})))
    assert Why.NO_CHANNEL is why(opened(), wants=Wants(channels=frozenset()))


def test_what_happened_long_ago_is_no_news() -> None:
    assert why(opened(), now=NOON + LATE) is None
    assert Why.LATE is why(opened(), now=NOON + LATE + MINUTE)


def test_nothing_rings_in_quiet_hours_and_the_silenced_is_said_to_be_silenced() -> None:
    night = replace(EVERY, quiet=Quiet(begins=time(22), ends=time(7)))

    assert Why.QUIET is decide(opened(), Silence(), night, now=NOON, clock=time(23)).why
    assert Why.REALTIME_OFF is decide(opened(), Silence(realtime_off=True), night, now=NOON, clock=time(23)).why
    assert (
        frozenset({Channel.PAGE, Channel.PUSH, Channel.CHAT})
        == decide(opened(), Silence(), night, now=NOON, clock=time(7)).channels
    )


@given(st.times(), st.times(), st.times())
def test_quiet_hours_and_their_opposite_make_a_day(begins: time, ends: time, clock: time) -> None:
    if begins != ends:
        assert is_quiet(Quiet(begins=begins, ends=ends), clock) != is_quiet(Quiet(begins=ends, ends=begins), clock)
    else:
        assert is_quiet(Quiet(begins=begins, ends=ends), clock)


# --- words ------------------------------------------------------------------------------------------------------------

THUNDERBIRD = Agent(client="Thunderbird", kind=ClientKind.DESKTOP_CLIENT, device=Device.DESKTOP, system="Linux")
GMAIL = Agent(client="Gmail Image Proxy", kind=ClientKind.IMAGE_PROXY, device=Device.HIDDEN)
TOLD = Told(
    act=Act.OPENED,
    who="Ines Marchetti",
    subject="The offer",
    at=NOON,
    confidence=0.95,
    agent=THUNDERBIRD,
    place=Place(state=PlaceState.KNOWN, country="PT", city="Lisbon"),
)


def words(told: Told, detail: Detail = Detail.ALL) -> str:
    said = say(told, message=MessageId(1), tag="n1", detail=detail)
    return f"{said.title}\n{said.body}".strip()


def test_a_notice_says_who_what_which_message_when_on_what_and_how_sure() -> None:
    assert (
        "Ines Marchetti opened it\nThe offer\n12:00, Thunderbird on Linux, approximately Lisbon, PT, certain"
        == words(TOLD)
    )


def test_a_notice_tells_the_time_as_its_reader_counts_hours() -> None:
    assert "\n12:00\u00a0pm, Thunderbird" in words(replace(TOLD, twelve=True))


def test_a_guess_is_a_maybe() -> None:
    assert "Ines Marchetti maybe opened it" == words(replace(TOLD, confidence=0.55), Detail.WHO)


def test_a_proxy_hides_device_and_place_and_the_notice_says_so() -> None:
    told = replace(TOLD, agent=GMAIL, network=NetworkClass.GOOGLE_PROXY, place=Place(state=PlaceState.PROXY))

    assert words(told).endswith("12:00, through Gmail, device hidden, place hidden, certain")


def test_a_shared_copy_is_someones() -> None:
    assert words(replace(TOLD, who="", among=4)).startswith("Someone (one of 4) opened it")


@pytest.mark.parametrize("act", [act for act in Act if act is not Act.TESTED])
def test_a_locked_screen_shows_no_more_than_allowed(act: Act) -> None:
    told = replace(TOLD, act=act, link="Pricing", more=2)
    secrets = ("The offer", "Pricing", "Lisbon", "Thunderbird")

    assert [] == [secret for secret in secrets if secret in words(told, Detail.WHO)]
    assert [] == [secret for secret in (*secrets, "Ines") if secret in words(told, Detail.NOTHING)]
    assert "Ines" in words(told, Detail.WHO)


@pytest.mark.parametrize("detail", Detail)
def test_the_page_that_others_see_names_the_message_only_where_the_words_say_who(detail: Detail) -> None:
    said = say(TOLD, message=MessageId(7), tag="n1", detail=detail)

    assert "/message/0000000000000007" == said.path
    assert ("/activity" if detail is Detail.NOTHING else said.path) == said.link


def test_what_was_taken_back_says_so_and_does_not_ring_again() -> None:
    said = say(replace(TOLD, gone=True), message=MessageId(1), tag="n1")

    assert "Taken back" == said.title
    assert "Ines Marchetti opened it" in said.body
    assert said.again


@given(
    st.text(max_size=300), st.text(max_size=300), st.text(max_size=300), st.sampled_from(Act), st.sampled_from(Detail)
)
def test_foreign_words_stay_on_their_lines(who: str, subject: str, link: str, act: Act, detail: Detail) -> None:
    told = replace(TOLD, who=who, subject=subject, link=link, act=act)
    said = say(told, message=MessageId(1), tag="n1", detail=detail)

    assert said.title.isprintable()
    assert all(line.isprintable() for line in said.body.split("\n"))
    assert len(said.body.split("\n")) <= 2
    assert len(said.title) + len(said.body) < 600


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (THUNDERBIRD, "Thunderbird on Linux"),
        (GMAIL, "through Gmail, device hidden"),
        (Agent(client="", kind=ClientKind.UNKNOWN, device=Device.UNKNOWN), ""),
        (Agent(client="", kind=ClientKind.UNKNOWN, device=Device.MOBILE), "a phone"),
        (Agent(client="Spark", kind=ClientKind.MOBILE_APP, device=Device.MOBILE), "Spark on a phone"),
        (Agent(client="", kind=ClientKind.PREFETCH, device=Device.HIDDEN), "device hidden"),
    ],
)
def test_a_device_is_named_as_far_as_it_is_known(agent: Agent, said: str) -> None:
    assert said == on_what(agent)


@pytest.mark.parametrize(
    ("act", "title"),
    [
        (Act.CLICKED, "Ines Marchetti clicked “Pricing”"),
        (Act.REPLIED, "Ines Marchetti replied"),
        (Act.BOUNCED, "The message to Ines Marchetti bounced"),
    ],
)
def test_each_act_has_its_words(act: Act, title: str) -> None:
    assert title == say(replace(TOLD, act=act, link="Pricing"), message=MessageId(1), tag="n1").title


def test_a_test_is_called_a_test_and_leads_to_the_settings() -> None:
    said = say(replace(TOLD, act=Act.TESTED), message=None, tag="t1")

    assert ("A test", "/settings/notifications", "") == (said.title, said.path, said.message)


def test_events_of_people_are_acts() -> None:
    assert [Act.OPENED, Act.OPENED, Act.CLICKED] == [act_of(finding) for finding in Finding if finding.counted]


@given(
    before=st.one_of(st.none(), st.timedeltas(min_value=timedelta(), max_value=timedelta(weeks=9))),
    lately=st.integers(1, 9),
)
def test_what_is_special_about_an_act(before: timedelta | None, lately: int) -> None:
    found = occasion(NOON, None if before is None else NOON - before, lately)

    assert (found is Occasion.FIRST) == (before is None)
    assert (found is Occasion.REVIVED) == (before is not None and before >= timedelta(weeks=3))
    assert found is not Occasion.HOT or lately == 3
