"""The rows of the current batch, and of the batches before it as long as nobody else wrote.

Rule: a row outlives its batch only by `keep`, which follows a commit, and is used again only if
`begin` gets the same witness. Whatever fails in between leaves nothing.
"""

from __future__ import annotations

from .codec import SQLiteRow

__all__ = ["RowCache"]

MAX_ROWS = 1_024
"""Rows, with those that do not exist, that are kept from batch to batch."""
MAX_BYTES = 1024 * 1024
"""Bytes of their fields in the file, about."""


class RowCache:
    """Rows by id and by number, within a transaction.

    A witness is a value that every commit of anybody else changes. It is read in the transaction,
    after the lock or the snapshot was taken.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop all rows: their changes were rolled back, or nobody knows."""
        self.by_id: dict[str, SQLiteRow | None] = {}
        """None: there is no session of this id."""
        self.by_number: dict[int, SQLiteRow] = {}
        self._bytes = 0
        self._witness: object = None

    def begin(self, witness: object) -> None:
        """Begin a batch: drop the rows unless they were kept with this witness."""
        if witness != self._witness:
            self.forget()
        self._witness = None  # until the commit

    def keep(self, witness: object) -> None:
        """Keep the rows after a commit, or after reading, unless they are too many or too large."""
        if len(self.by_id) > MAX_ROWS or self._bytes > MAX_BYTES:
            self.forget()
        self._witness = witness

    def add(self, row: SQLiteRow) -> SQLiteRow:
        """Take a row of the file; return the row of this batch, which may be newer."""
        found = self.by_number.get(row.number)
        if found is None:
            found = self.by_number[row.number] = row
            self.weigh(row.stored_bytes)
        self.by_id[row.id] = found
        return found

    def weigh(self, size: int) -> None:
        """Count the bytes of fields that were read or written."""
        self._bytes += size

    def remove(self, row: SQLiteRow) -> None:
        """Note that the session exists no more."""
        self.by_number.pop(row.number, None)
        self.by_id[row.id] = None
