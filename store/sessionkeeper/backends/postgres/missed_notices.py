"""Compares the notices that arrived with the rows of the writers, to find those that did not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from .notices import Notice

__all__ = ["MissedNotices", "WriterRow"]

WriterRow: TypeAlias = tuple[int, int, int]
"""A row of `writers`: the id, the number of its last batch, and of the last that changed what
watchers see. A writer announces it whether or not somebody listens."""

_MAX_WRITERS = 10_000


class MissedNotices:
    """What is known of the notices of each writer.

    A notice may arrive a little later than its batch can be read. So it counts as missed if its
    number was read once, and has not arrived when the rows are read again.
    """

    __slots__ = ("_arrived", "_former", "_own", "_read")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all: the next comparison is the first."""
        self._arrived: dict[int, int] = {}
        """By writer: the batch of the last notice. The last, not the highest: a forged number is
        replaced by the next true one."""
        self._read: dict[int, int] | None = None
        """By writer: the number that its row had last; None if none was read."""
        self._own: int | None = None
        self._former: frozenset[int] = frozenset()
        """Ids under which this store wrote before. It gave up waiting for their last batches."""

    def arrived(self, notice: Notice) -> None:
        """Remember a notice."""
        if notice.writer_id in self._arrived or len(self._arrived) < _MAX_WRITERS:
            self._arrived[notice.writer_id] = notice.batch

    def compare(self, rows: Sequence[WriterRow], own: int, *, notices: bool) -> bool:
        """Return whether watchers may have missed a batch of another writer.

        Without `notices` there are none to wait for: each batch counts at once.
        True for the first comparison, and when the store has begun to write under another id.
        """
        read, arrived, current = self._read, self._arrived, dict[int, int]()
        missed = read is None or own != self._own
        if self._own is not None and own != self._own:
            self._former |= {self._own}
        for writer, batch, number in rows:
            if writer == own:
                continue
            before = None if read is None else read.get(writer)
            if not notices or writer in self._former:
                current[writer] = batch
                missed = missed or batch > (before or 0)
                continue
            current[writer] = number
            if read is None:
                arrived[writer] = max(number, arrived.get(writer, 0))
            elif before is not None and before > arrived.get(writer, 0):
                arrived[writer] = before
                missed = True
        self._own, self._read = own, current
        self._former &= current.keys()
        self._arrived = {writer: arrived[writer] for writer in current if writer in arrived}
        return missed
