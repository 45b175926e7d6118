from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from unsealed.app import sockets
from unsealed.app.config import Settings, load
from unsealed.app.sockets import as_opened, as_served, listening, one_server
from unsealed.model.errors import Unavailable


def settings(data: Path, **doors: str) -> Settings:
    data.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {"web.listen": "127.0.0.1:0", "track.listen": "127.0.0.1:0", "smtp.listen": "127.0.0.1:0"}
    return load({"data": data} | given | doors)


def test_a_folder_is_one_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "BIND_PATIENCE_S", 0.0)

    mine = settings(tmp_path)
    with one_server(mine), pytest.raises(Unavailable, match="another `unsealed serve` works in"):
        one_server(mine).__enter__()
    with one_server(mine):
        pass


def test_commands_work_as_the_running_server_does_and_by_themselves_when_none_runs(tmp_path: Path) -> None:
    own = load({"data": tmp_path})
    given = {"web.url": "https://pages.example", "track.url": "https://t.example", "upstream.url": "smtp://h.example"}
    served = settings(tmp_path, **given)

    assert own == as_served(own)
    with one_server(served) as tell:
        tell(served)
        told = as_served(own)
    assert ("https://pages.example", "https://t.example", "h.example") == (
        told.web_url,
        told.track_url,
        told.usual_host,
    )
    assert own == as_served(own)
    with one_server(own) as tell:
        tell(own)
        assert ("", False) == (as_served(served).usual_host, as_served(served).web_url == served.web_url)


@pytest.mark.parametrize("written", [b"", b"{"])
def test_a_server_that_has_said_nothing_yet_is_no_trouble(tmp_path: Path, written: bytes) -> None:
    own = settings(tmp_path)
    with one_server(own):
        (tmp_path / "serve.lock").write_bytes(written)
        assert own == as_served(own)


def test_where_the_system_chooses_the_port_addresses_and_links_have_it(tmp_path: Path) -> None:
    asked = settings(tmp_path, **{"smtp.tls_listen": "127.0.0.1:0", "smtp.certificate": "c", "smtp.key": "k"})
    with one_server(asked) as tell, listening(asked) as opened:
        served = as_opened(asked, opened)
        tell(served)
        told = as_served(asked)
        ports = [each.getsockname()[1] for each in (opened.web, opened.track, opened.smtp, opened.smtp_tls) if each]

    assert 4 == len(set(ports))
    assert [f"http://127.0.0.1:{port}" for port in ports[:2]] == [served.web_url, served.track_url]
    assert ports[2:] == [served.smtp.listen.port, served.smtp.tls_listen and served.smtp.tls_listen.port]
    assert (served.web_url, served.track_url) == (told.web_url, told.track_url)


def test_all_sockets_listen_and_the_private_one_is_for_this_account_alone(tmp_path: Path) -> None:
    with listening(settings(tmp_path)) as opened:
        for each in (opened.web, opened.track, opened.smtp):
            socket.create_connection(each.getsockname()).close()
        assert opened.smtp_tls is None
        assert opened.private_path.parent == tmp_path
        assert 0o600 == opened.private_path.stat().st_mode & 0o777
        place = opened.private_path

    assert not place.exists()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_every_address_is_one_of_ipv4_as_well(tmp_path: Path) -> None:
    with listening(settings(tmp_path, **{"track.listen": "[::]:0"})) as opened:
        port = opened.track.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port)).close()


def test_a_path_that_the_system_does_not_take_is_replaced_by_a_short_one(tmp_path: Path) -> None:
    with listening(settings(tmp_path / ("long" * 30))) as opened:
        place = opened.private_path
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(place))

    assert not place.parent.exists()


def test_an_address_that_cannot_be_used_is_named_with_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "BIND_PATIENCE_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match=f"smtp.listen: cannot listen on {address}"):
            listening(settings(tmp_path, **{"smtp.listen": address})).__enter__()

    assert not (tmp_path / "collect.sock").exists()
