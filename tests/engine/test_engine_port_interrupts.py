"""Threads that leave while they wait: their commands are withdrawn, nobody else suffers."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import (
    Actor,
)

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory
    from tests.support.thread_group import ThreadGroup

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture
def default_interrupts() -> Iterator[None]:
    """SIGINT as Python sets it up, whatever ran before and whoever started this."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


async def waiting(actor: Actor[Any], count: int = 1) -> None:
    """Go on when so many commands are in the mailbox."""
    while actor.statistics().depth + actor.statistics().waiting < count:
        await asyncio.sleep(0)


async def test_a_thread_that_gives_up_wakes_the_next_waiter(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Hazard 16: threads wake one another, and one that left breaks no chain."""
    actor = await actors.open()
    port = actor.port()
    for _ in range(20):
        got = await thread_group.do(
            *(
                lambda n=n: port.ask(actors.note(n), timeout=0.0002 if n % 3 else None)
                for n in range(24)
            )
        )
        assert all(isinstance(each, int | TimeoutError) for each in got)
        assert not [n for n in range(0, 24, 3) if isinstance(got[n], TimeoutError)]


async def test_a_caller_cancelled_while_crossing_threads_leaves_nothing(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Its command is not applied, and nothing of it is kept."""
    port = (await actors.open()).port()

    class Racing(set[Any]):
        def add(self, call: Any, /) -> None:
            port._withdraw(call)
            super().add(call)

    port._handed_over = Racing()
    (got,) = await thread_group.do(lambda: port.ask(actors.note("never"), timeout=0.1))
    assert isinstance(got, TimeoutError)
    assert (actors.state, port._handed_over) == ([], set())


async def test_a_thread_that_is_made_to_end_leaves_nothing(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Its queued command is withdrawn; the others are served."""
    actor = await actors.open()
    port = actor.port()
    await actors.hold(actor)
    ident: list[int] = []

    def work() -> None:
        ident.append(threading.get_ident())
        port.ask(actors.note("never"))

    asked = thread_group.begin(work)
    await waiting(actor)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(ident[0]), ctypes.py_object(SystemExit)
    )
    while not asked.done():
        await asyncio.sleep(0.01)
    assert isinstance(asked.exception(), SystemExit)
    actors.release()
    assert await thread_group.do(lambda: port.ask(actors.note("next"))) == [2]
    assert actors.state == ["held", "next"]


def test_ctrl_c_withdraws_the_command(
    actors_class: Callable[[], ActorFactory],
    thread_group: ThreadGroup,
    loop_factory: LoopFactory,
    default_interrupts: None,
) -> None:
    """`KeyboardInterrupt` reaches a main thread that waits, and its command has no effect."""
    loop = loop_factory()
    serving = threading.Thread(target=loop.run_forever, daemon=True)
    serving.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(300)

    async def begin() -> ActorFactory:
        return actors_class()

    actors = run(begin())
    actor = run(actors.open())

    run(actors.hold(actor))

    def interrupt() -> None:
        run(waiting(actor))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    interrupting = thread_group.begin(interrupt)
    with pytest.raises(KeyboardInterrupt):
        actor.port().ask(actors.note("never"))
    interrupting.result(300)
    loop.call_soon_threadsafe(actors.release)
    run(actors.aclose())
    loop.call_soon_threadsafe(loop.stop)
    serving.join()
    loop.close()
    assert actors.state == ["held"]
