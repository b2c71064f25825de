"""The frames of one session in memory: appended at the end, dropped at the front."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from ..operations.frame_record import FrameRecord, stream_of

__all__ = ["FrameLog"]

_COMPACT_AT = 64


class FrameLog(list[FrameRecord | None]):
    """A list whose front can be dropped in constant time a record; `extend` appends.

    Dropped records leave holes, which are closed when they are the greater part; a deque would
    not need that, but reading near its middle takes longer. This is a list and does not contain
    one: with a million sessions each object less saves a cache miss per frame.
    """

    __slots__ = ("_dropped", "_streams")

    def __init__(self) -> None:
        super().__init__()
        self._dropped = 0
        # Made for the first record with a stream: most logs have none.
        self._streams: dict[str, _StreamNumbers] | None = None

    def index_streams(self, records: Sequence[FrameRecord], first: int) -> None:
        """Note the streams of the last records, numbered from `first` on; O(records)."""
        streams = self._streams
        if streams is None:
            streams = self._streams = {}
        for number, record in enumerate(records, first):
            if (stream := stream_of(record.detail)) is not None:
                streams.setdefault(stream, _StreamNumbers()).append(number)

    def read(self, start: int, count: int) -> Sequence[FrameRecord]:
        """Return `count` records from the `start`-th that is left; O(count)."""
        first = self._dropped + start
        # Nothing before `_dropped` is read.
        return self[first : first + count]  # type: ignore[return-value]  # no hole there

    def numbers_of(
        self, stream: str, first: int, last: int, limit: int | None, *, newest: bool
    ) -> Sequence[int]:
        """Return at most `limit` numbers of a stream from `first` to `last`, in order.

        With `newest` the last ones. O(log(records) + limit).
        """
        numbers = (self._streams or {}).get(stream)
        return () if numbers is None else numbers.find(first, last, limit, newest=newest)

    def count_of(self, stream: str) -> int:
        """Return how many records of a stream are left; O(1)."""
        numbers = (self._streams or {}).get(stream)
        return 0 if numbers is None else numbers.left

    def replace(self, index: int, record: FrameRecord) -> None:
        """Put a record in the place of the `index`-th that is left; O(1)."""
        self[self._dropped + index] = record

    def drop(self, count: int) -> int:
        """Drop the first `count` records; return their bytes. O(count), spread over calls."""
        size = 0
        for index in range(self._dropped, self._dropped + count):
            record = self[index]
            if record is not None:
                size += len(record.message)
                if self._streams is not None:
                    self._drop_number(self._streams, stream_of(record.detail))
            self[index] = None
        self._dropped += count
        if self._dropped > _COMPACT_AT and self._dropped * 2 > len(self):
            del self[: self._dropped]
            self._dropped = 0
        return size

    def _drop_number(self, streams: dict[str, _StreamNumbers], stream: str | None) -> None:
        if stream is not None:
            streams[stream].drop_first()
            if not streams[stream].left:
                del streams[stream]


class _StreamNumbers(list[int]):
    """The numbers of the records of one stream, in order; dropped at the front as a log is."""

    __slots__ = ("_dropped",)

    def __init__(self) -> None:
        super().__init__()
        self._dropped = 0

    @property
    def left(self) -> int:
        """How many there are."""
        return len(self) - self._dropped

    def find(self, first: int, last: int, limit: int | None, *, newest: bool) -> Sequence[int]:
        """Return at most `limit` numbers from `first` to `last`; with `newest` the last ones."""
        start = bisect_left(self, first, self._dropped)
        end = bisect_right(self, last, start)
        if limit is not None and limit < end - start:
            start, end = (end - limit, end) if newest else (start, start + limit)
        return self[start:end]

    def drop_first(self) -> None:
        """Drop the first number; O(1), spread over calls."""
        self._dropped += 1
        if self._dropped > _COMPACT_AT and self._dropped * 2 > len(self):
            del self[: self._dropped]
            self._dropped = 0
