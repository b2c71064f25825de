"""One real server: started on a port that stays its own, stopped, killed, frozen, started again."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

import pytest
from postgres_binaries import SERVER_USER, find_binaries, version_of
from postgres_folders import ServerFolders
from postgres_processes import free_shared_memory, is_gone, kill_all, send_all
from postgres_speaking import as_text, speak
from redis_certificates import Certificates
from redis_ports import ReservedPort

__all__ = ["PostgresServer", "find_binaries", "running", "until"]

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "lc_messages": "C",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%a ",
}
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

# A role with a password is a member of this one.
_WITH_PASSWORD = "with_password"


def until(
    condition: Callable[[], object], what: str, seconds: float = 300.0, pause: float = 0.005
) -> None:
    """Block this thread until something is so; AssertionError when that takes too long."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(pause)


class PostgresServer:
    """PostgreSQL on 127.0.0.1 and on a socket, in a folder of its own.

    Everybody on this machine may be any role without a password (`trust`), except the roles that
    `add_role` gives one: these need it on 127.0.0.1 (`scram-sha-256`). Every method blocks until
    what it says has happened. Where the event loop must go on meanwhile (clients at work, or a
    proxy in between), call it by `asyncio.to_thread`.
    """

    def __init__(
        self,
        folders: ServerFolders,
        settings: Mapping[str, object] | None = None,
        *,
        certificates: Certificates | None = None,
        folder: Path | None = None,
    ) -> None:
        self.folders = folders
        self.binaries = folders.binaries
        self.version = version_of(self.binaries)
        """Its main version, as 15."""
        self.folder = folders.fresh() if folder is None else folder
        """Of the server: `data`, its socket, its log."""
        self.certificates = certificates
        self._reserved = ReservedPort()
        self.settings: dict[str, str] = {
            **_SETTINGS,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            **{name: str(value) for name, value in (settings or {}).items()},
        }
        """All of postgresql.conf; what a test changes here holds from the next start on."""
        self._process: subprocess.Popen[bytes] | None = None
        if certificates is not None:
            self._take_certificates(certificates)

    def __repr__(self) -> str:
        state = "running" if self.running else "down"
        return f"<PostgresServer {self.version} {state} port={self.port}>"

    @property
    def data(self) -> Path:
        """The folder of the database."""
        return self.folder / "data"

    @property
    def port(self) -> int:
        """Where it listens, whenever it does; nobody else gets the port in between."""
        return self._reserved.number

    @property
    def url(self) -> str:
        """How a superuser gets to the default database; with TLS it verifies the server."""
        return self.url_of("postgres")

    @property
    def socket_url(self) -> str:
        """The same over the unix socket."""
        query = urlencode({"host": str(self.folder), "port": self.port})
        return f"postgresql://postgres@/postgres?{query}"

    def url_of(
        self,
        user: str,
        password: str | None = None,
        *,
        database: str = "postgres",
        port: int | None = None,
        **options: str,
    ) -> str:
        """The URL for a role, with more options; with the port of a proxy in between."""
        if self.certificates is not None:
            options = {
                "sslmode": "verify-full",
                "sslrootcert": str(self.certificates.ca),
                **options,
            }
        who = quote(user, safe="") + ("" if password is None else f":{quote(password, safe='')}")
        url = f"postgresql://{who}@127.0.0.1:{port or self.port}/{quote(database, safe='')}"
        return url + (f"?{urlencode(options)}" if options else "")

    @property
    def running(self) -> bool:
        """Whether its process is there, answering or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of its first process."""
        assert self._process is not None
        return self._process.pid

    @property
    def shared_memory(self) -> int | None:
        """The number of its System V segment; one that was killed leaves it to the next start."""
        lines = self._written()
        return None if lines is None else int(lines[6].split()[1])

    def start(self) -> None:
        """Start it, again on the same port, and wait until it takes connections."""
        assert not self.running
        for _ in range(10):
            log = self._started()
            if self.running:
                return
            # Somebody who takes a port without asking may have been quicker.
            if "could not bind" not in log:
                break
        if "SSL is not supported by this build" in log:  # those of wheels
            pytest.skip(f"{self.binaries}: this PostgreSQL was built without TLS")
        raise AssertionError(f"it did not start: {log[-2000:]}")

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """End it: `smart` waits for clients, `fast` ends them, `immediate` writes nothing more."""
        assert self._process is not None
        assert self.running
        send_all(self.pid, signal.SIGCONT)
        self._process.send_signal(_SIGNALS[mode])
        self._wait()

    def kill9(self) -> None:
        """SIGKILL for all its processes: what the operating system does not have is lost."""
        assert self.running
        children = kill_all(self.pid)
        self._wait()
        until(lambda: all(is_gone(each) for each in children), f"{self} has no process")

    def restart(self, mode: Literal["smart", "fast", "immediate", "kill9"] = "fast") -> None:
        """End it so, and start it again."""
        if mode == "kill9":
            self.kill9()
        else:
            self.stop(mode)
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay and are even accepted, nothing is answered."""
        send_all(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        send_all(self.pid, signal.SIGCONT)

    def configure(self, **settings: object) -> None:
        """Change settings while it runs: those that need no start. They stay."""
        self.settings |= {name: str(value) for name, value in settings.items()}
        self.reload()

    def reload(self) -> None:
        """Let it read its settings and who may connect again, and wait until it has."""
        self._write_settings()
        [[before]] = self.rows("SELECT pg_conf_load_time()")
        self.rows("SELECT pg_reload_conf()")
        until(lambda: self.rows("SELECT pg_conf_load_time()") > [(before,)], f"{self} reloads")

    def add_role(
        self, role: str, *statements: str, password: str | None = None, schema: str | None = None
    ) -> str:
        """Make a role that may connect and nothing else, then run these; the URL for this role."""
        secret = "" if password is None else f" PASSWORD {_literal(password)}"
        self.psql(f"CREATE ROLE {_name(role)} LOGIN{secret}")
        if password is not None:
            if not self.rows("SELECT FROM pg_roles WHERE rolname = $1", _WITH_PASSWORD):
                self.psql(f"CREATE ROLE {_WITH_PASSWORD}")
            self.psql(f"GRANT {_WITH_PASSWORD} TO {_name(role)}")
        for statement in statements:
            self.psql(statement)
        options = {} if schema is None else {"schema": schema}
        return self.url_of(role, password, port=None, **options)

    def psql(self, sql: str, *arguments: object, database: str = "postgres") -> str:
        """Run it as the superuser on a connection of its own; its rows as `psql -At` prints them.

        Several statements may be given, without arguments; then nothing is returned.
        """
        return as_text(self.rows(sql, *arguments, database=database))

    def rows(
        self, sql: str, *arguments: object, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """The same, as values."""
        where = urlencode({"host": str(self.folder), "port": self.port})
        return speak(f"postgresql://postgres@/{quote(database)}?{where}", sql, arguments)

    def terminate_clients(self) -> int:
        """End every other connection, as `pg_terminate_backend` does; how many there were."""
        ended = self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return len(ended)

    def log(self) -> str:
        """The server's log."""
        log = self.folder / "server.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def close(self) -> None:
        """End it for good, and give the port back; its folder goes with the others."""
        if self._process is not None and self.running:
            self.thaw()
            # It may be ending by itself at this moment.
            self._process.send_signal(_SIGNALS["immediate"])
            self._wait()
        if self.shared_memory is not None:
            free_shared_memory(self.shared_memory)
        self._reserved.free()

    def _started(self) -> str:
        self._write_settings()
        before = len(self.log())
        # A file of the server before would say that this one is ready.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.data],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **SERVER_USER.options(),
            )
        self.folders.watchdog.watch(self.pid)
        until(lambda: not self.running or self._is_ready(), f"{self} is ready")
        if not self.running:
            self._wait()
        return self.log()[before:]

    def _wait(self) -> None:
        assert self._process is not None
        # Not before it has ended: the watchdog would not end it. A zombie keeps its id.
        until(lambda: is_gone(self.pid), f"{self} ends")
        self.folders.watchdog.forget(self.pid)
        self._process.wait()

    def _is_ready(self) -> bool:
        lines = self._written()
        return lines is not None and lines[7].strip() in ("ready", "standby")

    def _written(self) -> list[str] | None:
        """The lines of postmaster.pid, once they are all there."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        return lines if len(lines) >= 8 else None

    def _write_settings(self) -> None:
        lines = [f"{name} = {_literal(value)}\n" for name, value in self.settings.items()]
        self._write("postgresql.conf", "".join(lines))
        host = "host" if self.certificates is None else "hostssl"
        self._write(
            "pg_hba.conf",
            "local all all trust\n"
            "local replication all trust\n"
            f"{host} all +{_WITH_PASSWORD} 127.0.0.1/32 scram-sha-256\n"
            f"{host} all all 127.0.0.1/32 trust\n"
            "host replication all 127.0.0.1/32 trust\n",
        )

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        path.write_text(text)
        SERVER_USER.own(path)

    def _take_certificates(self, certificates: Certificates) -> None:
        """Its key may be read by the server's user alone, so it gets a copy of it."""
        for name, source in (("server.pem", certificates.server), ("ca.pem", certificates.ca)):
            path = self.folder / name
            path.write_bytes(source.read_bytes())
            path.chmod(0o600)
            SERVER_USER.own(path)
        own = str(self.folder / "server.pem")
        self.settings |= {"ssl": "on", "ssl_cert_file": own, "ssl_key_file": own}
        self.settings["ssl_ca_file"] = str(self.folder / "ca.pem")


@contextmanager
def running(server: PostgresServer) -> Iterator[PostgresServer]:
    """Start it, and close it afterwards, also if it does not start."""
    try:
        server.start()
        yield server
    finally:
        server.close()


def _literal(text: str) -> str:
    """In quotes, for SQL and for postgresql.conf alike; a test puts no backslash in."""
    return "'" + text.replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
