"""A disk that can be stopped at any write: recorded under real SQLite, rebuilt with what it forgot.

The file system promises what POSIX does and no more. What was not synced is on the disk or not,
sector by sector, each in any version since the last sync; so are the size of a file and, until its
folder was synced, its name. What lies in a hole is zeros or rubbish.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import apsw
import pytest

SECTOR = 512
Event: TypeAlias = tuple[Any, ...]


class Content:
    """What one file holds for certain, and what was done to it since its last sync."""

    def __init__(self) -> None:
        self.synced = bytearray()
        self.pending: list[tuple[int, bytes | None]] = []

    def sync(self) -> None:
        """Make all of it certain."""
        for offset, data in self.pending:
            if data is None:
                del self.synced[offset:]
                self.synced.extend(bytes(offset - len(self.synced)))
            else:
                self.synced.extend(bytes(max(0, offset - len(self.synced))))
                self.synced[offset : offset + len(data)] = data
        self.pending = []

    def fail(self, chance: Random) -> None:
        """Forget what could not be written: no later sync brings it to the disk."""
        self.synced, self.pending = bytearray(self.after(chance)), []

    def after(self, crash: Random) -> bytes:
        """What is left of it: of each sector some version since the last sync."""
        body, count = bytearray(self.synced), len(self.pending)
        kept, gone = sorted((crash.choice((0.0, 0.1, 0.9, 1.0)), crash.random()))
        rubbish = crash.random() < 0.5
        versions: dict[int, int] = {}
        sizes = [len(body)]

        def has(sector: int, index: int) -> bool:
            if sector not in versions:
                luck = crash.random()
                some = crash.randrange(count + 1)
                versions[sector] = count if luck < kept else some if luck < gone else 0
            return index < versions[sector]

        def reach(end: int) -> None:
            more = end - len(body)
            if more > 0:
                body.extend(crash.randbytes(more) if rubbish else bytes(more))

        for index, (offset, data) in enumerate(self.pending):
            if data is None:
                sizes.append(offset)
                continue
            end = offset + len(data)
            sizes.append(max(sizes[-1], end))
            while offset < end:
                upto = min(end, (offset // SECTOR + 1) * SECTOR)
                if has(offset // SECTOR, index):
                    reach(upto)
                    body[offset:upto] = data[len(data) - (end - offset) : len(data) - (end - upto)]
                offset = upto
        size = crash.choice((crash.choice(sizes), sizes[-1]))
        reach(size)
        return bytes(body[:size])


class Disk:
    """Follows a recording, and tells what a power cut would leave now."""

    def __init__(self) -> None:
        self._now: dict[str, Content] = {}
        self._synced: dict[str, Content] = {}
        self._moved: list[tuple[str, Content | None]] = []
        self._shm = b""

    def follow(self, event: Event) -> None:
        """Take one event of a recording."""
        match event:
            case ("create", name):
                self._name(name, Content())
            case ("link", old, new):
                self._name(new, self._now[old])
            case ("delete", name):
                del self._now[name]
                self._moved.append((name, None))
            case ("write", name, offset, data):
                self._now[name].pending.append((offset, data))
            case ("truncate", name, size):
                self._now[name].pending.append((size, None))
            case ("sync", name):
                self._now[name].sync()
            case ("sync failed", name, seed):
                self._now[name].fail(Random(seed))
            case ("sync folder",):
                self._synced, self._moved = dict(self._now), []
            case ("shm", data):
                self._shm = data

    def after(self, crash: Random) -> dict[str, bytes]:
        """The files somebody finds who switches the machine on again."""
        found = dict(self._synced)
        for name in dict.fromkeys(name for name, _ in self._moved):
            steps = [content for moved, content in self._moved if moved == name]
            for content in steps[: crash.randrange(len(steps) + 1)]:
                if content is None:
                    found.pop(name, None)
                else:
                    found[name] = content
        files = {name: content.after(crash) for name, content in found.items()}
        shm = crash.choice((None, b"", self._shm, crash.randbytes(len(self._shm))))
        if shm is not None:
            files["store.db-shm"] = shm
        return files

    def _name(self, name: str, content: Content) -> None:
        self._now[name] = content
        self._moved.append((name, content))


class Recorder(apsw.VFS):
    """SQLite's own file system, with every change written down; syncs are only written down."""

    NAME = "recorder"

    def __init__(self, folder: Path) -> None:
        super().__init__(self.NAME, "")
        self.folder = folder
        self.events: list[Event] = []
        self.fail_sync = -1
        """How many syncs pass before one fails; less than nothing: none fails."""
        self.tries_again = False

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - SQLite's name
        """Open a file, and remember it if it is a new one."""
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name
        """Delete a file."""
        super().xDelete(filename, False)
        self.events.append(("delete", Path(filename).name))
        if syncdir:
            self.events.append(("sync folder",))

    def look(self) -> None:
        """Note what the index of the log holds: nobody syncs it, but parts may get to the disk."""
        shm = self.folder / "store.db-shm"
        if shm.exists():
            self.events.append(("shm", shm.read_bytes()))


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, name: Any, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = Path(path).name
        self._to = recorder
        new = not Path(path).exists()
        super().__init__("", name, flags)
        if new:
            recorder.events.append(("create", self._name))
        # As SQLite's own file system: the first sync of a new log syncs its folder as well.
        log = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
        self._sync_folder = bool(flags[0] & log and flags[0] & apsw.SQLITE_OPEN_CREATE)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        super().xWrite(data, offset)
        self._to.events.append(("write", self._name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        super().xTruncate(newsize)
        self._to.events.append(("truncate", self._name, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        if self._to.fail_sync >= 0:
            self._to.fail_sync -= 1
            if self._to.fail_sync < 0:
                self._to.events.append(("sync failed", self._name, len(self._to.events)))
                if not self._to.tries_again:
                    raise apsw.IOError
        self._to.events.append(("sync", self._name))
        if self._sync_folder:
            self._sync_folder = False
            self._to.events.append(("sync folder",))
        self._to.look()


class Connection:
    """What the store uses of `sqlite3.Connection`, on a file system of ours."""

    def __init__(self, vfs: str, uri: str, committed: Callable[[Any], None]) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
        with _as_sqlite3():
            self._connection = apsw.Connection(uri, flags=flags, vfs=vfs)
        self._connection.set_busy_timeout(5_000)
        self._committed = committed
        self.interrupt = self._connection.interrupt

    @property
    def in_transaction(self) -> bool:
        """Whether there is one."""
        return not self._connection.get_autocommit()

    def close(self) -> None:
        """As sqlite3 does, which tells nothing of what went wrong with it."""
        with suppress(apsw.Error):
            self._connection.close()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """As sqlite3 does, and raise what it raises."""
        with _as_sqlite3():
            rows = _Rows(self._connection.execute(statement, values).fetchall())
        if statement == "COMMIT":
            self._committed(self._connection)
        if statement.startswith("DELETE"):
            rows.rowcount = self._connection.changes()
        return rows

    def executemany(self, statement: str, values: Sequence[Any]) -> Any:
        """As sqlite3 does, and raise what it raises."""
        before = self._connection.total_changes()
        with _as_sqlite3():
            rows = _Rows(self._connection.executemany(statement, values).fetchall())
        rows.rowcount = self._connection.total_changes() - before
        return rows


class _Rows(list[Any]):
    """What the store uses of a cursor: all rows, which costs nothing in a file so small."""

    rowcount = -1
    fetchall = list[Any].copy

    def fetchone(self) -> Any:
        return self.pop(0) if self else None


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        translated = sqlite3.OperationalError(str(error))
        translated.sqlite_errorcode = getattr(error, "extendedresult", sqlite3.SQLITE_ERROR)
        raise translated from error


class Power:
    """The harness, for tests."""

    Disk, Connection = Disk, Connection

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def os(self, **own: Any) -> Any:
        """The module `os`, with some functions of one's own, which writes files down as well."""
        return _Os(pwrite=self._pwrite, fsync=self._fsync, **own)

    def _pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        name = _name(descriptor)
        self.recorder.events.append(("write", name, offset, bytes(data)))
        return os.pwrite(descriptor, data, offset)

    def _fsync(self, descriptor: int) -> None:
        self.recorder.events.append(("sync", _name(descriptor)))


class _Os:
    def __init__(self, **own: Any) -> None:
        self.__dict__.update(own)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def _name(descriptor: int) -> str:
    return Path(f"/proc/self/fd/{descriptor}").readlink().name


@pytest.fixture
def power(tmp_path: Path) -> Iterator[Power]:
    """A recorded file system for one test."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    recorder = Recorder(folder)
    yield Power(recorder)
    recorder.unregister()
