"""Closing in good order, and the report of what was left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..interface.atomic_store import AtomicSessionStore
from ..stores.threads.bridge import ThreadBridge
from .dispatcher import HookDispatcher
from .requests import RequestTracker
from .sweeper import Sweeper

__all__ = ["Drain", "ShutdownReport", "shut_down"]


@dataclass(frozen=True, slots=True)
class ShutdownReport:
    """What was left when a manager closed."""

    pending_requests: int
    """Requests without a response."""
    live_sessions: int | None
    """Sessions that had not ended; None when the store could not tell in time."""
    undelivered_events: int
    """Events their hooks were not told of."""
    deadline_missed: bool
    """Whether `close_timeout` cut something short."""


class Drain:
    """The wait for pending responses; each caller of `aclose` may shorten it."""

    def __init__(self, requests: RequestTracker) -> None:
        self._requests = requests
        self._end: float | None = None
        self._limit: asyncio.Timeout | None = None

    def shorten(self, seconds: float) -> None:
        """Let the wait end within this many seconds from now; the wait may begin later."""
        end = asyncio.get_running_loop().time() + seconds
        self._end = end if self._end is None else min(self._end, end)
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self._end)

    async def wait(self) -> None:
        """Wait until no request is pending, or until the end that was set."""
        none = asyncio.Event()
        self._requests.when_none = none.set
        try:
            if len(self._requests):
                async with asyncio.timeout_at(self._end) as self._limit:
                    await none.wait()
        except TimeoutError:
            pass
        finally:
            self._requests.when_none = _do_nothing
            self._limit = None


async def shut_down(
    store: AtomicSessionStore,
    requests: RequestTracker,
    sweeper: Sweeper,
    dispatcher: HookDispatcher,
    *,
    unsubscribe: Callable[[], None],
    closes_store: bool,
    timeout: float | None,
) -> ShutdownReport:
    """Stop all that works for a manager, within `timeout` seconds; new calls are refused already.

    The hooks are told before the store closes, since they may read from it.
    """
    time = asyncio.get_running_loop().time
    deadline = None if timeout is None else time() + timeout
    missed = not await _within(deadline, sweeper.stop())
    # A read is no proof: on some stores it overtakes the waiting writes.
    missed |= not await _within(deadline, _settle(store, requests))
    live: list[int] = []
    missed |= not await _within(deadline, _count_live(store, live))
    missed |= not await _within(deadline, dispatcher.flush())
    await dispatcher.stop()
    try:
        if closes_store:
            left = None if deadline is None else max(0.0, deadline - time())
            await store.aclose(timeout=left)
            missed |= deadline is not None and time() > deadline
    finally:
        unsubscribe()
        # Last: the report includes operations that finished while the store closed.
        pending = len(requests)
        requests.drop_all()
    return ShutdownReport(
        pending_requests=pending,
        live_sessions=live[0] if live else None,
        undelivered_events=dispatcher.waiting,
        deadline_missed=missed,
    )


async def _settle(store: AtomicSessionStore, requests: RequestTracker) -> None:
    """Wait until everything that was accepted has finished and was reported."""
    recorded = asyncio.Event()
    requests.when_recorded = recorded.set
    try:
        if requests.is_recording:
            await recorded.wait()
        if isinstance(store, ThreadBridge):
            await store.settle()
    except Exception:  # a store that is broken or closed has to be closed all the same
        return
    finally:
        requests.when_recorded = _do_nothing


async def _within(deadline: float | None, work: Awaitable[None]) -> bool:
    """Await until the deadline; tell whether it was done by then."""
    limit = asyncio.timeout_at(deadline)
    try:
        async with limit:
            await work
    except TimeoutError:
        if not limit.expired():
            raise
        return False
    return True


async def _count_live(store: AtomicSessionStore, found: list[int]) -> None:
    try:
        sessions = (await store.statistics()).sessions
    except Exception:  # a store that is broken or closed has to be closed all the same
        return
    found.append(sum(count for state, count in sessions.items() if not state.is_terminal))


def _do_nothing() -> None:
    pass
