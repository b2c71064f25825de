"""How a number is measured here: two sides in turn, within one run, as medians with their spread.

Machines are shared and noisy; a ratio of neighbours survives that, an absolute time does not.
"""

from __future__ import annotations

import asyncio
import gc
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

__all__ = ["Number", "Operation", "Ratio", "bare_hand_off", "compare", "options", "throughput"]

Operation: TypeAlias = Callable[[int], Awaitable[object]]
"""Do one thing as caller number i."""


@dataclass(frozen=True, slots=True)
class Number:
    """One line of the table."""

    what: str
    target: str
    measured: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours over theirs, in operations a second."""

    ours: float
    theirs: float
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.ratio:6.2f}  ({self.low:.2f} to {self.high:.2f};"
            f" {self.ours:,.0f}/s against {self.theirs:,.0f}/s)"
        )


async def throughput(operation: Operation, callers: int, total: int) -> float:
    """Return operations a second of so many callers, each one call after the other."""
    each = max(1, total // callers)

    async def caller(number: int) -> None:
        for _ in range(each):
            await operation(number)

    begun = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    return each * callers / (time.perf_counter() - begun)


async def compare(
    ours: Operation,
    theirs: Operation,
    *,
    callers: int = 64,
    total: int = 20_000,
    rounds: int = 5,
    ours_total: int | None = None,
    ours_weight: float = 1.0,
    ours_callers: int | None = None,
) -> Ratio:
    """Measure both sides in turn, one round not counted; `ours_weight` scales our operations."""
    pairs: list[tuple[float, float]] = []
    for _ in range(rounds + 1):
        gc.collect()
        first = await throughput(ours, ours_callers or callers, ours_total or total) * ours_weight
        gc.collect()
        pairs.append((first, await throughput(theirs, callers, total)))
    pairs = pairs[1:]
    ratios = [a / b for a, b in pairs]
    return Ratio(
        ours=median(a for a, _ in pairs),
        theirs=median(b for _, b in pairs),
        ratio=median(ratios),
        low=min(ratios),
        high=max(ratios),
    )


def bare_hand_off() -> Operation:
    """The least a round trip to another task can cost: a list of futures it resolves."""
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[None]] = []
    wake: asyncio.Future[None] | None = None

    async def resolver() -> None:
        nonlocal wake, waiting
        while True:
            wake = loop.create_future()
            await wake
            wake = None
            taken, waiting = waiting, []
            for future in taken:
                future.set_result(None)

    task = loop.create_task(resolver())

    async def hand_off(_: int) -> None:
        assert not task.done()
        future = loop.create_future()
        waiting.append(future)
        if wake is not None and not wake.done():
            wake.set_result(None)
        await future

    return hand_off


def options(about: str | None, **flags: str) -> ArgumentParser:
    """What a script takes: who asks for help or mistypes a flag waits for no measurement."""
    parser = ArgumentParser(description=about, formatter_class=RawDescriptionHelpFormatter)
    for name, meaning in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=meaning)
    return parser
