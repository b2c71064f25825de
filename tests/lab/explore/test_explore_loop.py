"""The loop: asyncio's own order when nothing is chosen, lanes that keep theirs, virtual time."""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise, permutations

import pytest
from sessionlab.explore import ExplorationFailed, explore, interleavings, replay

Log = list[str]


async def program(seed: int, log: Log) -> None:
    """A random program of tasks that yield, wait for events and locks, queue and schedule."""
    rng = random.Random(seed)
    loop = asyncio.get_running_loop()
    event, lock = asyncio.Event(), asyncio.Lock()
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def worker(name: str, plan: list[int]) -> None:
        for n, step in enumerate(plan):
            log.append(f"{name}.{n}")
            if step == 0:
                await asyncio.sleep(0)
            elif step == 1:
                async with lock:
                    await asyncio.sleep(0)
            elif step == 2:
                queue.put_nowait(n)
                event.set()
            elif step == 3:
                loop.call_soon(log.append, f"{name}.{n} soon")
            elif step == 4:
                await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
            elif step == 5:
                loop.call_later(0, log.append, f"{name}.{n} later")
            elif step == 6:
                queue.put_nowait(n)
                await queue.get()
            elif step == 7:
                try:
                    async with asyncio.timeout(0):
                        await event.wait()
                except TimeoutError:
                    log.append(f"{name}.{n} late")

    async with asyncio.TaskGroup() as group:
        for n in range(rng.randrange(2, 6)):
            plan = [rng.randrange(8) for _ in range(rng.randrange(1, 8))]
            group.create_task(worker(f"w{n}", plan))


@pytest.mark.parametrize("seed", range(40))
def test_without_a_choice_the_order_is_that_of_asyncio(seed: int) -> None:
    """All zeros is what `asyncio.run` does, step by step."""
    expected: Log = []
    asyncio.run(program(seed, expected))
    log: Log = []
    replay(partial(program, seed, log), "x1:")
    assert log == expected


@pytest.mark.parametrize("strategy", ["random", "pct", "mixed", "exhaustive"])
def test_a_lane_keeps_its_order_and_lanes_overtake_each_other(strategy: str) -> None:
    """A task's steps, plain callbacks, and threads' jobs of one worker stay in order."""
    logs: set[tuple[str, ...]] = set()

    async def scenario() -> None:
        log: Log = []
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(1)

        async def task(name: str) -> None:
            for n in range(2):
                log.append(f"{name}{n}")
                await asyncio.sleep(0)

        for n in range(2):
            loop.call_soon(log.append, f"c{n}")
            loop.call_soon_threadsafe(log.append, f"t{n}")
            loop.call_later(0, log.append, f"l{n}")
        jobs = [loop.run_in_executor(pool, log.append, f"j{n}") for n in range(2)]
        await asyncio.gather(task("a"), task("b"), *jobs)
        await asyncio.sleep(1)  # until nothing else can run
        for lane in "abctjl":
            assert [each for each in log if each[0] == lane] == [f"{lane}0", f"{lane}1"]
        logs.add(tuple(log))

    explore(scenario, seeds=300, strategy=strategy).check()  # type: ignore[arg-type]  # a str
    for first, second in permutations("abctj", 2):
        assert any(log.index(f"{first}0") < log.index(f"{second}0") for log in logs), first + second


def test_jobs_of_a_pool_with_many_threads_overtake_each_other() -> None:
    """Each of them is done when its answer or error comes."""
    orders: set[tuple[int, ...]] = set()

    async def scenario() -> None:
        order: list[int] = []
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, order.append, n) for n in range(3)))
        orders.add(tuple(order))
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)

    explore(scenario, strict=True).check()
    assert len(orders) == 6


def test_a_job_may_be_done_although_its_caller_was_cancelled() -> None:
    """As with a thread: cancelled before it begins, or after it is done, never in between."""
    seen: set[tuple[bool, bool]] = set()

    async def scenario() -> None:
        done: list[int] = []
        caller = asyncio.create_task(asyncio.to_thread(done.append, 1), name="caller")
        await asyncio.wait([caller])
        seen.add((bool(done), caller.cancelled()))

    explore(scenario, cancellations=1, cancellable="caller", strict=True).check()
    assert seen == {(True, False), (False, True), (True, True)}


def test_a_job_that_is_cancelled_before_a_thread_takes_it_is_not_done() -> None:
    """It behaves like a pool."""

    async def scenario() -> None:
        done: list[int] = []
        job = asyncio.get_running_loop().run_in_executor(None, done.append, 1)
        job.cancel()
        await asyncio.sleep(1)
        assert done == []

    explore(scenario, strict=True).check()


def test_time_is_virtual_and_goes_on_when_nothing_else_can() -> None:
    """A year passes at once; timers ring in the order of their times, work comes first."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        log: list[tuple[str, float]] = []

        async def nap(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            log.append((name, loop.time()))

        async def work() -> None:
            for _ in range(20):
                await asyncio.sleep(0)
            log.append(("work", loop.time()))

        await asyncio.gather(nap("year", 31_536_000), nap("second", 1), work(), nap("day", 86_400))
        assert log == [("work", 0), ("second", 1), ("day", 86_400), ("year", 31_536_000)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await loop.create_future()
        assert loop.time() == 31_539_600

    begun = time.monotonic()
    explore(scenario, strict=True).check()
    assert time.monotonic() - begun < 31_536_000


def test_timers_of_the_same_time_fire_in_every_order() -> None:
    """What they wake up is free again."""
    orders: set[tuple[int, ...]] = set()

    async def scenario() -> None:
        order: list[int] = []

        async def nap(n: int) -> None:
            await asyncio.sleep(1)
            order.append(n)

        await asyncio.gather(*map(nap, range(3)))
        orders.add(tuple(order))

    explore(scenario).check()
    assert len(orders) == 6


def test_sets_of_tasks_have_one_order() -> None:
    """They hash by their number, so a scenario that goes through a set can be replayed."""

    async def scenario() -> None:
        tasks = {asyncio.create_task(asyncio.sleep(0)) for _ in range(50)}
        names = [int(task.get_name().split("-")[1]) for task in tasks]
        assert all(a < b for a, b in pairwise(names))
        await asyncio.wait(tasks)

    explore(scenario, seeds=3).check()


def test_an_eager_task_factory_is_kept() -> None:
    """From 3.12 on, tasks may run their first step at once."""
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory is None:
        pytest.skip("there is none in this Python")

    @interleavings(seeds=20, strict=True)
    async def scenario() -> None:
        log: Log = []
        asyncio.get_running_loop().set_task_factory(factory)

        async def step() -> None:
            log.append("begun")
            await asyncio.sleep(0)
            log.append("ended")

        task = asyncio.create_task(step(), name="eager")
        assert log == ["begun"]
        await task
        assert task.get_name() == "eager"

    scenario()


def test_a_scenario_that_stops_the_loop_fails() -> None:
    """It cannot get out that way."""

    async def scenario() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)

    with pytest.raises(ExplorationFailed, match="stopped the loop"):
        explore(scenario).check()
