"""Submission: messages/s into the sandbox, and through to a next hop against Postfix with the same mail and sink.

Everything answers 250 only when the message is on disk. Unsealed also signs the client in, makes a tracked copy and
keeps the original; Postfix relays. Accepted: until the last 250. Through: until the last copy has arrived.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter, sleep

from bench import postfix
from bench.installation import running
from bench.messages import letter
from bench.sandbox import kept
from bench.sender import Sent, send
from bench.sink import Sink
from bench.table import Table, middle, number, percentile, progress

_SIZES = (2_000, 50_000)
_PATIENCE_S = 120.0
_WARM_UP = 40


class _Mails:
    """Ever new messages of one size."""

    def __init__(self) -> None:
        self._made = 0

    def take(self, size_bytes: int, count: int) -> list[bytes]:
        first, self._made = self._made, self._made + count
        return [letter(size_bytes, number=number) for number in range(first, first + count)]


class _Candidate:
    """A way for mail to take: the submission port, and how many messages have come out at the other end."""

    def __init__(self, port: int, arrived: Callable[[], int], login: tuple[str, str] | None) -> None:
        self._port = port
        self._arrived = arrived
        self._login = login
        self.accepted: list[float] = []
        self.through: list[float] = []
        self.waits_s: list[float] = []

    def warm_up(self, messages: list[bytes], connections: int) -> None:
        """A round that does not count: processes, connections and caches are there afterwards."""
        self.run(messages, connections)
        self.accepted, self.through, self.waits_s = [], [], []

    def run(self, messages: list[bytes], connections: int) -> None:
        """One round; waits until everything has come through, so that rounds do not meet."""
        before = self._arrived()
        begun = perf_counter()
        sent: Sent = send(self._port, messages, connections=connections, login=self._login)
        while self._arrived() < before + len(messages):
            if perf_counter() - begun > _PATIENCE_S:
                raise TimeoutError(f"{self._arrived() - before} of {len(messages)} messages came through")
            sleep(0.005)
        self.accepted.append(sent.rate)
        self.through.append(len(messages) / (perf_counter() - begun))
        self.waits_s += sent.waits_s


def sandbox(rounds: int, count: int, connections: tuple[int, ...]) -> Table:
    table = Table(columns=("into the sandbox", "accepted/s", "through/s", "end of data to 250: p50, ms", "p99, ms"))
    mails = _Mails()
    with running() as installation:
        for size in _SIZES:
            for clients in connections:
                candidate = _Candidate(installation.smtp, lambda: kept(installation), installation.login)
                candidate.warm_up(mails.take(size, _WARM_UP), clients)
                for _ in range(rounds):
                    candidate.run(mails.take(size, count), clients)
                table.add(
                    f"{size // 1000} kB, {clients} {'connection' if clients == 1 else 'connections'}",
                    *_figures(candidate),
                )
    return table


def side_by_side(rounds: int, count: int, connections: int) -> Table:
    """Unsealed and Postfix in front of the same sink, in turns."""
    table = Table(columns=("to a next hop", "accepted/s", "through/s", "end of data to 250: p50, ms", "p99, ms"))
    mails = _Mails()
    with (
        Sink() as sink,
        running(upstream=f"smtp://127.0.0.1:{sink.port}?tls=none") as installation,
        postfix.relay(sink.port) as relay,
    ):
        for size in _SIZES:
            ours = _Candidate(installation.smtp, sink.taken, installation.login)
            theirs = _Candidate(relay, sink.taken, None)
            for candidate in (ours, theirs):
                candidate.warm_up(mails.take(size, _WARM_UP), connections)
            for _ in range(rounds):
                for candidate in (ours, theirs):
                    candidate.run(mails.take(size, count), connections)
            label = f"{size // 1000} kB, {connections} connections"
            table.add(f"Unsealed, {label}", *_figures(ours))
            table.add(f"Postfix {postfix.version()}, {label}", *_figures(theirs))
            ratios = [
                [one / other for one, other in zip(ours.accepted, theirs.accepted, strict=True)],
                [one / other for one, other in zip(ours.through, theirs.through, strict=True)],
            ]
            table.add(f"ratio, {size // 1000} kB", *map(middle, ratios), "", "")
    return table


def _figures(candidate: _Candidate) -> tuple[str, str, str, str]:
    return (
        middle(candidate.accepted),
        middle(candidate.through),
        number(1e3 * percentile(candidate.waits_s, 0.5)),
        number(1e3 * percentile(candidate.waits_s, 0.99)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    quick = parser.parse_args().quick
    print("## Submission\n")
    print(
        "Every 250 stands for a message that is on disk. *Through*: the last copy has arrived in the mailbox or at the"
    )
    print(
        "next hop. Every message has one recipient, is tracked by Unsealed and relayed as it is by Postfix (Debian's,"
    )
    print("own queue, `in_flow_delay = 0`). Clients sign in once per connection and do not pipeline.\n")
    print(sandbox(1, 20, (2,)).markdown() if quick else sandbox(3, 300, (1, 8, 32)).markdown())
    progress("the next hop")
    if why := postfix.missing():
        raise SystemExit(f"no comparison: {why}")
    print(side_by_side(1, 20, 2).markdown() if quick else side_by_side(3, 400, 8).markdown())


if __name__ == "__main__":
    main()
