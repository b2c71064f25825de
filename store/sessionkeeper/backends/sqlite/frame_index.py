"""The index of the frames by session and number, in two levels, so that a batch writes few pages.

In one index, the entries of a batch go to as many pages as it has sessions. Each page is written
and synced: with 64 sessions, four times the bytes of the frames. So new entries go to a small
table, whose pages a batch shares. Many at once, in order, they are moved to the large table (O'Neil
et al., "The Log-Structured Merge-Tree", 1996). All entries of a session in the large table come
before its entries in the small one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, TypeAlias

from .many_rows import ManyRows
from .stream_index import StreamIndex

__all__ = ["LEVELS", "FrameIndex", "has_wrong_entries"]

FrameKey: TypeAlias = tuple[int, int, int]
"""A session's number, a frame's number in it, and the key of its row."""

LEVELS = ("frame_keys", "new_frame_keys")
"""The large table and the small one; a session's numbers are in that order."""
MERGE_AT = 2_048
"""Entries in the small table, about, when they are moved to the large one."""

_HERE = "session = :session AND seq BETWEEN :first AND :last"
# Compared with the frame's own row: a damaged entry must not show or remove another frame.
_ITS_FRAME = "frames.key = entry.key AND frames.session = entry.session AND frames.seq = entry.seq"
_ADD = ManyRows("new_frame_keys", "session, seq, key")
_READ = {
    level: f"SELECT %s FROM {level} AS entry CROSS JOIN frames ON {_ITS_FRAME}"  # noqa: S608 - our tables
    " WHERE entry.session = ? AND entry.seq BETWEEN ? AND ? %s ORDER BY entry.seq"
    for level in LEVELS
}
_SIZE = {level: _READ[level] % ("sum(length(message)), count(*)", "") for level in LEVELS}
_REMOVE = {
    level: (
        "DELETE FROM frames WHERE session = :session"  # noqa: S608 - our tables
        f" AND key IN (SELECT key FROM {level} WHERE {_HERE})",
        f"DELETE FROM {level} WHERE {_HERE}",  # noqa: S608 - our tables
    )
    for level in LEVELS
}
_REPLACE = {
    level: "UPDATE frames SET detail = ?, message = ? WHERE session = ? AND seq = ?"  # noqa: S608 - our tables
    f" AND key = (SELECT key FROM {level} WHERE session = ? AND seq = ?)"
    for level in LEVELS
}
_FIRST = {
    level: "SELECT count(*), max(seq) FROM"  # noqa: S608 - our tables
    f" (SELECT seq FROM {level} WHERE session = ? AND seq <= ? ORDER BY seq LIMIT ?)"
    for level in LEVELS
}
_MERGE = "INSERT INTO frame_keys SELECT session, seq, key FROM new_frame_keys ORDER BY session, seq"
_WRONG = {
    level: f"SELECT count(*) FROM {level} AS entry LEFT JOIN frames ON frames.key = entry.key"  # noqa: S608 - our tables
    " WHERE frames.session IS NOT entry.session OR frames.seq IS NOT entry.seq"
    for level in LEVELS
}


class FrameIndex:
    """Adds, finds and removes frames by session and number, within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute, self._executemany = connection.execute, connection.executemany
        self.streams = StreamIndex(connection)
        self.forget()

    def forget(self) -> None:
        """Count the small tables again: they were rolled back, or another process changed them."""
        self._new_count: int | None = None
        self.streams.forget()

    def add(self, keys: Sequence[FrameKey]) -> None:
        """Add entries of new frames; their numbers follow all other numbers of their sessions."""
        _ADD.insert(self._connection, keys)
        new_count = self._new_count
        if new_count is None:
            new_count = int(self._execute("SELECT count(*) FROM new_frame_keys").fetchone()[0])
        else:
            new_count += len(keys)
        if new_count >= MERGE_AT:
            self._execute(_MERGE)
            self._execute("DELETE FROM new_frame_keys")
            new_count = 0
        self._new_count = new_count

    def read(self, columns: str, session: int, first: int, last: int) -> list[Any]:
        """Return these columns of the frames from number `first` to `last`, in order."""
        found: list[Any] = []
        for level in LEVELS:
            found += self._execute(_READ[level] % (columns, ""), (session, first, last)).fetchall()
            if len(found) > last - first:
                break
        return found

    def search(
        self,
        columns: str,
        session: int,
        first: int,
        last: int,
        *,
        condition: tuple[str, Sequence[object]],
        limit: int,
    ) -> list[Any]:
        """Return the number and these columns of at most `limit` frames that fit, in order."""
        found: list[Any] = []
        sql, parameters = condition
        for level in LEVELS:
            select = _READ[level] % (f"entry.seq, {columns}", f"AND {sql}")
            bounds = (session, first, last)
            left = limit - len(found)
            found += self._execute(f"{select} LIMIT ?", (*bounds, *parameters, left)).fetchall()
            if len(found) >= limit:
                break
        return found

    def measure(self, session: int, first: int, last: int) -> tuple[int, int]:
        """Return the bytes of these frames' messages, and how many frames there are."""
        sizes = [self._execute(_SIZE[level], (session, first, last)).fetchone() for level in LEVELS]
        return sum(size or 0 for size, _ in sizes), sum(count for _, count in sizes)

    def replace(self, session: int, frames: Sequence[tuple[int, bytes | None, bytes]]) -> int:
        """Write another detail and message over frames; return how many were found."""
        changes = [(detail, message, session, seq, session, seq) for seq, detail, message in frames]
        return sum(self._executemany(_REPLACE[level], changes).rowcount for level in LEVELS)

    def remove(self, session: int, first: int, last: int) -> None:
        """Remove these frames and their entries."""
        self._remove_from_streams(session, first, last)
        for level in LEVELS:
            for statement in _REMOVE[level]:
                self._execute(statement, {"session": session, "first": first, "last": last})

    def remove_some(self, session: int, up_to: int, limit: int) -> int:
        """Remove the first `limit` frames up to a number; return how many were removed."""
        removed = 0
        for level in LEVELS:
            some = (session, up_to, limit - removed)
            count, last = self._execute(_FIRST[level], some).fetchone()
            if count:
                self._remove_from_streams(session, 0, last)
            for statement in _REMOVE[level] if count else ():
                self._execute(statement, {"session": session, "first": 0, "last": last})
            removed += count
        return removed

    def _remove_from_streams(self, session: int, first: int, last: int) -> None:
        # Nearly no session has streams, and then no frame is read.
        if self.streams.has_session(session):
            self.streams.remove(session, self.read("frames.seq, detail", session, first, last))


def has_wrong_entries(connection: sqlite3.Connection) -> bool:
    """Whether a frame has no entry, two entries or a wrong one. O(frames)."""
    counts = [connection.execute(_WRONG[level]).fetchone()[0] for level in LEVELS]
    entries, frames = (
        sum(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names)  # noqa: S608 - our tables
        for names in (LEVELS, ("frames",))
    )
    return any(counts) or entries != frames
