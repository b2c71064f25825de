"""Seven flaws, each beside the way that is right; in the default order, all of them work."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial

import pytest
from sessionlab.explore import Deadlock, may_cancel


async def later(turns: int) -> None:
    """Come some turns of the loop later, as a request does."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def lost_update(flawed: bool) -> None:
    """Read, wait, write what was read plus one."""
    count, lock = 0, asyncio.Lock()

    async def add(turns: int) -> None:
        nonlocal count
        await later(turns)
        if flawed:
            seen = count
            await asyncio.sleep(0)
            count = seen + 1
        else:
            async with lock:
                seen = count
                await asyncio.sleep(0)
                count = seen + 1

    await asyncio.gather(add(0), add(3))
    assert count == 2, f"two were added, {count} was counted"


async def check_then_act(flawed: bool) -> None:
    """Look whether it is there, wait, create it."""
    sessions: dict[str, int] = {}
    created = 0

    async def get_or_create(turns: int) -> int:
        nonlocal created
        await later(turns)
        if "a" not in sessions:
            if flawed:
                await asyncio.sleep(0)  # opens something
            created += 1
            sessions["a"] = created
        return sessions["a"]

    await asyncio.gather(get_or_create(0), get_or_create(2))
    assert created == 1, "two callers created"


async def lock_on_write_only(flawed: bool) -> None:
    """The lock is held for the writing, and what is written was read before."""
    count, lock = 0, asyncio.Lock()

    async def read() -> int:
        await asyncio.sleep(0)
        return count

    async def add(turns: int) -> None:
        nonlocal count
        await later(turns)
        if flawed:
            seen = await read()
            async with lock:
                await asyncio.sleep(0)
                count = seen + 1
        else:
            async with lock:
                count = await read() + 1

    await asyncio.gather(add(0), add(4))
    assert count == 2, "an update is lost"


async def cancelled_in_mid_write(flawed: bool) -> None:
    """The lock is released by a cancellation when half is written."""
    here, there, lock = 10, 0, asyncio.Lock()

    async def move(turns: int) -> None:
        nonlocal here, there
        await later(turns)
        async with lock:
            if flawed:
                here -= 1
                await asyncio.sleep(0)
                there += 1
            else:
                await asyncio.sleep(0)
                here, there = here - 1, there + 1

    movers = [
        may_cancel(asyncio.create_task(move(turns), name=f"mover-{turns}")) for turns in (0, 1)
    ]
    await asyncio.wait(movers)
    assert here + there == 10, "half an operation"


async def lost_wake_up(flawed: bool) -> None:
    """The consumer looks, and goes to sleep a step after: news in between wakes nobody."""
    items: deque[int] = deque()
    news = asyncio.Event()

    async def consume() -> int:
        while not items:
            if flawed:
                await asyncio.sleep(0)  # logs that it goes to sleep
            news.clear()
            await news.wait()
        return items.popleft()

    async def produce() -> None:
        await later(3)
        items.append(1)
        news.set()

    await asyncio.gather(consume(), produce())


async def opposite_locks(flawed: bool) -> None:
    """Two locks, taken in the order of the way the money goes."""
    first, second = asyncio.Lock(), asyncio.Lock()

    async def move(source: asyncio.Lock, target: asyncio.Lock, turns: int) -> None:
        await later(turns)
        async with source:
            await asyncio.sleep(0)
            async with target:
                await asyncio.sleep(0)

    there, back = (first, second), (second, first) if flawed else (first, second)
    await asyncio.gather(move(*there, 0), move(*back, 4))


async def bare_set_result(flawed: bool) -> None:
    """The owner answers a caller that was cancelled, and dies of it."""
    mailbox: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()

    async def own() -> None:
        number = 0
        while True:
            reply = await mailbox.get()
            await asyncio.sleep(0)  # the work
            number += 1
            if flawed or not reply.done():
                reply.set_result(number)

    async def ask() -> int:
        reply: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        mailbox.put_nowait(reply)
        return await reply

    owner = asyncio.create_task(own(), name="owner")
    callers = [may_cancel(asyncio.create_task(ask(), name=f"caller-{n}")) for n in range(3)]
    await asyncio.wait(callers)
    owner.cancel()
    await asyncio.wait([owner])


class Flaw:
    """A scenario, what it takes to find what is wrong, and what that looks like."""

    def __init__(
        self,
        scenario: Callable[[bool], Coroutine[object, None, None]],
        error: type[AssertionError] = AssertionError,
        *,
        cancellations: int = 0,
    ) -> None:
        self.flawed = partial(scenario, True)
        self.right = partial(scenario, False)
        self.error = error
        self.cancellations = cancellations


FLAWS = {
    "lost update": Flaw(lost_update),
    "check, then act": Flaw(check_then_act),
    "lock on write only": Flaw(lock_on_write_only),
    "cancelled in mid-write": Flaw(cancelled_in_mid_write, cancellations=1),
    "lost wake-up": Flaw(lost_wake_up, Deadlock),
    "opposite locks": Flaw(opposite_locks, Deadlock),
    "bare set_result": Flaw(bare_set_result, Deadlock, cancellations=1),
}


@pytest.fixture(params=FLAWS)
def flaw(request: pytest.FixtureRequest) -> Flaw:
    """Each flaw."""
    return FLAWS[request.param]
