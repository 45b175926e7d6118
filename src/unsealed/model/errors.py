"""The one tree of errors.

Unsealed
├── BadInput          permanent   what somebody handed us cannot be used; says what and where
│   ├── BadToken      permanent   not a token of this installation
│   └── Untouchable   permanent   a part of a message that must not be changed; carries the reason code
├── Refused           permanent   not allowed: authentication, ownership
│   └── AboveCeiling  permanent   more tracking was asked for than is allowed; names the limit and where it was set
├── Unavailable       temporary   a local fault: database away, overload
│   └── DiskFull      temporary   no room left to keep anything
├── DeliveryFailed    either      the next hop's answer; says whether a retry makes sense
│   ├── Gone          permanent   where it should go is no more
│   └── TokenRefused  temporary   no access token, until somebody enters another refresh token
└── MailboxClosed     either      a mailbox does not let us in; names the entry to look at

Every error says whether it is `temporary`. Unknown errors are temporary in queues and permanent at doors.
The class docstring is the default message. What people read on pages keeps its sentence and its values apart, so that
it can be said in their language; the log, the programs and the API get it in English.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from unsealed.model.texts import ENGLISH, Phrase, Texts


class UnsealedError(Exception):
    """Something went wrong in Unsealed.

    message: what, in words; with `values` a sentence as `Texts.say` takes it. Of the values, numbers are written as the
    language writes them, and errors and phrases are said in it.
    """

    temporary = False

    def __init__(self, message: str = "", **values: object) -> None:
        self.message = message or (self.__doc__ or "").strip().partition("\n")[0]
        self.values = values
        super().__init__(_filled(self.message, values, ENGLISH) if values else self.message)


class BadInput(UnsealedError):
    """The input cannot be used."""


class BadToken(BadInput):
    """Not a token of this installation."""


class Untouchable(BadInput):
    """This part must not be changed."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or f"left unchanged: {reason}")
        self.reason = reason


class Refused(UnsealedError):
    """Not allowed."""


class AboveCeiling(Refused):
    """More tracking was asked for than is allowed."""

    def __init__(self, message: str = "", *, axis: str, **values: object) -> None:
        super().__init__(message, **values)
        self.axis = axis  # of what too much was asked: "opens" or "clicks"


class Unavailable(UnsealedError):
    """A local fault; trying again later makes sense."""

    temporary = True


class DiskFull(Unavailable):
    """No space left on the disk."""


class DeliveryFailed(UnsealedError):
    """The next hop did not take the copy."""

    def __init__(
        self, message: str = "", *, temporary: bool, code: int = 0, status: str = "", wait: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.temporary = temporary
        self.code = code  # SMTP reply code, 0 when there was none (no connection, time-out)
        self.status = status  # RFC 3463 enhanced status such as "5.1.1", "" when unknown
        self.wait = wait  # how long we were asked to wait; None: nothing was said


class Gone(DeliveryFailed):
    """Where it should go is no more."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or ""), temporary=False)


class TokenRefused(DeliveryFailed):
    """The refresh token, or the application that it was given to, is not taken."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or ""), temporary=True, status="4.7.0")


class MailboxClosed(UnsealedError):
    """The mailbox does not let us in."""

    def __init__(self, message: str = "", *, field: str = "", temporary: bool = False) -> None:
        super().__init__(message)
        self.field = field  # which entry is to be looked at, as the form names it; "" when it is none
        self.temporary = temporary


def told(error: Exception, texts: Texts) -> str:
    """The words of an error in a language; of one that comes from elsewhere, as they are."""
    if isinstance(error, UnsealedError) and error.values:
        return _filled(error.message, error.values, texts)
    return texts.one(str(error))


def _filled(message: str, values: Mapping[str, object], texts: Texts) -> str:
    return texts.say(message, **{name: _value(each, texts) for name, each in values.items()})


def _value(value: object, texts: Texts) -> object:
    match value:
        case Exception():
            return told(value, texts)
        case Phrase():
            return texts.say(value, **value.values) if value.values else texts.one(value)
        case int():
            return texts.number(value)
        case _:
            return value


def sentence(said: Exception | str, texts: Texts = ENGLISH) -> str:
    """Words of an error as they stand beside a field; an address in front keeps its own letters."""
    words = told(said, texts) if isinstance(said, Exception) else said

    begins = words if "@" in words.partition(" ")[0] else words[:1].upper() + words[1:]
    return begins + ("" if words.endswith((".", "!", "?")) else ".")
