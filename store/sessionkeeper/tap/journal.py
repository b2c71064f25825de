"""The queue of lines between the threads of the pumps and the recorder on the loop.

The threads never wait for the recorder: a line that exceeds the bound is dropped and counted.
Every line has exactly one outcome, so the counts add up.
"""

from __future__ import annotations

import asyncio
import enum
import threading
from collections import Counter, deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from ..values.errors import InvalidMessage, SessionError
from ..values.states import Direction
from .lines import LineSplitter
from .pairing import PendingRequests, read_heads

if TYPE_CHECKING:
    from collections.abc import Callable

    from .recorder import Recorder

__all__ = ["LineOutcome", "LineCapture", "Journal"]

# Memory of a queued line besides its bytes: it bounds a flood of empty objects, too.
_LINE_OVERHEAD = 128
_TURN = 64
"""Lines."""


class LineOutcome(enum.StrEnum):
    """What happened to a line."""

    RECORDED = "recorded"
    NOT_JSON = "not JSON"
    REFUSED = "refused"
    OVERSIZED = "oversized"
    DROPPED = "dropped"
    FAILED = "failed"


class _Entry(NamedTuple):
    direction: Direction
    timestamp: datetime
    lines: list[bytes]


class Journal:
    """A queue bounded by bytes, and the task that records its lines in order, one at a time.

    `report` is called on the loop with each problem; an error of the recorder once per type.
    """

    def __init__(
        self, recorder: Recorder, *, max_pending: int, report: Callable[[str], None]
    ) -> None:
        self.outcomes: dict[Direction, Counter[LineOutcome]] = {
            side: Counter() for side in Direction
        }
        self.requests = PendingRequests()
        self._recorder = recorder
        self._max_pending = max_pending
        self._report = report
        self._reported: set[str] = set()
        self._lock = threading.Lock()
        self._entries: deque[_Entry] = deque()
        self._waiting: Counter[Direction] = Counter()
        self._pending = 0
        self._handled = 0
        self._closed = False
        self._timers: list[asyncio.TimerHandle] = []
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._record_queued(), name="sessionkeeper-tap-journal")

    def offer(
        self, direction: Direction, lines: list[bytes], *, blank: int = 0, oversized: int = 0
    ) -> None:
        """Queue the lines that fit. Callable from any thread; never waits."""
        timestamp = datetime.now(UTC)
        kept: list[bytes] = []
        with self._lock:
            outcomes = self.outcomes[direction]
            outcomes[LineOutcome.NOT_JSON] += blank
            outcomes[LineOutcome.OVERSIZED] += oversized
            for line in lines:
                cost = len(line) + _LINE_OVERHEAD
                if self._closed or self._pending + cost > self._max_pending:
                    outcomes[LineOutcome.DROPPED] += 1
                else:
                    self._pending += cost
                    kept.append(line)
            if kept:
                self._waiting[direction] += len(kept)
                self._entries.append(_Entry(direction, timestamp, kept))
        if kept:
            self._loop.call_soon_threadsafe(self._arrived.set)
        if len(kept) < len(lines):
            self.complain("recording is too slow: some messages are forwarded but not recorded")

    def unanswered(self) -> int:
        """Return how many requests of the client certainly have no response."""
        # A line of the server that was not parsed may have been a response.
        outcomes = self.outcomes[Direction.SERVER_TO_CLIENT]
        unseen = outcomes[LineOutcome.OVERSIZED] + outcomes[LineOutcome.DROPPED]
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

    async def _record_queued(self) -> None:
        while True:
            self._arrived.clear()
            while entry := self._next_entry():
                for number, line in enumerate(entry.lines):
                    if number % _TURN == 0:
                        await asyncio.sleep(0)  # a recorder that never awaits would block the loop
                    outcome = await self._record(entry, line)
                    self._handle(entry.direction, line, outcome)
            if self._closed:
                return
            await self._arrived.wait()

    def _next_entry(self) -> _Entry | None:
        with self._lock:
            return self._entries.popleft() if self._entries else None

    def _handle(self, direction: Direction, line: bytes, outcome: LineOutcome) -> None:
        with self._lock:
            self._handled += 1
            self._waiting[direction] -= 1
            self._pending -= len(line) + _LINE_OVERHEAD
            self.outcomes[direction][outcome] += 1

    async def _record(self, entry: _Entry, line: bytes) -> LineOutcome:
        try:
            heads = read_heads(line)
            if heads is None:
                return LineOutcome.NOT_JSON
            self.requests.note(entry.direction, heads)
            await self._recorder.record(entry.direction, line, entry.timestamp)
        except InvalidMessage:
            return LineOutcome.REFUSED
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._complain_of(asyncio.CancelledError())  # raised by the recorder itself
            return LineOutcome.FAILED
        except Exception as error:
            self._complain_of(error)
            return LineOutcome.FAILED
        return LineOutcome.RECORDED

    def _complain_of(self, error: BaseException) -> None:
        kind = type(error).__name__
        if kind in self._reported:
            return
        self._reported.add(kind)
        # The text of a foreign error may quote the message.
        own = isinstance(error, SessionError)
        self._report(f"recording failed: {kind}: {error}" if own else f"recording failed: {kind}")


class LineCapture:
    """Feeds one direction into the journal. Its pump calls it on the pump's thread."""

    def __init__(self, direction: Direction, journal: Journal, *, max_line: int) -> None:
        self._direction = direction
        self._journal = journal
        self._splitter = LineSplitter(max_line)

    def feed(self, chunk: bytes, /) -> None:
        """Queue the lines that end in this chunk. Never raises."""
        try:
            self._offer(self._splitter.feed(chunk))
        except Exception as error:
            self._complain_of(error)

    def finish(self) -> None:
        """Queue the last line if it has no newline. Never raises."""
        try:
            last = self._splitter.finish()
            self._offer([] if last is None else [last])
        except Exception as error:
            self._complain_of(error)

    def _offer(self, lines: list[bytes]) -> None:
        oversized, self._splitter.oversized = self._splitter.oversized, 0
        whole = [line for line in lines if line and not line.isspace()]
        if lines or oversized:
            blank = len(lines) - len(whole)
            self._journal.offer(self._direction, whole, blank=blank, oversized=oversized)

    def _complain_of(self, error: Exception) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._journal.complain(f"recording failed: {type(error).__name__}")
