"""Other threads ask through a port: the same mailbox, the same order, the same errors."""

from __future__ import annotations

import asyncio
import gc
import traceback
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import CallerError, Command, OwnerCrashed, ThreadPort

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory
    from tests.support.thread_group import ThreadGroup


class CountingLoop:
    """The loop of a port, its calls from other threads counted."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.woken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_soon_threadsafe(self, *args: Any, **named: Any) -> asyncio.Handle:
        self.woken += 1
        return self._loop.call_soon_threadsafe(*args, **named)


def counting(port: ThreadPort[Any]) -> CountingLoop:
    """Count from now on how often a port wakes its loop."""
    loop = CountingLoop(port.loop)
    port._loop = loop  # type: ignore[assignment]  # stands in for it
    return loop


def queued(port: ThreadPort[Any], count: int) -> bool:
    """Whether so many commands wait for the crossing."""
    return len(port._calls) >= count


async def test_a_thread_gets_the_reply(actors: ActorFactory, thread_group: ThreadGroup) -> None:
    """From any thread, blocking, in the actor's own mailbox."""
    port = (await actors.open()).port()
    assert await thread_group.do(lambda: port.ask(actors.note("a"))) == [1]
    assert await thread_group.do(lambda: port.ask(actors.note("b"), timeout=30)) == [2]
    assert actors.state == ["a", "b"]


