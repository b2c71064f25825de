"""A file system whose k-th call fails, under the whole store.

Locks in shared memory do not pass through what apsw lets one replace, so a lock that is held is a
real one, taken by another connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any

import apsw
import pytest
from sessionkeeper.backends.sqlite import frame_index, opening, writer

if TYPE_CHECKING:
    from tests.durability.conftest import Power

ANY = frozenset({"read", "size", "write", "truncate", "sync"})
KINDS: dict[str, tuple[frozenset[str], int]] = {
    "read": (frozenset({"read", "size"}), apsw.SQLITE_IOERR_READ),
    "write": (frozenset({"write", "truncate"}), apsw.SQLITE_IOERR_WRITE),
    "full": (frozenset({"write"}), apsw.SQLITE_FULL),
    "sync": (frozenset({"sync"}), apsw.SQLITE_IOERR_FSYNC),
    "corrupt": (frozenset({"read"}), apsw.SQLITE_CORRUPT),
    "interrupted": (ANY, apsw.SQLITE_OK),
    "locked": (frozenset({"statement"}), apsw.SQLITE_OK),
    "busy": (frozenset({"lock"}), apsw.SQLITE_BUSY),
    "gone": (frozenset({"open"}), apsw.SQLITE_CANTOPEN),
}
"""What fails, and how; those that are OK do something else than fail."""


class Faulty(apsw.VFS):
    """SQLite's own file system, one call of which fails, or all from one on."""

    NAME = "faulty"

    def __init__(self) -> None:
        super().__init__(self.NAME, "")
        self.left = -1
        self.struck = 0
        self.armed = False
        self.connections: list[Any] = []
        """Those that were opened, the last one last."""
        self.statements: Any = None
        """Their class."""
        self.instead: Callable[[], object] = lambda: None
        """What is done where nothing fails."""
        self._running: dict[int, Any] = {}

    def opened(self, connection: Any) -> Any:
        """Take note of a connection."""
        self.connections.append(connection)
        return connection

    @contextmanager
    def running(self, connection: Any) -> Iterator[None]:
        """Note that the calling thread runs a statement on this connection."""
        self._running[get_ident()] = connection
        try:
            yield
        finally:
            del self._running[get_ident()]

    def give_up(self) -> None:
        """Stop the statement that made this call; opening and closing have none."""
        running = self._running.get(get_ident())
        if running is not None:
            running.give_up()

    def arm(self, kind: str, k: int, *, lasting: bool) -> None:
        """Let k calls pass and fail the next, or all that follow."""
        self.calls, self.code = KINDS[kind]
        self.left, self.lasting, self.struck, self.armed = k, lasting, 0, True

    def disarm(self) -> None:
        """Fail nothing any more."""
        self.left, self.armed = -1, False
        self.instead = lambda: None

    def strike(self, call: str) -> None:
        """Fail a call, or do something else before it."""
        if self.left < 0 or call not in self.calls:
            return
        if self.left:
            self.left -= 1
            return
        self.struck += 1
        if not self.lasting:
            self.left = -1
        if self.code != apsw.SQLITE_OK:
            raise apsw.exception_for(self.code)
        self.instead()

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - SQLite's name
        """Open a file."""
        self.strike("open")
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, faulty: Faulty, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._strike = faulty.strike

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        self._strike("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._strike("write")
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._strike("truncate")
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._strike("sync")  # what is left out else costs time, and nothing is cut off here

    def xFileSize(self) -> int:  # noqa: N802 - SQLite's name
        self._strike("size")
        return super().xFileSize()

    def xLock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        self._strike("lock")
        super().xLock(level)


@pytest.fixture
def faulty(power: Power, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """Stores opened in this test are on a file system that can fail."""
    faulty = Faulty()

    class Statements(power.Connection):  # type: ignore[name-defined,misc]  # a class of the fixture
        def give_up(self) -> None:
            """Have the statement that runs stop at its next step."""
            self._connection.set_progress_handler(self._stop, 1)

        def _stop(self) -> bool:
            self._connection.set_progress_handler(None)
            return faulty.armed

        def execute(self, statement: str, values: Any = ()) -> Any:
            if statement != "ROLLBACK":
                faulty.strike("statement")
            with faulty.running(self):
                return super().execute(statement, values)

        def executemany(self, statement: str, values: Any) -> None:
            with faulty.running(self):
                super().executemany(statement, values)

    def connect(path: str, **_: Any) -> Any:
        return faulty.opened(Statements(Faulty.NAME, path, lambda _: None))

    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr(writer, "CHECKPOINT_AT", 60_000)
    monkeypatch.setattr(frame_index, "MERGE_AT", 5)
    monkeypatch.setattr(opening, "BUSY_SLICE", 0.001)
    faulty.statements = Statements
    yield faulty
    faulty.unregister()
