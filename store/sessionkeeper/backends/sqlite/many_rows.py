"""Inserts many rows with few statements: SQLite begins and ends each statement at a cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from sqlite3 import Connection
from typing import Any

__all__ = ["ManyRows"]

ROWS = 32
"""Rows of a statement: SQLite before 3.32 takes 999 parameters, and no row here has 31."""


class ManyRows:
    """A statement that inserts rows: `ROWS` at a time, and those that are left one by one."""

    def __init__(self, table: str, columns: str, *, conflict: str = "") -> None:
        row = f"({', '.join('?' * (columns.count(',') + 1))})"
        self._one, self._many = (
            f"INSERT INTO {table} ({columns}) VALUES {', '.join([row] * rows)}{conflict}"  # noqa: S608 - our names
            for rows in (1, ROWS)
        )

    def insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert the rows in their order. Raises `sqlite3.Error`."""
        whole = len(rows) - len(rows) % ROWS
        for start in range(0, whole, ROWS):
            some = rows[start : start + ROWS]
            connection.execute(self._many, tuple(chain.from_iterable(some)))
        if whole < len(rows):
            connection.executemany(self._one, rows[whole:])
