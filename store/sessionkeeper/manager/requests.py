"""The pending requests, and how long their responses take.

Rules: a request is settled once, and counted in the same step, so that the counters add up at every
moment; a refused message leaves no trace. Nothing here awaits, and nothing here scans, but those
few that have one id.

Several requests with one id may be in flight, though JSON-RPC forbids it: clients do that. Each of
them waits. A response with that id settles the one that began first, so that a time-out is reported
only for a request that is certainly overdue. It is counted as ambiguous and its time not measured.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextvars import Context
from typing import TypeAlias

from ..values.errors import LimitExceeded
from ..values.jsonrpc import RequestId
from ..values.states import Direction
from .given_up import GivenUp
from .latency import LatencyWindow
from .pending import PendingRequest, TrackedRequest, TypedId
from .statistics import RequestStatistics

__all__ = ["RequestKey", "RequestTracker"]

LONGEST_ID = 1_024
"""Characters, or bits, of an id; a request with a longer one is recorded and not tracked."""
LONGEST_METHOD = 128

RequestKey: TypeAlias = "tuple[str, Direction, RequestId]"
"""A session, the direction of a request, and its id."""

_MAY_BE_ANSWERED = ("timed_out", "cancelled")
_OUTCOMES = ("answered", "timed_out", "dropped", "superseded", "withdrawn", "cancelled")


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
        timed_out: Callable[[TrackedRequest], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._max_per_session = max_per_session
        self._max_pending = max_pending
        self._timed_out = timed_out
        # By id first, to find the sessions that wait for one id; in order of start.
        self._by_id: dict[TypedId, dict[str, list[TrackedRequest]]] = {}
        self._sessions: dict[str, dict[TrackedRequest, None]] = {}
        # One time-out for all, so the order of start is the order in which they are due.
        self._started: OrderedDict[TrackedRequest, None] = OrderedDict()
        # They have timed out, but a message that settles them came before and is being recorded.
        self._overdue: dict[TrackedRequest, None] = {}
        self._given_up = GivenUp()
        self._latency = LatencyWindow()
        self._counts: dict[str, int] = dict.fromkeys(_OUTCOMES, 0)
        self._starts = self._unmatched = self._untracked = self._ambiguous = self._late = 0
        self.when_none: Callable[[], None] = lambda: None
        """Called whenever the last pending request is settled."""
        self._exchanges = 0
        self.when_recorded: Callable[[], None] = lambda: None
        """Called whenever the last message that was being recorded is settled."""

    def __len__(self) -> int:
        return len(self._started) + len(self._overdue)

    def start(
        self,
        session_id: str,
        direction: Direction,
        request_id: RequestId,
        method: str,
        context: Context | None = None,
    ) -> TrackedRequest | None:
        """Take a place for a request; None when its id is too long to keep.

        Raises `LimitExceeded`: `max_pending` or `max_pending_per_session`.
        """
        if _is_long(request_id):
            self._untracked += 1
            return None
        now = self._expire()
        self._check_limits(session_id)
        key = (direction, type(request_id), request_id)
        waiting = TrackedRequest(session_id, key, method[:LONGEST_METHOD], now, context=context)
        self._by_id.setdefault(key, {}).setdefault(session_id, []).append(waiting)
        self._sessions.setdefault(session_id, {})[waiting] = None
        self._started[waiting] = None
        self._starts += 1
        return waiting

    def recorded(self, waiting: TrackedRequest) -> None:
        """Note that a started request is in its log."""
        waiting.recorded = True
        if waiting.settled:
            return
        if self._given_up.holds(waiting.session_id, waiting.key):
            waiting.ambiguous = True  # the other one may be answered all the same
        _mark_ambiguous([each for each in self._alike(waiting) if each.recorded])

    def withdraw(self, waiting: TrackedRequest) -> None:
        """Give a place back: the request was refused; other requests with its id still wait."""
        self._settle(waiting, "withdrawn")

    @property
    def is_recording(self) -> bool:
        """Whether an accepted message is being recorded."""
        return self._exchanges > 0

    def exchange_begun(self) -> None:
        """Note that a message is being recorded."""
        self._exchanges += 1

    def exchange_over(self) -> None:
        """Note that the outcome of a message is known."""
        self._exchanges -= 1
        if not self._exchanges:
            self.when_recorded()

    def find(
        self, session_id: str, direction: Direction, request_id: RequestId
    ) -> PendingRequest | None:
        """Return the pending request of this direction and id; of several, the first."""
        self._expire()
        waiting = self._first((direction, type(request_id), request_id), session_id)
        return None if waiting is None else waiting.request

    def claim(
        self, session_id: str, direction: Direction, request_id: RequestId, *, but: str = ""
    ) -> TrackedRequest | None:
        """Keep a pending request for the one message that settles it; None if there is none.

        None of the method `but`.
        """
        now = self._expire()
        waiting = self._first((direction, type(request_id), request_id), session_id, but=but)
        if waiting is None or waiting.arrived is not None:
            return None
        _mark_ambiguous(self._alike(waiting))
        waiting.arrived = now
        return waiting

    def answer(self, waiting: TrackedRequest | None, of: RequestKey | None = None) -> None:
        """Count a recorded response: of the request it claimed, or of none that is pending."""
        if waiting is None or waiting.settled or waiting.arrived is None:
            self._unmatched += 1
            if of is not None:
                session_id, direction, request_id = of
                key = (direction, type(request_id), request_id)
                self._late += self._given_up.take(session_id, key)
            return
        if waiting.ambiguous:
            self._ambiguous += 1
        else:
            self._latency.add(waiting.arrived - waiting.started_at)
        self._settle(waiting, "answered")

    def cancel(self, waiting: TrackedRequest) -> None:
        """Settle a claimed request that its sender has cancelled."""
        self._settle(waiting, "cancelled")

    def release(self, waiting: TrackedRequest) -> None:
        """Release a claimed request: the message that claimed it was not recorded."""
        waiting.arrived = None
        if waiting.settled:
            return
        if waiting.orphaned:
            self._settle(waiting, "dropped")
        elif waiting.overdue:
            self._time_out(waiting)
        else:
            _mark_ambiguous(self._alike(waiting))

    def drop_session(self, session_id: str) -> None:
        """Drop all requests of a session that has ended or gone. O(its requests)."""
        for waiting in list(self._sessions.get(session_id, ())):
            self._drop(waiting)
        self._given_up.forget(session_id)

    def drop_all(self) -> None:
        """Drop what is left: the manager closes."""
        for waiting in [*self._started, *self._overdue]:
            self._drop(waiting)

    def expire(self) -> int:
        """Time out the requests that are overdue; return how many. O(overdue requests)."""
        before = self._counts["timed_out"]
        self._expire()
        return self._counts["timed_out"] - before

    def pending(self, session_id: str | None = None) -> list[PendingRequest]:
        """Return the pending requests, of one session or of all, in order of their start."""
        self._expire()
        if session_id is not None:
            of = list(self._sessions.get(session_id, {}))
        else:  # what is overdue began before everything that is not
            of = [*self._overdue, *self._started]
        return [waiting.request for waiting in of]

    def sessions_awaiting(self, direction: Direction, request_id: RequestId) -> tuple[str, ...]:
        """Return the sessions with a pending request of this direction and id."""
        self._expire()
        return tuple(self._by_id.get((direction, type(request_id), request_id), ()))

    def statistics(self) -> RequestStatistics:
        """One moment's numbers."""
        self._expire()
        return RequestStatistics(
            started=self._starts,
            pending=len(self),
            **self._counts,
            ambiguous=self._ambiguous,
            unmatched=self._unmatched,
            late=self._late,
            untracked=self._untracked,
            latency=self._latency.statistics(),
        )

    def _first(self, key: TypedId, session_id: str, *, but: str = "") -> TrackedRequest | None:
        """Return the first that no message has claimed, else the first."""
        alike = self._by_id.get(key, {}).get(session_id, ())
        found: TrackedRequest | None = None
        for waiting in alike:
            if not but or waiting.method != but:
                if waiting.arrived is None:
                    return waiting
                found = found or waiting
        return found

    def _alike(self, waiting: TrackedRequest) -> list[TrackedRequest]:
        """Return those that a response with this one's id may be for, itself among them."""
        alike = self._by_id.get(waiting.key, {}).get(waiting.session_id, ())
        return [each for each in alike if each.arrived is None]

    def _check_limits(self, session_id: str) -> None:
        if len(self) >= self._max_pending:
            raise LimitExceeded("max_pending", current=len(self), maximum=self._max_pending)
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
                if first.arrived is None:
                    self._time_out(first)
                else:  # what settles it came in time
                    first.overdue = True
                    del self._started[first]
                    self._overdue[first] = None
        return now

    def _time_out(self, waiting: TrackedRequest) -> None:
        self._settle(waiting, "timed_out")
        self._timed_out(waiting)

    def _drop(self, waiting: TrackedRequest) -> None:
        if waiting.arrived is None:
            self._settle(waiting, "dropped")
        else:  # what settles it was sent to the store before the end: it may be in the log
            waiting.orphaned = True

    def _settle(self, waiting: TrackedRequest, outcome: str) -> None:
        if waiting.settled:
            return
        waiting.settled = True
        self._counts[outcome] += 1
        del (self._overdue if waiting.overdue else self._started)[waiting]
        session_id, key = waiting.session_id, waiting.key
        held = self._sessions[session_id]
        del held[waiting]
        if not held:
            del self._sessions[session_id]
        self._unlink(key, session_id, waiting)
        if outcome in _MAY_BE_ANSWERED and not waiting.orphaned:
            self._given_up.add(session_id, key)
        if not self._started and not self._overdue:
            self.when_none()

    def _unlink(self, key: TypedId, session_id: str, waiting: TrackedRequest) -> None:
        """Take one out of those with the same id; nearly always it is alone."""
        sessions = self._by_id[key]
        alike = sessions[session_id]
        alike.remove(waiting)
        if not alike:
            del sessions[session_id]
            if not sessions:
                del self._by_id[key]


def _is_long(request_id: RequestId) -> bool:
    if isinstance(request_id, str):
        return len(request_id) > LONGEST_ID
    return abs(request_id) >= 1 << LONGEST_ID


def _mark_ambiguous(alike: list[TrackedRequest]) -> None:
    if len(alike) > 1:
        for waiting in alike:
            waiting.ambiguous = True
