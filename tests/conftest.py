"""`--loop` chooses the event loop the whole suite runs on (hazard 23: uvloop differs)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

pytest_plugins = ["sessionkeeper.verify.pytest_plugin"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", choices=("asyncio", "uvloop"), default="asyncio")


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-timeout watch from a thread on uvloop: an idle uvloop never sees its signal."""
    if config.getoption("--loop") == "uvloop" and not config.getoption("timeout_method"):
        config.option.timeout_method = "thread"


def pytest_asyncio_loop_factories(config: pytest.Config) -> Mapping[str, LoopFactory]:
    """Tell pytest-asyncio (1.4 or newer) how to make the loop of each test."""
    return {config.getoption("--loop"): _loop_factory(config)}


@pytest.fixture
def loop_factory(pytestconfig: pytest.Config) -> LoopFactory:
    """The same for tests that run loops of their own: `asyncio.Runner(loop_factory=…)`."""
    return _loop_factory(pytestconfig)


def _loop_factory(config: pytest.Config) -> LoopFactory:
    if config.getoption("--loop") == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop
