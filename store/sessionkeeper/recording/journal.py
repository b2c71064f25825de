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
from .protocol import Captured, ManyRecorder, record_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from .protocol import Recorded, Recorder

__all__ = ["Journal"]

# Memory of a queued line besides its bytes: it bounds a flood of empty objects, too.
_LINE_OVERHEAD = 128
_LINES, _BYTES = 64, 1024 * 1024
"""Maximum number and bytes of the lines of one step. Its first line may be larger."""
_PAUSE = 0.002
"""Seconds that lines wait for others, to be recorded together with them."""


_TOO_SLOW = "recording was too slow"
_NOTHING_MISSED = Gap(_TOO_SLOW, 0, lines=0)


class _Missed(NamedTuple):
    """Lines that were dropped."""

    gap: Gap
    origin: Origin
    """That of all of them, if they have one."""


_OUTCOMES: dict[MessageKind | None, LineOutcome] = {
    MessageKind.ODD: LineOutcome.ODD,
    MessageKind.GAP: LineOutcome.OVERSIZED,
}


class _Queued(NamedTuple):
    line: Captured
    cost: int
    """Bytes of the budget; 0 for the gap of lines that were dropped."""


def _cost(line: bytes | Gap) -> int:
    held = len(line.first) + len(line.last) if isinstance(line, Gap) else len(line)
    return held + _LINE_OVERHEAD


def _tell(direction: Direction, missed: _Missed, timestamp: datetime) -> _Queued:
    return _Queued(Captured(direction, missed.gap, timestamp, missed.origin), 0)


def _outcome(captured: Captured, recorded: Recorded, refused: LineOutcome) -> LineOutcome:
    if isinstance(recorded, InvalidMessage):
        return refused
    if isinstance(recorded, BaseException):
        return LineOutcome.FAILED
    if recorded is None and captured.origin.media_type is not None:
        return LineOutcome.ASIDE
    return _OUTCOMES.get(recorded, LineOutcome.RECORDED)


