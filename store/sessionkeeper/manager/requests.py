"""Which requests wait for their responses, and how long those took.

Rules: a request is settled once, and counted in the same step, so that the counters add up at every
moment; a refused message leaves no trace. Nothing here awaits, and nothing here scans.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context

from ..errors import LimitExceeded
from ..jsonrpc import RequestId
from ..states import Direction
from .latency import Latency
from .pending import PendingRequest, Waiting
from .statistics import RequestStatistics

__all__ = ["RequestTracker", "opposite"]

LONGEST_ID = 1_024
"""Characters, or bits, of an id; a request with a longer one is recorded and not tracked."""
LONGEST_METHOD = 128

_OUTCOMES = ("answered", "timed_out", "dropped", "superseded", "withdrawn", "cancelled")
_OPPOSITE = {
    Direction.CLIENT_TO_SERVER: Direction.SERVER_TO_CLIENT,
    Direction.SERVER_TO_CLIENT: Direction.CLIENT_TO_SERVER,
}


class RequestTracker:
    """The pending requests of all sessions, by session, direction and id with its type.

    A request is started, then recorded or withdrawn. What answers or cancels it claims it first,
    then settles or releases it: in between, nothing else can be its response. `timed_out` is called
    for each request given up after `timeout` seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        timeout: float | None,
        max_per_session: int,
        max_pending: int,
        timed_out: Callable[[Waiting], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._max_per_session = max_per_session
        self._max_pending = max_pending
        self._timed_out = timed_out
        # By id first, so that the sessions which wait for one id are at hand.
        self._newest: dict[tuple[Direction, type, RequestId], dict[str, Waiting]] = {}
        self._sessions: dict[str, dict[Waiting, None]] = {}
        # One time-out for all, so the order of start is the order in which they are due.
        self._started: OrderedDict[Waiting, None] = OrderedDict()
        self._latency = Latency()
        self._counts: dict[str, int] = dict.fromkeys(_OUTCOMES, 0)
        self._starts = self._unmatched = self._untracked = 0
        self.when_none: Callable[[], None] = lambda: None
        """Called whenever the last pending request is settled."""

    def __len__(self) -> int:
        return len(self._started)

    def start(
        self,
        session_id: str,
        direction: Direction,
        request_id: RequestId,
        method: str,
        context: Context | None = None,
    ) -> Waiting | None:
        """Take a place for a request; None when its id is too long to keep.

        Raises `LimitExceeded`: `max_pending` or `max_pending_per_session`.
        """
        if _is_long(request_id):
            self._untracked += 1
            return None
        now = self._expire()
        self._check_limits(session_id)
        key = (direction, type(request_id), request_id)
        newest = self._newest.setdefault(key, {})
        older = newest.get(session_id)
        waiting = Waiting(
            session_id, key, method[:LONGEST_METHOD], now, context=context, older=older
        )
        newest[session_id] = waiting
        self._sessions.setdefault(session_id, {})[waiting] = None
        self._started[waiting] = None
        self._starts += 1
        return waiting

    def recorded(self, waiting: Waiting) -> None:
        """Note that a started request is in its log: it replaces an older one of the same id."""
        older, waiting.older = waiting.older, None
        while older is not None:
            next_older = older.older
            self._settle(older, "superseded")
            older = next_older

    def withdraw(self, waiting: Waiting) -> None:
        """Give a place back: the request was refused, and an older one of its id waits on."""
        self._settle(waiting, "withdrawn")

    def find(
        self, session_id: str, direction: Direction, request_id: RequestId
    ) -> PendingRequest | None:
        """Return the pending request of this direction and id."""
        self._expire()
        waiting = self._find(session_id, direction, request_id)
        return None if waiting is None else waiting.request

    def claim(self, session_id: str, direction: Direction, request_id: RequestId) -> Waiting | None:
        """Keep a pending request for the one message that settles it; None if there is none."""
        now = self._expire()
        waiting = self._find(session_id, direction, request_id)
        if waiting is None or waiting.arrived is not None:
            return None
        waiting.arrived = now
        return waiting

    def answer(self, waiting: Waiting | None) -> None:
        """Count a recorded response, of the request it claimed or of none."""
        if waiting is None or waiting.settled or waiting.arrived is None:
            self._unmatched += 1
            return
        self._latency.add(waiting.arrived - waiting.started_at)
        self._settle(waiting, "answered")

    def cancel(self, waiting: Waiting) -> None:
        """Settle a claimed request that its sender has cancelled."""
        self._settle(waiting, "cancelled")

    def release(self, waiting: Waiting) -> None:
        """Let a claimed request wait on: the message that claimed it was not recorded."""
        waiting.arrived = None
        if waiting.orphaned:
            self._settle(waiting, "dropped")

    def drop_session(self, session_id: str) -> None:
        """Drop all requests of a session that has ended or gone. O(its requests)."""
        for waiting in list(self._sessions.get(session_id, ())):
            if waiting.arrived is None:
                self._settle(waiting, "dropped")
            else:  # a response was sent to the store before the end: it may be in the log
                waiting.orphaned = True

    def drop_all(self) -> None:
        """Drop what is left: the manager closes."""
        for waiting in list(self._started):
            self._settle(waiting, "dropped")

    def expire(self) -> int:
        """Give up the requests whose time is over; return how many. O(those)."""
        before = self._counts["timed_out"]
        self._expire()
        return self._counts["timed_out"] - before

    def pending(self, session_id: str | None = None) -> list[PendingRequest]:
        """Return the pending requests, of one session or of all, in order of their start."""
        self._expire()
        of = self._started if session_id is None else self._sessions.get(session_id, {})
        return [waiting.request for waiting in of]

    def sessions_awaiting(self, direction: Direction, request_id: RequestId) -> tuple[str, ...]:
        """Return the sessions with a pending request of this direction and id."""
        self._expire()
        return tuple(self._newest.get((direction, type(request_id), request_id), ()))

    def statistics(self) -> RequestStatistics:
        """One moment's numbers."""
        self._expire()
        return RequestStatistics(
            started=self._starts,
            pending=len(self._started),
            **self._counts,
            unmatched=self._unmatched,
            untracked=self._untracked,
            latency=self._latency.statistics(),
        )

    def _find(self, session_id: str, direction: Direction, request_id: RequestId) -> Waiting | None:
        return self._newest.get((direction, type(request_id), request_id), {}).get(session_id)

    def _check_limits(self, session_id: str) -> None:
        if len(self._started) >= self._max_pending:
            raise LimitExceeded(
                "max_pending", current=len(self._started), maximum=self._max_pending
            )
        held = len(self._sessions.get(session_id, ()))
        if held >= self._max_per_session:
            raise LimitExceeded(
                "max_pending_per_session", current=held, maximum=self._max_per_session
            )

    def _expire(self) -> float:
        now = self._clock()
        if self._timeout is not None:
            while self._started:
                first = next(iter(self._started))
                if now - first.started_at < self._timeout:
                    break
                self._settle(first, "timed_out")
                self._timed_out(first)
        return now

    def _settle(self, waiting: Waiting, outcome: str) -> None:
        if waiting.settled:
            return
        waiting.settled = True
        self._counts[outcome] += 1
        del self._started[waiting]
        session_id = waiting.session_id
        held = self._sessions[session_id]
        del held[waiting]
        if not held:
            del self._sessions[session_id]
        self._unlink(waiting, session_id)
        if not self._started:
            self.when_none()

    def _unlink(self, waiting: Waiting, session_id: str) -> None:
        """Take one out of the chain of those with the same id; nearly always it is alone."""
        newest = self._newest[waiting.key]
        newer = newest[session_id]
        if newer is not waiting:
            while newer.older is not waiting and newer.older is not None:
                newer = newer.older
            newer.older = waiting.older
        elif waiting.older is not None:
            newest[session_id] = waiting.older
        else:
            del newest[session_id]
            if not newest:
                del self._newest[waiting.key]


def opposite(direction: Direction) -> Direction:
    """The other way."""
    return _OPPOSITE[direction]


def _is_long(request_id: RequestId) -> bool:
    if isinstance(request_id, str):
        return len(request_id) > LONGEST_ID
    return abs(request_id) >= 1 << LONGEST_ID
