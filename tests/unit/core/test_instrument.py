from __future__ import annotations

from collections.abc import Callable

import pytest

from unsealed.core.instrument import Tracking, make_copy, survey, undo
from unsealed.core.token import open_token
from unsealed.model.message import CopyId
from unsealed.model.policy import OFF, Switches

COPY = CopyId(0x1234567890ABCDEF)


def test_a_message_with_tracking_off_is_the_same_octet_for_octet(
    tracking: Tracking, letter: Callable[..., bytes]
) -> None:
    raw = letter('<a href="https://x.example/">x</a>')

    copy = make_copy(raw, switches=OFF, tracking=tracking, copy=COPY, recipient=None)

    assert (copy.raw, copy.edits) == (raw, ())


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary", "quoted-printable", "base64"])
def test_undoing_the_edits_gives_the_input(encoding: str, tracking: Tracking, letter: Callable[..., bytes]) -> None:
    import base64
    import quopri

    body = b'<html><body>\r\n<p>Hello <a class="b" href="https://x.example/a?b=1&amp;c=2">x</a>\r\n</body></html>\r\n'
    written = {"quoted-printable": quopri.encodestring, "base64": base64.encodebytes}.get(encoding, bytes)(body)
    raw = letter(written, encoding=encoding)

    copy = make_copy(raw, switches=Switches(), tracking=tracking, copy=COPY, recipient=None)

    assert undo(copy.raw, copy.edits) == raw
    assert copy.raw != raw


def test_the_token_of_a_link_leads_where_a_browser_would_go(tracking: Tracking, letter: Callable[..., bytes]) -> None:
    raw = letter('<a href="https://x.example/a?b=1&amp;copy=2">x</a>')

    copy = make_copy(raw, switches=Switches(), tracking=tracking, copy=COPY, recipient=None)
    token = copy.raw.split(b"/c/", 1)[1].split(b'"', 1)[0].decode()

    assert open_token(tracking.keys, token).destination == "https://x.example/a?b=1&copy=2"


def test_a_survey_lists_every_link(tracking: Tracking, letter: Callable[..., bytes]) -> None:
    raw = letter('<a href="https://x.example/">x</a> <a href="mailto:a@b.example">mail</a>')

    links = survey(raw, switches=Switches(), tracking=tracking).links

    assert [(link.position, link.tracked, link.reason) for link in links] == [(0, True, ""), (1, False, "not-web")]
