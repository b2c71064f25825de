"""Nothing reaches the world outside, and nothing of one run reaches the next."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial

import pytest
from sessionlab.explore import explore, replay, stress


async def _connect() -> None:
    await asyncio.open_connection("localhost", 1)


async def _name() -> None:
    await asyncio.get_running_loop().getaddrinfo("localhost", 1)


async def _subprocess() -> None:
    await asyncio.create_subprocess_exec("true")


async def _signal() -> None:
    asyncio.get_running_loop().add_signal_handler(10, print)


async def _file() -> None:
    with open(__file__) as file:
        asyncio.get_running_loop().add_reader(file, print)


@pytest.mark.parametrize("outside", [_connect, _name, _subprocess, _signal, _file])
def test_the_world_outside_is_refused(outside: Callable[[], Coroutine[object, None, None]]) -> None:
    """Its effects could not be repeated; the error says what to do instead."""
    with pytest.raises(RuntimeError, match="stand-in"):
        replay(outside, "x1:")


def test_a_real_thread_is_refused() -> None:
    """The time of its callback is not known."""
    refused: list[str] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        def call() -> None:
            try:
                loop.call_soon_threadsafe(print)
            except RuntimeError as error:
                refused.append(str(error))

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    explore(scenario, seeds=1).check()
    assert "a real thread cannot" in refused[0]


@pytest.mark.parametrize("way", [explore, partial(replay, token="x1:"), stress])
async def test_inside_a_running_loop_it_refuses(way: Callable[[object], object]) -> None:
    """It runs its own loops, and the error says from where to call it."""

    async def scenario() -> None:
        """Nothing."""

    with pytest.raises(RuntimeError, match="plain function"):
        way(scenario)


def test_a_job_may_run_a_loop_of_its_own() -> None:
    """No loop runs there, as in a thread."""

    async def answer() -> int:
        return 42

    async def scenario() -> None:
        assert await asyncio.to_thread(lambda: asyncio.run(answer())) == 42
        assert asyncio.get_running_loop().is_running()

    replay(scenario, "x1:")


def test_nothing_of_one_run_reaches_the_next() -> None:
    """Context variables, async generators, tasks, names, the clock: each run begins anew."""
    variable = contextvars.ContextVar("variable", default=0)
    closed: list[int] = []
    kept: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            closed.append(1)

    async def forever() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            closed.append(2)

    async def scenario() -> None:
        assert asyncio.get_running_loop().time() == 0
        assert variable.get() == 0
        variable.set(1)
        task = asyncio.create_task(forever())
        assert task.get_name() == "forever-1"
        assert len(asyncio.all_tasks()) == 2
        kept.append(numbers())
        async for _ in kept[-1]:
            break
        await asyncio.sleep(1)

    done = explore(scenario, seeds=5)
    done.check()
    assert sorted(closed) == [1] * 5 + [2] * 5
    assert variable.get() == 0
    assert len(done.left) == 1
    assert "forever-1 waits for a future" in done.left.pop()


def test_a_job_sees_nothing_of_its_callers_context() -> None:
    """As in a thread; `asyncio.to_thread` brings the context along, as it says."""
    variable = contextvars.ContextVar("variable", default=0)

    async def scenario() -> None:
        variable.set(1)
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, variable.get) == 0
        assert await asyncio.to_thread(variable.get) == 1

    replay(scenario, "x1:")
