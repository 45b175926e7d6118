"""The command line. Commands read settings, build what they need and hand over; they hold no logic of their own.

Everything heavy is imported inside the command that needs it, so that `unsealed --help` answers at once.
"""

from __future__ import annotations

import gc
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from unsealed import __version__
from unsealed.app import streams
from unsealed.model.errors import UnsealedError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from unsealed.app.config import Settings

cli = typer.Typer(
    name="unsealed",
    help="Self-hosted e-mail open and click tracking that tells the truth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
user = typer.Typer(help="People who send mail through this installation.", no_args_is_help=True)
keys = typer.Typer(help="The keys that seal tracking addresses.", no_args_is_help=True)
token = typer.Typer(help="Tracking addresses.", no_args_is_help=True)
facts = typer.Typer(help="Files of facts about networks and places.", no_args_is_help=True)
cli.add_typer(user, name="user")
cli.add_typer(keys, name="keys")
cli.add_typer(token, name="token")
cli.add_typer(facts, name="data")

Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="UNSEALED_DATA", help="Folder that holds everything kept.", show_default=False),
]
Email = Annotated[str, typer.Argument(help="The address the person signs in with.", show_default=False)]


def stop(message: str) -> NoReturn:
    """End with status 2 and words on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(2)


def main() -> None:
    """Entry point of the `unsealed` command: errors that a person meets are words, never a traceback."""
    # What is loaded at the start is no garbage, and what is left at the end goes with the process. Looking through it
    # again and again took a sixth of the time of a start, and a quarter of that of a short command.
    gc.set_threshold(100_000, 20, 20)
    streams.open_closed()
    try:
        try:
            cli()
        finally:
            sys.stdout.flush()  # before the exit status is chosen: what was not written was not done
            gc.freeze()
    except UnsealedError as error:
        typer.echo(f"unsealed: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno not in streams.UNWRITABLE or error.filename:
            raise
        streams.forget_output()
        typer.echo(f"unsealed: the output cannot be written: {error.strerror}", err=True)
        sys.exit(2)


def settings_for(data: Path | None, **given: Any) -> Settings:
    """Settings from file, environment and the options that were given."""
    from unsealed.app.config import load

    return load({"data": data, **given})


@contextmanager
def opened(data: Path | None) -> Iterator[tuple[Settings, Engine]]:
    """The data folder, prepared, and its store; works while the server runs, and as it does."""
    from unsealed.app.sockets import as_served
    from unsealed.app.wire import prepare

    settings = as_served(settings_for(data))
    engine = prepare(settings)
    try:
        yield settings, engine
    finally:
        engine.dispose()


def version(show: bool) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


@cli.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


Web = Annotated[str | None, typer.Option(help="HOST:PORT of the pages and the API.", show_default=False)]
Track = Annotated[str | None, typer.Option(help="HOST:PORT of pixels and links.", show_default=False)]
Smtp = Annotated[str | None, typer.Option(help="HOST:PORT for mail programs.", show_default=False)]
Upstream = Annotated[
    str | None,
    typer.Option(
        help="Where mail goes: smtp://[user:password@]host:port[?tls=none|starttls|implicit]. "
        "Without it mail stays in the built-in sandbox.",
        show_default=False,
    ),
]
TrackUrl = Annotated[str | None, typer.Option(help="Public base of tracking links, https://...", show_default=False)]


@cli.command()
def serve(
    data: Data = None,
    web: Web = None,
    track: Track = None,
    smtp: Smtp = None,
    upstream: Upstream = None,
    track_url: TrackUrl = None,
) -> None:
    """Start everything: pages, tracking host, submission and delivery."""
    from unsealed.app.serve import run

    raise typer.Exit(run(settings_for(data, web=web, track=track, smtp=smtp, upstream=upstream, track_url=track_url)))


@cli.command()
def check(
    data: Data = None,
    web: Web = None,
    track: Track = None,
    smtp: Smtp = None,
    upstream: Upstream = None,
    track_url: TrackUrl = None,
) -> None:
    """Say what is wrong before anything starts, and what to do about it. Takes the options of serve."""
    from unsealed.app.check import show

    raise typer.Exit(show(settings_for(data, web=web, track=track, smtp=smtp, upstream=upstream, track_url=track_url)))


@cli.command()
def instrument(
    recipient: Annotated[
        str, typer.Option(help="Whose copy this is; other recipients get other tokens.")
    ] = "someone@example.com",
    opens: Annotated[str, typer.Option(help="on or off")] = "on",
    links: Annotated[str, typer.Option(help="none, html or html+text")] = "html",
    report: Annotated[Path | None, typer.Option(help="Write every decision here, as JSON.", show_default=False)] = None,
    edits: Annotated[Path | None, typer.Option(help="Write every edit here, as JSON.", show_default=False)] = None,
    data: Data = None,
) -> None:
    """Read a message on standard input, write the tracked copy on standard output."""
    from unsealed.app.instrument import rewrite

    rewrite(settings_for(data), recipient=recipient, opens=opens, links=links, report=report, edits=edits)


@cli.command()
def agent() -> None:
    """Say what user agents are: one a line on standard input, one JSON object a line on standard output."""
    from unsealed.app.agent import answer

    answer(sys.stdin.buffer, sys.stdout.buffer)


@cli.command()
def judge(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Stories of requests as JSON; - is standard input.")],
) -> None:
    """Say who really opened it: one JSON object for each request of the stories in a file."""
    from unsealed.app.judge import BadStories, judged

    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        lines = judged(raw)
    except OSError as error:
        stop(f"{file} cannot be read: {error.strerror}")
    except BadStories as error:
        stop("\n".join(f"{file}: {fault}" for fault in error.faults))
    sys.stdout.write("".join(f"{line}\n" for line in lines))


@cli.command()
def send(
    sender: Annotated[
        str,
        typer.Option("--from", metavar="ADDRESS", help="An address that somebody here has proven.", show_default=False),
    ],
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Whom it goes to; may be given again.", show_default=False),
    ] = None,
    cc: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Who gets a copy.", show_default=False)
    ] = None,
    bcc: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Who gets a copy unseen.", show_default=False)
    ] = None,
    subject: Annotated[str | None, typer.Option(help="One line.", show_default=False)] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the HTML; - is standard input.", show_default=False)
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with the text; without it, it is made of the HTML.", show_default=False
        ),
    ] = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A file that goes along; may be given again.", show_default=False),
    ] = None,
    track: Annotated[
        str | None,
        typer.Option(help="opens+clicks, opens, clicks or none; without it, what is usual.", show_default=False),
    ] = None,
    links: Annotated[str | None, typer.Option(help="none, html or html+text", show_default=False)] = None,
    template: Annotated[str | None, typer.Option(help="Name or id of a template.", show_default=False)] = None,
    value: Annotated[
        list[str] | None, typer.Option(metavar="NAME=TEXT", help="What a placeholder stands for.", show_default=False)
    ] = None,
    data: Data = None,
) -> None:
    """Send one letter and print its id; also while the server runs, which then hands it over."""
    from unsealed.app import send as sending
    from unsealed.flow.request import Wanted
    from unsealed.model.message import public_id

    opens, clicks = sending.track(track)
    wanted = Wanted(
        sender=sender,
        to=", ".join(to or ()),
        cc=", ".join(cc or ()),
        bcc=", ".join(bcc or ()),
        subject=subject,
        html=sending.text_of(html, "--html"),
        text=sending.text_of(text, "--text"),
        opens=opens,
        clicks=clicks,
        links=sending.links(links),
        template=template or "",
        values=sending.values(value or (), template),
        files=sending.files(attach or ()),
    )
    with opened(data) as (settings, engine):
        typer.echo(public_id(sending.letter(settings, engine, wanted)))


@cli.command("app-password")
def app_password(email: Email, data: Data = None) -> None:
    """Make a password for mail programs and print it, once."""
    from unsealed.app.wire import now
    from unsealed.store import proofs

    with opened(data) as (_, engine), engine.begin() as connection:
        typer.echo(proofs.new_app_password(connection, _who(connection, email), "command line", now()))


@cli.command("api-token")
def api_token(email: Email, data: Data = None) -> None:
    """Make a token for the JSON API and print it, once."""
    from unsealed.app.wire import now
    from unsealed.store import proofs

    with opened(data) as (_, engine), engine.begin() as connection:
        typer.echo(proofs.new_api_token(connection, _who(connection, email), "command line", now()))


@cli.command()
def recount(data: Data = None) -> None:
    """Build all counts again from the events; says how many were wrong."""
    from unsealed.flow.ingest import recount as rebuild

    with opened(data) as (_, engine):
        wrong = rebuild(engine)
    typer.echo(f"{wrong} counts were wrong and are right now" if wrong else "all counts were right")


@cli.command()
def rejudge(
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only what came since that day, such as 2026-11-21.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    data: Data = None,
) -> None:
    """Judge history again by today's rules and data, and say what changed; also while the server runs."""
    from unsealed.app.rejudge import read_since, rehearse, run
    from unsealed.app.wire import now

    day = None if since is None else read_since(since, now())
    with opened(data) as (settings, engine):
        (rehearse if dry_run else run)(settings, engine, day)


