"""How a number is measured here: two sides in turn, within one run, as medians with their spread.

Machines are shared and noisy; a ratio of neighbours survives that, an absolute time does not.
"""

from __future__ import annotations

import gc
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from dataclasses import dataclass

from sessionlab.bench.side_by_side import Operation, Ratio, measure_ratio, throughput
from sessionlab.bench.side_by_side.by_hand import bare_hand_off

__all__ = ["Number", "Operation", "Ratio", "bare_hand_off", "compare", "options", "throughput"]


@dataclass(frozen=True, slots=True)
class Number:
    """One line of the table."""

    what: str
    target: str
    measured: str
    reached: bool


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
    return measure_ratio([ours for ours, _ in pairs], [theirs for _, theirs in pairs])


def options(about: str | None, **flags: str) -> ArgumentParser:
    """What a script takes: who asks for help or mistypes a flag waits for no measurement."""
    parser = ArgumentParser(description=about, formatter_class=RawDescriptionHelpFormatter)
    for name, meaning in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=meaning)
    return parser