class Journal:
    """A queue bounded by a budget, and the task that records its lines in order, some at a time.

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
        self._queue: deque[_Queued] = deque()
        self._waiting: Counter[Direction] = Counter()
        self._missed: dict[Direction, _Missed] = {}
        self._gaps_of_missed = self._unread = self._dropped_aside = 0
        self._pending = 0
        self._handled = 0
        self._closed = False
        self._is_awake = False
        """Whether the task will look at the queue again without being woken."""
        self._most = _LINES if isinstance(recorder, ManyRecorder) else 1
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
        with self._lock:
            for line in lines:
                cost = _cost(line)
                if self._closed or not self._budget.take(cost):
                    dropped = True
                    self._drop(direction, line, origin)
                    continue
                if self._missed and (missed := self._missed.pop(direction, None)) is not None:
                    self._queue.append(_tell(direction, missed, timestamp))
                self._queue.append(_Queued(Captured(direction, line, timestamp, origin), cost))
                self._pending += cost
                self._waiting[direction] += 1
            asleep = not self._is_awake and bool(self._queue or dropped)
            self._is_awake = self._is_awake or asleep
        if asleep:
            self._loop.call_soon_threadsafe(self._wake)
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
        """Record nothing more after this many seconds but what is being recorded then."""
        self._timers.append(self._loop.call_later(within, self._drop_queued))

    def abandon(self) -> None:
        """Stop recording now; the queued lines count as dropped. Idempotent.

        So do those that are being recorded, although they may be in the record.
        """
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._task.cancel()
        self._drop_queued()
        with self._lock:
            for direction, left in self._waiting.items():
                self.outcomes[direction][LineOutcome.DROPPED] += left
            self._waiting.clear()
            self._budget.give(self._pending)
            self._pending = 0

    def _drop_queued(self) -> None:
        with self._lock:
            self._closed = True
            for line, cost in self._queue:
                if cost:
                    self._leave(line.direction, cost, LineOutcome.DROPPED)
                    self._dropped_aside += line.origin.media_type is not None
            self._queue.clear()

    def _leave(self, direction: Direction, cost: int, outcome: LineOutcome) -> None:
        self._waiting[direction] -= 1
        self._pending -= cost
        self._budget.give(cost)
        self.outcomes[direction][outcome] += 1

    def _wake(self) -> None:
        """Let the lines be recorded soon, with those that come until then."""
        self._loop.call_later(_PAUSE, self._arrived.set)

    async def _record_queued(self) -> None:
        while True:
            self._arrived.clear()
            while batch := self._next_batch():
                await asyncio.sleep(0)  # a recorder that never awaits would block the loop
                await self._record(batch)
            if self._closed:
                return
            await self._arrived.wait()

    def _next_batch(self) -> list[_Queued]:
        """Take the lines to be recorded in the next step; none: the task has to be woken again."""
        with self._lock:
            batch: list[_Queued] = []
            size = 0
            while self._queue and len(batch) < self._most:
                size += self._queue[0].cost
                if batch and size > _BYTES:
                    break
                batch.append(self._queue.popleft())
            if not batch:
                # Nothing came after these that could tell them.
                now = datetime.now(UTC)
                batch = [_tell(side, missed, now) for side, missed in self._missed.items()]
                self._missed.clear()
            self._is_awake = bool(batch)
            return batch

    async def _record(self, batch: Sequence[_Queued]) -> None:
        from . import heads  # not before the server has started

        refused = [self._read(line, heads) if cost else LineOutcome.REFUSED for line, cost in batch]
        left = iter(zip(batch, refused, strict=True))

        def tell(recorded: Sequence[Recorded]) -> None:
            if self._task.cancelling():
                return  # they count as dropped
            with self._lock:
                # It is looked at last: `zip` takes one more of what it looks at first.
                for each, ((line, cost), wrong) in zip(recorded, left, strict=False):
                    outcome = _outcome(line, each, wrong)
                    if cost:
                        self._handled += 1
                        self._leave(line.direction, cost, outcome)
                    else:
                        self._gaps_of_missed += outcome is LineOutcome.OVERSIZED
            for each in recorded:  # without the lock, for which the pumps would wait
                if isinstance(each, BaseException) and not isinstance(each, InvalidMessage):
                    self._complain(each)

        await record_all(self._recorder, [queued.line for queued in batch], tell)

    def _read(self, captured: Captured, reader: ModuleType) -> LineOutcome:
        """Match a line with others; return what becomes of it if it is refused."""
        direction, line, _, origin = captured
        from_server = direction is Direction.SERVER_TO_CLIENT
        if origin.media_type is not None:
            return LineOutcome.REFUSED
        if isinstance(line, Gap) or origin.oddity is not None:
            self._unread += from_server
            return LineOutcome.REFUSED
        heads = None
        with suppress(MemoryError):  # it takes several times its line
            heads = reader.read_heads(line)
        self.requests.note(direction, heads or ())
        if heads is not None:
            return LineOutcome.REFUSED
        if from_server:
            self._unread += reader.count_possible_answers(line, ended=origin.ended)
        return LineOutcome.NOT_JSON

    def _drop(self, direction: Direction, line: bytes | Gap, origin: Origin) -> None:
        self.outcomes[direction][LineOutcome.DROPPED] += 1
        self._dropped_aside += origin.media_type is not None
        size = line.size if isinstance(line, Gap) else len(line)
        before, its_origin = self._missed.get(direction, _Missed(_NOTHING_MISSED, origin))
        gap = Gap(_TOO_SLOW, before.size + size, lines=before.lines + 1)
        same = origin == its_origin
        self._missed[direction] = _Missed(gap, origin if same else DEFAULT_ORIGIN)

    def _complain(self, error: BaseException) -> None:
        kind = type(error).__name__
        if kind in self._reported:
            return
        self._reported.add(kind)
        # The text of a foreign error may quote the message.
        own = isinstance(error, SessionError)
        self._report(f"recording failed: {kind}: {error}" if own else f"recording failed: {kind}")
