"""What is out to one node: appends and reads side by side, several calls at a time.

A batch that waits for its last answer leaves the server idle while this process works, and this
process idle while the server does. So commands of one request each are sent while others are out,
and each flight answers its callers when it lands. What keeps the order:

- A session with something out holds back its next command, and with it all that was asked later.
- Commands of one session that are sent together are of one kind: appends, each behind the one
  before it, or reads.
- Whatever is no such command is run when nothing is out (`lane`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, cast

from ....operations import AddFrame, GetSession, Scoped
from ....operations.command import StoreCommand
from ..delivery.delivery import Delivery
from ..delivery.flight import Flight
from ..delivery.request import Request
from ..keys import Bucket, Keys
from .schedule import Job

__all__ = ["Flights"]

_KINDS = (AddFrame, GetSession)
"""Commands on one session that make one request, whatever its answer is."""


_TOGETHER = 16
"""Number of commands in a full flight: their callers are answered together."""
_MOST_OUT = 8
"""Number of flights beside which no other is sent: while more is made, answers would wait."""


class Flights:
    """The flights of one node, and the sessions that have something out.

    `begin` makes the request of a job; it returns False if the job ended without one. `landed` gets
    the jobs of each flight, and those of their requests that failed.
    """

    def __init__(
        self,
        delivery: Delivery,
        keys: Keys,
        begin: Callable[[Job], bool],
        landed: Callable[[Sequence[Job], Sequence[Request]], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._delivery = delivery
        self._keys = keys
        self._begin = begin
        self._landed = landed
        self._failed = failed
        self._busy: dict[str, Flight] = {}
        """By session: the last flight with a command on it."""
        self.out = 0
        """Number of flights."""

    @staticmethod
    def take(command: StoreCommand[Any]) -> bool:
        """Whether a command is of a kind that goes here."""
        # By the exact class: commands have an abstract base, for which `isinstance` is slow.
        kind = type(command)
        if kind is Scoped:
            kind = type(cast("Scoped[Any]", command).command)
        return kind in _KINDS

    def send(self, jobs: deque[Job], sent: deque[Job], capacity: int) -> bool:
        """Move the first jobs to `sent`, which may hold `capacity`, as far as they may go now.

        Some may end there without a request. Returns whether the next one has to be run when
        nothing is out, whatever else lands.
        """
        shut = False
        appends: dict[Bucket, list[Job]] = {}
        reads: list[Job] = []
        last: dict[str, Request] = {}
        clear: set[tuple[Bucket, bool]] = set()
        first: Bucket | None = None
        busy, find_bucket = self._busy, self._keys.find_bucket
        may_send, is_late = self._delivery.may_send_beside, self._delivery.is_late
        while jobs and len(sent) < capacity and self.out < _MOST_OUT:
            job = jobs[0]
            session = _session(job)
            before = last.get(session)
            if session in busy if before is None else before.write is job.read_only:
                break
            kind = find_bucket(session), job.read_only
            first = first or kind[0]
            if kind not in clear and may_send(kind[0], first, write=not kind[1]):
                clear.add(kind)
            shut = kind not in clear or is_late(job.asked_at, job.waited)
            if shut:
                break
            job.ended = not self._begin(job)
            jobs.popleft()
            if job.ended:
                if sent:  # its lane counts from the oldest: this is none of the first to end
                    sent.append(job)
                continue
            sent.append(job)
            (request,) = job.requests  # an append that is too large only reads
            if before is not None and request.write:
                request.behind = (before,)
            if before is None or request.write:  # else a read after it could overtake that write
                last[session] = request
            # Neighbouring appends to one bucket share a call.
            together = appends.setdefault(kind[0], []) if request.write else reads
            together.append(job)
            if len(together) == _TOGETHER:  # the server begins while the rest is made
                self._take_off(together)
                together.clear()
        for left in ([job for jobs in appends.values() for job in jobs], reads):
            for start in range(0, len(left), _TOGETHER):
                self._take_off(left[start : start + _TOGETHER])
        return shut

    def _take_off(self, jobs: Iterable[Job]) -> None:
        flying = tuple(jobs)
        flight = self._delivery.send_beside([job.requests[0] for job in flying])
        for job in flying:
            self._busy[_session(job)] = flight
        self.out += 1
        flight.pipeline.waiter.add_done_callback(partial(self._land, flight, flying))

    def _land(self, flight: Flight, jobs: Sequence[Job], _: object) -> None:
        self.out -= 1
        for job in jobs:
            if self._busy.get(_session(job)) is flight:
                del self._busy[_session(job)]
        try:
            self._landed(jobs, self._delivery.land(flight))
        except BaseException as crash:  # a bug: the owner raises it
            self._failed(crash)


def _session(job: Job) -> str:
    (session,) = job.sessions or ("",)
    return session
