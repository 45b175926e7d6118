from __future__ import annotations

from datetime import UTC, datetime

from unsealed.model.message import CopyId, MessageId
from unsealed.model.ports import Keys, Outlet, Parcel
from unsealed.outlets.sandbox import SandboxOutlet
from unsealed.outlets.smtp import SmtpOutlet
from unsealed.store.keyring import KeyRing


def test_what_stands_behind_the_ports_fits_them() -> None:
    """mypy does the work here; the assertion only keeps the names in use."""
    keys: type[Keys] = KeyRing
    outlets: list[type[Outlet]] = [SmtpOutlet, SandboxOutlet]

    assert (KeyRing, [SmtpOutlet, SandboxOutlet]) == (keys, outlets)


def test_a_parcel_does_not_show_the_mail_when_it_is_printed() -> None:
    parcel = Parcel(
        copy=CopyId(1), message=MessageId(2), envelope_from="a@example.org", recipient="b@example.org", raw=b"secret"
    )

    assert "secret" not in repr(parcel)


def test_a_clock_gives_aware_utc() -> None:
    from unsealed.app.wire import now

    assert UTC == now().tzinfo
    assert isinstance(now(), datetime)
