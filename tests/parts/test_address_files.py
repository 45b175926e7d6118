"""Files of strangers about addresses: known by what they hold, read whole, or refused in words."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from datetime import date
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.mmdb import flat, mmdb, nested

from unsealed.model.errors import BadInput
from unsealed.model.event import Network, NetworkClass
from unsealed.store import address_files
from unsealed.store.address_files import Contents, DataKind, read_contents, read_meaning

OWN = "network,class,operator\n203.0.113.0/24,corporate,Example AG\n2001:db8::/32,vpn,Example AG\n"
RELAY = "172.224.226.0/27,GB,GB-EN,London,\n2a02:26f7:b00a:4000::/64,DE,DE-BE,Berlin,\n"
ROUTES = '16777216,16777471,13335,"Cloudflare, Inc."\n16778240,16779263,38803,Gtelecom Pty Ltd\n'
ROUTES_6 = '2001:200::,2001:200:1b9:ffff:ffff:ffff:ffff:ffff,2500,"WIDE, Project"\n'
IPTOASN = "1.0.0.0\t1.0.0.255\t13335\tUS\tCLOUDFLARENET\n1.0.1.0\t1.0.3.255\t0\tNone\tNot routed\n"
AWS = {
    "syncToken": "1",
    "createDate": "2026-11-20-20-33-10",
    "prefixes": [{"ip_prefix": "3.2.34.0/26", "region": "af-south-1", "service": "AMAZON"}],
    "ipv6_prefixes": [{"ipv6_prefix": "2600:1f00::/40", "region": "x", "service": "AMAZON"}],
}
GOOGLE = {
    "creationTime": "2026-11-19T10:03:20",
    "prefixes": [
        {"ipv4Prefix": "34.1.208.0/20", "service": "Google Cloud", "scope": "africa-south1"},
        {"ipv6Prefix": "2600:1900:8000::/44", "service": "Google Cloud", "scope": "africa-south1"},
    ],
}
AZURE = {
    "changeNumber": 3,
    "cloud": "Public",
    "values": [{"name": "ActionGroup", "properties": {"addressPrefixes": ["4.145.74.52/30", "2603:1000:4::/48"]}}],
}


def read(tmp_path: Path, content: str | bytes | object, name: str = "file", **how: object) -> Contents:
    raw = (
        content
        if isinstance(content, bytes)
        else (content if isinstance(content, str) else json.dumps(content)).encode()
    )
    path = tmp_path / "given"
    path.write_bytes(raw)
    return read_contents(path, name, **how)  # type: ignore[arg-type]


def meaning(contents: Contents, address: str) -> tuple[int, str]:
    parsed = ip_address(address)
    return contents.ranges.meaning(contents.ranges.table.find(parsed.version, int(parsed)))


def test_own_ranges_say_class_and_operator(tmp_path: Path) -> None:
    contents = read(tmp_path, OWN)

    assert (DataKind.OWN, "own", 2) == (contents.kind, contents.name, contents.rows)
    assert Network(kind=NetworkClass.CORPORATE, operator="Example AG") == read_meaning(
        meaning(contents, "203.0.113.9")[1]
    )
    assert Network(kind=NetworkClass.VPN, operator="Example AG") == read_meaning(meaning(contents, "2001:db8::1")[1])
    assert (0, "") == meaning(contents, "203.0.114.0")


def test_the_relay_list_is_known_by_its_form(tmp_path: Path) -> None:
    contents = read(tmp_path, RELAY)

    assert (DataKind.RELAY, "relay") == (contents.kind, contents.name)
    assert (1, "") == meaning(contents, "172.224.226.31")
    assert (0, "") == meaning(contents, "172.224.226.32")


@pytest.mark.parametrize(
    ("content", "name", "inside"),
    [(ROUTES, "routes-ipv4", "1.0.0.7"), (IPTOASN, "routes-ipv4", "1.0.0.7"), (ROUTES_6, "routes-ipv6", "2001:200::1")],
)
def test_a_routing_table_is_read_in_every_form(tmp_path: Path, content: str, name: str, inside: str) -> None:
    contents = read(tmp_path, content)
    number, operator = meaning(contents, inside)

    assert (DataKind.ROUTES, name) == (contents.kind, contents.name)
    assert (number, operator) in {(13335, "Cloudflare, Inc."), (13335, "CLOUDFLARENET"), (2500, "WIDE, Project")}


def test_what_nobody_announces_is_nobodys(tmp_path: Path) -> None:
    assert (0, "") == meaning(read(tmp_path, IPTOASN), "1.0.1.1")


@pytest.mark.parametrize("change", ["\r\n", "bom", "gzip", "comments"])
def test_line_ends_marks_and_compression_change_nothing(tmp_path: Path, change: str) -> None:
    for content in (OWN, RELAY, ROUTES):
        raw = content.encode()
        match change:
            case "\r\n":
                raw = raw.replace(b"\n", b"\r\n")
            case "bom":
                raw = b"\xef\xbb\xbf" + raw
            case "gzip":
                raw = gzip.compress(raw, mtime=0)
            case "comments":
                raw = b"# made by hand\n\n" + raw + b"\n# end"

        assert read(tmp_path, content).ranges == read(tmp_path, raw).ranges


def test_the_narrower_of_overlapping_ranges_wins(tmp_path: Path) -> None:
    contents = read(tmp_path, "1.0.0.0,1.255.255.255,1,wide\n1.2.0.0,1.2.255.255,2,narrow\n1.2.3.0,1.2.3.255,1,wide\n")

    assert ["wide", "narrow", "wide", "wide"] == [
        meaning(contents, address)[1] for address in ("1.1.1.1", "1.2.2.2", "1.2.3.4", "1.3.0.0")
    ]


@pytest.mark.parametrize(
    ("content", "name", "kind", "as_of", "inside"),
    [
        (AWS, "aws", NetworkClass.HOSTING, date(2026, 11, 20), "3.2.34.1"),
        (AWS, "aws", NetworkClass.HOSTING, date(2026, 11, 20), "2600:1f00::1"),
        (GOOGLE, "google-cloud", NetworkClass.HOSTING, date(2026, 11, 19), "34.1.208.1"),
        (AZURE, "azure", NetworkClass.MICROSOFT, None, "2603:1000:4::1"),  # Outlook is in there: never hosting
    ],
)
def test_the_lists_of_the_clouds_are_known(
    tmp_path: Path, content: object, name: str, kind: NetworkClass, as_of: date | None, inside: str
) -> None:
    contents = read(tmp_path, content)

    assert (DataKind.CLOUD, name, as_of) == (contents.kind, contents.name, contents.as_of)
    assert kind == read_meaning(meaning(contents, inside)[1]).kind


def test_a_plain_list_is_taken_when_somebody_says_whose_it_is(tmp_path: Path) -> None:
    plain = "198.51.100.0/24\n203.0.113.7\n"
    hosted = read(tmp_path, plain, network=Network(kind=NetworkClass.HOSTING, operator="Example Cloud"))

    assert (DataKind.CLOUD, "list-example-cloud-ipv4") == (hosted.kind, hosted.name)
    assert "Example Cloud" == read_meaning(meaning(hosted, "203.0.113.7")[1]).operator
    assert DataKind.RELAY == read(tmp_path, plain, kind=DataKind.RELAY).kind
    with pytest.raises(BadInput, match="whose they are"):
        read(tmp_path, plain)


@pytest.mark.parametrize("layout", [flat, nested])
@pytest.mark.parametrize(("city", "kind"), [("", DataKind.COUNTRY), ("Berlin", DataKind.CITY)])
def test_a_database_is_known_by_its_records(tmp_path: Path, layout: type, city: str, kind: DataKind) -> None:
    record = layout("DE", "Land Berlin" if city else "", city)
    contents = read(tmp_path, mmdb({"203.0.113.0/24": record, "2001:db8::/32": record}), "dbip-lite.mmdb")

    assert (kind, kind.value, frozenset({4, 6})) == (contents.kind, contents.name, contents.versions)
    assert date(2026, 11, 1) == contents.as_of
    assert "https://db-ip.com" == contents.publisher.credit_url


def test_a_database_for_one_version_is_named_after_it(tmp_path: Path) -> None:
    assert "country-ipv4" == read(tmp_path, mmdb({"203.0.113.0/24": flat("DE")}, ip_version=4)).name
    assert "country-ipv6" == read(tmp_path, mmdb({"2001:db8::/32": flat("DE")})).name


WHOLE = mmdb({f"203.0.{n}.0/24": flat("DE", "Land Berlin", "Berlin") for n in range(200)})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("# nothing\n\n", "nothing but comments"),
        ("hello\n", "Expected"),
        ("\x00\x01\x02", "not text"),
        ("1.0.0.0,1.0.0.255,AU\n", "mmdb"),
        ("network,class,operator\n", "no addresses"),
        ("network,class,operator\n203.0.113.0/24,castle,Example\n", "line 2: 'castle' is no class"),
        ("network,class,operator\n203.0.113.0/24,sender,Example\n", "line 2: 'sender' is no class"),
        ("network,class,operator\n\n203.0.113/24,vpn,Example\n", "line 3"),
        ("network,class,operator\n0.0.0.0/0,vpn,Example\n", "whole internet"),
        ("network,class,operator\n203.0.113.0/24,vpn\n", "three columns"),
        ("1.0.0.9,1.0.0.1,1,backwards\n", "line 1: 1.0.0.9 to 1.0.0.1 is no range"),
        ("1.0.0.0,2001:db8::,1,mixed\n", "is no range"),
        ("1.0.0.0,1.0.0.255,1,good\n-1,1.0.0.255,1,bad\n", "line 2: '-1' is no address"),
        ("1.0.0.0,1.0.0.255,1,good\n1.0.1.0,1.0.1.255,99999999999,bad\n", "line 2"),
        ("1.0.0.0,1.0.0.255,1,good\n1.0.1.0\n", "line 2: four columns"),
        ("1.0.0.0," + "9" * 5_000, "more than 4096 bytes"),
        ("1.0.0.0,1.0.0.255,1," + '"' * 3 + "\n1.0.0.0,x\n", "line 2"),
        ('{"prefixes": [{"ip_prefix": "3.2.34.0/26"}], "ipv6_prefixes": [{}]}', "not understood"),
        ('{"prefixes": [{"ipv4Prefix": "8.8.4.0/24"}]}', "cloud.json"),
        ('{"prefixes": []}', "not known here"),
        ('{"prefixes": [', "cut short"),
        ("[" * 100_000, "cut short"),
        (gzip.compress(ROUTES.encode(), mtime=0)[:-9], "cut short"),
        (WHOLE[: len(WHOLE) // 2], "not text"),
        (WHOLE[len(WHOLE) // 2 :], "damaged"),
        (mmdb({"203.0.113.0/24": {"autonomous_system_organization": "Example"}}), "without countries"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read(tmp_path, content)


@pytest.mark.parametrize("left", [4, len(WHOLE) // 2, len(WHOLE) - 200])
def test_a_database_that_did_not_come_whole_is_called_so(tmp_path: Path, left: int) -> None:
    with pytest.raises(BadInput, match=r"^the database is cut short or damaged; fetch it again$"):
        read(tmp_path, WHOLE[:left], "dbip-city-lite.MMDB")


def test_a_file_that_is_not_of_the_kind_that_was_said_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="it holds routes, not relay"):
        read(tmp_path, ROUTES, kind=DataKind.RELAY)


def test_a_line_without_end_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.write(b"1.0.0.0,1.0.0.255,1,")
        file.seek(900_000_000)  # a hole: takes no disk
        file.write(b"\n")

    with pytest.raises(BadInput, match="line 1 has more than 4096 bytes"):
        read_contents(path, "endless.csv")


def test_more_rows_than_the_internet_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_files, "ROWS_MAX", 2)

    with pytest.raises(BadInput, match="more than 2 rows"):
        read(tmp_path, ROUTES * 2)


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("origin-asn-ipv4.csv", "PDDL-1.0"),
        ("asn-ipv4.csv", "CC-BY-4.0"),
        ("mine.csv", ""),
    ],
)
def test_the_licence_follows_from_the_publishers_name(tmp_path: Path, name: str, licence: str) -> None:
    assert licence == read(tmp_path, ROUTES, name).publisher.licence


KNOWN_FILES = [
    OWN.encode(),
    RELAY.encode(),
    ROUTES.encode(),
    IPTOASN.encode(),
    gzip.compress(ROUTES.encode(), mtime=0),
    WHOLE,
]
KNOWN_FILES += [json.dumps(said).encode() for said in (AWS, GOOGLE, AZURE)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(KNOWN_FILES), st.data())
def test_whatever_became_of_a_file_it_is_read_or_refused(tmp_path: Path, whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(at, min(len(whole), at + 20)))
    path = tmp_path / "given"
    path.write_bytes(whole[:at] + data.draw(st.binary(max_size=20)) + whole[end:])

    with suppress(BadInput):
        read_contents(path, "given")
