"""Benchmarks run under uvloop, on stock asyncio with `--stock`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import uvloop


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the other loop."""
    parser.addoption("--stock", action="store_true", help="stock asyncio in place of uvloop")


@pytest.fixture
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """A loop to run rounds on."""
    factory = None if request.config.getoption("--stock") else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner
