from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.envelope import addresses, authors, good_address, read_path, recipients, senders
from unsealed.core.header import fields
from unsealed.model.message import AddressKind, Recipient


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("<ann@example.org>", ("ann@example.org", "")),
        (" <ann@example.org> SIZE=12 BODY=8BITMIME", ("ann@example.org", "SIZE=12 BODY=8BITMIME")),
        ("ann@example.org SIZE=1", ("ann@example.org", "SIZE=1")),
        ("<>", ("", "")),
        ("<@relay.example,@b.example:ann@example.org>", ("ann@example.org", "")),
        ('<"ann smith"@example.org>', ('"ann smith"@example.org', "")),
        ("<j\xf6rg@b\xfccher.example> SMTPUTF8", ("j\xf6rg@b\xfccher.example", "SMTPUTF8")),
        ("<ann@example.org", None),
        ("<ann@example.org>x", None),
        ("<ann>", None),
        ("<ann smith@example.org>", None),
        ("<ann@exam ple.org>", None),
        ("<ann\x01@example.org>", None),
        ("<ann\udcff@example.org>", None),
        ("<a@b@c>", None),
        ("<" + "a" * 330 + "@example.org>", None),
    ],
)
def test_a_path_is_read(text: str, read: tuple[str, str] | None) -> None:
    assert read_path(text) == read


@pytest.mark.parametrize("address", ["", "@", "a@", "@b", "a b@c", "a@b c", "a@b\r\nRCPT TO:<c@d>", "a@b>", '"@b'])
def test_what_cannot_be_an_address_is_none(address: str) -> None:
    assert not good_address(address)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"ann@x.example", [("", "ann@x.example")]),
        (b"Ann Lee <ann@x.example>, bob@x.example", [("Ann Lee", "ann@x.example"), ("", "bob@x.example")]),
        (b'"Lee, Ann" <ann@x.example>', [("Lee, Ann", "ann@x.example")]),
        (b'"says \\"hi\\"" <ann@x.example>', [('says "hi"', "ann@x.example")]),
        (b"=?utf-8?Q?J=C3=B6rg?= <j@x.example>", [("J\xf6rg", "j@x.example")]),
        (b"ann@x.example (Ann Lee)", [("Ann Lee", "ann@x.example")]),
        (b"Team: ann@x.example, Bob <bob@x.example>;", [("", "ann@x.example"), ("Bob", "bob@x.example")]),
        (b"undisclosed-recipients:;", []),
        (b'"ann lee"@x.example', [("", '"ann lee"@x.example')]),
        (b"ann @ x.example", [("", "ann@x.example")]),
        (b"<eve@x.example> <ann@x.example>", []),
        (b"(((((", []),
        (b"<<<>>>", []),
        (b"", []),
    ],
)
def test_mailboxes_are_read_from_a_field(value: bytes, read: list[tuple[str, str]]) -> None:
    assert list(addresses(value)) == read


@given(st.text(alphabet='ab@.<>(),;:"\\ =?', max_size=60))
def test_reading_mailboxes_never_fails_and_gives_good_addresses_only(text: str) -> None:
    assert all(good_address(address) for _, address in addresses(text.encode()))


def test_bombs_are_read_in_linear_time() -> None:
    assert list(addresses(b"(" * 200_000)) == []
    assert list(addresses(b'"' * 100_001)) == []
    assert len(list(addresses(b"a@x.example," * 20_000))) == 20_000


def test_every_from_address_counts_as_author() -> None:
    assert authors(fields(b"From: Ann <ann@x>, bob@x\r\nFrom: eve@x\r\n\r\n")) == ["ann@x", "bob@x", "eve@x"]
    assert authors(fields(b"To: ann@x\r\n\r\n")) is None


@pytest.mark.parametrize(
    "value",
    [b"ann@x\r\nFrom: nobody", b"", b"Ann", b"<eve@x> <ann@x>", b"ann@x, Eve <eve>", b"eve@x <ann@x", b"ann@x eve@x"],
)
def test_a_from_field_that_cannot_be_read_beyond_doubt_names_nobody(value: bytes) -> None:
    assert authors(fields(b"From: " + value + b"\r\n\r\n")) == []


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (b"From: ann@x\r\n", []),
        (b"From: ann@x\r\nSender: eve@x\r\nsender: bob@x\r\n", ["eve@x", "bob@x"]),
        (b"Sender: \r\n", []),
        (b"Sender: Eve\r\n", [""]),
        (b"Resent-To: bob@x\r\nResent-From: eve@x, ann@x\r\nResent-Sender: joe@x\r\n", ["eve@x", "ann@x", "joe@x"]),
        (b"Resent-From: ann@x\r\nResent-Date: now\r\nResent-From: eve@x\r\nResent-Sender: joe@x\r\n", ["ann@x"]),
        (b"Resent-Date: now\r\nReceived: a\r\nResent-Date: then\r\nResent-From: eve@x\r\nSender: joe@x\r\n", ["joe@x"]),
    ],
)
def test_who_hands_it_in_is_said_by_sender_and_the_newest_resent_fields(head: bytes, named: list[str]) -> None:
    assert senders(fields(head + b"\r\n")) == named


def test_recipients_get_the_name_and_place_of_the_visible_headers() -> None:
    head = fields(b"To: Ann <ann@x.example>\r\nCc: Bob Q <Bob@x.example>\r\n\r\n")

    made = recipients(["ann@x.example", "bob@X.example", "eve@x.example"], head)

    assert made == (
        Recipient(address="ann@x.example", name="Ann", kind=AddressKind.TO),
        Recipient(address="bob@X.example", name="Bob Q", kind=AddressKind.CC),
        Recipient(address="eve@x.example", kind=AddressKind.BCC),
    )


def test_a_mailbox_named_twice_gets_one_copy() -> None:
    made = recipients(["ann@x.example", "bob@x.example", "ann@X.EXAMPLE", "Ann@x.example"], [])

    assert [recipient.address for recipient in made] == ["ann@x.example", "bob@x.example", "Ann@x.example"]
