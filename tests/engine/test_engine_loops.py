"""The suite runs where it says it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest


async def test_the_suite_runs_on_the_loop_that_was_chosen(pytestconfig: pytest.Config) -> None:
    """Hazard 23 (uvloop#408, #706, #740): `pytest --loop=uvloop` is not stock asyncio."""
    module = type(asyncio.get_running_loop()).__module__

    assert module.split(".")[0] == pytestconfig.getoption("--loop")


def test_loops_made_by_hand_are_of_the_same_kind(
    pytestconfig: pytest.Config, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Hazard 23, for tests that run a loop of their own."""

    async def module() -> str:
        return type(asyncio.get_running_loop()).__module__

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(module()).split(".")[0] == pytestconfig.getoption("--loop")
