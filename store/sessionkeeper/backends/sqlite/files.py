"""The three files of a store as they were opened, and whether their names still lead to them.

Whoever removes, moves or replaces one leaves the store with a file that nobody finds again, or
with a lock that nobody else takes. So they are looked at once the lock is taken, before a commit,
and after it, before it is acknowledged: device and number of each.

Rule: where another log or index has taken the name, or the file was written over, no connection
that could write may be the last to close. SQLite's last one would bring in a log that is not the
file's, and remove what is another's. A connection that cannot write is kept for that, closed first
where all is well and last where not. A log that is merely gone is brought in: only we have it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from threading import Lock
from typing import NamedTuple

from .errors import FilesChanged
from .raw_connection import connect

__all__ = ["Look", "StoreFiles"]

_SUFFIXES = ("", "-wal", "-shm")


class Look(NamedTuple):
    """The files at one moment."""

    numbers: tuple[tuple[int, int], ...]
    """Device and number of the file, its log, and the log's index."""
    written: tuple[int, int]
    """When the file itself was written last, and its size."""
    log_bytes: int


class StoreFiles:
    """What a store's connections have in common: which files they are on. From any thread."""

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        # As it was spelled: a link on the way may come to lead elsewhere.
        self._name = name
        self._numbers: tuple[tuple[int, int], ...] | None = None
        self._before: tuple[int, int] | None = None
        self._users = 0
        self._spoilt = ""
        """What was written over, the file or its log; nothing while all is well."""
        self._anchor: sqlite3.Connection | None = None
        self.closing = Lock()
        """Held while a connection is closed; of all that one store has on the file."""

    def expect(self) -> None:
        """Note which file is to be opened, if it is there."""
        self._before = None
        with suppress(OSError):
            found = os.stat(self._name)
            self._before = found.st_dev, found.st_ino

    def remember(self) -> None:
        """Note which files were opened. Raises `FilesChanged`, `sqlite3.Error`."""
        anchor = connect(self._path, "ro", shared=True)
        try:
            anchor.execute("SELECT version FROM meta").fetchone()  # it has the file's lock now
            found = self._look()
            if self._before is not None and found.numbers[0] != self._before:
                raise self._changed("", "another file has its name now")
        except BaseException:
            anchor.close()
            raise
        self._numbers, self._anchor = found.numbers, anchor

    def look(self) -> Look:
        """Look whether the names lead to the files that were opened. Raises `FilesChanged`."""
        if self._spoilt:
            raise FilesChanged(self._spoilt)
        found = self._look()
        if self._numbers is not None and found.numbers != self._numbers:
            for suffix, now, then in zip(_SUFFIXES, found.numbers, self._numbers, strict=True):
                if now != then:
                    raise self._changed(suffix, "another file has its name now")
        return found

    def overwritten(self, suffix: str = "") -> FilesChanged:
        """Make the error for a file that holds what no store wrote there."""
        name = os.path.basename(self._path)
        how = "overwritten or cut" if not suffix else "cut"
        self._spoilt = f"the file was {how} underneath the store: {name}{suffix}"
        return FilesChanged(self._spoilt)

    def join(self) -> None:
        """Count a connection that is open."""
        self._users += 1

    def part(self, connection: sqlite3.Connection) -> None:
        """Close a connection; the last one brings the log into the file, if that is its own."""
        with self.closing:
            self._users -= 1
            anchor = None
            if self._users == 0:
                anchor, self._anchor = self._anchor, None
            safe = not self._spoilt and self._names_are_ours()
            together = (anchor, connection) if safe else (connection, anchor)
            for each in together:
                if each is not None:
                    # Closed at once, each would find others still there, and leave the log behind.
                    with suppress(sqlite3.Error):
                        each.close()

    def _names_are_ours(self) -> bool:
        """Whether no other log or index is where ours were."""
        for at, suffix in enumerate(_SUFFIXES[1:], 1):
            with suppress(OSError):
                found = os.stat(f"{self._path}{suffix}")
                if self._numbers and (found.st_dev, found.st_ino) != self._numbers[at]:
                    return False
        return True

    def _look(self) -> Look:
        numbers: list[tuple[int, int]] = []
        found: list[os.stat_result] = []
        for suffix in _SUFFIXES:
            try:
                each = os.stat(f"{self._path}{suffix}" if suffix else self._name)
            except OSError:
                raise self._changed(suffix, "it is gone") from None
            found.append(each)
            numbers.append((each.st_dev, each.st_ino))
        file, log = found[0], found[1]
        return Look(tuple(numbers), (file.st_mtime_ns, file.st_size), log.st_size)

    def _changed(self, suffix: str, what: str) -> FilesChanged:
        name = os.path.basename(self._path)
        return FilesChanged(
            f"the file was removed or replaced underneath the store: {name}{suffix}: {what}"
        )
