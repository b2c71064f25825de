"""One real server: started on a port that stays its own, stopped, killed, frozen, started again."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_certificates import Certificates
from redis_engines import Engine
from redis_ports import ReservedPort
from redis_watchdog import Watchdog

__all__ = ["RedisServer", "until"]

_DEFAULTS = {
    "bind": "127.0.0.1",
    "save": '""',
    "appendonly": "no",
    # Tests put a server to sleep with DEBUG, and see a replica within a second.
    "enable-debug-command": "local",
    "repl-diskless-sync-delay": "0",
    "repl-ping-replica-period": "1",
}


def until(
    condition: Callable[[], object], what: str, seconds: float = 300.0, pause: float = 0.002
) -> None:
    """Block this thread until something is so; AssertionError when that takes too long."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"never: {what}"
        time.sleep(pause)


class RedisServer:
    """Redis or Valkey on 127.0.0.1, in a folder of its own.

    Every method blocks until what it says has happened. Where the event loop must go on meanwhile
    (clients at work, or the proxy in between), call it by `asyncio.to_thread`.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        watchdog: Watchdog,
        options: Mapping[str, str],
        certificates: Certificates | None = None,
    ) -> None:
        self.engine = engine
        self.folder = folder
        self.certificates = certificates
        self._watchdog = watchdog
        self._reserved = ReservedPort()
        self.options = {**_DEFAULTS, "port": str(self.port), **options}
        if certificates is not None:
            self.options |= {
                "port": "0",
                "tls-port": str(self.port),
                "tls-ca-cert-file": str(certificates.ca),
                "tls-cert-file": str(certificates.server),
                "tls-key-file": str(certificates.server),
                "tls-auth-clients": options.get("tls-auth-clients", "no"),
            }
        self.administrator: tuple[str, str] | None = None
        """User and password for what the methods below say, where the default user may not."""
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        state = "running" if self.running else "down"
        return f"<RedisServer {self.engine.name} {state} port={self.port}>"

    @property
    def port(self) -> int:
        """Where it listens, whenever it does; nobody else gets the port in between."""
        return self._reserved.number

    @property
    def url(self) -> str:
        """How a client gets there; with TLS it names the authority's file."""
        if self.certificates is None:
            return f"redis://127.0.0.1:{self.port}/0"
        return f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={quote(str(self.certificates.ca))}"

    def url_of(self, user: str, password: str) -> str:
        """The URL for an ACL user."""
        return self.url.replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@")

    @property
    def running(self) -> bool:
        """Whether its process is there, answering or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, keep_data: bool = True) -> None:
        """Start it, again on the same port, and wait until it answers and has loaded its data.

        Without `keep_data` what it had on disk is deleted first, but not which node of a cluster it
        is: the very hazard of a primary that comes back empty.
        """
        assert not self.running
        self.folder.mkdir(parents=True, exist_ok=True)
        if not keep_data:
            (self.folder / "dump.rdb").unlink(missing_ok=True)
            shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)
        for _ in range(10):
            log = self._started()
            if self.running:
                return
            # Somebody who takes a port without asking may have been quicker.
            if "Address already in use" not in log:
                break
        raise AssertionError(f"it did not start: {log[-2000:]}")

    def stop(self) -> None:
        """SIGTERM: it ends in order, and saves as configured."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: data not yet passed to the operating system are lost."""
        self._end(signal.SIGKILL)

    def restart(self, *, keep_data: bool = True) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start(keep_data=keep_data)

    def freeze(self) -> None:
        """SIGSTOP: connections stay and are even accepted, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def pause(self, milliseconds: int, mode: str = "ALL") -> None:
        """CLIENT PAUSE: commands wait (`WRITE`: only those that may write) until this is over."""
        self.say("CLIENT", "PAUSE", milliseconds, mode)

    def configure(self, option: str, value: object) -> None:
        """CONFIG SET while it runs; gone with the next start."""
        self.say("CONFIG", "SET", option, str(value))

    def add_user(self, user: str, password: str, *rules: str) -> str:
        """ACL SETUSER with these rules and nothing else; the URL for this user."""
        self.say("ACL", "SETUSER", user, "reset", "on", f">{password}", *rules)
        return self.url_of(user, password)

    def say(self, *words: object) -> Any:
        """Send one command on a connection of its own; its reply, with str for strings."""
        with self.client() as client:
            speaks: Any = client
            return speaks.execute_command(*words)

    def info(self, field: str) -> Any:
        """One field of INFO."""
        return self.say("INFO", "everything")[field]

    @contextmanager
    def client(self, url: str | None = None, **options: Any) -> Iterator[redis.Redis]:
        """A plain synchronous client that tries nothing twice, here or at another URL."""
        if url is None:
            url = self.url if self.administrator is None else self.url_of(*self.administrator)
        options = {"decode_responses": True, "socket_timeout": 300, **options}
        client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
        try:
            yield client
        finally:
            client.close()

    def log(self) -> str:
        """The server's log."""
        log = self.folder / "server.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def close(self) -> None:
        """End it for good, and give the port back."""
        if self.running:
            self.kill()
        self._forget()
        self._reserved.free()

    def _started(self) -> str:
        self._forget()
        before = len(self.log())
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.engine.program, *self._arguments()],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._watchdog.watch(self.pid)
        until(lambda: not self.running or self._answers(), f"{self} answers")
        return self.log()[before:]

    def _arguments(self) -> list[str]:
        return [
            word
            for option, value in self.options.items()
            for word in (f"--{option}", *shlex.split(value))
        ]

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                client.ping()
        except redis.BusyLoadingError:
            return False
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        assert self.running
        self._forget()
        if how is signal.SIGTERM:
            self.thaw()
        self._process.send_signal(how)
        self._process.wait()

    def _forget(self) -> None:
        if self._process is not None:
            self._watchdog.forget(self.pid)
