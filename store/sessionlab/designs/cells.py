"""Runs one cell of the matrix: a design under a workload, in many orders until one is wrong.

A store with real input and output, or with a thread of its own, cannot be explored. It runs on
real event loops instead, many times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from threading import Thread
from time import perf_counter
from typing import TypeAlias

from .. import AnomalyKind, History, Outcome, check
from ..explore import Deadlock, Exploration, StepLimit, explore, replay, stress
from .catalogue import Design
from .design_run import DesignRun, Undecided, Violation
from .loading import find_design
from .misbehaviour import (
    UNEXPECTED_ANSWER,
    UNEXPECTED_ERROR,
    WrongAnswer,
    describe_error,
    picture_of_end,
)
from .pictures import picture_of_counterexample, picture_of_error
from .results import Cell, CellVerdict, Picture
from .threads import watch_threads
from .workloads import WORKLOADS, Workload

__all__ = ["LoopFactory", "explore_cell", "replay_cell", "stress_cell"]

LoopFactory: TypeAlias = Callable[[], asyncio.AbstractEventLoop]

EXPLORED, STRESS = "explored", "stress"
_STEPS = 3_000
_FEWER = 4
"""A store that is not explored opens a file in each run: divide the runs by this, and stop after
`_FEWER_SECONDS` where the disk is slow."""
_STRESS_SECONDS = 1.5
_FEWER_SECONDS = 0.3
_STRESS_TIMEOUT = 5.0


def explore_cell(
    design: Design,
    workload: Workload,
    *,
    seeds: int,
    loops: Mapping[str, LoopFactory],
    on_run: Callable[[], object] = lambda: None,
) -> Cell:
    """Run a workload in at most `seeds` orders, until one breaks its promise.

    A design that cannot be explored runs on the real loops instead. `on_run` is called at the
    beginning and at the end of each run. Raises `RuntimeError` on a thread where a loop runs.
    """
    if not design.explored:
        runs = max(1, seeds // _FEWER)
        return stress_cell(
            design, workload, runs=runs, loops=loops, seconds=_FEWER_SECONDS, on_run=on_run
        )
    design_run = DesignRun(design, workload, on_run=on_run)
    with watch_threads(design.right is None) as threads:
        done = _explored(design_run, seeds)
    if done is None:
        return stress_cell(design, workload, runs=seeds, loops=loops, on_run=on_run)
    failure = done.failures[0] if done.failures else None
    if failure is None:
        return Cell(workload.name, CellVerdict.HOLDS, done.runs, EXPLORED, None)
    if _needs_real_loop(failure.error, threads):
        return stress_cell(design, workload, runs=seeds, loops=loops, on_run=on_run)
    verdict = _judge_error(failure.error)
    picture = None
    if verdict is CellVerdict.BROKEN:
        picture = _replayed(
            design_run, failure.token, deviations=failure.deviations, interleaving=str(failure)
        )
    note = _note_of(failure.error)
    return Cell(workload.name, verdict, done.runs, EXPLORED, picture, note)


def _explored(design_run: DesignRun, seeds: int) -> Exploration | None:
    """Explore; return None if every call was refused, which also happens to a store that cannot be
    explored."""
    try:
        done = explore(
            design_run,
            seeds=seeds,
            check=design_run.judge,
            cancellations=design_run.workload.cancellations,
            cancellable=design_run.cancellable,
            max_steps=_STEPS,
        )
    except ValueError:  # there was no task to cancel
        if design_run.answered:
            raise
        return None
    return done if design_run.answered or not done.ok else None


def stress_cell(
    design: Design,
    workload: Workload,
    *,
    runs: int,
    loops: Mapping[str, LoopFactory],
    seconds: float = _STRESS_SECONDS,
    on_run: Callable[[], object] = lambda: None,
) -> Cell:
    """Run a workload `runs` times on each loop, or until `seconds` have passed.

    Raises `RuntimeError` on a thread where a loop runs.
    """
    histories = 0
    for factory in loops.values():
        design_run = DesignRun(design, workload, rng=Random(0), on_run=on_run)  # noqa: S311 - to be repeated
        begun = perf_counter()
        size = min(runs, design.runs_at_once)
        for _ in range(-(-runs // size)):
            try:
                histories += stress(
                    design_run,
                    runs=size,
                    loop_factory=factory,
                    check=design_run.judge,
                    timeout=_STRESS_TIMEOUT,
                )
            except Exception as error:
                verdict = _judge_error(error)
                picture = _draw(design_run, error) if verdict is CellVerdict.BROKEN else None
                note = _note_of(error)
                return Cell(workload.name, verdict, histories + 1, STRESS, picture, note)
            if perf_counter() - begun > seconds:
                break
        if not design_run.answered:  # every call was refused, so no promise was tested
            return Cell(workload.name, CellVerdict.UNKNOWN, histories, STRESS, None)
    return Cell(workload.name, CellVerdict.HOLDS, histories, STRESS, None)


def replay_cell(design: str, workload: str, token: str) -> Cell:
    """Run one cell in the order of a replay token.

    Raises `ValueError` for an unknown design, workload or token, `RuntimeError` on a thread where
    a loop runs.
    """
    if workload not in WORKLOADS:
        raise ValueError(f"unknown workload {workload!r}: expected one of {', '.join(WORKLOADS)}")
    named = find_design(design)
    if not named.explored:
        raise ValueError(f"{design!r} cannot be explored, so none of its orders can be replayed")
    design_run = DesignRun(named, WORKLOADS[workload])
    try:
        replay(
            design_run,
            token,
            check=design_run.judge,
            cancellable=design_run.cancellable,
            max_steps=_STEPS,
        )
    except Exception as error:
        if design_run.recording is None:  # the token is wrong, not the store
            raise
        verdict = _judge_error(error)
        picture = _draw(design_run, error, token=token) if verdict is CellVerdict.BROKEN else None
        return Cell(workload, verdict, 1, EXPLORED, picture)
    return Cell(workload, CellVerdict.HOLDS, 1, EXPLORED, None)


def _replayed(design_run: DesignRun, token: str, *, deviations: int, interleaving: str) -> Picture:
    """Run the failed order again to record its history."""
    error: BaseException = Violation("the replay did not fail")
    try:
        replay(
            design_run,
            token,
            check=design_run.judge,
            cancellable=design_run.cancellable,
            max_steps=_STEPS,
        )
    except Exception as again:
        error = again
    return _draw(design_run, error, token=token, deviations=deviations, interleaving=interleaving)


def _draw(
    design_run: DesignRun,
    error: BaseException,
    *,
    token: str | None = None,
    deviations: int | None = None,
    interleaving: str = "",
) -> Picture:
    promise = design_run.workload.promise
    try:
        history, model = design_run.history(), design_run.model()
        result = check(history, model)
    except Exception:
        if design_run.design.right is not None:
            raise
        return picture_of_end(describe_error(error), expected=promise)
    if (
        isinstance(error, Violation) and result.counterexample is not None
    ) or result.contradictions:
        return picture_of_counterexample(
            history,
            result,
            model,
            expected=promise,
            token=token,
            deviations=deviations,
            interleaving=interleaving,
        )
    anomaly, why = UNEXPECTED_ERROR, f"the store {describe_error(error)}"
    if isinstance(error, WrongAnswer):
        anomaly, why = UNEXPECTED_ANSWER, str(error)
    if isinstance(error, Deadlock | StepLimit | TimeoutError):
        anomaly, why = AnomalyKind.HANG.value, str(error) or _describe_hang(history)
    return picture_of_error(
        history,
        anomaly=anomaly,
        why=why,
        expected=promise,
        token=token,
        deviations=deviations,
        interleaving=interleaving,
    )


def _describe_hang(history: History) -> str:
    """Name the calls that had not ended when the run was given up.

    A watcher that waits is in no history: it has not shown anything.
    """
    waiting = {each.name for each in history.operations if each.outcome is Outcome.UNKNOWN}
    names = " and ".join(sorted(waiting)) or "a watcher"
    return f"{names} still waited after {_STRESS_TIMEOUT:.0f} s"


def _judge_error(error: BaseException) -> CellVerdict:
    if isinstance(error, NotImplementedError):
        return CellVerdict.NOT_OFFERED
    return CellVerdict.UNKNOWN if isinstance(error, Undecided) else CellVerdict.BROKEN


def _note_of(error: BaseException) -> str:
    """Say what the store did; nothing if it is an anomaly or a limit, which have names."""
    known = Violation | Undecided | Deadlock | StepLimit | TimeoutError | NotImplementedError
    return "" if isinstance(error, known) else describe_error(error)


def _needs_real_loop(error: BaseException, threads: Sequence[Thread]) -> bool:
    """Whether a run failed because it did what cannot be explored."""
    if isinstance(error, RuntimeError) and "explor" in str(error):
        return True
    return isinstance(error, Deadlock) and bool(threads)
