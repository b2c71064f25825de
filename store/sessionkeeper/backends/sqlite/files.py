"""The three files of a store as they were opened, and whether their names still lead to them.

If somebody removes, moves or replaces one, the store has a file that no other process finds, or a
lock that no other process respects. So device and inode of each are checked after the lock is
taken, before a commit, and after it, before it is acknowledged.

Rule: if another log or index has the name, or the file was overwritten, the last connection to
close must not be able to write. Otherwise SQLite would copy a log into a file that it does not
belong to, and remove the files of another store. So one connection that cannot write is kept, the
anchor. It is closed first if all is well, and last if not. A log that was only removed is copied
into the file: this store alone has it.
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
    """Device and inode of the file, its log, and the log's index."""
    written: tuple[int, int]
    """When the file itself was last written, and its size."""
    log_bytes: int


class StoreFiles:
    """The files of a store, shared by its connections. From any thread."""

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        # As it was given: a symbolic link in it may be changed.
        self._name = name
        self._numbers: tuple[tuple[int, int], ...] | None = None
        self._before: tuple[int, int] | None = None
        self._open_connections = 0
        self._overwritten = ""
        """What was overwritten, the file or its log; empty while all is well."""
        self._anchor: sqlite3.Connection | None = None
        self.closing = Lock()
        """Held while a connection of the store is closed."""

    def expect(self) -> None:
        """Note which file will be opened, if it exists."""
        self._before = None
        with suppress(OSError):
            found = os.stat(self._name)
            self._before = found.st_dev, found.st_ino

    def remember(self) -> None:
        """Note which files were opened. Raises `FilesChanged`, `sqlite3.Error`."""
        anchor = connect(self._path, "ro", shared=True)
        try:
            anchor.execute("SELECT version FROM meta").fetchone()  # takes the file's lock
            found = self._look()
            if self._before is not None and found.numbers[0] != self._before:
                raise self._changed("", "another file has its name now")
        except BaseException:
            anchor.close()
            raise
        self._numbers, self._anchor = found.numbers, anchor

    def look(self) -> Look:
        """Check that the names lead to the opened files. Raises `FilesChanged`."""
        if self._overwritten:
            raise FilesChanged(self._overwritten)
        found = self._look()
        if self._numbers is not None and found.numbers != self._numbers:
            for suffix, now, then in zip(_SUFFIXES, found.numbers, self._numbers, strict=True):
                if now != then:
                    raise self._changed(suffix, "another file has its name now")
        return found

    def overwritten(self, suffix: str = "") -> FilesChanged:
        """Make the error for a file that another program wrote."""
        name = os.path.basename(self._path)
        how = "overwritten or cut" if not suffix else "cut"
        self._overwritten = f"the file was {how} underneath the store: {name}{suffix}"
        return FilesChanged(self._overwritten)

    def join(self) -> None:
        """Count an open connection."""
        self._open_connections += 1

    def part(self, connection: sqlite3.Connection) -> None:
        """Close a connection; the last one copies the log into the file if it belongs to it."""
        with self.closing:
            self._open_connections -= 1
            anchor = None
            if self._open_connections == 0:
                anchor, self._anchor = self._anchor, None
            safe = not self._overwritten and self._names_are_ours()
            together = (anchor, connection) if safe else (connection, anchor)
            for each in together:
                if each is not None:
                    # One after the other: if both closed at once, neither would copy the log.
                    with suppress(sqlite3.Error):
                        each.close()

    def _names_are_ours(self) -> bool:
        """Whether no other log or index has the name of this store's."""
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
