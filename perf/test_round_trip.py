"""A round trip through the owner, beside the least one between two tasks can cost."""

from __future__ import annotations

import asyncio

import pytest
from harness import Operation, bare_hand_off, throughput
from pytest_benchmark.fixture import BenchmarkFixture
from soleowner import Actor, Command, LoopRunner

CALLERS = (1, 64, 1000)
TOTAL = 10_000


class Nothing(Command[None, None]):
    """The least a command can do."""

    __slots__ = ()

    def apply(self, state: None, /) -> None:
        """Do nothing."""


def measure(
    benchmark: BenchmarkFixture, runner: asyncio.Runner, operation: Operation, callers: int
) -> None:
    """Time rounds of `TOTAL` operations."""
    benchmark.extra_info["operations"] = TOTAL
    benchmark.pedantic(
        lambda: runner.run(throughput(operation, callers, TOTAL)), rounds=5, warmup_rounds=1
    )


@pytest.mark.parametrize("callers", CALLERS)
def test_bare_hand_off(benchmark: BenchmarkFixture, runner: asyncio.Runner, callers: int) -> None:
    async def prepare() -> Operation:
        return bare_hand_off()

    measure(benchmark, runner, runner.run(prepare()), callers)


@pytest.mark.parametrize("callers", CALLERS)
def test_ask(benchmark: BenchmarkFixture, runner: asyncio.Runner, callers: int) -> None:
    actor = Actor(LoopRunner[None](None))
    nothing = Nothing()
    runner.run(actor.open())
    measure(benchmark, runner, lambda _: actor.ask(nothing), callers)
    runner.run(actor.aclose())
