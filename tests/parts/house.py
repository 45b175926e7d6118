"""A store with one sender, a journal, and the ingest between them: what tests of the judgement share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select, update
from tests.keys import OneKey

from unsealed.core.token import seal_click, seal_pixel
from unsealed.flow import rejudge
from unsealed.flow.ingest import Ingest
from unsealed.model.event import HitId
from unsealed.model.hit import Hit
from unsealed.model.message import CopyId, Delivery, MessageId, UserId
from unsealed.model.policy import Level
from unsealed.store import marks, schema
from unsealed.store.journal import Journal, encode_hit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.5.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"
CURL = "curl/8.5.0"
APPLE = "Mozilla/5.0"
HOME, OFFICE, GOOGLE, CLOUD = "203.0.113.21", "192.0.2.10", "66.249.84.77", "54.70.12.9"


KEYS = OneKey()
SENDER = UserId(7)


class House:
    """A store with one sender, a journal, and the ingest between them."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder / "c1"
        self.journal = Journal(self.folder, "c1")
        self.ingest = self.fresh_ingest()
        self.ids = iter(range(1000, 10**9))
        with engine.begin() as connection:
            connection.execute(
                schema.users.insert().values(id=SENDER, email="ines@example.org", role="owner", created_at=NOON)
            )

    def fresh_ingest(self) -> Ingest:
        return Ingest(self.engine, keys=KEYS, journal=self.folder, collector="c1", clock=lambda: NOON)

    def message(
        self,
        copies: int = 1,
        *,
        level: Level = Level.FULL,
        sent_at: datetime | None = NOON,
        delivery: Delivery = Delivery.SENT,
    ) -> list[CopyId]:
        """A message that was sent at noon; the ids of its copies."""
        message = MessageId(next(self.ids))
        ids = [CopyId(next(self.ids)) for _ in range(copies)]
        with self.engine.begin() as connection:
            connection.execute(
                schema.messages.insert().values(
                    id=message,
                    user_id=SENDER,
                    envelope_from="ines@example.org",
                    message_id="<1@example.org>",
                    subject="Offer",
                    recipients="rob@x.example",
                    recipient_count=copies,
                    size=100,
                    opens_level=level,
                    clicks_level=level,
                    switches="{}",
                    key_id=0,
                    tracking_url="https://t.example.org",
                    survey="{}",
                    received_at=NOON - timedelta(seconds=2),
                    signal_at=NOON - timedelta(seconds=2),
                )
            )
            connection.execute(
                schema.copies.insert(),
                [
                    {
                        "id": id,
                        "message_id": message,
                        "position": position,
                        "address": f"rob{position}@x.example",
                        "user_id": SENDER,
                        "mailbox": f"rob{position}@x.example",
                        "domain": "x.example",
                        "kind": "to",
                        "tracked": True,
                        "delivery": delivery,
                        "sent_at": sent_at,
                    }
                    for position, id in enumerate(ids)
                ],
            )
        return ids

    def message_of(self, copy: CopyId) -> MessageId:
        with self.engine.connect() as connection:
            query = select(schema.copies.c.message_id).where(schema.copies.c.id == copy)
            return MessageId(connection.execute(query).scalar_one())

    def hide_link(self, copy: CopyId, position: int) -> None:
        """That link of the copy's message is a trap."""
        message = self.message_of(copy)
        with self.engine.begin() as connection:
            connection.execute(
                schema.links.insert().values(
                    message_id=message,
                    position=position,
                    offset=0,
                    part="html",
                    destination="https://example.org/",
                    text="",
                    tracked=True,
                    reason="",
                    trap=True,
                )
            )

    def write(self, *hits: Hit) -> None:
        self.journal.commit([encode_hit(hit) for hit in hits])

    def take_in(self) -> None:
        while self.ingest.ship():
            pass
        while self.ingest.judge():
            pass

    def work_off(self) -> None:
        """Judge all that waits, and all of history that is to be judged again."""
        while self.ingest.judge() or rejudge.step(self.engine, NOON):
            pass

    def forget(self) -> None:
        """All mail is gone, and what came of it: an example of a property takes no longer than the one before."""
        with self.engine.begin() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                if table not in (schema.users, schema.settings, schema.cursors):
                    connection.execute(delete(table))

    def hit(self, number: int = -1) -> HitId:
        """The id of a hit, in the order in which they came."""
        with self.engine.connect() as connection:
            return HitId(
                connection.execute(select(schema.hits.c.id).order_by(schema.hits.c.id)).scalars().all()[number]
            )

    def counts(self, copy: CopyId) -> tuple[int, int, int, int]:
        c = schema.copies.c
        with self.engine.connect() as connection:
            row = connection.execute(select(c.opens, c.clicks, c.raw, c.machine).where(c.id == copy)).one()
        return (row[0], row[1], row[2], row[3])

    def findings(self) -> list[str]:
        e = schema.events.c
        with self.engine.connect() as connection:
            return list(connection.execute(select(e.finding).order_by(e.at, e.hit_id)).scalars())

    def rows(self, table: str) -> int:
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(schema.metadata.tables[table])).scalar_one()


