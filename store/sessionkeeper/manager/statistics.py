"""The statistics of a manager; every block of numbers is of one moment and adds up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..values.statistics import StoreStatistics

__all__ = [
    "HookStatistics",
    "LatencyStatistics",
    "ManagerStatistics",
    "RequestStatistics",
    "SweeperStatistics",
]

SweeperState: TypeAlias = Literal["off", "running", "restarting", "stopped"]


@dataclass(frozen=True, slots=True)
class LatencyStatistics:
    """Seconds from request to response; None while there was none."""

    count: int
    mean: float | None
    max: float | None
    median: float | None
    """Of the latest 1,024, as `p99`."""
    p99: float | None


@dataclass(frozen=True, slots=True)
class RequestStatistics:
    """The outcomes of the recorded requests.

    `started == pending + answered + timed_out + dropped + superseded + withdrawn + cancelled`, and
    `answered == ambiguous + latency.count`.
    """

    started: int
    pending: int
    answered: int
    ambiguous: int
    """Of the answered: those whose id another request in flight had, too. It is not known which
    of them the response was for, so they have no latency."""
    timed_out: int
    dropped: int
    """Their session ended or went before a response came."""
    superseded: int
    """Always 0: a request with an id that is in flight waits beside the older one."""
    withdrawn: int
    """The store refused the message: it was never recorded."""
    cancelled: int
    """By `notifications/cancelled` of the requester."""
    unmatched: int
    """Recorded responses that matched no pending request."""
    late: int
    """Of the unmatched: those with the id of a request that was cancelled or given up before."""
    untracked: int
    """Requests with an id too long to keep."""
    latency: LatencyStatistics


@dataclass(frozen=True, slots=True)
class HookStatistics:
    """What became of the events hooks are for; `events == delivered + dropped + waiting`."""

    events: int
    delivered: int
    """All their hooks have been run, however that ended."""
    dropped: int
    """The queue was full."""
    waiting: int
    """Queued, or with a hook right now."""
    failures: int
    """Runs of a hook that raised or took too long."""
    last_failure: str | None
    """The name of the error's type."""
    restarts: int


@dataclass(frozen=True, slots=True)
class SweeperStatistics:
    """The state of the sweeper."""

    state: SweeperState
    """`off` when nothing is ever due; `stopped` by closing, or when the store is closed."""
    sweeps: int
    failures: int
    """Steps that raised, and deaths of the task."""
    restarts: int
    """New starts after the task was cancelled from outside, or died."""
    last_error: str | None
    """The name of the error's type."""
    refused: frozenset[str]
    """The steps the store cannot do."""
    done: Mapping[str, int]
    """By step, how many it has done: `expire`, `purge`, `time-out`, `forget-rates`."""
    since_last_sweep: float | None
    """Seconds."""


@dataclass(frozen=True, slots=True)
class ManagerStatistics:
    """What a manager and its store did and hold."""

    store: StoreStatistics
    requests: RequestStatistics
    hooks: HookStatistics
    sweeper: SweeperStatistics
    rate_limited: int
    """Messages refused by the rate limit."""
    log_failures: int
    """Lines about sessions that the program's logging failed to write."""
