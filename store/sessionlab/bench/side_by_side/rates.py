"""How fast one side is, and the ratio of two sides that took turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

__all__ = ["Operation", "Ratio", "measure_ratio", "throughput"]

Operation: TypeAlias = Callable[[int], Awaitable[object]]
"""Do one thing as caller number i."""


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


def measure_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Return the median of the ratios of neighbouring rounds, with their range."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Ratio(median(ours), median(theirs), median(ratios), min(ratios), max(ratios))


async def throughput(operation: Operation, callers: int, total: int) -> float:
    """Return operations a second of concurrent callers, each with one call after the other."""
    each = max(1, total // callers)

    async def caller(number: int) -> None:
        for _ in range(each):
            await operation(number)

    begun = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    return each * callers / (time.perf_counter() - begun)