@cli.command()
def backup(target: Annotated[Path, typer.Argument(help="An empty or new folder.")], data: Data = None) -> None:
    """Copy the store and the keys, also while the server runs."""
    from unsealed.app.wire import now
    from unsealed.store.backup import backup as copy

    with opened(data) as (settings, engine):
        typer.echo(copy(engine, settings.data, target, now()))


@user.command("add")
def add_user(
    email: Email,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the web password from standard input.")
    ] = False,
    data: Data = None,
) -> None:
    """Add a person. Without a password, a one-time sign-in link is printed."""
    from unsealed.app.wire import now, welcome_url
    from unsealed.store import people, proofs

    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    if password_stdin and not password:
        stop("--password-stdin: no password came on standard input")
    with opened(data) as (settings, engine), engine.begin() as connection:
        address = people.clean_address(email)
        if people.user_by_email(connection, address) is not None:
            stop(f"{address} is already a user")
        role = "member" if people.any_user(connection) else "owner"
        who = people.add_user(connection, address, role, now(), password=password)
        if password is None:
            typer.echo(welcome_url(settings, proofs.new_login_link(connection, who, now())))
        else:
            typer.echo(f"{address} added")
            if len(password) < people.PASSWORD_LETTERS_MIN:
                typer.echo("warning: a password this short is easily guessed", err=True)


