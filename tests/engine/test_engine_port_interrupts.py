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
    from tests.conftest import Crowd
    from tests.engine.conftest import Bench

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """SIGINT as Python sets it up, whatever ran before and whoever started this."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


async def waiting(actor: Actor[Any], count: int = 1) -> None:
    """Go on when so many commands are in the mailbox."""
    while actor.statistics().depth + actor.statistics().waiting < count:
        await asyncio.sleep(0)


async def test_a_thread_that_gives_up_wakes_the_next_waiter(bench: Bench, crowd: Crowd) -> None:
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


async def test_a_caller_cancelled_while_crossing_threads_leaves_nothing(
    bench: Bench, crowd: Crowd
) -> None:
    """Neither its command is applied nor anything of it kept."""
    port = (await bench.open()).port()

    class Racing(set[Any]):
        def add(self, call: Any, /) -> None:
            port._withdraw(call)
            super().add(call)

    port._handed_over = Racing()
    (got,) = await crowd.do(lambda: port.ask(bench.note("never"), timeout=0.1))
    assert isinstance(got, TimeoutError)
    assert (bench.state, port._handed_over) == ([], set())


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
    bench_class: Callable[[], Bench],
    crowd: Crowd,
    loop_factory: LoopFactory,
    heeded_interrupts: None,
) -> None:
    """`KeyboardInterrupt` reaches a main thread that waits, and its command has no effect."""
    loop = loop_factory()
    serving = threading.Thread(target=loop.run_forever, daemon=True)
    serving.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(300)

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
    interrupting.result(300)
    loop.call_soon_threadsafe(bench.release)
    run(bench.aclose())
    loop.call_soon_threadsafe(loop.stop)
    serving.join()
    loop.close()
    assert bench.state == ["held"]
