"""Closing in good order, and the report of what was left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..atomic import AtomicSessionStore
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
    """The wait for the responses that are due."""

    def __init__(self, requests: RequestTracker) -> None:
        self._requests = requests
        self._limit: asyncio.Timeout | None = None

    async def wait(self, seconds: float) -> None:
        """Wait until no request is pending, or so many seconds."""
        none = asyncio.Event()
        self._requests.when_none = none.set
        try:
            if len(self._requests):
                async with asyncio.timeout(seconds) as self._limit:
                    await none.wait()
        except TimeoutError:
            pass
        finally:
            self._requests.when_none = _do_nothing
            self._limit = None

    def shorten(self, seconds: float) -> None:
        """End a wait so many seconds from now, if it would last longer."""
        if self._limit is None or self._limit.expired():
            return
        end = asyncio.get_running_loop().time() + seconds
        before = self._limit.when()
        self._limit.reschedule(end if before is None else min(before, end))


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
    live: list[int] = []
    # Asked last of all: when this is answered, all that was sent before is done, and told.
    missed |= not await _within(deadline, _count_live(store, live))
    missed |= not await _within(deadline, dispatcher.flush())
    unsubscribe()
    undelivered = await dispatcher.stop()
    pending = len(requests)
    requests.drop_all()
    if closes_store:
        left = None if deadline is None else max(0.0, deadline - time())
        await store.aclose(timeout=left)
        missed |= deadline is not None and time() > deadline
    return ShutdownReport(
        pending_requests=pending,
        live_sessions=live[0] if live else None,
        undelivered_events=undelivered,
        deadline_missed=missed,
    )


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
