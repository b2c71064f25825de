"""Threads that wait for a reply are woken, and the last of them wakes the loop for all."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import soleowner.threads
from soleowner import Actor, Batch, LoopRunner
from soleowner.pending_call import PendingCall

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory
    from tests.support.thread_group import ThreadGroup


@pytest.mark.usefixtures("no_looks")
@pytest.mark.parametrize("threads", [3, 7, 16])
async def test_no_reply_is_found_by_polling(
    actors: ActorFactory, thread_group: ThreadGroup, threads: int
) -> None:
    """Each is woken: the look now and then, which would find the reply too, is out of the way."""
    port = (await actors.open()).port()
    asked: list[Any] = []
    for number in range(threads):  # the loop stands still here, so all of it is one burst
        asked.append(thread_group.begin(partial(port.ask, actors.note(number))))
        thread_group.until(partial(queued, port, number + 1))
    async with asyncio.timeout(300):
        got = await asyncio.gather(*map(asyncio.wrap_future, asked))
    assert got == [*range(1, threads + 1)]


class OneFirst(LoopRunner[Any]):
    """Answers the first command of a batch, and the rest when it may go on."""

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.go_on = asyncio.Event()

    async def run(self, batch: Batch[Any], /) -> None:
        await super().run(batch[:1])
        await self.go_on.wait()
        await super().run(batch[1:])


@pytest.mark.usefixtures("no_looks")
async def test_a_reply_does_not_wait_for_the_rest_of_its_batch(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Its thread is woken although another command of the batch still runs."""
    runner = OneFirst(actors.state)
    async with Actor(runner) as actor:
        port = actor.port()
        asked: list[Any] = []
        for number in range(2):
            asked.append(thread_group.begin(partial(port.ask, actors.note(number))))
            thread_group.until(partial(queued, port, number + 1))
        try:
            async with asyncio.timeout(300):
                assert await asyncio.wrap_future(asked[0]) == 1
            assert not asked[1].done()
        finally:
            runner.go_on.set()
        assert await asyncio.wrap_future(asked[1]) == 2


def on_its_way(port: Any) -> PendingCall:
    """A call whose thread was woken, and has yet to run."""
    call = PendingCall(Any, port._settle)  # type: ignore[arg-type]  # asks nothing
    port._handed_over.add(call)
    call.set_result(None)
    assert port._woken == {call}
    return call


@pytest.mark.usefixtures("no_looks")
@pytest.mark.parametrize("leave", ["_arrive", "_withdraw"])
async def test_the_last_thread_that_was_woken_wakes_the_loop_for_all(
    actors: ActorFactory, thread_group: ThreadGroup, leave: str
) -> None:
    """While two are on their way the loop sleeps; whether they come for a reply or give up."""
    port: Any = (await actors.open()).port()
    first, last = on_its_way(port), PendingCall(Any, port._settle)  # type: ignore[arg-type]  # asks nothing
    port._woken.add(last)
    asked = thread_group.begin(partial(port.ask, actors.note("sent")))
    thread_group.until(partial(queued, port, 1))
    await asyncio.sleep(0.02)
    getattr(port, leave)(first)
    await asyncio.sleep(0.02)
    assert queued(port, 1), "the loop was woken while a thread was on its way"
    getattr(port, leave)(last)
    async with asyncio.timeout(300):
        assert await asyncio.wrap_future(asked) == 1
    assert not port._woken


@pytest.mark.parametrize(
    ("settled_first", "leave"),
    [(True, "_withdraw"), (False, "_withdraw"), (True, "_arrive")],
)
async def test_a_thread_that_left_is_not_waited_for(
    actors: ActorFactory, settled_first: bool, leave: str
) -> None:
    """It gave up before or after its reply was there, or found it by itself: it needs no waking."""
    port: Any = (await actors.open()).port()
    call = PendingCall(Any, port._settle)  # type: ignore[arg-type]  # asks nothing
    port._handed_over |= {call, PendingCall(Any, port._settle)}  # type: ignore[arg-type]  # so that none is woken yet
    if settled_first:
        call.set_result(None)
    getattr(port, leave)(call)
    if not settled_first:
        call.set_result(None)
    port._wake_settled()
    assert not port._woken


async def test_a_thread_that_was_lost_on_its_way_costs_one_look(
    actors: ActorFactory, thread_group: ThreadGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt struck while it left: the next who waits wakes the loop."""
    monkeypatch.setattr(soleowner.threads, "_LOOK", 0.01)
    port: Any = (await actors.open()).port()
    on_its_way(port)
    asked = thread_group.begin(partial(port.ask, actors.note("sent")))
    async with asyncio.timeout(300):
        assert await asyncio.wrap_future(asked) == 1
    assert not port._woken


class Clock:
    """In place of the module `time`; only `FirstWait` moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class FirstWait:
    """A lock whose first wait takes its whole time at once; in later ones the clock stands still.

    So the loop has all the time it needs for its answer, once it was woken.
    """

    def __init__(self, clock: Clock) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._waits = 0

    def acquire(self, *, timeout: float | None = None) -> bool:
        if timeout is None:
            return self._lock.acquire()
        self._waits += 1
        if self._waits > 1:
            assert self._lock.acquire(timeout=300), "not repaired by the first look"
            return True
        self._clock.now += timeout
        return False

    def release(self) -> None:
        self._lock.release()


@pytest.mark.usefixtures("no_looks")
@pytest.mark.parametrize("lost", ["woken", "waking"])
async def test_a_wake_up_that_was_lost_is_repaired_in_time(
    actors: ActorFactory, thread_group: ThreadGroup, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Also if nobody waits as long as a look takes: else no such command would get through."""
    clock = Clock()
    monkeypatch.setattr("soleowner.threads.time", clock)
    monkeypatch.setattr("soleowner.pending_call.Lock", lambda: FirstWait(clock))
    port: Any = (await actors.open()).port()
    if lost == "woken":
        on_its_way(port)
    else:
        port._unwoken.acquire()
    asked = thread_group.begin(partial(port.ask, actors.note("sent"), timeout=2))
    async with asyncio.timeout(600):
        assert await asyncio.wrap_future(asked) == 1
    assert clock.now == 1.0


def queued(port: Any, count: int) -> bool:
    """Whether so many commands wait for the crossing."""
    return len(port._calls) >= count
