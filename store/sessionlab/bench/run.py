"""A whole run: every subject under every load, in turn, and what became of it."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from secrets import token_hex
from statistics import median
from time import perf_counter
from typing import Protocol

from .aggregate import Round, measured_of
from .load import Load
from .protocol import (
    RUN_FOLDER,
    Check,
    Checked,
    Close,
    Done,
    Grow,
    GrowthReport,
    Opened,
    Prepare,
    RoundReport,
    Run,
    Start,
)
from .results import BenchResult, Growth, SubjectResult
from .targets import Target
from .worker_pool import MeasuringFailed, WorkerPool

__all__ = ["Plan", "Tell", "run_plan"]


class Tell(Protocol):
    """Is told where a run is."""

    def __call__(self, text: str, /, *, done: int, total: int) -> object: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: every target under every load in so many rounds, or its growth."""

    targets: tuple[Target, ...]
    loads: tuple[Load, ...]
    rounds: int
    loop: str
    workers: int = 1
    growth: int | None = None
    """The largest size; None for loads."""
    half: bool = False
    """Then an open loop for each target, at half of the highest throughput that it has shown."""

    def __post_init__(self) -> None:
        if not self.targets or not self.loads or self.rounds < 1 or self.workers < 1:
            raise ValueError("at least one target, one load, one round and one process")
        alone = [target.name for target in self.targets if not target.shared]
        if self.workers > 1 and alone:
            raise ValueError(f"{alone[0]} lives in one process: it cannot have {self.workers}")


def _tell_nobody(text: str, /, *, done: int, total: int) -> None:
    """Nobody wants to know where it is."""


class _Kept:
    """What is known of a target so far."""

    def __init__(self, target: Target, worker_pool: WorkerPool) -> None:
        self.target, self.worker_pool = target, worker_pool
        self.lacks: tuple[str, ...] = ()
        self.offers: tuple[str, ...] = ()
        self.rounds: dict[Load, list[Round]] = {}
        self.begun = 0
        """Rounds."""
        self.growth: Growth | None = None


def run_plan(
    plan: Plan,
    *,
    tell: Tell | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> BenchResult:
    """Measure, and return what there is when `stopping` says so.

    Each target has processes of its own, and the targets take turns, round by round: what other
    programs take of the machine meanwhile, they take from all. Raises `MeasuringFailed`, which
    keeps what was measured until then.
    """
    begun = perf_counter()
    tell = tell or _tell_nobody
    mark = f"bench-{token_hex(4)}"
    failed: MeasuringFailed | None = None
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=RUN_FOLDER))
        kept: list[_Kept] = []
        for number, target in enumerate(plan.targets):
            place = Path(folder, str(number))
            place.mkdir()
            start = Start(target.asked, str(place), plan.loop)
            worker_pool = WorkerPool(target.name, start, plan.workers, run=mark, stopping=stopping)
            stack.callback(worker_pool.close)
            kept.append(_Kept(target, worker_pool))
        try:
            for each in kept:
                each.worker_pool.begin()  # who starts would take the processor from who is measured
            if plan.growth is None:
                _run_loads(plan, kept, [plan.loads] * len(kept), tell, stopping)
                if plan.half and not stopping():
                    _run_loads(plan, kept, [_halves(each) for each in kept], tell, stopping)
            else:
                _run_growth(plan, kept, tell, stopping)
        except MeasuringFailed as error:
            failed = error
    result = BenchResult(
        subjects=tuple(map(_result, kept)),
        loop=plan.loop,
        workers=plan.workers,
        seconds=perf_counter() - begun,
        interrupted=stopping() or failed is not None,
        versions=_versions(),
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
    )
    if failed is None or stopping():  # who was stopped may not be able to end as it should
        return result
    if any(each.measured or each.growth for each in result.subjects):
        failed.kept = result
    raise failed


def _run_loads(
    plan: Plan,
    kept: Sequence[_Kept],
    loads: Sequence[Sequence[Load]],
    tell: Tell,
    stopping: Callable[[], bool],
) -> None:
    """Put each under as many loads of its own, round by round in turn."""
    total = sum(map(len, loads)) * plan.rounds
    number = 0
    for at_once in zip_longest(*loads):
        turns = [pair for pair in zip(kept, at_once, strict=True) if pair[1] is not None]
        for turn in range(plan.rounds):
            # Whoever is first has a colder machine: each is first in its turn.
            for each, load in [*turns[turn % len(turns) :], *turns[: turn % len(turns)]]:
                if stopping():
                    return
                tell(f"{each.target.name}, {load.title}", done=number, total=total)
                found = _run_round(each, load, stopping)
                if found is not None:
                    each.rounds.setdefault(load, []).append(found)
                number += 1


def _halves(each: _Kept) -> list[Load]:
    """For each number of sessions, half of the most that it did in a second, in an open loop.

    Nothing for one that did nothing.
    """
    maximum: dict[int, tuple[float, Load]] = {}
    for load, rounds in each.rounds.items():
        speed = median(one.per_second for one in rounds)
        if speed > maximum.get(load.sessions, (0.0, load))[0]:
            maximum[load.sessions] = (speed, load)
    return [replace(load, callers=1, rate=speed / 2, half=True) for speed, load in maximum.values()]


def _run_round(each: _Kept, load: Load, stopping: Callable[[], bool]) -> Round | None:
    """A round is a whole life of a store: opened, filled, asked, looked at, closed.

    None when somebody wanted to stop before anything of it was measured.
    """
    worker_pool, number = each.worker_pool, each.begun
    each.begun += 1
    first, others = 0, range(1, len(worker_pool))
    share = None if load.rate is None else load.rate / len(worker_pool)
    load = replace(load, seed=load.seed + 1_000 * number, rate=share)
    opened = worker_pool.order([(first, Prepare(load, number, first, fill=True))], Opened)
    worker_pool.order([(n, Prepare(load, number, n, fill=False)) for n in others], Opened)
    each.lacks, each.offers = opened[0].lacks, opened[0].offers
    reports = worker_pool.order([(n, Run()) for n in range(len(worker_pool))], RoundReport)
    measured = None
    if any(report.histograms for report in reports) or not stopping():
        [found] = worker_pool.order([(first, Check())], Checked)
        measured = Round(tuple(reports), found if found.whole else None)
    tidy = Close(tidy=each.target.tidied)
    for n in (*others, first):
        worker_pool.order([(n, tidy)], Done)
    return measured


def _run_growth(
    plan: Plan, kept: Sequence[_Kept], tell: Tell, stopping: Callable[[], bool]
) -> None:
    for number, each in enumerate(kept):
        if stopping():
            return

        def told(text: str, each: _Kept = each, number: int = number) -> None:
            tell(f"{each.target.name}: {text}", done=number, total=len(kept))

        [report] = each.worker_pool.order(
            [(0, Grow(plan.growth or 0, plan.loads[0].skew))], GrowthReport, told
        )
        each.growth, each.lacks = report.growth, report.lacks


def _result(kept: _Kept) -> SubjectResult:
    return SubjectResult(
        name=kept.target.name,
        lacks=kept.lacks,
        measured=tuple(
            measured_of(load, kept.offers, rounds) for load, rounds in kept.rounds.items()
        ),
        growth=kept.growth,
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("sessionkeeper", "uvloop"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
