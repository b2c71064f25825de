"""Where each frame of a session is: an index in two levels, which costs a batch few pages.

In one index by session and number, the frames of a batch go to as many places as there are sessions
in it, and every place is a page to be written and synced: with 64 sessions, four times the bytes of
the frames. So what is new is listed in a small table, whose pages a batch shares, and brought into
the large one in order, many at once (O'Neil et al., "The Log-Structured Merge-Tree", 1996). Of one
session, all that the large one lists comes before what the small one lists.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, TypeAlias

__all__ = ["LEVELS", "FrameIndex", "has_wrong_entries"]

Place: TypeAlias = tuple[int, int, int]
"""A session's number, a frame's number in it, and the key of its row."""

LEVELS = ("places", "new_places")
"""The large table and the small one, in the order of numbers."""
MERGE_AT = 2_048
"""Places in the small table, about, before they are brought into the large one."""

_HERE = "session = ?1 AND seq BETWEEN ?2 AND ?3"
# Whose frame it is, its row says too: a damaged place must not show or remove another session's.
_ITS_FRAME = "frames.key = place.key AND frames.session = place.session AND frames.seq = place.seq"
_NOTE = "INSERT INTO new_places (session, seq, key) VALUES (?, ?, ?)"
_READ = {
    level: f"SELECT %s FROM {level} AS place CROSS JOIN frames ON {_ITS_FRAME}"  # noqa: S608 - our tables
    " WHERE place.session = ? AND place.seq BETWEEN ? AND ? ORDER BY place.seq"
    for level in LEVELS
}
_SIZE = {level: _READ[level] % "sum(length(message)), count(*)" for level in LEVELS}
_REMOVE = {
    level: (
        f"DELETE FROM frames WHERE session = ?1 AND key IN (SELECT key FROM {level} WHERE {_HERE})",  # noqa: S608 - our tables
        f"DELETE FROM {level} WHERE {_HERE}",  # noqa: S608 - our tables
    )
    for level in LEVELS
}
_FIRST = {
    level: "SELECT count(*), max(seq) FROM"  # noqa: S608 - our tables
    f" (SELECT seq FROM {level} WHERE session = ? AND seq <= ? ORDER BY seq LIMIT ?)"
    for level in LEVELS
}
_BRING = "INSERT INTO places SELECT session, seq, key FROM new_places ORDER BY session, seq"
_WRONG = {
    level: f"SELECT count(*) FROM {level} AS place LEFT JOIN frames ON frames.key = place.key"  # noqa: S608 - our tables
    " WHERE frames.session IS NOT place.session OR frames.seq IS NOT place.seq"
    for level in LEVELS
}


class FrameIndex:
    """Lists frames, finds and removes them, by session and number; within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute, self._executemany = connection.execute, connection.executemany
        self.forget()

    def forget(self) -> None:
        """Count anew what the small table lists: it was rolled back, or is another process's."""
        self._new_places: int | None = None

    def note(self, places: Sequence[Place]) -> None:
        """List new frames; they follow all that are listed of their sessions."""
        self._executemany(_NOTE, places)
        new_places = self._new_places
        if new_places is None:
            new_places = int(self._execute("SELECT count(*) FROM new_places").fetchone()[0])
        else:
            new_places += len(places)
        if new_places >= MERGE_AT:
            self._execute(_BRING)
            self._execute("DELETE FROM new_places")
            new_places = 0
        self._new_places = new_places

    def read(self, columns: str, session: int, first: int, last: int) -> list[Any]:
        """Return these columns of the frames from number `first` to `last`, in order."""
        found: list[Any] = []
        for level in LEVELS:
            found += self._execute(_READ[level] % columns, (session, first, last)).fetchall()
            if len(found) > last - first:
                break
        return found

    def measure(self, session: int, first: int, last: int) -> tuple[int, int]:
        """Return the bytes of these frames' messages, and how many frames there are."""
        sizes = [self._execute(_SIZE[level], (session, first, last)).fetchone() for level in LEVELS]
        return sum(size or 0 for size, _ in sizes), sum(count for _, count in sizes)

    def remove(self, session: int, first: int, last: int) -> None:
        """Remove these frames and their places."""
        for level in LEVELS:
            for statement in _REMOVE[level]:
                self._execute(statement, (session, first, last))

    def remove_some(self, session: int, up_to: int, limit: int) -> int:
        """Remove the first `limit` of the frames up to a number; return how many went."""
        removed = 0
        for level in LEVELS:
            some = (session, up_to, limit - removed)
            count, last = self._execute(_FIRST[level], some).fetchone()
            for statement in _REMOVE[level] if count else ():
                self._execute(statement, (session, 0, last))
            removed += count
        return removed


def has_wrong_entries(connection: sqlite3.Connection) -> bool:
    """Whether a frame is not listed, or listed twice or as another one. O(frames)."""
    counts = [connection.execute(_WRONG[level]).fetchone()[0] for level in LEVELS]
    listed, there = (
        sum(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names)  # noqa: S608 - our tables
        for names in (LEVELS, ("frames",))
    )
    return any(counts) or listed != there