def a_hit(
    copy: CopyId,
    after_s: float,
    agent: str = THUNDERBIRD,
    address: str = HOME,
    *,
    link: int | None = None,
    method: str = "GET",
    level: Level = Level.FULL,
    **more: str,
) -> Hit:
    if link is None:
        token = seal_pixel(KEYS, 0, copy, level)
    else:
        token = seal_click(KEYS, 0, copy, level, link, f"https://example.org/{link}")
    return Hit(
        at=NOON + timedelta(seconds=after_s),
        token=token,
        method=method,
        address=address,
        user_agent=agent,
        accept_language="en",
        **more,
    )


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A hit that Hypothesis made up, and after which of the four batches it arrives."""

    after_s: float
    agent: str
    address: str
    link: int | None
    method: str
    copy: int
    batch: int


HITS = st.builds(
    Drawn,
    # close enough together for bursts and repeats, and far enough for several readings
    after_s=st.one_of(st.integers(-80, 240).map(lambda quarters: quarters / 4), st.integers(0, 2500).map(float)),
    agent=st.sampled_from((THUNDERBIRD, GMAIL, FIREFOX, CURL, APPLE, "")),
    address=st.sampled_from((HOME, OFFICE, GOOGLE, CLOUD)),
    link=st.sampled_from((None, None, 0, 1, 2)),
    method=st.sampled_from(("GET", "GET", "GET", "HEAD")),
    copy=st.integers(0, 1),
    batch=st.integers(0, 3),
)


def snapshot(house: House, copies: list[CopyId]) -> dict[str, list[tuple[object, ...]]]:
    """Events and counts of one message as they stand."""
    e, c, n, m = schema.events.c, schema.copies.c, schema.link_counts.c, schema.messages.c
    counts = ("opens", "clicks", "raw", "machine", "first_at", "last_at")
    with house.engine.connect() as connection:
        message = connection.execute(select(c.message_id).where(c.id == copies[0])).scalar_one()
        queries = {
            "events": select(schema.events).where(e.message_id == message).order_by(e.hit_id),
            "copies": select(c.id, c.confidence, c.came, *(c[name] for name in counts)).where(c.message_id == message),
            "links": select(schema.link_counts).where(n.message_id == message).order_by(n.copy_id, n.position),
            "message": select(m.signal_at, *(m[name] for name in counts)).where(m.id == message),
        }
        return {name: sorted(map(tuple, connection.execute(query)), key=repr) for name, query in queries.items()}


def judge_from_scratch(house: House, copies: list[CopyId]) -> None:
    nothing = {"opens": 0, "clicks": 0, "raw": 0, "machine": 0, "first_at": None, "last_at": None}
    c, m = schema.copies.c, schema.messages.c
    with house.engine.begin() as connection:
        message = connection.execute(select(c.message_id).where(c.id == copies[0])).scalar_one()
        connection.execute(delete(schema.events).where(schema.events.c.message_id == message))
        connection.execute(delete(schema.link_counts).where(schema.link_counts.c.message_id == message))
        connection.execute(
            update(schema.copies).where(c.message_id == message).values(confidence=None, came=0, **nothing)
        )
        connection.execute(update(schema.messages).where(m.id == message).values(**nothing))
        marks.mark(connection, {message: NOON - timedelta(hours=1)})
    house.take_in()
