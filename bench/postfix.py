"""Postfix as it comes from Debian, as a relay on loopback with a configuration and a queue of its own.

Installed with apt when it is missing. Runs beside an installed one without touching it; needs root, as Postfix does.
It takes what loopback sends without AUTH, keeps it in its queue on disk before it says 250, and passes it on.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from bench import DISK
from bench.ports import free_port
from bench.table import progress

# in_flow_delay makes Postfix answer later when mail comes in faster than it goes out; off, it shows what it can take.
_MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.bench.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{sink}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_tls_security_level = none
smtp_tls_security_level = none
in_flow_delay = 0
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
"""
_MASTER = """127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def missing() -> str:
    """Why Postfix cannot be measured here, "" when it can."""
    if os.geteuid() != 0:
        return "Postfix starts as root only"
    if shutil.which("postfix") is None and not _installed():
        return "Postfix is not installed, and apt could not install it"
    return ""


def version() -> str:
    return _ask("mail_version")


@contextmanager
def relay(sink: int) -> Iterator[int]:
    """Start a relay to the sink on that port; gives the port it listens on."""
    with tempfile.TemporaryDirectory(dir=DISK, prefix="bench-postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # its programs run as other users
        port = free_port()
        configuration = folder / "etc"
        for made in (configuration, folder / "queue", folder / "data"):
            made.mkdir()
        shutil.chown(folder / "data", "postfix", "postfix")
        daemons = _ask("daemon_directory")
        (configuration / "main.cf").write_text(_MAIN.format(folder=folder, sink=sink, daemons=daemons))
        (configuration / "master.cf").write_text(_MASTER.format(port=port))
        _postfix(configuration, "start")
        try:
            _wait_for_greeting(port)
            yield port
        finally:
            _postfix(configuration, "stop")


def _installed() -> bool:
    progress("installing Postfix with apt")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    done = subprocess.run(["apt-get", "install", "-y", "-q", "postfix"], env=quiet, capture_output=True, check=False)
    return done.returncode == 0


def _postfix(configuration: Path, verb: str) -> None:
    done = subprocess.run(["postfix", "-c", configuration, verb], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ChildProcessError(f"postfix {verb}: {done.stderr}")


def _ask(parameter: str) -> str:
    return subprocess.run(
        ["postconf", "-d", "-h", parameter], capture_output=True, text=True, check=True
    ).stdout.strip()


def _wait_for_greeting(port: int, seconds: float = 15.0) -> None:
    deadline = monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
                if one.recv(4) == b"220 ":
                    return
        except OSError:
            if monotonic() > deadline:
                raise
            sleep(0.1)
