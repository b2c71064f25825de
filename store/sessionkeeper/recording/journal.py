"""The queue of lines between the threads of the pumps and the recorder on the loop.

The threads never wait for the recorder: a line that exceeds the bound is dropped and counted, and
a gap says in its place how many were. Every line has exactly one outcome, so the counts add up.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from ..values.errors import InvalidMessage, SessionError
from ..values.gap import Gap
from ..values.kinds import MessageKind
from ..values.states import Direction
from .budget import Budget
from .origin import DEFAULT_ORIGIN, Origin
from .outcomes import LineOutcome
from .pairing import PendingRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .recorder import Recorder

__all__ = ["Journal"]

# Memory of a queued line besides its bytes: it bounds a flood of empty objects, too.
_LINE_OVERHEAD = 128
_TURN = 64
"""Lines."""


_TOO_SLOW = "recording was too slow"
_NOTHING_MISSED = Gap(_TOO_SLOW, 0, lines=0)


class _Missed(NamedTuple):
    """Lines that were dropped."""

    gap: Gap
    origin: Origin
    """That of all of them, if they have one."""


class _Entry(NamedTuple):
    direction: Direction
    timestamp: datetime
    lines: list[bytes | Gap]
    origin: Origin
    missed: _Missed | None
    """What was dropped before these lines."""


_OUTCOMES: dict[MessageKind | None, LineOutcome] = {
    MessageKind.ODD: LineOutcome.ODD,
    MessageKind.GAP: LineOutcome.OVERSIZED,
}


def _cost(line: bytes | Gap) -> int:
    held = len(line.first) + len(line.last) if isinstance(line, Gap) else len(line)
    return held + _LINE_OVERHEAD


class Journal:
    """A queue bounded by a budget, and the task that records its lines in order, one at a time.

    `report` is called on the loop with each problem; an error of the recorder once per type.
    """

    def __init__(
        self, recorder: Recorder, *, budget: Budget, report: Callable[[str], None]
    ) -> None:
        self.outcomes: dict[Direction, Counter[LineOutcome]] = {
            side: Counter() for side in Direction
        }
        self.requests = PendingRequests()
        self._recorder = recorder
        self._budget = budget
        self._report = report
        self._reported: set[str] = set()
        self._lock = threading.Lock()
        self._entries: deque[_Entry] = deque()
        self._waiting: Counter[Direction] = Counter()
        self._missed: dict[Direction, _Missed] = {}
        self._gaps_of_missed = self._unread = self._dropped_aside = 0
        self._pending = 0
        self._handled = 0
        self._closed = False
        self._timers: list[asyncio.TimerHandle] = []
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._record_queued(), name="sessionkeeper-journal")

    def offer(
        self,
        direction: Direction,
        lines: Sequence[bytes | Gap],
        origin: Origin = DEFAULT_ORIGIN,
        timestamp: datetime | None = None,
    ) -> None:
        """Queue the lines that fit. They crossed at `timestamp`, or now.

        Callable from any thread; never waits.
        """
        timestamp = timestamp or datetime.now(UTC)
        dropped = False
        queued: list[_Entry] = []
        with self._lock:
            for line in lines:
                if self._closed or not self._budget.take(_cost(line)):
                    dropped = True
                    self._drop(direction, line, origin)
                    continue
                missed = self._missed.pop(direction, None)
                if missed is not None or not queued:
                    queued.append(_Entry(direction, timestamp, [], origin, missed))
                self._pending += _cost(line)
                self._waiting[direction] += 1
                queued[-1].lines.append(line)
            self._entries.extend(queued)
        if queued or dropped:
            self._loop.call_soon_threadsafe(self._arrived.set)
        if dropped:
            self.complain("recording is too slow: some messages are forwarded but not recorded")

    @property
    def gaps(self) -> int:
        """Number of gap frames: of lines that were too large, and of lines that were dropped."""
        sums = self.outcomes[Direction.CLIENT_TO_SERVER] + self.outcomes[Direction.SERVER_TO_CLIENT]
        return sums[LineOutcome.OVERSIZED] + self._gaps_of_missed

    def unanswered(self) -> int:
        """Return how many requests of the client certainly have no response."""
        # What could not be read may have been a response.
        dropped = self.outcomes[Direction.SERVER_TO_CLIENT][LineOutcome.DROPPED]
        unseen = self._unread + dropped - self._dropped_aside
        return max(0, self.requests.count(Direction.CLIENT_TO_SERVER) - unseen)

    def complain(self, trouble: str) -> None:
        """Report each problem once. Callable from any thread."""
        if trouble not in self._reported:
            self._reported.add(trouble)
            self._loop.call_soon_threadsafe(self._report, trouble)

    async def settle(self, patience: float) -> None:
        """Record the queue; drop the rest if nothing is recorded for `patience` seconds.

        Call it after the pumps have ended, and again if the call was cancelled.
        """
        self._closed = True
        self._arrived.set()
        while not self._task.done():
            handled = self._handled
            await asyncio.wait({self._task}, timeout=patience)
            if self._handled == handled:
                break
        self.abandon()

    def abandon_after(self, within: float) -> None:
        """Drop everything that is not recorded within this many seconds."""
        self._timers.append(self._loop.call_later(within, self.abandon))

    def abandon(self) -> None:
        """Stop recording now; the queued lines count as dropped. Idempotent."""
        self._closed = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._task.cancel()
        with self._lock:
            for direction, left in self._waiting.items():
                self.outcomes[direction][LineOutcome.DROPPED] += left
            self._waiting.clear()
            self._entries.clear()
            self._budget.give(self._pending)
            self._pending = 0

    async def _record_queued(self) -> None:
        while True:
            self._arrived.clear()
            while entry := self._next_entry():
                if entry.missed is not None:
                    await self._record_missed(entry, entry.missed)
                for number, line in enumerate(entry.lines):
                    if number % _TURN == 0:
                        await asyncio.sleep(0)  # a recorder that never awaits would block the loop
                    outcome = await self._record_line(entry, line)
                    self._handle(entry.direction, line, outcome)
            if self._closed:
                return
            await self._arrived.wait()

    def _next_entry(self) -> _Entry | None:
        with self._lock:
            if self._entries:
                return self._entries.popleft()
            if not self._missed:
                return None
            # Nothing came after these that could tell it.
            direction, missed = self._missed.popitem()
            return _Entry(direction, datetime.now(UTC), [], missed.origin, missed)

    def _handle(self, direction: Direction, line: bytes | Gap, outcome: LineOutcome) -> None:
        with self._lock:
            self._handled += 1
            self._waiting[direction] -= 1
            self._pending -= _cost(line)
            self._budget.give(_cost(line))
            self.outcomes[direction][outcome] += 1

    def _drop(self, direction: Direction, line: bytes | Gap, origin: Origin) -> None:
        self.outcomes[direction][LineOutcome.DROPPED] += 1
        self._dropped_aside += origin.media_type is not None
        size = line.size if isinstance(line, Gap) else len(line)
        before, its_origin = self._missed.get(direction, _Missed(_NOTHING_MISSED, origin))
        gap = Gap(_TOO_SLOW, before.size + size, lines=before.lines + 1)
        same = origin == its_origin
        self._missed[direction] = _Missed(gap, origin if same else DEFAULT_ORIGIN)

    async def _record_missed(self, entry: _Entry, missed: _Missed) -> None:
        outcome = await self._record(entry._replace(origin=missed.origin), missed.gap)
        self._gaps_of_missed += outcome is LineOutcome.OVERSIZED

    async def _record_line(self, entry: _Entry, line: bytes | Gap) -> LineOutcome:
        from .heads import count_possible_answers, read_heads  # not before the server has started

        from_server = entry.direction is Direction.SERVER_TO_CLIENT
        if entry.origin.media_type is not None:
            recorded = await self._record(entry, line)
            return LineOutcome.ASIDE if recorded is LineOutcome.RECORDED else recorded
        if (isinstance(line, Gap) or entry.origin.oddity is not None) and from_server:
            self._unread += 1
        elif isinstance(line, bytes) and entry.origin.is_message:
            heads = None
            with suppress(MemoryError):  # it takes several times its line
                heads = read_heads(line)
            self.requests.note(entry.direction, heads or ())
            if heads is None and from_server:
                self._unread += count_possible_answers(line, ended=entry.origin.ended)
            if heads is None:
                return await self._record(entry, line, refused=LineOutcome.NOT_JSON)
        return await self._record(entry, line)

    async def _record(
        self, entry: _Entry, line: bytes | Gap, *, refused: LineOutcome = LineOutcome.REFUSED
    ) -> LineOutcome:
        direction, timestamp, recorder = entry.direction, entry.timestamp, self._recorder
        try:
            if isinstance(line, Gap):
                await recorder.record_gap(direction, line, timestamp, origin=entry.origin)
                return LineOutcome.OVERSIZED
            kind = await recorder.record(direction, line, timestamp, origin=entry.origin)
        except InvalidMessage:
            return refused
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._complain(asyncio.CancelledError())  # raised by the recorder itself
            return LineOutcome.FAILED
        except Exception as error:
            self._complain(error)
            return LineOutcome.FAILED
        return _OUTCOMES.get(kind, LineOutcome.RECORDED)

    def _complain(self, error: BaseException) -> None:
        kind = type(error).__name__
        if kind in self._reported:
            return
        self._reported.add(kind)
        # The text of a foreign error may quote the message.
        own = isinstance(error, SessionError)
        self._report(f"recording failed: {kind}: {error}" if own else f"recording failed: {kind}")
