"""Pixels and links: the collector against nginx `empty_gif` / `return 302`, granian, and pytracking's own view.

One worker each, the same wrk with one thread, the candidates take turns. Ours opens the token and answers when the hit
is on disk; nginx writes a line into a buffered access log; granian does what ours does, without its limits and without
remembering tokens; pytracking's view opens its token and writes nothing. "The same" is one reader who asks again and
again; "10,000 tokens" is a mailing, which ours remembers once it was asked for; "100,000 tokens" are more than it
remembers, and each is opened anew; the links lead to one place, as those of a mailing do. nginx is asked for as many
paths by the same script, so that the load costs the same.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import monotonic, sleep

from bench import DISK
from bench.hits import THUNDERBIRD
from bench.peers import venv
from bench.ports import free_port
from bench.table import Table, middle, number, progress
from unsealed.app.supervise import settle
from unsealed.core.token import seal_click, seal_pixel
from unsealed.inlets.collect import run
from unsealed.inlets.collect.settings import CollectSettings
from unsealed.model.message import CopyId
from unsealed.model.policy import Level
from unsealed.store.keyring import load

URL = "https://www.tidewater.example/articles/2026/bread?utm_source=newsletter&utm_medium=email"
MANY, MORE = 10_000, 100_000
PEERS = ("pytracking[django,crypto]==0.2.2", "gunicorn==27.0.1")
_PATIENCE_S = 30.0

_NGINX = """worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log combined buffer=64k flush=1s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /o/ {{ empty_gif; }}
        location /c/ {{ return 302 {url}; }}
    }}
}}
"""
# The requests are made before the load begins, so that they cost wrk nothing.
_SCRIPT = """local requests, at = {{}}, 0
function init(args)
    for path in io.lines("{paths}") do
        requests[#requests + 1] = wrk.format("GET", path, {{["Host"] = "t.tidewater.example",
            ["User-Agent"] = "{agent}",
            ["Accept"] = "image/avif,image/webp,*/*", ["Accept-Language"] = "en-GB,en;q=0.5"}})
    end
end
function request()
    at = at % #requests + 1
    return requests[at]
end
"""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A server that listens, and a wrk script with what it is asked for."""

    name: str
    port: int
    script: Path
    beside: str  # name of the candidate that stands for 1.00


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What wrk measured."""

    per_second: float
    p99_ms: float


def measured(candidate: Candidate, connections: int, seconds: int) -> Rate:
    """One round of load."""
    asked = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(candidate.script)]
    done = subprocess.run(
        [*asked, f"http://127.0.0.1:{candidate.port}/"], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in done:
        raise ChildProcessError(f"{candidate.name} answered with errors:\n{done}")
    rate = re.search(r"Requests/sec: *([\d.]+)", done)
    p99 = re.search(r"99% *([\d.]+)(us|ms|s)\b", done)
    if rate is None or p99 is None:
        raise ChildProcessError(f"wrk said:\n{done}")
    return Rate(per_second=float(rate[1]), p99_ms=float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]])


def compared(what: str, candidates: Sequence[Candidate], rounds: int, seconds: int) -> Table:
    """Requests a second and p99 at 64 and 256 connections; ratios to nginx asked for as much in the same round."""
    table = Table(columns=(what, "connections", "requests/s", "p99 ms", "ratio to nginx"))
    for connections in (64, 256):
        found: dict[str, list[Rate]] = {candidate.name: [] for candidate in candidates}
        for candidate in candidates:
            measured(candidate, connections, 1)  # not counted: caches, files and interpreters warm up
        for _ in range(rounds):
            for candidate in candidates:
                found[candidate.name].append(measured(candidate, connections, seconds))
        for candidate in candidates:
            rates, one = found[candidate.name], found[candidate.beside]
            ratios = [rate.per_second / its.per_second for rate, its in zip(rates, one, strict=True)]
            report = {"what": what, "name": candidate.name, "connections": connections, "ratio": median(ratios)}
            progress(json.dumps(report))
            table.add(
                candidate.name,
                str(connections),
                middle([rate.per_second for rate in rates]),
                number(median(rate.p99_ms for rate in rates)),
                middle(ratios),
            )
    return table


@contextmanager
def collector(data: Path) -> Iterator[int]:
    """Our collector as a process of its own, as the supervisor would leave it; gives its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening:
        settings = CollectSettings(
            sockets=(listening.fileno(),),
            journal=data / "journal" / "main",
            collector="main",
            keys=load(data),
            clock=lambda: datetime.now(UTC),
        )
        process = multiprocessing.get_context("fork").Process(target=run, args=(settings, settle))
        process.start()
        try:
            yield listening.getsockname()[1]
        finally:
            process.terminate()
            process.join(_PATIENCE_S)


