"""A whole comparison: line by line, the sides of each in turns."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from time import perf_counter

from ..aggregate import measure_spread
from ..peers import PeerStorage, pip_command
from ..run import ProgressCallback, describe_machine, list_versions
from .lines import LINES, Line, Room, Side
from .measures import CALLERS
from .results import Absent, ComparisonResult, LineResult, SideResult
from .servers import EXAMPLES, Servers, check_servers

__all__ = ["ComparisonPlan", "compare_sides"]

_PROBE = 2 * CALLERS
"""Calls of the first turn, which shows how many fit into a turn."""


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """What to compare, and for how long."""

    lines: tuple[Line, ...] = LINES
    servers: Servers = field(default_factory=dict[PeerStorage, str])
    """For the lines that need one."""
    seconds: float = 1.5
    """For each side of a line, shared by its rounds."""
    rounds: int = 5
    loop: str = "asyncio"
    """As shown; the caller runs it."""


@dataclass(slots=True)
class _Progress:
    """A line so far."""

    line: Line
    rates: dict[Side, list[float]] = field(default_factory=dict[Side, list[float]])
    """Of the rounds in which every side was measured; empty for a side that failed."""


async def compare_sides(
    plan: ComparisonPlan,
    *,
    tell: ProgressCallback,
    stopping: Callable[[], bool] = lambda: False,
) -> ComparisonResult:
    """Measure on the running loop until all is done, or `stopping` returns True.

    A side that raises is left out from then on, and named in the result. Raises `ValueError` when
    a server cannot be used.
    """
    begun = perf_counter()
    await check_servers(plan.servers)
    absent: list[Absent] = []
    runs = [_of(line, plan, absent) for line in plan.lines]
    runs = [each for each in runs if each.rates]
    total = sum(len(each.rates) for each in runs) * (plan.rounds + 2)
    done = 0
    for each in runs:
        calls: dict[Side, int] = {}
        # The first turn is a probe, the second warms up, and neither counts.
        for number in range(-2, plan.rounds):
            for side in _in_turn(each, number):
                if stopping():
                    break
                tell(f"{each.line.title}, {side.name}", done=done, total=total)
                done += 1
                asked = calls.get(side, min(_PROBE, each.line.most))
                try:
                    rate = await _turn(each.line, side, plan, asked)
                except Exception as error:
                    del each.rates[side]
                    absent.append(Absent(side.name, f"{each.line.title}: {type(error).__name__}"))
                    continue
                if number >= 0:
                    each.rates[side].append(rate)
                else:
                    fitting = int(rate * plan.seconds / plan.rounds)
                    calls[side] = max(min(CALLERS, each.line.most), min(fitting, each.line.most))
    return ComparisonResult(
        lines=tuple(result for each in runs if (result := _result(each)) is not None),
        absent=tuple(dict.fromkeys(absent)),
        loop=plan.loop,
        seconds=perf_counter() - begun,
        interrupted=stopping(),
        versions=list_versions(),
        machine=describe_machine(),
    )


def _of(line: Line, plan: ComparisonPlan, absent: list[Absent]) -> _Progress:
    """Find out which sides there are; none where there is nothing to compare with."""
    if line.storage in EXAMPLES and line.storage not in plan.servers:
        absent.append(Absent(line.title, f"needs a server: {EXAMPLES[line.storage]}"))
        return _Progress(line)
    sides = [line.ours]
    for side in line.theirs:
        missing = None if side.peer is None else side.peer.missing
        if missing is None:
            sides.append(side)
        else:
            absent.append(Absent(side.name, f"not installed: {pip_command(missing)}"))
    return _Progress(line, {side: [] for side in sides} if len(sides) > 1 else {})


def _in_turn(each: _Progress, number: int) -> Sequence[Side]:
    """Return the sides of a round, each round another one first; none when ours has failed."""
    sides = list(each.rates)
    if each.line.ours not in sides or len(sides) < 2:
        return []
    first = number % len(sides)
    return [*sides[first:], *sides[:first]]


async def _turn(line: Line, side: Side, plan: ComparisonPlan, calls: int) -> float:
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-bench-") as folder:
        gc.collect()
        room = Room(Path(folder), plan.servers, f"bench-{token_hex(4)}")
        return await side.turn(room, line.storage, calls)


def _result(each: _Progress) -> LineResult | None:
    """Combine the rounds that all sides completed; None when there is none."""
    theirs = {side: rates for side, rates in each.rates.items() if side is not each.line.ours}
    ours = each.rates.get(each.line.ours, [])
    rounds = min(map(len, each.rates.values()), default=0)
    if not rounds or not theirs or not ours:
        return None
    return LineResult(
        what=each.line.what,
        storage=each.line.storage.value,
        ours=measure_spread(ours[:rounds]),
        rounds=rounds,
        theirs=tuple(
            SideResult(
                name=side.name,
                per_second=measure_spread(rates[:rounds]),
                ratio=measure_spread([a / b for a, b in zip(ours, rates[:rounds], strict=False)]),
            )
            for side, rates in theirs.items()
        ),
    )
