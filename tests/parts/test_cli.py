"""The commands, on a real data folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, select
from tests.patience import PATIENCE_S
from typer.testing import CliRunner, Result

from unsealed import __version__
from unsealed.app.cli import cli
from unsealed.app.config import load
from unsealed.app.sockets import one_server
from unsealed.app.wire import now
from unsealed.model.errors import UnsealedError
from unsealed.model.policy import Level
from unsealed.store import engine as stores
from unsealed.store import people, proofs, schema
from unsealed.store.engine import sqlite_url

LETTER = (
    b"From: Mara <mara@tidewater.example>\r\nTo: ines@harbourline.example\r\nSubject: Plan\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b'<html><body><p>See <a href="https://tidewater.example/plan?a=1&amp;b=2">the plan</a>, or '
    b'<a href="https://tidewater.example/unsubscribe">unsubscribe</a>.</p></body></html>\r\n'
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of the working folder, no variable of the shell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNSEALED_DATA", raising=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(*arguments: str | Path, given: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], input=given, catch_exceptions=True)


def said(*arguments: str | Path, given: bytes | None = None) -> str:
    result = run(*arguments, given=given)
    assert 0 == result.exit_code, (result.output, result.exception)
    return result.stdout


@contextmanager
def looked_into(data: Path) -> Iterator[Connection]:
    """The store of a data folder."""
    engine = stores.connect(sqlite_url(data))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_the_version_is_printed() -> None:
    assert f"{__version__}\n" == said("--version")


def test_a_user_gets_a_one_time_link_or_the_password_from_standard_input(data: Path) -> None:
    link = said("user", "add", "ines@x.example", "--data", data)
    assert re.fullmatch(r"http://127\.0\.0\.1:8025/welcome/[\w-]{43}\n", link)

    said("user", "add", "rob@x.example", "--password-stdin", "--data", data, given=b"a long enough secret\n")
    with looked_into(data) as connection:
        roles = connection.execute(select(schema.users.c.email, schema.users.c.role)).all()
        kept = people.stored_password(connection, "rob@x.example")
    assert {("ines@x.example", "owner"), ("rob@x.example", "member")} == {tuple(row) for row in roles}
    assert kept is not None
    assert people.password_fits(kept[1], "a long enough secret")


def test_the_operator_may_give_a_short_password_and_is_warned(data: Path) -> None:
    result = run("user", "add", "rob@x.example", "--password-stdin", "--data", data, given=b"s3cret\n")

    assert (0, "rob@x.example added\n") == (result.exit_code, result.stdout)
    assert "easily guessed" in result.stderr


def test_who_forgot_the_password_gets_a_new_link_and_the_old_one_dies(data: Path) -> None:
    first = said("user", "add", "ines@x.example", "--data", data)
    second = said("user", "link", "INES@x.example", "--data", data)

    assert re.fullmatch(r"http://127\.0\.0\.1:8025/welcome/[A-Za-z0-9_-]{43}\s*", second)
    assert first != second


def test_a_link_leads_to_the_pages_of_the_server_that_runs_whatever_it_was_started_with(data: Path) -> None:
    said("user", "add", "ines@x.example", "--data", data)

    served = load({"data": data, "web": "127.0.0.1:9925"})
    with one_server(served) as tell:
        tell(served)
        running = said("user", "link", "ines@x.example", "--data", data)

    assert running.startswith("http://127.0.0.1:9925/welcome/")
    assert said("user", "link", "ines@x.example", "--data", data).startswith("http://127.0.0.1:8025/welcome/")


def test_a_letter_is_tracked_as_the_running_server_would(data: Path, tmp_path: Path) -> None:
    """Its mail leaves this machine and its links would not: it tracks nothing, so neither does the command."""
    said("user", "add", "ines@x.example", "--data", data)
    (tmp_path / "text").write_text("Hello")
    letter: list[str | Path] = [
        "send",
        "--from",
        "ines@x.example",
        "--to",
        "rob@x.example",
        "--subject",
        "x",
        "--text",
        tmp_path / "text",
    ]

    said(*letter, "--data", data)
    served = load({"data": data, "upstream": "smtp://mail.x.example"})
    with one_server(served) as tell:
        tell(served)
        said(*letter, "--data", data)

    with looked_into(data) as connection:
        levels = connection.execute(select(schema.messages.c.opens_level).order_by(schema.messages.c.received_at))
        assert [Level.FULL, Level.OFF] == list(levels.scalars())


def test_app_password_and_api_token_print_the_secret_and_nothing_else(data: Path) -> None:
    said("user", "add", "ines@x.example", "--data", data)

    password = said("app-password", "ines@x.example", "--data", data)
    token = said("api-token", "ines@x.example", "--data", data)

    assert [1, 1] == [len(text.split()) for text in (password, token)]
    with looked_into(data) as connection:
        user = proofs.check_app_password(connection, "ines@x.example", password.strip(), now())
        credential = proofs.check_api_token(connection, token.strip())
    assert user is not None
    assert credential is not None
    assert user == credential.user


@pytest.mark.parametrize("command", ["app-password", "api-token"])
def test_a_stranger_gets_no_secret_and_is_told_what_to_do(command: str, data: Path) -> None:
    result = run(command, "nobody@x.example", "--data", data)

    assert (2, "") == (result.exit_code, result.stdout)
    assert f"nobody@x.example is not a user in {data}" in result.stderr
    assert "unsealed user add nobody@x.example" in result.stderr


@pytest.mark.parametrize("typed", ["", " ", "no address", "a@b@c"])
@pytest.mark.parametrize(
    "command",
    [
        ["user", "add"],
        ["user", "link"],
        ["app-password"],
        ["api-token"],
        ["instrument", "--recipient"],
        ["send", "--to", "rob@x.example", "--subject", "x", "--from"],
    ],
    ids=" ".join,
)
def test_what_is_no_address_is_refused_in_a_sentence_that_says_how_to_write_one(
    command: list[str], typed: str, data: Path
) -> None:
    result = run(*command, typed, "--data", data)

    assert isinstance(result.exception, UnsealedError)
    assert "@example.org" in str(result.exception)
    assert "" == result.stdout


def test_what_is_to_be_typed_next_can_be_copied_as_it_stands(data: Path) -> None:
    result = run("api-token", " O'Neil@X.example", "--data", data)

    assert "add them with: unsealed user add 'o'\"'\"'neil@x.example'" in result.stderr


def test_adding_somebody_twice_is_an_error_with_words(data: Path) -> None:
    said("user", "add", "ines@x.example", "--data", data)

    result = run("user", "add", "INES@x.example", "--data", data)

    assert 2 == result.exit_code
    assert "already a user" in result.stderr


def test_an_address_that_is_none_is_an_error_with_words(data: Path) -> None:
    result = run("user", "add", "no address", "--data", data)

    assert isinstance(result.exception, UnsealedError)
    assert "e-mail address" in str(result.exception)


def test_instrument_writes_the_copy_the_decisions_and_the_edits_that_undo_it(data: Path, tmp_path: Path) -> None:
    report, edits = tmp_path / "report.json", tmp_path / "edits.json"
    command = [sys.executable, "-m", "unsealed.app", "instrument", "--data", str(data)]

    def rewrite(*options: str) -> bytes:
        return subprocess.run(
            [*command, *options], input=LETTER, capture_output=True, check=True, timeout=PATIENCE_S
        ).stdout

    copy = rewrite("--recipient", "ines@x.example", "--report", str(report), "--edits", str(edits))

    decisions = json.loads(report.read_text())
    assert [True, False] == [link["tracked"] for link in decisions["links"]]
    assert "https://tidewater.example/plan?a=1&b=2" == decisions["links"][0]["destination"]
    assert decisions["links"][1]["reason"]
    undone = copy
    for edit in sorted(json.loads(edits.read_text()), key=lambda edit: edit["offset"]):
        inserted, removed, at = b64decode(edit["inserted"]), b64decode(edit["removed"]), edit["offset"]
        assert inserted == undone[at : at + len(inserted)]
        undone = undone[:at] + removed + undone[at + len(inserted) :]
    assert LETTER == undone
    assert copy == rewrite("--recipient", "ines@x.example")
    assert copy != rewrite("--recipient", "rob@x.example")
    assert LETTER == rewrite("--opens", "off", "--links", "none")


@pytest.mark.parametrize(("option", "word"), [("--opens", "yes"), ("--links", "all")])
def test_instrument_refuses_words_it_does_not_know(option: str, word: str, data: Path) -> None:
    result = run("instrument", option, word, "--data", data, given=LETTER)

    assert isinstance(result.exception, UnsealedError)
    assert word in str(result.exception)


@pytest.mark.parametrize("option", ["--report", "--edits"])
def test_instrument_says_which_file_cannot_be_written(option: str, data: Path, tmp_path: Path) -> None:
    result = run("instrument", option, str(tmp_path / "none" / "file.json"), "--data", data, given=LETTER)

    assert isinstance(result.exception, UnsealedError)
    assert f"{option} {tmp_path}/none/file.json cannot be written" in str(result.exception)


def test_instrument_does_not_write_one_file_over_the_other(data: Path, tmp_path: Path) -> None:
    same = [str(tmp_path / "out.json"), str(tmp_path / "." / "none" / ".." / "out.json")]
    result = run("instrument", "--report", same[0], "--edits", same[1], "--data", data, given=LETTER)

    assert isinstance(result.exception, UnsealedError)
    assert f"--report and --edits both name {same[0]}; name two files" in str(result.exception)
    assert not (tmp_path / "out.json").exists()


def test_instrument_says_that_the_data_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")

    result = run("instrument", "--data", tmp_path / "taken" / "data", given=LETTER)

    assert isinstance(result.exception, UnsealedError)
    assert f"the data folder {tmp_path}/taken/data cannot be made" in str(result.exception)


def test_keys_are_listed_and_rotated_and_old_tokens_stay_readable(data: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unsealed.app", "instrument", "--data", str(data)],
        input=LETTER,
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    address = re.search(rb"http://[^\"]*/c/[\w-]+", done.stdout)
    assert address is not None

    assert "key 2 seals new mail" in said("keys", "rotate", "--data", data)

    assert 2 == len(said("keys", "list", "--data", data).splitlines())
    explained = said("token", "explain", address[0].decode(), "--data", data)
    assert "destination  https://tidewater.example/plan?a=1&b=2" in explained
    assert explained == said("token", "explain", address[0].decode() + "?utm_source=x/y#z", "--data", data)
    assert explained == said("token", "explain", f" {address[0].decode()}\n", "--data", data)
    assert 0o600 == (data / "keys").stat().st_mode & 0o777


@pytest.mark.parametrize("command", [["keys", "list"], ["instrument"], ["agent"]])
def test_a_command_that_asks_no_store_does_not_wait_for_what_stores_need(command: list[str], data: Path) -> None:
    script = "import sys; sys.modules['sqlalchemy'] = None; from unsealed.app.cli import main; main()"
    where = [] if command == ["agent"] else ["--data", str(data)]
    done = subprocess.run(
        [sys.executable, "-c", script, *command, *where],
        input=LETTER,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert done.stdout


def test_a_token_of_somebody_else_is_an_error(data: Path) -> None:
    result = run("token", "explain", "A" * 40, "--data", data)

    assert isinstance(result.exception, UnsealedError)


def test_wrong_settings_are_said_all_at_once_and_nothing_is_started(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unsealed.app", "serve", "--data", str(data), "--web", "nowhere", "--upstream", "x"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert 2 == done.returncode
    assert "web.listen" in done.stderr
    assert "upstream.url" in done.stderr
    assert "Traceback" not in done.stderr
    assert not data.exists()
