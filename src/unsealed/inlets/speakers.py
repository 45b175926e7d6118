"""The speaker of a message: whether what happens to it rings, and what silences it. Pages and API say the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from unsealed.core.notice import silenced
from unsealed.model.message import MessageId, UserId, from_public_id
from unsealed.model.notice import Why
from unsealed.model.texts import Texts, later
from unsealed.store import notices

WHY = {
    Why.REALTIME_OFF: later("all notices are off"),
    Why.MESSAGE: later("silenced"),
    Why.THREAD: later("its conversation is silenced"),
    Why.CONTACT: later("its recipient is silenced"),
    Why.ALL: later("all mail of then is silenced"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Of one message."""

    of: str  # public id of the message
    why: Why | None  # what silences it; None: it rings
    thread_silent: bool = False
    contact: str = ""  # its only recipient
    contact_silent: bool = False

    @property
    def silent(self) -> bool:
        return self.why is not None

    def words(self, texts: Texts) -> str:
        """The state, for a title and for who cannot see the icon."""
        if self.why is None:
            return texts.say("Notices on")
        return texts.say("No notices: %(why)s", why=texts.say(WHY[self.why]))

    @property
    def movable(self) -> bool:
        """Whether its own press changes anything: not under the master switch."""
        return self.why is not Why.REALTIME_OFF


def speakers(connection: Connection, user: UserId, ids: Iterable[str]) -> Mapping[str, Speaker]:
    """The speakers of these messages of the user, by public id. Of several recipients a message is silent when all
    are."""
    numbers = [number for each in ids if (number := from_public_id(each)) is not None]
    asked = notices.spoken(connection, user, numbers)
    silence = notices.silence(
        connection,
        user,
        messages=[each.message for each in asked.values()],
        threads=[each.thread for each in asked.values()],
        contacts={contact for each in asked.values() for contact in each.contacts},
    )
    made = {}
    for id, it in asked.items():
        whys = [silenced(silence, it.message, it.thread, contact, it.sent_at) for contact in it.contacts or ("",)]
        made[id] = Speaker(
            of=id,
            why=None if None in whys else whys[0],
            thread_silent=it.thread in silence.threads,
            contact=it.contacts[0] if len(it.contacts) == 1 else "",
            contact_silent=len(it.contacts) == 1 and it.contacts[0] in silence.contacts,
        )
    return made


def of_message(connection: Connection, user: UserId, message: MessageId) -> Speaker | None:
    """The speaker of one message."""
    return next(iter(speakers(connection, user, [f"{message:016x}"]).values()), None)
