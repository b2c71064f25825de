"""One cell of the matrix: a design under a workload, in many orders, and the first that is bad.

What the explorer cannot run, because it is real input or output or a thread of its own, runs on
real loops instead, again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from threading import Thread
from time import perf_counter
from typing import TypeAlias

from .. import AnomalyKind, check
from ..explore import Deadlock, Exploration, StepLimit, explore, replay, stress
from .catalogue import Design
from .design_run import Trial, Undecided, Violation
from .loading import design_named
from .pictures import picture_of, picture_of_an_end
from .results import Cell, Picture, Verdict
from .threads import threads_seen
from .workloads import WORKLOADS, Workload

__all__ = ["LoopFactory", "explore_cell", "replay_cell", "stress_cell"]

LoopFactory: TypeAlias = Callable[[], asyncio.AbstractEventLoop]

EXPLORED, STRESS = "explored", "stress"
UNEXPECTED = "unexpected error"
"""What is no anomaly of a history: the store raised what its contract does not have."""

_STEPS = 3_000
_FEWER = 4
"""What is not explored opens a file in each run: so many times fewer are run on each loop, and
fewer still where the disk is slow."""
_STRESS_SECONDS = 1.5
_FEWER_SECONDS = 0.3
_STRESS_TIMEOUT = 5.0
_SLICE = 5


def explore_cell(
    design: Design, workload: Workload, *, seeds: int, loops: Mapping[str, LoopFactory]
) -> Cell:
    """Run a workload in so many orders at most, until one breaks its promise.

    On the real loops instead, if it cannot be explored. Raises `RuntimeError` where a loop runs.
    """
    if not design.explored:
        runs = max(1, seeds // _FEWER)
        return stress_cell(design, workload, runs=runs, loops=loops, seconds=_FEWER_SECONDS)
    trial = Trial(design, workload)
    with threads_seen(design.right is None) as threads:
        done = _explored(trial, seeds)
    if done is None:
        return stress_cell(design, workload, runs=seeds, loops=loops)
    failure = done.failures[0] if done.failures else None
    if failure is None:
        return Cell(workload.name, Verdict.HOLDS, done.runs, EXPLORED, None)
    if _is_of_the_world(failure.error, threads):
        return stress_cell(design, workload, runs=seeds, loops=loops)
    verdict = _verdict_of(failure.error)
    picture = None
    if verdict is Verdict.BROKEN:
        picture = _replayed(
            trial, failure.token, deviations=failure.deviations, interleaving=str(failure)
        )
    return Cell(workload.name, verdict, done.runs, EXPLORED, picture)


def _explored(trial: Trial, seeds: int) -> Exploration | None:
    """Explore; None if the store refused everything, as it may since it cannot be explored."""
    try:
        done = explore(
            trial,
            seeds=seeds,
            check=trial.judge,
            cancellations=trial.workload.cancellations,
            victims=trial.victims,
            max_steps=_STEPS,
        )
    except ValueError:  # nobody was there to be cancelled
        if trial.answered:
            raise
        return None
    return done if trial.answered or not done.ok else None


def stress_cell(
    design: Design,
    workload: Workload,
    *,
    runs: int,
    loops: Mapping[str, LoopFactory],
    seconds: float = _STRESS_SECONDS,
) -> Cell:
    """Run a workload so many times on each of the loops, or a few times and for so long.

    Raises `RuntimeError` where a loop runs.
    """
    histories = 0
    for factory in loops.values():
        trial = Trial(design, workload, meddler=Random(0))  # noqa: S311 - to be repeated
        begun = perf_counter()
        for _ in range(-(-runs // _SLICE)):
            try:
                histories += stress(
                    trial,
                    runs=min(_SLICE, runs),
                    loop_factory=factory,
                    check=trial.judge,
                    timeout=_STRESS_TIMEOUT,
                )
            except Exception as error:
                verdict = _verdict_of(error)
                picture = _drawn(trial, error) if verdict is Verdict.BROKEN else None
                return Cell(workload.name, verdict, histories + 1, STRESS, picture)
            if perf_counter() - begun > seconds:
                break
        if not trial.answered:  # refused everything: no promise was put to the test
            return Cell(workload.name, Verdict.UNKNOWN, histories, STRESS, None)
    return Cell(workload.name, Verdict.HOLDS, histories, STRESS, None)


def replay_cell(design: str, workload: str, token: str) -> Cell:
    """Run one cell in the one order that a replay token stands for.

    Raises `ValueError` for a design, a workload or a token there is not, `RuntimeError` on a thread
    where a loop runs.
    """
    if workload not in WORKLOADS:
        raise ValueError(f"no workload is called {workload!r}: there are {', '.join(WORKLOADS)}")
    named = design_named(design)
    if not named.explored:
        raise ValueError(f"{design!r} cannot be explored, so no order of it can be had again")
    trial = Trial(named, WORKLOADS[workload])
    try:
        replay(trial, token, check=trial.judge, victims=trial.victims, max_steps=_STEPS)
    except Exception as error:
        if trial.recording is None:  # the token, not the store
            raise
        verdict = _verdict_of(error)
        picture = _drawn(trial, error, token=token) if verdict is Verdict.BROKEN else None
        return Cell(workload, verdict, 1, EXPLORED, picture)
    return Cell(workload, Verdict.HOLDS, 1, EXPLORED, None)


def _replayed(trial: Trial, token: str, *, deviations: int, interleaving: str) -> Picture:
    """Run the order that failed once more, for its own history."""
    error: BaseException = Violation("not the same when it was replayed")
    try:
        replay(trial, token, check=trial.judge, victims=trial.victims, max_steps=_STEPS)
    except Exception as again:
        error = again
    return _drawn(trial, error, token=token, deviations=deviations, interleaving=interleaving)


def _drawn(
    trial: Trial,
    error: BaseException,
    *,
    token: str | None = None,
    deviations: int | None = None,
    interleaving: str = "",
) -> Picture:
    history, model = trial.history(), trial.model()
    promise = trial.workload.promise
    result = check(history, model)
    if (isinstance(error, Violation) and result.counterexample is not None) or result.findings:
        return picture_of(
            history,
            result,
            model,
            expected=promise,
            token=token,
            deviations=deviations,
            interleaving=interleaving,
        )
    anomaly, why = UNEXPECTED, f"the store raised {type(error).__name__}"
    if isinstance(error, Deadlock | StepLimit | TimeoutError):
        anomaly, why = AnomalyKind.HANG.value, str(error) or "it did not end in time"
    return picture_of_an_end(
        history,
        anomaly=anomaly,
        why=why,
        expected=promise,
        token=token,
        deviations=deviations,
        interleaving=interleaving,
    )


def _verdict_of(error: BaseException) -> Verdict:
    if isinstance(error, NotImplementedError):
        return Verdict.NOT_OFFERED
    return Verdict.UNKNOWN if isinstance(error, Undecided) else Verdict.BROKEN


def _is_of_the_world(error: BaseException, threads: Sequence[Thread]) -> bool:
    """Whether a run failed because it reached for what cannot be explored."""
    if isinstance(error, RuntimeError) and "explor" in str(error):
        return True
    return isinstance(error, Deadlock) and bool(threads)
