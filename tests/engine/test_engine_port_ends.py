"""What ends a thread's waiting when there is no reply: never nothing."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import (
    Actor,
    LoopRunner,
    LoopStopped,
    MailboxClosed,
    Reentrant,
    WouldBlock,
    WrongLoop,
)

if TYPE_CHECKING:
    from tests.conftest import Crowd
    from tests.engine.conftest import Bench

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def waiting(actor: Actor[Any], count: int = 1) -> None:
    """Go on when so many commands are in the mailbox."""
    while actor.statistics().depth + actor.statistics().waiting < count:
        await asyncio.sleep(0)


async def outcome(asked: Any) -> Any:
    """The value or the error of what a thread does."""
    return (await asyncio.gather(asyncio.wrap_future(asked), return_exceptions=True))[0]


async def test_a_timeout_withdraws_a_queued_command(bench: Bench, crowd: Crowd) -> None:
    """Still queued: certainly no effect. The next thread is served."""
    actor = await bench.open()
    port = actor.port()
    await bench.hold(actor)
    assert isinstance(
        (await crowd.do(lambda: port.ask(bench.note("late"), timeout=0.01)))[0], TimeoutError
    )
    bench.release()
    assert await crowd.do(lambda: port.ask(bench.note("next"))) == [2]
    assert bench.state == ["held", "next"]
    assert not port._crossed


async def test_a_timeout_before_the_crossing_leaves_nothing(bench: Bench, crowd: Crowd) -> None:
    """While the loop stands still: no effect, and threads that try again pile nothing up."""
    port = (await bench.open()).port()
    asked = [crowd.begin(lambda: port.ask(bench.note("no"), timeout=0.01)) for _ in range(20)]
    crowd.until(lambda: all(each.done() for each in asked))  # the loop stands still
    assert {type(each.exception()) for each in asked} == {TimeoutError}
    assert not port._calls
    assert await crowd.do(lambda: port.ask(bench.note("yes"))) == [1]


@pytest.mark.parametrize("timeout", [0, 0.0])
async def test_no_time_at_all_is_a_timeout_or_a_reply(
    bench: Bench, crowd: Crowd, timeout: float
) -> None:
    """Whole or not at all, whichever it is."""
    port = (await bench.open()).port()
    got = await crowd.do(*[lambda: port.ask(bench.note(1), timeout=timeout)] * 8)
    served = sum(not isinstance(each, TimeoutError) for each in got)
    assert len(bench.state) >= served


@pytest.mark.parametrize(
    ("timeout", "kind"), [("1", TypeError), (True, TypeError), (-1, ValueError)]
)
async def test_a_timeout_is_a_number_of_seconds(
    bench: Bench, crowd: Crowd, timeout: Any, kind: type[Exception]
) -> None:
    """Wrong use is told at the call; nothing crosses."""
    port = (await bench.open()).port()
    (got,) = await crowd.do(lambda: port.ask(bench.note(1), timeout=timeout))
    assert type(got) is kind
    assert bench.state == []


async def test_a_thread_that_gives_up_wakes_who_waits_behind(bench: Bench, crowd: Crowd) -> None:
    """Hazard 16: threads wake one another, and one that left breaks no chain."""
    actor = await bench.open()
    port = actor.port()
    for _ in range(20):
        got = await crowd.do(
            *(
                lambda n=n: port.ask(bench.note(n), timeout=0.0002 if n % 3 else None)
                for n in range(24)
            )
        )
        assert all(isinstance(each, int | TimeoutError) for each in got)
        assert not [n for n in range(0, 24, 3) if isinstance(got[n], TimeoutError)]


async def test_closing_the_actor_answers_who_waits(bench: Bench, crowd: Crowd) -> None:
    """Queued commands are finished; later ones refused, in the calling thread already."""
    actor = await bench.open()
    port = actor.port()
    held = await bench.hold(actor)
    asked = crowd.begin(lambda: port.ask(bench.note("queued")))
    await waiting(actor)
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)
    late = await crowd.do(lambda: port.ask(bench.note("late")))
    bench.release()
    await closing
    assert (await held, await outcome(asked)) == (1, 2)
    assert [type(each) for each in late] == [MailboxClosed]


async def test_closing_in_time_answers_who_is_left(bench: Bench, crowd: Crowd) -> None:
    """With a timeout: certainly not applied."""
    actor = await bench.open()
    port = actor.port()
    held = await bench.hold(actor)
    asked = crowd.begin(lambda: port.ask(bench.note("left")))
    await waiting(actor)
    await actor.aclose(timeout=0)
    assert isinstance(await outcome(asked), MailboxClosed)
    assert isinstance(held.exception(), MailboxClosed)
    assert bench.state == []


async def test_a_closed_port_refuses_and_its_actor_goes_on(bench: Bench, crowd: Crowd) -> None:
    """Idempotent; another port of the same actor is open."""
    actor = await bench.open()
    port, other = actor.port(), actor.port()
    port.close()
    port.close()
    got = await crowd.do(lambda: port.ask(bench.note(1)))
    assert [type(each) for each in got] == [MailboxClosed]
    assert await crowd.do(lambda: other.ask(bench.note(1))) == [1]


@pytest.mark.parametrize("close", [False, True], ids=["stopped", "closed"])
@pytest.mark.parametrize("where", ["queued", "taken", "not crossed"])
def test_a_loop_that_stops_ends_all_waiting(
    bench_class: Callable[[], Bench],
    crowd: Crowd,
    loop_factory: LoopFactory,
    where: str,
    close: bool,
) -> None:
    """Hazard 12: within about a second, and it says what may have been applied."""
    loop, bench = loop_factory(), bench_class()

    class Stuck(LoopRunner[list[object]]):
        async def run(self, batch: Any, /) -> None:
            await asyncio.Event().wait()

    async def begin() -> Actor[list[object]]:
        actor: Actor[list[object]] = Actor(Stuck([]))
        await actor.open()
        return actor

    actor = loop.run_until_complete(begin())
    port = actor.port()
    first = crowd.begin(lambda: port.ask(bench.note("taken")))
    asked = [first]

    async def taken() -> None:
        while not actor._current:
            await asyncio.sleep(0)
        if where == "queued":
            asked.append(crowd.begin(lambda: port.ask(bench.note("queued"))))
            await waiting(actor)

    if where != "not crossed":
        loop.run_until_complete(taken())
    task = actor._task
    if close:
        loop.close()
    errors = [each.exception(timeout=20) for each in asked]
    expected = MailboxClosed if where == "not crossed" else LoopStopped
    assert type(errors[0]) is expected
    assert [type(each) for each in errors[1:]] == [MailboxClosed] * (len(errors) - 1)
    if close:
        later = crowd.begin(lambda: port.ask(bench.note("later")))
        assert type(later.exception(timeout=20)) is MailboxClosed
        task._log_destroy_pending = False  # type: ignore[union-attr]  # left on purpose
        return
    assert task is not None
    task.cancel()
    loop.run_until_complete(asyncio.wait({task}))
    loop.close()


def test_the_end_of_asyncio_run_ends_all_waiting(
    bench_class: Callable[[], Bench], crowd: Crowd, loop_factory: LoopFactory
) -> None:
    """Hazard 18: threads that never stop asking are all told, and none hangs."""
    asked: list[Any] = []
    bench = bench_class()
    state = bench.state

    async def main() -> None:
        actor = Actor(LoopRunner(state))
        await actor.open()
        port = actor.port()

        def work() -> None:
            while True:
                port.ask(bench.note(1))

        asked.extend(crowd.begin(work) for _ in range(16))
        while len(state) < 200:
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    assert {type(each.exception(timeout=20)) for each in asked} == {MailboxClosed}


async def test_on_the_loops_own_thread_it_raises(bench: Bench) -> None:
    """It would wait for itself: a `RuntimeError` that says what to do."""
    port = (await bench.open()).port()
    with pytest.raises(WouldBlock, match="await the actor itself") as caught:
        port.ask(bench.note(1))
    assert isinstance(caught.value, WrongLoop)
    assert isinstance(caught.value, RuntimeError)


async def test_inside_a_command_it_raises(bench: Bench, crowd: Crowd) -> None:
    """Hazard 19: `Reentrant`, and the owner lives on."""
    port = (await bench.open()).port()

    def inner() -> object:
        with pytest.raises(Reentrant):
            port.ask(bench.note("inner"))
        return "raised"

    assert await crowd.do(lambda: port.ask(bench.do(inner))) == ["raised"]
    assert bench.state == []


async def test_a_runner_on_a_thread_says_that_it_would_wait(bench: Bench, crowd: Crowd) -> None:
    """Hazard 19: a command applied on another thread cannot ask its owner through a port."""

    class Elsewhere(LoopRunner[Any]):
        inside_of: int | None = None

        def inside(self) -> bool:
            return threading.get_ident() == self.inside_of

        async def run(self, batch: Any, /) -> None:
            await asyncio.to_thread(self._begin, batch)

        def _begin(self, batch: Any) -> None:
            self.inside_of = threading.get_ident()
            with pytest.raises(Reentrant):
                port.ask(bench.note("inner"))
            self.inside_of = None
            loop.call_soon_threadsafe(self._apply, batch)

    loop = asyncio.get_running_loop()
    async with Actor(Elsewhere(bench.state)) as actor:
        port = actor.port()
        assert await crowd.do(lambda: port.ask(bench.note("outer"))) == [1]


async def test_a_port_needs_an_open_actor(bench: Bench) -> None:
    """Wrong use is told when it is made."""
    actor = bench.actor()
    with pytest.raises(RuntimeError, match="async with"):
        actor.port()
    await actor.aclose()
    with pytest.raises(MailboxClosed):
        actor.port()


async def test_a_thread_that_is_made_to_end_leaves_nothing(bench: Bench, crowd: Crowd) -> None:
    """Its queued command is withdrawn; the others are served."""
    actor = await bench.open()
    port = actor.port()
    await bench.hold(actor)
    ident: list[int] = []

    def work() -> None:
        ident.append(threading.get_ident())
        port.ask(bench.note("never"))

    asked = crowd.begin(work)
    await waiting(actor)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(ident[0]), ctypes.py_object(SystemExit)
    )
    while not asked.done():
        await asyncio.sleep(0.01)
    assert isinstance(asked.exception(), SystemExit)
    bench.release()
    assert await crowd.do(lambda: port.ask(bench.note("next"))) == [2]
    assert bench.state == ["held", "next"]


def test_ctrl_c_withdraws_the_command(
    bench_class: Callable[[], Bench], crowd: Crowd, loop_factory: LoopFactory
) -> None:
    """`KeyboardInterrupt` reaches a main thread that waits, and its command has no effect."""
    loop = loop_factory()
    serving = threading.Thread(target=loop.run_forever)
    serving.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(20)

    async def begin() -> Bench:
        return bench_class()

    bench = run(begin())
    actor = run(bench.open())

    run(bench.hold(actor))

    def interrupt() -> None:
        run(waiting(actor))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    interrupting = crowd.begin(interrupt)
    with pytest.raises(KeyboardInterrupt):
        actor.port().ask(bench.note("never"))
    interrupting.result(20)
    loop.call_soon_threadsafe(bench.release)
    run(bench.aclose())
    loop.call_soon_threadsafe(loop.stop)
    serving.join()
    loop.close()
    assert bench.state == ["held"]
