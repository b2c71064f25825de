"""The index of the frames that name a stream, by session, stream and number.

It has two levels for the reason that `frame_index` tells. Frames without a stream have no entry.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from ...operations.frame_record import STREAM_HEADERS, stream_of
from ...values.errors import StoreUnavailable
from .errors import corruption_error

__all__ = ["STREAM_LEVELS", "StreamIndex", "has_wrong_streams", "read_stream_name"]

StreamKey: TypeAlias = tuple[int, str, int, int]
"""A session's number, a stream, a frame's number in the session, and the key of its row."""

STREAM_LEVELS = ("stream_keys", "new_stream_keys")
"""The large table and the small one; a session's numbers are in that order."""
MERGE_AT = 2_048
"""Entries in the small table, about, when they are moved to the large one."""

_GREATEST = 2**63 - 1
_COLUMNS = "session, stream, seq, key"
_HERE = "session = ? AND stream = ? AND seq BETWEEN ? AND ?"
_ADD = f"INSERT INTO new_stream_keys ({_COLUMNS}) VALUES (?, ?, ?, ?)"  # noqa: S608 - our columns
_MERGE = (
    f"INSERT INTO stream_keys SELECT {_COLUMNS} FROM new_stream_keys"  # noqa: S608 - our columns
    " ORDER BY session, stream, seq"
)
_HAS = " OR ".join(
    f"EXISTS (SELECT 1 FROM {level} WHERE session = :session)"  # noqa: S608 - our tables
    for level in STREAM_LEVELS
)
# A left join: an entry without its frame must be noticed.
_READ = {
    (level, newest): f"SELECT entry.seq, %s FROM {level} AS entry LEFT JOIN frames"  # noqa: S608 - our tables
    " ON frames.key = entry.key AND frames.session = entry.session AND frames.seq = entry.seq"
    " WHERE entry.session = ? AND entry.stream = ? AND entry.seq BETWEEN ? AND ?"
    f" ORDER BY entry.seq {'DESC' if newest else 'ASC'} LIMIT ?"
    for level in STREAM_LEVELS
    for newest in (False, True)
}
_COUNT = {level: f"SELECT count(*) FROM {level} WHERE {_HERE}" for level in STREAM_LEVELS}  # noqa: S608 - our tables
_REMOVE = {
    level: f"DELETE FROM {level} WHERE session = ? AND stream = ? AND seq = ?"  # noqa: S608 - our tables
    for level in STREAM_LEVELS
}
_ENTRIES = {
    level: "SELECT stream, frames.session IS entry.session AND frames.seq IS entry.seq, detail"  # noqa: S608 - our tables
    f" FROM {level} AS entry LEFT JOIN frames ON frames.key = entry.key"
    for level in STREAM_LEVELS
}
_NAMED = "SELECT count(*) FROM frames WHERE substr(detail, 1, 1) IN ({})".format(  # noqa: S608 - our bytes
    ", ".join(f"x'{header:02x}'" for header in STREAM_HEADERS)
)


class StreamIndex:
    """Adds, finds and removes frames by session, stream and number, within a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute, self._executemany = connection.execute, connection.executemany
        self.forget()

    def forget(self) -> None:
        """Count the small table again: it was rolled back, or another process changed it."""
        self._new_count: int | None = None

    def add(self, keys: Sequence[StreamKey]) -> None:
        """Add entries of new frames; their numbers follow all other numbers of their sessions."""
        self._executemany(_ADD, keys)
        new_count = self._new_count
        if new_count is None:
            new_count = int(self._execute("SELECT count(*) FROM new_stream_keys").fetchone()[0])
        else:
            new_count += len(keys)
        if new_count >= MERGE_AT:
            self._execute(_MERGE)
            self._execute("DELETE FROM new_stream_keys")
            new_count = 0
        self._new_count = new_count

    def has_session(self, session: int) -> bool:
        """Whether a session has entries."""
        return bool(self._execute(f"SELECT {_HAS}", {"session": session}).fetchone()[0])

    def read(
        self,
        columns: str,
        session: int,
        stream: str,
        first: int,
        last: int,
        *,
        limit: int | None,
        newest: bool,
    ) -> list[Any]:
        """Return at most `limit` rows from number `first` to `last`, in order.

        A row is the number and these columns of the frame, all None if it does not exist. With
        `newest` they are the last rows.
        """
        left = _GREATEST if limit is None else min(limit, _GREATEST)
        found: list[Any] = []
        for level in reversed(STREAM_LEVELS) if newest else STREAM_LEVELS:
            where = (session, stream, first, last, left)
            some = self._execute(_READ[level, newest] % columns, where).fetchall()
            found += some
            left -= len(some)
            if not left:
                break
        return found[::-1] if newest else found

    def count(self, session: int, stream: str, first: int, last: int) -> int:
        """Return how many entries a stream has from number `first` to `last`."""
        where = (session, stream, first, last)
        return sum(self._execute(_COUNT[level], where).fetchone()[0] for level in STREAM_LEVELS)

    def remove(self, session: int, details: Iterable[tuple[int, bytes | None]]) -> None:
        """Remove the entries of frames, given by number and detail."""
        named = [
            (session, stream, seq)
            for seq, detail in details
            if (stream := read_stream_name(detail)) is not None
        ]
        for level in STREAM_LEVELS if named else ():
            self._executemany(_REMOVE[level], named)


def read_stream_name(detail: bytes | None) -> str | None:
    """Return the stream of a frame's detail. Raises `sqlite3.DatabaseError` for a damaged one."""
    try:
        return stream_of(detail)
    except (StoreUnavailable, TypeError):
        raise corruption_error("a frame") from None


def has_wrong_streams(connection: sqlite3.Connection) -> bool:
    """Whether a frame with a stream has no entry, two entries or a wrong one. O(frames)."""
    entries = 0
    for level in STREAM_LEVELS:
        for stream, is_its_frame, detail in connection.execute(_ENTRIES[level]):
            entries += 1
            if not is_its_frame or read_stream_name(detail) != stream:
                return True
    return bool(connection.execute(_NAMED).fetchone()[0] != entries)
