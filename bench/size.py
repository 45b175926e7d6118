"""Fast at any size: every page and call at 10,000 events and at many more, in turns.

Both installations are made by `bench.synthetic` and run side by side; a question is asked of one, then of the other,
about messages drawn at random. Time is from the request to the last byte of the answer, over a kept connection: the
server's, with the loopback. The ratio is that of the processor time of the web role, which others on the machine do not
stretch. `--full` has a million messages and ten million events, and takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import http.client
import mmap
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from sqlalchemy import text

from bench import database, synthetic
from bench.installation import Installation, api_token, running
from bench.live import session
from bench.messages import SENDER
from bench.table import Table, number, percentile, progress
from unsealed.store.engine import connect, reading

AIM_S, AIM_RATIO = 0.050, 1.2
_MAP_LOCKED = 0x2000  # of Linux; Python has no name for it
PASSES = 4
AIM_REPORTS_S = 0.300  # whatever the ratio: a report is about many letters
SMALL = (1_000, 10_000)  # messages, events
# A page with fewer rows, or with lines about fewer letters, is less work in an installation of any size. So what is
# rare happens more often in the small one, that each list fills its page in both; its hot letter and its busiest
# contact have as many events and letters as are ever looked at; and its letters go out by the hundred: of one a day, no
# more than some would be read at a time, and the newest lines would be about these.
LIKE_LARGE = synthetic.Shares(untracked=0.12, machines_alone=0.15, replied=0.25, bounced=0.35)
SMALL_SHARES = replace(LIKE_LARGE, both=0.5, hot=0.1, busiest=0.1, at_once=500)
ALIKE = (
    "The small one is made so that its pages are as full as those of the large one: what is rare happens more often in"
    " it, its letters went out 500 at a time (the first three years ago, as in the large one), and one of them has a"
    " tenth of all events, not a hundredth. The letters and contacts that are asked for are drawn among such as both"
    " have: to one, asked for 6 to 14 times, read."
    " In both the server's own upkeep has put the index of words together."
)

# What is asked: name, path. In braces what is drawn anew each time: see `Drawn`. One line for each page and call.
QUESTIONS: tuple[tuple[str, str], ...] = (
    ("Activity", "/activity"),
    ("Activity, with machines", "/activity?machine=1"),
    ("Activity, clicks", "/activity?state=clicks"),
    ("Activity, machines", "/activity?state=machine"),
    ("Activity, what is silenced", "/activity?state=muted"),
    ("Activity, the lines alone", "/activity/rows"),
    ("Opened", "/opened"),
    ("Opened, no signal after 3 days", "/opened?state=silent"),
    ("Opened, read 3 times, no reply", "/opened?state=keen"),
    ("Opened, reminders", "/opened?state=reminders"),
    ("Opened, done", "/opened?state=done"),
    ("Sent", "/sent"),
    ("Sent, last sent first", "/sent?sort=sent"),
    ("Sent, somewhere further down", "/sent?after={signal_cursor}"),
    ("Sent by date, somewhere further down", "/sent?sort=sent&after={sent_cursor}"),
    ("Sent, opened", "/sent?state=opened"),
    ("Sent, clicked", "/sent?state=clicked"),
    ("Sent, replied", "/sent?state=replied"),
    ("Sent, loaded by a machine", "/sent?state=loaded_by_machine"),
    ("Sent, no signal", "/sent?state=no_signal"),
    ("Sent, waiting", "/sent?state=delayed"),
    ("Sent, bounced", "/sent?state=bounced"),
    ("Sent, not tracked", "/sent?state=not_tracked"),
    ("Sent, search: a word that many subjects have", "/sent?q=invoice"),
    ("Sent, search: a subject that one message has", "/sent?q={subject}"),
    ("Sent, search: a person", "/sent?q={person}"),
    ("Sent, search: a link", "/sent?q=shop.example/2"),
    ("Sent, search: a link, somewhere further down by date", "/sent?q=shop.example/2&sort=sent&after={sent_cursor}"),
    ("Sent, search: a common word, last sent first", "/sent?q=invoice&sort=sent"),
    ("Sent, search: two words that meet seldom", "/sent?q=invoice+survey"),
    ("Sent, search: one letter", "/sent?q=p"),
    ("Sent, search: what nothing has", "/sent?q=zzzzzz"),
    ("Sent, search and filter", "/sent?q=invoice&state=replied"),
    ("Sent, search and filter: bounced, last sent first", "/sent?q=invoice&state=bounced&sort=sent"),
    ("Sent, search and filter: not tracked, last sent first", "/sent?q=invoice&state=not_tracked&sort=sent"),
    ("Sent, search and filter: no signal", "/sent?q=invoice&state=no_signal"),
    ("Sent, search and filter: one letter, loaded by a machine", "/sent?q=p&state=loaded_by_machine&sort=sent"),
    ("Sent, search and filter: two words, clicked, last sent first", "/sent?q=invoice+survey&state=clicked&sort=sent"),
    ("Sent, the message beside it", "/sent/detail/{message}"),
    ("Message", "/message/{message}"),
    ("Message, opens", "/message/{message}?show=opens"),
    ("Message, clicks", "/message/{message}?show=clicks"),
    ("Message, every request", "/message/{message}?show=raw&lines=all"),
    ("Message to twenty people", "/message/{many}"),
    ("Message with the most events", "/message/{hot}"),
    ("Message with the most events, every request", "/message/{hot}?show=raw&lines=all"),
    ("Message, its letter", "/message/{message}/letter"),
    ("Message, as submitted", "/message/{message}/original.eml"),
    ("Contacts", "/contacts"),
    ("Contacts, search", "/contacts?q=person"),
    ("Contacts, search: what nobody is called", "/contacts?q=zzzzzz"),
    ("Contact", "/contacts/{contact}"),
    ("Contact with the most letters", "/contacts/{busy}"),
    ("Conversation", "/thread/{message}"),
    ("Sent, last opened first", "/sent?sort=opened"),
    ("Sandbox", "/sandbox"),
    ("Write", "/compose"),
    ("Write, a reply", "/compose?reply={message}"),
    ("Write, who begins so", "/compose/contacts?q=person1"),
    ("Drafts", "/drafts"),
    ("Reports", "/reports"),
    ("Reports of a year", "/reports?period=year"),
    ("Templates", "/templates"),
    ("Settings, access", "/settings/access"),
    ("Settings, addresses", "/settings/identities"),
    ("Settings, people", "/settings/people"),
    ("Settings, tracking", "/settings/tracking"),
    ("Settings, devices", "/settings/devices"),
    ("Settings, how opens are judged", "/settings/judging"),
    ("Settings, data", "/settings/data"),
    ("Settings, sending", "/settings/sending"),
    ("Settings, mailbox", "/settings/mailbox"),
    ("Settings, notifications", "/settings/notifications"),
    ("API, activity", "/api/v1/activity"),
    ("API, opened", "/api/v1/opened"),
    ("API, messages", "/api/v1/messages"),
    ("API, messages, somewhere further down", "/api/v1/messages?cursor={sent_cursor}"),
    ("API, message", "/api/v1/messages/{message}"),
    ("API, its events", "/api/v1/messages/{message}/events"),
    ("API, its clicks", "/api/v1/messages/{message}/events?kind=click"),
    ("API, the most events", "/api/v1/messages/{hot}/events"),
    ("API, clicks among the most events", "/api/v1/messages/{hot}/events?kind=click"),
    ("API, contacts", "/api/v1/contacts"),
    ("API, contact", "/api/v1/contacts/{contact}"),
    ("API, conversation", "/api/v1/threads/{message}"),
    ("API, tracking", "/api/v1/tracking"),
    ("API, templates", "/api/v1/templates"),
)


@dataclass(kw_only=True)
class Drawn:
    """What paths name: drawn from the store of one installation."""

    # To one, read, and asked for about as often as most: id, sent and last signal in microseconds, subject.
    messages: list[tuple[int, int, int, str]]
    many: int  # to twenty, with about as many requests and readings in any installation
    hot: int
    busy: str  # the contact with the most letters
    contacts: list[str]  # of the others those with about as many letters, of which as many read, in any installation

    @classmethod
    def of(cls, store: str, rng: random.Random) -> Drawn:
        engine = connect(store)
        with reading(engine) as connection:

            def ask(question: str, **values: object) -> Sequence[Any]:
                return connection.execute(text(f"SELECT {question}"), values).all()

            user = ask("id FROM users WHERE email = :email", email=SENDER)[0].id
            (hot,) = ask("id FROM messages WHERE user_id = :user ORDER BY raw DESC LIMIT 1", user=user)
            to_twenty = "id FROM messages WHERE user_id = :user AND recipient_count = 20"
            (many,) = ask(f"{to_twenty} ORDER BY abs(raw - 20) + abs(opens - 10) LIMIT 1", user=user)
            whom = "mailbox FROM contacts WHERE user_id = :user"
            (busy,) = ask(f"{whom} ORDER BY messages DESC LIMIT 1", user=user)
            seen = "SELECT count(*) FROM copies WHERE user_id = :user AND copies.mailbox = contacts.mailbox"
            alike = f"messages BETWEEN 24 AND 36 AND ({seen} AND last_at IS NOT NULL) BETWEEN 12 AND 17"
            contacts = ask(f"{whom} AND {alike} LIMIT 1000", user=user)
            some = "id, received_at, signal_at, subject, recipient_count, opens, raw FROM messages WHERE id = :id"
            ids = sorted(row.id for row in ask("id FROM messages WHERE user_id = :user", user=user))
            drawn = [ask(some, id=id)[0] for id in rng.sample(ids, min(1000, len(ids)))]
            behind = "received_at FROM messages WHERE user_id = :user ORDER BY received_at LIMIT 1 OFFSET 60"
            (page_full,) = ask(behind, user=user)[0]
            mine = [row for row in drawn if row.recipient_count == 1 and row.opens]
            found = [row[:4] for row in mine if 6 <= row.raw <= 14 and row.received_at > page_full]
        engine.dispose()
        return cls(
            messages=found,
            many=many.id,
            hot=hot.id,
            busy=busy.mailbox,
            contacts=[each.mailbox for each in contacts] or [busy.mailbox],
        )

    def path(self, template: str, rng: random.Random) -> str:
        """A path with its names filled in."""
        id, sent, signal, subject = rng.choice(self.messages)
        return template.format(
            message=f"{id:016x}",
            many=f"{self.many:016x}",
            hot=f"{self.hot:016x}",
            sent_cursor=f"{sent:x}.{id:016x}",
            signal_cursor=f"{signal:x}.{id:016x}",
            subject=subject.replace(" ", "+"),
            person=f"person{rng.randrange(1, 5)}@",  # all whose names begin so: everywhere a tenth or so
            contact=rng.choice(self.contacts),
            busy=self.busy,
        )


Pair = tuple[tuple[float, float], tuple[float, float]]  # of the small and of the large one what `Asker.ask` gives


class Asker:
    """A signed-in browser and an API client of one installation."""

    def __init__(self, installation: Installation) -> None:
        self._rng = random.Random(7)
        self._drawn = Drawn.of(installation.store, self._rng)
        self._connection = http.client.HTTPConnection("127.0.0.1", installation.web, timeout=60)
        cookie, token = session(installation), api_token(installation)
        (self._web,) = (pid for pid, role in installation.roles().items() if role == "web")
        _keep_on_one_processor(self._web)
        self._engine = connect(installation.store)
        self._headers = {"page": {"Cookie": cookie}, "api": {"Authorization": f"Bearer {token}"}}

    def ask(self, template: str) -> tuple[float, float]:
        """Seconds until the whole answer is there, and those that the web role was on the processor, and with
        PostgreSQL on this machine, its processes for this store."""
        path = self._drawn.path(template, self._rng)
        headers = self._headers["api" if path.startswith("/api/") else "page"]
        worked, begun = self._worked(), perf_counter()
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        took = perf_counter() - begun
        if answer.status != 200:
            raise ConnectionError(f"{path} was answered with {answer.status}")
        return took, self._worked() - worked

    def _worked(self) -> float:
        return sum(_worked(pid) for pid in (self._web, *database.backends(self._engine)))


def _keep_on_one_processor(pid: int) -> None:
    """The same for all who are compared: what else the host runs beside one processor slows that one alone."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {max(os.sched_getaffinity(0))})


