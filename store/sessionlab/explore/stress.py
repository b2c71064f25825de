"""Runs a scenario many times on a loop that cannot be reordered, such as uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from .run import Scenario, forbid_nesting

__all__ = ["stress"]

T = TypeVar("T")


def stress(
    scenario: Scenario[T],
    *,
    runs: int = 200,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    check: Callable[[T], object] | None = None,
    timeout: float = 10.0,
) -> int:
    """Run a scenario `runs` times on one loop in real time; return the number of runs.

    Raises the first error, with a note saying in which run; `TimeoutError` for a run that takes
    longer than `timeout` seconds; `RuntimeError` on a thread where a loop runs. Nothing is
    reordered and nothing can be replayed: finding nothing here says little.
    """
    forbid_nesting("stress()")
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        for run in range(1, runs + 1):
            try:
                value = runner.run(_in_time(scenario, timeout))
                if check is not None:
                    check(value)
            except Exception as error:
                error.add_note(f"in run {run} of {runs} on {type(runner.get_loop()).__name__}")
                raise
    return runs


async def _in_time(scenario: Scenario[T], timeout: float) -> T:
    async with asyncio.timeout(timeout):
        return await scenario()
