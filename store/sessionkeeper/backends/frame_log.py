"""The frames of one session in memory: appended at the end, dropped at the front."""

from __future__ import annotations

from collections.abc import Sequence

from ..operations.frame_record import FrameRecord

__all__ = ["FrameLog"]

_COMPACT_AT = 64


class FrameLog(list[FrameRecord | None]):
    """A list whose front can be dropped in constant time a record; `extend` appends.

    Dropped records leave holes, which are closed when they are the greater part; a deque would
    not need that, but reading near its middle takes longer. This is a list and does not contain
    one: with a million sessions each object less saves a cache miss per frame.
    """

    __slots__ = ("_dropped",)

    def __init__(self) -> None:
        super().__init__()
        self._dropped = 0

    def read(self, start: int, count: int) -> Sequence[FrameRecord]:
        """Return `count` records from the `start`-th that is left; O(count)."""
        first = self._dropped + start
        # Nothing before `_dropped` is read.
        return self[first : first + count]  # type: ignore[return-value]  # no hole there

    def drop(self, count: int) -> int:
        """Drop the first `count` records; return their bytes. O(count), spread over calls."""
        size = 0
        for index in range(self._dropped, self._dropped + count):
            record = self[index]
            size += len(record.message) if record is not None else 0
            self[index] = None
        self._dropped += count
        if self._dropped > _COMPACT_AT and self._dropped * 2 > len(self):
            del self[: self._dropped]
            self._dropped = 0
        return size
