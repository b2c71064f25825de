"""Walks through the entries of a namespace by id, from the highest, and reads no more than it must.

The log has the entries in the order in which they were stored. That is nearly always the order of
the ids, but two processes have two clocks, and an id can be stored again. An entry says what its
writer knew (`HighestId`), so a walk backwards through the log knows a bound for all that it has not
read yet, and yields an id as soon as it is above that bound.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from heapq import heappop, heappush
from typing import NamedTuple

from sessionkeeper import Frame

from .calls import StoreCalls
from .reading import Moment
from .records import EntryRecord, HighestId, unpack

__all__ = ["FIRST_PAGE", "Descending", "Entry", "newest_first"]

FIRST_PAGE, _LARGEST_PAGE = 4, 1000


class Entry(NamedTuple):
    """An entry of a namespace and its number in the log."""

    seq: int
    record: EntryRecord


class Descending(str):
    """An id that sorts before the ids below it."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


async def newest_first(
    calls: StoreCalls,
    moment: Moment,
    stream: str,
    known: HighestId | None = None,
    first: list[Frame] | None = None,
) -> AsyncGenerator[Entry]:
    """Yield the entries that a stream had at a moment, the highest id first.

    An id that was stored again comes once. `known` is a fact of this log; `first` are the newest
    `FIRST_PAGE` frames, if they were read. Raises `SessionNotFound` if the session is gone.
    """
    bounds = _Bounds(moment.last_seq + 1, [] if known is None else [known])
    waiting: list[tuple[Descending, int, EntryRecord]] = []
    last: str | None = None
    size = FIRST_PAGE
    while True:
        while waiting and bounds.hold_below(waiting[0][0]):
            checkpoint_id, seq, entry = heappop(waiting)
            if checkpoint_id != last:
                last = checkpoint_id
                yield Entry(-seq, entry)
        if bounds.are_complete:
            return
        frames, first = first, None
        if frames is None:
            frames = await calls.read_frames(
                moment.session_id,
                before=bounds.unread,
                limit=size,
                reverse=True,
                stream=stream,
                incarnation=moment.incarnation,
            )
        facts: list[HighestId] = []
        for frame in frames:
            record = unpack(frame)
            if isinstance(record, EntryRecord):
                # Of entries with one id the newest comes first.
                heappush(waiting, (Descending(record.checkpoint_id), -frame.seq, record))
                if record.known is not None and record.known.incarnation == moment.incarnation:
                    facts.append(record.known)
        bounds.advance(frames[-1].seq if len(frames) == size else 1, facts)
        size = min(size * 4, _LARGEST_PAGE)


class _Bounds:
    """What is known of the entries with a number less than `unread`, which were not read yet."""

    def __init__(self, unread: int, facts: list[HighestId]) -> None:
        self._strongest: HighestId | None = None
        """Of the facts about all that is unread, the one with the lowest id."""
        self._later: list[HighestId] = []
        """Facts about a part of it: about all of it, once more was read."""
        self.advance(unread, facts)

    def advance(self, unread: int, facts: list[HighestId]) -> None:
        self.unread = unread
        self._later += facts
        holding = [fact for fact in self._later if fact.up_to >= unread - 1]
        self._later = [fact for fact in self._later if fact.up_to < unread - 1]
        if self._strongest is not None:
            holding.append(self._strongest)
        self._strongest = min(holding, key=lambda fact: fact.highest or "", default=None)

    @property
    def are_complete(self) -> bool:
        """Whether nothing is left to read."""
        no_more = self._strongest is not None and self._strongest.highest is None
        return self.unread <= 1 or no_more

    def hold_below(self, checkpoint_id: str) -> bool:
        """Tell whether no unread entry has a higher id than this."""
        if self.are_complete:
            return True
        highest = None if self._strongest is None else self._strongest.highest
        return highest is not None and str.__ge__(checkpoint_id, highest)
