"""Threads that wait for a reply are woken by each other: all of them, and nobody twice."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import soleowner.threads
from soleowner import Actor, Batch, LoopRunner
from soleowner.pending_call import PendingCall, wake_all

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory
    from tests.support.thread_group import ThreadGroup

SIZES = [*range(1, 18), 64]


def settled(count: int) -> list[PendingCall]:
    """Calls whose replies are there, and whose threads still wait."""
    calls = [PendingCall(Any, lambda _: None) for _ in range(count)]  # type: ignore[arg-type]  # asks nothing
    for number, call in enumerate(calls):
        call.set_result(number)
    return calls


@pytest.mark.parametrize("count", SIZES)
def test_each_call_is_woken_by_exactly_one_other(count: int) -> None:
    """A tree with two branches: each thread that is woken wakes two, until none is left."""
    calls = settled(count)
    wake_all(calls)
    woken = 0
    awake = [calls[0]]
    while awake:
        call = awake.pop(0)
        assert call.lock.acquire(blocking=False), "a thread was sent on that was not woken"
        woken += 1
        call.wake_others()
        awake += call.others
    assert woken == count
    assert not any(call.lock.acquire(blocking=False) for call in calls), "one was woken twice"


@pytest.mark.parametrize("count", SIZES)
def test_cancelled_waiters_pass_the_wake_up_on(count: int) -> None:
    """Every second thread has given up: the others are woken all the same."""
    calls = settled(count)
    for call in calls[::2]:
        call.give_up()
    wake_all(calls)
    waiting = set(calls[1::2])
    while woken := {call for call in waiting if call.lock.acquire(blocking=False)}:
        waiting -= woken
        for call in woken:
            call.wake_others()
    assert not waiting, f"{len(waiting)} of {count} still wait"


@pytest.mark.parametrize("threads", [3, 7, 16])
async def test_no_reply_is_found_by_polling(
    actors: ActorFactory, thread_group: ThreadGroup, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """Each is woken: the look now and then, which would find the reply too, is out of the way."""
    monkeypatch.setattr(soleowner.threads, "_LOOK", 3600.0)
    port = (await actors.open()).port()
    asked: list[Any] = []
    for number in range(threads):  # the loop stands still here, so all of it is one burst
        asked.append(thread_group.begin(partial(port.ask, actors.note(number))))
        thread_group.until(partial(queued, port, number + 1))
    async with asyncio.timeout(30):
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


async def test_a_reply_does_not_wait_for_the_rest_of_its_batch(
    actors: ActorFactory, thread_group: ThreadGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread is woken although another command of the batch still runs."""
    monkeypatch.setattr(soleowner.threads, "_LOOK", 3600.0)
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


def queued(port: Any, count: int) -> bool:
    """Whether so many commands wait for the crossing."""
    return len(port._calls) >= count
