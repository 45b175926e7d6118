"""What a collector is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from unsealed.core.forwarded import Network
from unsealed.model.ports import Clock, Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Against slow and fat clients."""

    head_s: float = 10.0  # from the first byte (or the connection) to the end of the request head
    head_bytes: int = 32 * 1024
    idle_s: float = 15.0  # between requests, and for a client that does not read its answers
    connections: int = 4096
    connections_per_address: int = 2048  # of one peer that is not a trusted proxy
    stalled_s: float = 5.0  # a commit that takes longer: answer without it
    red_s: float = 60.0  # how long a miss keeps /healthz red
    free_bytes: int = 2**20  # less on the disk turns /healthz red, although the journal has made room ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectSettings:
    """What a collector needs. Sockets are file descriptors that listen already; who opened them keeps them, so that a
    restart refuses nobody."""

    sockets: tuple[int, ...]
    private_socket: int | None = None  # a unix socket whose peers are trusted proxies
    journal: Path  # folder of this collector alone
    collector: str
    keys: Keys
    clock: Clock
    trusted_proxies: tuple[Network, ...] = ()
    https: bool = False  # whether browsers reach the tracking host by https: its cookie is then for https alone
    limits: Limits = field(default_factory=Limits)
