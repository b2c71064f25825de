"""A whole run: every subject under every load, in turns."""

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

from .aggregate import Round, combine_rounds
from .load import Load
from .protocol import (
    RUN_FOLDER,
    Check,
    Close,
    DoneReport,
    Grow,
    GrowthReport,
    Measure,
    OpenReport,
    Prepare,
    RoundReport,
    Start,
    StoredReport,
)
from .results import BenchResult, Growth, SubjectResult
from .targets import Target
from .worker_pool import MeasurementFailed, WorkerPool

__all__ = [
    "BenchPlan",
    "ProgressCallback",
    "describe_machine",
    "list_versions",
    "run_benchmark",
]


class ProgressCallback(Protocol):
    """Receives the current step of a run."""

    def __call__(self, text: str, /, *, done: int, total: int) -> object: ...


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What to measure: every target under every load in a number of rounds, or its growth."""

    targets: tuple[Target, ...]
    loads: tuple[Load, ...]
    rounds: int
    loop: str
    workers: int = 1
    growth: int | None = None
    """The largest size for growth; None for loads."""
    half: bool = False
    """Afterwards an open loop for each target, at half of its peak throughput."""

    def __post_init__(self) -> None:
        if not self.targets or not self.loads or self.rounds < 1 or self.workers < 1:
            raise ValueError(
                "a plan needs at least one target, one load, one round and one process"
            )
        alone = [target.name for target in self.targets if not target.shared]
        if self.workers > 1 and alone:
            raise ValueError(f"{alone[0]} cannot be shared by {self.workers} processes")


def _ignore_progress(text: str, /, *, done: int, total: int) -> None:
    """Ignore progress."""


class _TargetProgress:
    """The rounds of a target so far."""

    def __init__(self, target: Target, worker_pool: WorkerPool) -> None:
        self.target, self.worker_pool = target, worker_pool
        self.limitations: tuple[str, ...] = ()
        self.offers: tuple[str, ...] = ()
        self.rounds: dict[Load, list[Round]] = {}
        self.begun = 0
        """Number of rounds begun."""
        self.growth: Growth | None = None


def run_benchmark(
    plan: BenchPlan,
    *,
    tell: ProgressCallback | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> BenchResult:
    """Measure, until `stopping` returns True, and return the results.

    Each target has processes of its own, and the targets take turns, round by round, so other
    programs on the machine slow down all of them alike. Raises `MeasurementFailed`, which keeps the
    results so far.
    """
    begun = perf_counter()
    tell = tell or _ignore_progress
    mark = f"bench-{token_hex(4)}"
    failed: MeasurementFailed | None = None
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=RUN_FOLDER))
        progress: list[_TargetProgress] = []
        for number, target in enumerate(plan.targets):
            place = Path(folder, str(number))
            place.mkdir()
            start = Start(target.spec, str(place), plan.loop)
            worker_pool = WorkerPool(target.name, start, plan.workers, run=mark, stopping=stopping)
            stack.callback(worker_pool.close)
            progress.append(_TargetProgress(target, worker_pool))
        try:
            for each in progress:
                # A process that starts would take the processor from one that is measured.
                each.worker_pool.wait_until_started()
            if plan.growth is None:
                _run_loads(plan, progress, [plan.loads] * len(progress), tell, stopping)
                if plan.half and not stopping():
                    _run_loads(plan, progress, [_halves(each) for each in progress], tell, stopping)
            else:
                _run_growth(plan, progress, tell, stopping)
        except MeasurementFailed as error:
            failed = error
    result = BenchResult(
        subjects=tuple(map(_result, progress)),
        loop=plan.loop,
        workers=plan.workers,
        seconds=perf_counter() - begun,
        interrupted=stopping() or failed is not None,
        versions=list_versions(),
        machine=describe_machine(),
    )
    if failed is None or stopping():  # a stopped worker may fail while it ends
        return result
    if any(each.measured or each.growth for each in result.subjects):
        failed.partial_result = result
    raise failed


def _run_loads(
    plan: BenchPlan,
    progress: Sequence[_TargetProgress],
    loads: Sequence[Sequence[Load]],
    tell: ProgressCallback,
    stopping: Callable[[], bool],
) -> None:
    """Run the loads of each target, round by round in turns."""
    total = sum(map(len, loads)) * plan.rounds
    number = 0
    for at_once in zip_longest(*loads):
        turns = [pair for pair in zip(progress, at_once, strict=True) if pair[1] is not None]
        for turn in range(plan.rounds):
            # The first one has a colder machine, so each is first in turn.
            for each, load in [*turns[turn % len(turns) :], *turns[: turn % len(turns)]]:
                if stopping():
                    return
                tell(f"{each.target.name}, {load.title}", done=number, total=total)
                found = _run_round(each, load, stopping)
                if found is not None:
                    each.rounds.setdefault(load, []).append(found)
                number += 1


def _halves(each: _TargetProgress) -> list[Load]:
    """Return an open loop at half the peak throughput for each number of sessions.

    Returns none for a target that completed nothing.
    """
    maximum: dict[int, tuple[float, Load]] = {}
    for load, rounds in each.rounds.items():
        speed = median(one.per_second for one in rounds)
        if speed > maximum.get(load.sessions, (0.0, load))[0]:
            maximum[load.sessions] = (speed, load)
    return [replace(load, callers=1, rate=speed / 2, half=True) for speed, load in maximum.values()]


def _run_round(each: _TargetProgress, load: Load, stopping: Callable[[], bool]) -> Round | None:
    """Run one round, the whole life of a store: open, fill, measure, check, close.

    Returns None after a stop before anything was measured.
    """
    worker_pool, number = each.worker_pool, each.begun
    each.begun += 1
    first, others = 0, range(1, len(worker_pool))
    share = None if load.rate is None else load.rate / len(worker_pool)
    load = replace(load, seed=load.seed + 1_000 * number, rate=share)
    opened = worker_pool.run_command([(first, Prepare(load, number, first, fill=True))], OpenReport)
    worker_pool.run_command([(n, Prepare(load, number, n, fill=False)) for n in others], OpenReport)
    each.limitations, each.offers = opened[0].limitations, opened[0].offers
    reports = worker_pool.run_command(
        [(n, Measure()) for n in range(len(worker_pool))], RoundReport
    )
    measured = None
    if any(report.histograms for report in reports) or not stopping():
        [found] = worker_pool.run_command([(first, Check())], StoredReport)
        measured = Round(tuple(reports), found if found.whole else None)
    cleanup = Close(cleanup=each.target.outlives_run)
    for n in (*others, first):
        worker_pool.run_command([(n, cleanup)], DoneReport)
    return measured


def _run_growth(
    plan: BenchPlan,
    progress: Sequence[_TargetProgress],
    tell: ProgressCallback,
    stopping: Callable[[], bool],
) -> None:
    for number, each in enumerate(progress):
        if stopping():
            return

        def told(text: str, each: _TargetProgress = each, number: int = number) -> None:
            tell(f"{each.target.name}: {text}", done=number, total=len(progress))

        [report] = each.worker_pool.run_command(
            [(0, Grow(plan.growth or 0, plan.loads[0].skew))], GrowthReport, told
        )
        each.growth, each.limitations = report.growth, report.limitations


def _result(progress: _TargetProgress) -> SubjectResult:
    return SubjectResult(
        name=progress.target.name,
        limitations=progress.limitations,
        measured=tuple(
            combine_rounds(load, progress.offers, rounds)
            for load, rounds in progress.rounds.items()
        ),
        growth=progress.growth,
    )


def describe_machine() -> str:
    """`2 cores, Linux x86_64`."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def list_versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of uvloop, where they are known."""
    found = {"python": platform.python_version()}
    for package in ("sessionkeeper", "uvloop"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
