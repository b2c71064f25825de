"""How many orders a second the explorer runs: `python perf/exploring.py`."""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from statistics import median

from harness import Number, options
from sessionkeeper import ActorSessionStore, Session
from sessionlab.explore import explore

__all__ = ["main"]

ROUNDS, SEEDS, TARGET = 7, 1_000, 2_000


async def twenty_tasks() -> None:
    """Twenty tasks with four awaits each: about a hundred steps."""
    done = 0

    async def work() -> None:
        nonlocal done
        for _ in range(4):
            await asyncio.sleep(0)
        done += 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert done == 20


async def three_clients() -> None:
    """A store and three clients of two operations each."""
    async with ActorSessionStore() as store:
        await store.create_session(Session.new(transport_type="stdio", id="a"))

        async def client() -> None:
            await store.touch_session("a")
            await store.get_session("a")

        await asyncio.gather(client(), client(), client())


def explored(strategy: str, scenario: object) -> float:
    """Orders a second, in one round."""
    begun = time.perf_counter()
    done = explore(scenario, seeds=SEEDS, strategy=strategy)  # type: ignore[arg-type]  # one of them
    assert done.ok
    return done.runs / (time.perf_counter() - begun)


def plain(strategy: str, scenario: object) -> float:
    """Runs a second on one loop of asyncio's own, to compare with."""
    with asyncio.Runner() as runner:
        begun = time.perf_counter()
        for _ in range(SEEDS):
            runner.run(scenario())  # type: ignore[operator]  # a coroutine function
        return SEEDS / (time.perf_counter() - begun)


def main() -> int:
    """Measure in turn, print the table, return 1 if the target is missed."""
    options(__doc__).parse_args()
    lines = {
        "asyncio itself, 20 tasks": partial(plain, "", twenty_tasks),
        **{
            f"{name}, 20 tasks": partial(explored, name, twenty_tasks)
            for name in ("usual", "random", "pct", "mixed")
        },
        "mixed, a store and 3 clients": partial(explored, "mixed", three_clients),
    }
    rounds = [[measure() for measure in lines.values()] for _ in range(ROUNDS)]
    reached = True
    for what, rates in zip(lines, zip(*rounds, strict=True), strict=True):
        aims = what.startswith("mixed, 20")
        number = Number(
            what,
            f">= {TARGET:,}" if aims else "",
            f"{median(rates):8,.0f} orders a second  ({min(rates):,.0f} to {max(rates):,.0f})",
            not aims or median(rates) >= TARGET,
        )
        reached = reached and number.reached
        mark = "" if number.reached else "  missed"
        print(f"{number.what:30}{number.target:>9}  {number.measured}{mark}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
