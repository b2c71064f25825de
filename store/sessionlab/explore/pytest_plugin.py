"""A pytest fixture that runs a coroutine in many orders: `-p sessionlab.explore.pytest_plugin`.

No entry point announces it: that would import this library into every run of pytest in the same
environment. Name it with `-p`, or as `pytest_plugins` in a conftest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar, get_args

import pytest

from . import Exploration, Scenario, Strategy, explore, replay

__all__ = ["Explorer", "explorer", "pytest_addoption", "pytest_terminal_summary"]

T = TypeVar("T")

_REPORTS = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer to explore more, by another strategy, or to replay one order."""
    group = parser.getgroup("explorer", "orders of tasks (sessionkeeper)")
    group.addoption("--explore-seeds", type=int, metavar="N", help="run N orders a scenario")
    group.addoption(
        "--explore-strategy", choices=get_args(Strategy), help="choose the orders in this way"
    )
    group.addoption("--explore-replay", metavar="TOKEN", help="run one order, that of a report")


class Explorer:
    """Explores what it is called with, and fails with the report."""

    def __init__(
        self,
        seeds: int | None = None,
        token: str | None = None,
        *,
        strategy: Strategy | None = None,
        report: Callable[[Exploration], object] = lambda _: None,
    ) -> None:
        self._seeds = seeds
        self._token = token
        self._strategy: Strategy | None = strategy
        self._report = report

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

        `--explore-seeds` and `--explore-strategy` take the place of `seeds` and `strategy`; with
        `--explore-replay` only that order is run, and its error raised as it is.
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
            strategy=self._strategy or strategy,
            check=check,
            cancellations=cancellations,
            cancellable=cancellable,
            strict=strict,
            max_steps=max_steps,
        )
        done.check()
        self._report(done)
        return done


@pytest.fixture
def explorer(request: pytest.FixtureRequest) -> Explorer:
    """Run a coroutine function in many orders: `explorer(scenario, seeds=1000)`."""
    config, test = request.config, request.node.nodeid
    return Explorer(
        config.getoption("--explore-seeds"),
        config.getoption("--explore-replay"),
        strategy=config.getoption("--explore-strategy"),
        report=partial(_keep_report, config, test),
    )


def _keep_report(config: pytest.Config, test: str, done: Exploration) -> None:
    config.stash.setdefault(_REPORTS, []).append(f"{test}: {done}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """With `-v`, show what each passing test covered."""
    reports = config.stash.get(_REPORTS, list[str]())
    if reports and terminalreporter.verbosity > 0:
        terminalreporter.section("orders of tasks")
        for report in reports:
            terminalreporter.write_line(report)
