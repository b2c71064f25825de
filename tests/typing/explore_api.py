"""How the explorer is used, for type checkers only: mypy and pyright read it, nothing runs it."""

from __future__ import annotations

import asyncio
from typing import assert_type

from sessionlab.explore import (
    Exploration,
    Failure,
    explore,
    interleavings,
    may_cancel,
    replay,
    stress,
    sweep_cancellations,
)
from sessionlab.explore.pytest_plugin import Explorer


async def scenario() -> list[int]:
    """A scenario that returns something."""
    task = asyncio.create_task(asyncio.sleep(0, result=1), name="client")
    assert_type(may_cancel(task), asyncio.Task[int])
    return [await task]


def check(result: list[int]) -> None:
    """It is given what the scenario returns."""


@interleavings(seeds=10, strategy="pct", cancellations=1, cancellable="client")
async def decorated(number: int, *, name: str) -> None:
    """Becomes a plain function with the same parameters."""


def use(explorer: Explorer) -> None:
    """Every way in."""
    assert_type(explore(scenario, check=check, strategy="exhaustive"), Exploration)
    assert_type(sweep_cancellations(scenario, check=check, seeds=3), Exploration)
    assert_type(replay(scenario, "x1:"), list[int])
    assert_type(stress(scenario, runs=3, check=check), int)
    assert_type(explorer(scenario, check=check), Exploration)
    assert_type(explore(scenario).failures, list[Failure])
    assert_type(decorated(1, name="n"), None)
    explore(scenario, strategy="best")  # type: ignore[arg-type]  # not a strategy
    explore(scenario, check=len, seeds="many")  # type: ignore[arg-type]  # not a number
    decorated("1", name="n")  # type: ignore[arg-type]  # not an int