async def test_another_loop_can_ask_through_a_thread(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Hazard 10: the sentence of the docs."""
    port = (await actors.open()).port()

    async def elsewhere() -> int:
        return await asyncio.to_thread(port.ask, actors.note("x"))

    assert await thread_group.do(lambda: asyncio.run(elsewhere())) == [1]


@pytest.mark.usefixtures("no_looks")
@pytest.mark.parametrize("threads", [16, 64])
async def test_many_waiting_threads_cost_one_wake_up(
    actors: ActorFactory, thread_group: ThreadGroup, threads: int
) -> None:
    """A burst is one hop and one batch, in the order of the calls."""
    actor = await actors.open()
    port = actor.port()
    loop = counting(port)
    asked: list[Any] = []
    for number in range(threads):  # the loop stands still here, so all of it is one burst
        asked.append(thread_group.begin(partial(port.ask, actors.note(number))))
        thread_group.until(partial(queued, port, number + 1))
    got = await asyncio.gather(*map(asyncio.wrap_future, asked))
    assert (loop.woken, actor.statistics().batches) == (1, 1)
    assert got == [*range(1, threads + 1)]
    assert actors.state == [*range(threads)]
    assert not port._handed_over


@pytest.mark.parametrize("threads", [16, 64])
async def test_each_thread_is_served_in_its_order(
    actors: ActorFactory, thread_group: ThreadGroup, threads: int
) -> None:
    """One total order, in which each thread's commands keep their order."""
    port = (await actors.open(capacity=8)).port()

    def work(thread: int) -> list[int]:
        return [port.ask(actors.note((thread, n))) for n in range(30)]

    got = await thread_group.do(*(lambda t=t: work(t) for t in range(threads)))
    assert sorted(place for places in got for place in places) == [*range(1, 30 * threads + 1)]
    assert all(places == sorted(places) for places in got)
    for thread in range(threads):
        mine = [note for note in actors.state if isinstance(note, tuple) and note[0] == thread]
        assert mine == [(thread, n) for n in range(30)]


async def test_an_error_reaches_its_thread_alone(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Hazard 7; what it is told of is its own code, not somebody else's waiting."""
    port = (await actors.open()).port()
    error = ValueError("expected")
    got = await thread_group.do(
        lambda: port.ask(actors.fail(error)),
        lambda: port.ask(actors.note(1)),
        lambda: port.ask(actors.fail(CallerError(KeyError("mine")))),
        lambda: port.ask(actors.fail(CallerError(StopIteration("mine")))),
    )
    assert got[0] is error
    assert got[1] == 1
    assert type(got[2]) is KeyError
    assert type(got[3]) is RuntimeError
    assert error.__context__ is None
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames.count("ask") == 1
    assert "_wait" not in frames
    assert await thread_group.do(lambda: port.ask(actors.note(2))) == [2]


async def test_an_error_is_not_kept_by_its_own_traceback(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Neither it nor what its frames hold waits for the garbage collector."""
    port = (await actors.open()).port()
    gone: list[weakref.ref[Any]] = []

    class Mine(ValueError):
        pass

    def work() -> None:
        def action() -> None:
            raise Mine

        try:
            port.ask(actors.do(action))
        except Mine as error:
            gone.append(weakref.ref(error))

    gc.collect()
    gc.disable()
    try:
        assert await thread_group.do(work) == [None]
        assert [ref() for ref in gone] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("thing", [None, "text", object()])
async def test_a_non_command_in_a_burst_affects_no_other_caller(
    actors: ActorFactory, thread_group: ThreadGroup, thing: Any
) -> None:
    """Wrong types are `TypeError` at the call, and the crossing goes on."""
    port = (await actors.open()).port()
    got = await thread_group.do(
        lambda: port.ask(thing), *(lambda n=n: port.ask(actors.note(n)) for n in range(3))
    )
    assert isinstance(got[0], TypeError)
    assert sorted(got[1:]) == [1, 2, 3]


async def test_a_crash_of_the_owner_ends_all_waiting(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Guarantees 13.2: everyone queued is answered at once, and so is every later call."""
    actor = await actors.open(capacity=2)
    port = actor.port()
    await actors.hold(actor)
    asked = [thread_group.begin(lambda: port.ask(actors.fail(KeyError("bug")))) for _ in range(5)]
    while actor.statistics().depth + actor.statistics().waiting < 5:
        await asyncio.sleep(0)
    actors.release()
    got = await asyncio.gather(*map(asyncio.wrap_future, asked), return_exceptions=True)
    assert [type(each) for each in got] == [OwnerCrashed] * 5
    assert len({id(each) for each in got}) == 5
    assert [type(each) for each in await thread_group.do(lambda: port.ask(actors.note(1)))] == [
        OwnerCrashed
    ]


async def test_handing_over_to_the_loop_lets_others_run(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Hazard 21: a great many threads do not hold the loop; it serves others in between."""
    port = (await actors.open()).port()
    asked = []
    for number in range(300):
        asked.append(thread_group.begin(partial(port.ask, actors.note(1))))
        thread_group.until(partial(queued, port, number + 1))
    port._flush()
    assert len(port._calls) == 300 - 256
    assert port._unwoken.locked()  # it comes again by itself
    await asyncio.gather(*map(asyncio.wrap_future, asked))
    assert len(actors.state) == 300


async def test_no_thread_is_forgotten_when_a_wake_up_is_lost(
    actors: ActorFactory, thread_group: ThreadGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting threads repair an interrupt between acquiring the lock and waking."""
    port = (await actors.open()).port()
    assert port._unwoken.acquire(blocking=False)
    asked = thread_group.begin(lambda: port.ask(actors.note(1)))
    async with asyncio.timeout(300):
        assert await asyncio.wrap_future(asked) == 1
    monkeypatch.setattr("soleowner.threads._LOOK", 3600.0)  # a look wakes the loop, too
    loop = counting(port)
    asked = thread_group.begin(lambda: port.ask(actors.note(2)))
    async with asyncio.timeout(300):
        assert await asyncio.wrap_future(asked) == 2
    assert loop.woken == 1


async def test_no_reference_to_the_caller_is_kept(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """A command and its reply are gone when its thread has the reply."""
    port = (await actors.open()).port()

    class Mine(Command[Any, int]):
        __slots__ = ("__weakref__",)

        def apply(self, state: Any, /) -> int:
            return 1

    gone: list[weakref.ref[Any]] = []

    def work() -> int:
        command = Mine()
        gone.append(weakref.ref(command))
        return port.ask(command)

    assert await thread_group.do(*[work] * 8) == [1] * 8
    assert await thread_group.do(lambda: port.ask(actors.note(2))) == [1]
    await asyncio.sleep(0)
    assert [ref() for ref in gone] == [None] * 8
