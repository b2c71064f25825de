"""Who comes first in each order of the sessions, for the batch under way."""

from __future__ import annotations

from sqlite3 import Connection

from ...values.clock import micros
from ...values.ids import encoded_id
from .errors import corruption_error

__all__ = ["BY_ACTIVITY", "BY_AGE", "BY_END", "FirstSessions"]

BY_ACTIVITY = (
    "SELECT active_at, id, number FROM logs CROSS JOIN sessions ON number = session"
    " WHERE over = 0 ORDER BY place LIMIT ?"
)
# Not by its place: an archive brings sessions that ended before others which are there.
BY_END = (
    "SELECT over_at, id, number FROM sessions WHERE ended_at IS NOT NULL ORDER BY over_at LIMIT ?"
)
BY_AGE = "SELECT born_at, id, number FROM sessions WHERE ended_at IS NULL ORDER BY number LIMIT ?"
_MORE = 16


class FirstSessions:
    """The numbers of those that share the first moment of an order, until another one moves.

    They stand in the order of their ids: that of their places is not the same on every backend.
    """

    def __init__(self, connection: Connection) -> None:
        self._execute = connection.execute
        self.forget()

    def forget(self) -> None:
        """Drop what was read."""
        self._tied: dict[str, list[int]] = {}

    def known(self, order: str) -> int | None:
        """Return the number of the first one, if that is known."""
        tied = self._tied.get(order)
        return tied[-1] if tied else None

    def read(self, order: str) -> int | None:
        """Look for the first one in the file, which holds all that changed.

        Raises `sqlite3.DatabaseError` for what is no moment, or no id.
        """
        limit = 2
        while True:
            found = self._execute(order, (limit,)).fetchall()
            try:
                tied = [each for each in found if micros(each[0]) == micros(found[0][0])]
                if len(tied) < limit:
                    tied.sort(key=lambda each: encoded_id(each[1]), reverse=True)
                    self._tied[order] = [number for *_, number in tied]
                    return self.known(order)
            except TypeError:
                raise corruption_error("a session") from None
            limit *= _MORE

    def moved(self, number: int) -> None:
        """Note that a row has another place, or none."""
        for order, tied in self._tied.items():
            if tied and tied[-1] == number:
                tied.pop()
            else:
                self._tied[order] = []
