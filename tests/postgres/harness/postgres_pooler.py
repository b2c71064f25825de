"""PgBouncer between clients and a server."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from postgres_binaries import SERVER_USER
from postgres_processes import is_gone
from postgres_server import PostgresServer, until
from postgres_speaking import speak
from redis_ports import ReservedPort

__all__ = ["PgBouncer", "find_pgbouncer"]


def find_pgbouncer() -> Path:
    """The program; LookupError if there is none: never a skip."""
    # Debian puts it where only root's PATH leads.
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise LookupError("no PgBouncer: install Debian's `pgbouncer`")
    return Path(found)


class PgBouncer:
    """A pooler on 127.0.0.1: a connection to the server is lent for a transaction or a session.

    It lets everybody in as any of its users. Settings are those of its own file, as
    `max_prepared_statements` or `ignore_startup_parameters`; without the latter it refuses clients
    that ask for settings it does not know.
    """

    def __init__(
        self,
        server: PostgresServer,
        mode: Literal["transaction", "session", "statement"],
        settings: Mapping[str, object] | None = None,
        *,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.server = server
        self.folder = server.folders.empty()
        self._reserved = ReservedPort()
        self._process: subprocess.Popen[bytes] | None = None
        lines = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": self.folder / "users.txt",
            "admin_users": "postgres",
            "pool_mode": mode,
            "default_pool_size": 4,
            **(settings or {}),
        }
        where = f"* = host={server.folder} port={server.port}"
        text = "".join(f"{name} = {value}\n" for name, value in lines.items())
        named = {"postgres": "", **(users or {})}
        self._write("pgbouncer.ini", f"[databases]\n{where}\n[pgbouncer]\n{text}")
        self._write("users.txt", "".join(f'"{user}" "{pw}"\n' for user, pw in named.items()))

    @property
    def port(self) -> int:
        """Where it listens; nobody else gets the port while it is down."""
        return self._reserved.number

    @property
    def url(self) -> str:
        """How a superuser gets to the default database through it."""
        return self.url_of("postgres")

    def url_of(self, user: str, password: str | None = None, **options: str) -> str:
        """The URL for one of its users, with more options."""
        url = self.server.url_of(user, password, port=self.port).partition("?")[0]
        return url + (f"?{urlencode(options)}" if options else "")

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it lets clients in."""
        assert not self.running
        with (self.folder / "pooler.log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_pgbouncer(), self.folder / "pgbouncer.ini"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **SERVER_USER.options(),
            )
        self.server.folders.watchdog.watch(self._process.pid)
        until(lambda: not self.running or self._answers(), "the pooler answers")
        assert self.running, f"it did not start: {self.log()[-2000:]}"

    def stop(self) -> None:
        """End it at once, with the connections of all clients."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        pid = self._process.pid
        until(lambda: is_gone(pid), "the pooler ends")
        self.server.folders.watchdog.forget(pid)
        self._process.wait()

    def log(self) -> str:
        """What it said."""
        return (self.folder / "pooler.log").read_text(errors="replace")

    def close(self) -> None:
        """End it for good, and give the port back."""
        if self.running:
            self.stop()
        self._reserved.free()

    def _answers(self) -> bool:
        try:
            speak(self.url, "SELECT 1", ())
        except OSError:
            return False
        return True

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        SERVER_USER.own(path)