def _worked(pid: int) -> float:
    """Seconds that a process was on the processor."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def beside(asked: str) -> str:
    """The same, with a letter to one beside a list of sent mail, as the first of the list may be to twenty."""
    if not asked.startswith("/sent") or "detail" in asked:
        return asked
    return asked + ("&m={message}" if "?" in asked else "?m={message}")


def filled(messages: int, events: int, shares: synthetic.Shares | None = None) -> Callable[[Path], None]:
    now = datetime.now(UTC)
    return lambda data: synthetic.fill(data, messages=messages, events=events, now=now, shares=shares)


@contextmanager
def in_memory(path: Path) -> Iterator[bool]:
    """Keep a file in memory, as a server's is that is asked all day; whether that can be here.

    The hosts of some virtual machines take away what was not read for some seconds: then their disk is measured.
    """
    with ExitStack() as kept:
        try:
            file = kept.enter_context(path.open("rb"))
            flags = mmap.MAP_SHARED | mmap.MAP_POPULATE | _MAP_LOCKED
            kept.enter_context(mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ))
        except OSError:  # no right to lock so much memory, or another database
            yield False
        else:
            yield True


def measured(small: Asker, large: Asker, rounds: int, names: tuple[str, str]) -> Table:
    """Ask everything, in turns; each question in PASSES portions, so that no passing moment decides about one."""
    table = Table(
        columns=("", *(f"p95, ms, {name}" for name in names), *(f"worked, ms, {name}" for name in names), "ratio")
    )
    found: dict[str, list[Pair]] = {name: [] for name, _ in QUESTIONS}
    for done in range(PASSES):
        for name, template in QUESTIONS:
            template = beside(template)
            for asker in (small, large):
                asker.ask(template)
            found[name] += [(small.ask(template), large.ask(template)) for _ in range(-(-rounds // PASSES))]
        progress(f"{done + 1} of {PASSES} portions asked")
    for name, template in QUESTIONS:
        few, many = (list(zip(*side, strict=True)) for side in zip(*found[name], strict=True))
        waits = [percentile(side[0], 0.95) for side in (few, many)]
        worked = [median(side[1]) for side in (few, many)]
        ratio = worked[1] / worked[0]
        fast = waits[1] <= AIM_REPORTS_S if "report" in template else waits[1] <= AIM_S and ratio <= AIM_RATIO
        missed = "" if fast else " (missed)"
        table.add(name, *(number(1e3 * figure) for figure in (*waits, *worked)), f"{ratio:.2f}{missed}")
        progress(" ".join(table.rows[-1]))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    parser.add_argument("--full", action="store_true", help="a million messages and ten million events")
    asked = parser.parse_args()
    messages, events, rounds = (100_000, 1_000_000, 20)
    if asked.quick:
        messages, events, rounds = (2_000, 20_000, 3)
    if asked.full:
        messages, events, rounds = (synthetic.MESSAGES, synthetic.EVENTS, 120)
    print("## Fast at any size\n")
    print(
        f"{SMALL[0]:,} messages with about {SMALL[1]:,} events, and {messages:,} with {events:,}, four of five those of"
    )
    print(
        f"one user; {database.name()}, in turns. Aims: p95 under {1e3 * AIM_S:.0f} ms, and at most {AIM_RATIO} times"
        f" the work; reports under {1e3 * AIM_REPORTS_S:.0f} ms. {ALIKE}\n"
    )
    with ExitStack() as both:
        few = both.enter_context(running(fill=filled(*SMALL, SMALL_SHARES)))
        many = both.enter_context(running(fill=filled(messages, events)))
        held = [both.enter_context(in_memory(each.data / "unsealed.db")) for each in (few, many)]
        print("Both stores are held in memory.\n" if all(held) else "The stores are not held in memory.\n")
        names = (f"{SMALL[1]:,} events", f"{events:,} events")
        print(measured(Asker(few), Asker(many), rounds, names).markdown())


if __name__ == "__main__":
    main()
