"""Dovecot on the loopback interface: a mailbox for each name, all with one password. Runs without any rights."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from imapclient import IMAPClient
from tests.patience import PATIENCE_S

PASSWORD = "correct-horse-bättery"  # more than ASCII, as people like it

CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
disable_plaintext_auth = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
mail_max_userip_connections = 50
{ssl}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Junk {{
    auto = create
    special_use = \\Junk
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
{more}
"""
TOKENS = """
auth_mechanisms = plain xoauth2 oauthbearer
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/tokens.conf
}}
"""


@dataclass
class MailboxServer:
    """A Dovecot. `port` speaks in clear and offers STARTTLS when there is a certificate, `tls_port` TLS alone."""

    program: str
    port: int
    tls_port: int = 0
    certificate: tuple[bytes, bytes] | None = None  # PEM of the certificate and of its key
    more: str = ""  # lines of configuration
    tokens: str = ""  # where it asks whether an access token is good; "": it takes passwords alone
    folder: Path = field(init=False)
    process: subprocess.Popen[bytes] | None = None
    account: str | None = None  # as whom it runs, when not as ourselves
    others: tuple[int, ...] | None = None

    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="unsealed-imap-"))
        # Dovecot refuses to let strangers in as root.
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(account.pw_gid)
        for name in ("run", "mail"):
            (self.folder / name).mkdir()
        ssl = "ssl = no"
        if self.certificate:
            for name, content in zip(("cert.pem", "key.pem"), self.certificate, strict=True):
                (self.folder / name).write_bytes(content)
            ssl = f"ssl = yes\nssl_cert = <{self.folder}/cert.pem\nssl_key = <{self.folder}/key.pem"
        more = self.more
        if self.tokens:
            (self.folder / "tokens.conf").write_text(self.tokens, encoding="utf-8")
            more += TOKENS.format(folder=self.folder)
        text = CONFIG.format(
            folder=self.folder,
            user=account.pw_name,
            group=group.gr_name,
            uid=account.pw_uid,
            gid=account.pw_gid,
            port=self.port,
            tls_port=self.tls_port,
            password=PASSWORD,
            ssl=ssl,
            more=more,
        )
        (self.folder / "dovecot.conf").write_text(text, encoding="utf-8")
        if os.geteuid() == 0:
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, account.pw_uid, account.pw_gid)
            self.account, self.others = account.pw_name, ()
        self.run()

    def run(self) -> None:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [self.program, "-F", "-c", str(self.folder / "dovecot.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            user=self.account,
            group=self.account and pwd.getpwnam(self.account).pw_gid,
            extra_groups=self.others,
        )
        self.process = process
        deadline = monotonic() + PATIENCE_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as made:
                    if made.recv(4) == b"* OK":
                        return
            except OSError:
                pass
            assert process.poll() is None, self.log()
            assert monotonic() < deadline, self.log()
            sleep(0.02)

    def log(self) -> str:
        log = self.folder / "log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else "it wrote no log"

    def halt(self) -> None:
        """Stop it; `run` starts it again on the same mailboxes."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # asked politely, its children talk on for half a minute
            self.process.wait(PATIENCE_S)
            self.process = None

    def stop(self) -> None:
        self.halt()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, user: str) -> IMAPClient:
        """Signed in, as the user's own mail program."""
        client = IMAPClient("127.0.0.1", self.port, ssl=False, timeout=PATIENCE_S)
        client.plain_login(user, PASSWORD)
        return client

    def put(self, user: str, *messages: bytes, folder: str = "INBOX") -> None:
        """Messages arrive."""
        with self.client(user) as client:
            for message in messages:
                client.append(folder, message)

    def flags(self, user: str, folder: str = "INBOX") -> list[tuple[bytes, ...]]:
        """The flags of all messages of a folder, looked at without changing them."""
        with self.client(user) as client:
            client.select_folder(folder, readonly=True)
            return [found for _, found in sorted(client.get_flags(client.search()).items())]