@user.command("link")
def sign_in_link(email: Email, data: Data = None) -> None:
    """Print a one-time sign-in link for who forgot the password; it works for a day."""
    from unsealed.app.wire import now, welcome_url
    from unsealed.store import proofs

    with opened(data) as (settings, engine), engine.begin() as connection:
        typer.echo(welcome_url(settings, proofs.new_login_link(connection, _who(connection, email), now())))


@keys.command("list")
def list_keys(data: Data = None) -> None:
    """Show the key ring: ids, age, and which key seals new mail."""
    from unsealed.store.keyring import load

    ring = load(settings_for(data).data)
    for entry in ring.entries:
        mark = "  seals new mail" if entry.id == ring.newest else ""
        typer.echo(f"{entry.id:3}  made {entry.made:%Y-%m-%d %H:%M} UTC{mark}")


@keys.command()
def rotate(data: Data = None) -> None:
    """Make a new key for new mail. Old keys stay and open old mail for ever."""
    from unsealed.app.wire import now
    from unsealed.store.keyring import rotate as turn

    typer.echo(f"key {turn(settings_for(data).data, now()).newest} seals new mail from now on")


@token.command()
def explain(
    text: Annotated[str, typer.Argument(metavar="TOKEN", help="A token or a whole address.")], data: Data = None
) -> None:
    """Say what a tracking address of this installation holds."""
    from unsealed.core.token import open_token
    from unsealed.model.message import public_id
    from unsealed.store.keyring import load

    path = text.strip().partition("?")[0].partition("#")[0]
    word = path.rstrip("/").rsplit("/", 1)[-1].removesuffix(".gif")
    claims = open_token(load(settings_for(data).data), word)
    typer.echo(f"copy         {public_id(claims.copy)}")
    typer.echo(f"level        {claims.level.name.lower()}")
    if claims.link is None:
        typer.echo("kind         pixel")
    else:
        typer.echo(f"kind         link {claims.link}")
        typer.echo(f"destination  {claims.destination}")


@facts.command("list")
def list_data(data: Data = None) -> None:
    """Show every data file: its age, what it holds, where it came from, its licence."""
    from unsealed.app.data import show

    show(settings_for(data))


@facts.command("update")
def update_data(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL_OR_FOLDER",
            help="A folder with files, or a copy of the publishers' files.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Fetch the openly licensed files anew: countries, networks, Apple's relay, clouds. Takes effect at once."""
    from unsealed.app.data import update

    raise typer.Exit(update(settings_for(data), source))


@facts.command("add")
def add_data(
    file: Annotated[Path, typer.Argument(help="What it holds is found out.", show_default=False)],
    kind: Annotated[
        str | None,
        typer.Option(help="own, relay, cloud, routes, country or city: refuse anything else.", show_default=False),
    ] = None,
    network_class: Annotated[
        str | None,
        typer.Option("--class", help="Of a plain list of prefixes: hosting, vpn, corporate, ...", show_default=False),
    ] = None,
    operator: Annotated[str, typer.Option(help="Of a plain list of prefixes: whose they are.")] = "",
    data: Data = None,
) -> None:
    """Add a data file: a city database, your own ranges (network,class,operator), a list of prefixes."""
    from unsealed.app.data import add
    from unsealed.model.event import Network, NetworkClass
    from unsealed.store.address_files import OWN_CLASSES, DataKind

    if kind is not None and kind not in list(DataKind):
        stop(f"--kind {kind}: one of {', '.join(DataKind)}")
    if network_class is not None and network_class not in OWN_CLASSES:
        stop(f"--class {network_class}: one of {', '.join(sorted(OWN_CLASSES))}")
    network = Network(kind=NetworkClass(network_class), operator=operator) if network_class else None
    add(settings_for(data), file, kind=DataKind(kind) if kind else None, network=network)


def _who(connection: Any, email: str) -> Any:
    from unsealed.store import people

    address = people.clean_address(email)
    found = people.user_by_email(connection, address)
    if found is None:
        store = connection.engine.url.database  # whoever forgot --data asked another store than the server's
        stop(f"{address} is not a user in {store}; add them with: unsealed user add {shlex.quote(address)}")
    return found.id
