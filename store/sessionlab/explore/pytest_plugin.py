"""A pytest fixture that runs a coroutine in many orders: `-p sessionlab.explore.pytest_plugin`.

No entry point announces it: that would import this library into every run of pytest in the same
environment. Name it with `-p`, or as `pytest_plugins` in a conftest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from . import Exploration, Scenario, Strategy, explore, replay

__all__ = ["Explorer", "explorer", "pytest_addoption"]

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer to explore more, or to replay one order."""
    group = parser.getgroup("explorer", "orders of tasks (sessionkeeper)")
    group.addoption("--explore-seeds", type=int, metavar="N", help="run N orders a scenario")
    group.addoption("--explore-replay", metavar="TOKEN", help="run one order, that of a report")


class Explorer:
    """Explores what it is called with, and fails with the report."""

    def __init__(self, seeds: int | None = None, token: str | None = None) -> None:
        self._seeds = seeds
        self._token = token

    def __call__(
        self,
        scenario: Scenario[T],
        *,
        seeds: int = 200,
        strategy: Strategy = "mixed",
        check: Callable[[T], object] | None = None,
        cancellations: int = 0,
        cancellable: str | None = None,
        strict: bool = False,
        max_steps: int = 10_000,
    ) -> Exploration:
        """Do as `explore` does, and raise `ExplorationFailed` if something failed.

        `--explore-seeds` takes the place of `seeds`; with `--explore-replay` only that order is
        run, and its error raised as it is.
        """
        if self._token is not None:
            replay(
                scenario,
                self._token,
                check=check,
                cancellable=cancellable,
                strict=strict,
                max_steps=max_steps,
            )
            return Exploration(runs=1, distinct=1)
        done = explore(
            scenario,
            seeds=self._seeds or seeds,
            strategy=strategy,
            check=check,
            cancellations=cancellations,
            cancellable=cancellable,
            strict=strict,
            max_steps=max_steps,
        )
        done.check()
        return done


@pytest.fixture
def explorer(pytestconfig: pytest.Config) -> Explorer:
    """Run a coroutine function in many orders: `explorer(scenario, seeds=1000)`."""
    return Explorer(
        pytestconfig.getoption("--explore-seeds"), pytestconfig.getoption("--explore-replay")
    )