@contextmanager
def program(port: int, arguments: Sequence[str | Path], **environment: str) -> Iterator[int]:
    """A server that listens on that port once it has started; gives the port."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if process.poll() is not None or monotonic() > deadline:
                raise
            sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run with tiny numbers")
    quick = parser.parse_args().quick
    rounds, seconds = (1, 1) if quick else (3, 3)
    for needed in ("nginx", "wrk"):
        if shutil.which(needed, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            progress(f"installing {needed} with apt")
            subprocess.run(["apt-get", "install", "-y", "-q", needed], stdout=subprocess.DEVNULL, check=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=DISK, prefix="bench-collect-")))
        folder.chmod(0o755)  # nginx reads it as another user
        here = Path(__file__).parent
        python = venv(*PEERS)
        peer = subprocess.run([python, here / "pytracking_app.py"], capture_output=True, text=True, check=True)
        peer_pixel, peer_link = peer.stdout.split()
        keys = load(folder)
        pixels = [f"/o/{seal_pixel(keys, 1, CopyId(7919 * copy), Level.FULL)}.gif" for copy in range(MORE)]
        links = [f"/c/{seal_click(keys, 1, CopyId(7919 * copy), Level.FULL, 3, URL)}" for copy in range(MORE)]

        nginx_port, rsgi_port, peer_port = free_port(), free_port(), free_port()
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=nginx_port, url=URL))
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
        stack.enter_context(program(nginx_port, [nginx, "-c", folder / "nginx.conf"]))
        ours = stack.enter_context(collector(folder))
        granian: list[str | Path] = [
            Path(sys.executable).with_name("granian"),
            "--interface",
            "rsgi",
            "--workers",
            "1",
            "--no-ws",
        ]
        granian += ["--loop", "uvloop", "--port", str(rsgi_port), "--log-level", "error", "bench.rsgi_app:app"]
        stack.enter_context(program(rsgi_port, granian, UNSEALED_BENCH_DATA=str(folder)))
        gunicorn: list[str | Path] = [
            python,
            "-m",
            "gunicorn",
            "--workers",
            "1",
            "--threads",
            "4",
            "--log-level",
            "error",
        ]
        gunicorn += ["--chdir", here, "--bind", f"127.0.0.1:{peer_port}", "pytracking_app:application"]
        stack.enter_context(program(peer_port, gunicorn))

        def candidate(name: str, port: int, paths: Sequence[str], beside: str) -> Candidate:
            script = folder / f"{re.sub('[^a-z0-9]', '-', name.lower())}-{paths[0][1]}.lua"
            listed = script.with_suffix(".txt")
            listed.write_text("\n".join(paths) + "\n")
            script.write_text(_SCRIPT.format(paths=listed, agent=THUNDERBIRD))
            return Candidate(name=name, port=port, script=script, beside=beside)

        def candidates(nginx_does: str, paths: Sequence[str], peer_path: str) -> list[Candidate]:
            nginx, nginx_many, nginx_more = (f"nginx {nginx_does}{more}" for more in ("", ", 10,000", ", 100,000"))
            return [
                candidate(nginx, nginx_port, paths[:1], nginx),
                candidate("Unsealed, the same token", ours, paths[:1], nginx),
                candidate("pytracking 0.2.2, Django, gunicorn", peer_port, [peer_path], nginx),
                candidate(nginx_many, nginx_port, paths[:MANY], nginx_many),
                candidate("Unsealed, 10,000 tokens", ours, paths[:MANY], nginx_many),
                candidate(nginx_more, nginx_port, paths, nginx_more),
                candidate("Unsealed, 100,000 tokens", ours, paths, nginx_more),
                candidate("granian RSGI, 100,000 tokens", rsgi_port, paths, nginx_more),
            ]

        print("## Pixels and links\n")
        print((__doc__ or "").partition("\n\n")[2])
        print(compared("pixel", candidates("empty_gif", pixels, peer_pixel), rounds, seconds).markdown())
        print(compared("link", candidates("return 302", links, peer_link), rounds, seconds).markdown())


if __name__ == "__main__":
    main()
