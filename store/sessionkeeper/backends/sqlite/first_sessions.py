"""The first session in each order of the sessions, for the current batch."""

from __future__ import annotations

from sqlite3 import Connection

from ...values.clock import micros
from ...values.ids import encoded_id
from .errors import corruption_error

__all__ = ["BY_ACTIVITY", "BY_AGE", "BY_END", "BY_EXPIRY", "FirstSessions"]

BY_ACTIVITY = (
    "SELECT steady_active_at, id, number FROM logs CROSS JOIN sessions ON number = session"
    " WHERE ended = 0 ORDER BY position LIMIT ?"
)
# Not by position: an archive brings sessions that ended before others which are there.
BY_END = (
    "SELECT steady_ended_at, id, number FROM sessions WHERE ended_at IS NOT NULL"
    " ORDER BY steady_ended_at LIMIT ?"
)
BY_AGE = (
    "SELECT steady_created_at, id, number FROM sessions WHERE ended_at IS NULL"
    " ORDER BY number LIMIT ?"
)
BY_EXPIRY = (
    "SELECT expires_at, id, number FROM sessions"
    " WHERE expires_at IS NOT NULL AND ended_at IS NULL ORDER BY expires_at LIMIT ?"
)
_MORE = 16


class FirstSessions:
    """The numbers of the sessions that share the first time in an order, until another one moves.

    They are sorted by id, as on every backend.
    """

    def __init__(self, connection: Connection) -> None:
        self._execute = connection.execute
        self.forget()

    def forget(self) -> None:
        """Drop what was read."""
        self._tied: dict[str, list[int]] = {}

    def cached(self, order: str) -> int | None:
        """Return the number of the first session, if it was read."""
        tied = self._tied.get(order)
        return tied[-1] if tied else None

    def read(self, order: str) -> int | None:
        """Find the first session in the file, which holds every change.

        Raises `sqlite3.DatabaseError` for a damaged time or id.
        """
        limit = 2
        while True:
            found = self._execute(order, (limit,)).fetchall()
            try:
                tied = [each for each in found if micros(each[0]) == micros(found[0][0])]
                if len(tied) < limit:
                    tied.sort(key=lambda each: encoded_id(each[1]), reverse=True)
                    self._tied[order] = [number for *_, number in tied]
                    return self.cached(order)
            except TypeError:
                raise corruption_error("a session") from None
            limit *= _MORE

    def drop(self, number: int) -> None:
        """Note that a row moved or was removed."""
        for order, tied in self._tied.items():
            if tied and tied[-1] == number:
                tied.pop()
            else:
                self._tied[order] = []
