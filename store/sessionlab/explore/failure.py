"""A failing interleaving, shrunk and described."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from .choices import deviations, encode, trim_zeros
from .errors import LeftUndone
from .run import Rules, RunResult, Scenario, run_once
from .shrinking import Fails, shrink
from .strategies import make_schedule, replay_choices
from .trace import TraceStep, draw_steps

__all__ = ["Failure", "make_failure"]

T = TypeVar("T")

_TRIES = 1_000
_OTHERS = 200
_FEW = 2


@dataclass(frozen=True, slots=True)
class Failure:
    """One failing interleaving; `str()` of it is the whole report."""

    error: BaseException
    token: str
    """The argument of `replay` that repeats this run."""
    choices: tuple[int, ...]
    found: tuple[int, ...]
    """The choices before shrinking."""
    seed: int
    steps: tuple[TraceStep, ...]
    repeats: bool
    """Whether the same choices failed a second time."""

    @property
    def deviations(self) -> int:
        """How many choices differ from the default order."""
        return deviations(self.choices)

    def __str__(self) -> str:
        many, before = self.deviations, deviations(self.found)
        head = f"{many} deviation{'' if many == 1 else 's'} from the default order"
        if many == 0:
            head = "no deviation: it fails in the default order"
        shrunk = f", shrunk from {before}" if before != many else ""
        lines = [f"{head} (seed {self.seed}{shrunk}); replay token {self.token}"]
        if not self.repeats:
            lines.append(
                "It did not fail again with the same choices: it depends on more than the order,"
                " perhaps on a clock or a random number."
            )
        lines += [f"{type(self.error).__name__}: {self.error}".rstrip(": ")]
        where = traceback.extract_tb(self.error.__traceback__)
        if where and where[-1].line:
            lines.append(f"  at {where[-1].name}, line {where[-1].lineno}: {where[-1].line}")
        return "\n".join([*lines, "", *draw_steps(self.steps)])


def make_failure(
    scenario: Scenario[T], run: RunResult[T], rules: Rules[T], *, seed: int, shrinks: bool
) -> Failure:
    """Shrink a failed run, run it once more with a trace, and return the failure."""
    error = run.error or LeftUndone()  # there is one
    kind = _kind(error)

    def fails(choices: list[int]) -> list[int] | None:
        again = run_once(scenario, replay_choices(choices), rules)
        return again.choices if _kind(again.error) == kind else None

    found = choices = trim_zeros(run.choices)
    repeats = fails(found) is not None
    if shrinks and repeats:
        choices = shrink(found, fails, _TRIES)
        if deviations(choices) > _FEW:
            choices = min([choices, *_others(scenario, rules, found, fails)], key=deviations)
    shown = run_once(scenario, replay_choices(choices), rules, trace=True)
    repeats = repeats and _kind(shown.error) == kind
    return Failure(
        error=shown.error if repeats and shown.error else error,
        token=encode(choices),
        choices=tuple(choices),
        found=tuple(found),
        seed=seed,
        steps=tuple(shown.steps),
        repeats=repeats,
    )


def _others(
    scenario: Scenario[T], rules: Rules[T], found: list[int], fails: Fails
) -> Iterator[list[int]]:
    """Yield other runs with the same failure, shrunk: one of them may be smaller."""
    cancels = sum(choice < 0 for choice in found)
    plan = make_schedule("mixed", seeds=range(_OTHERS), deviations=0, cancellations=cancels)
    run: RunResult[T] | None = None
    for _ in range(_OTHERS):
        try:
            _, pick = plan.send(run)  # type: ignore[arg-type]  # `send(None)` begins it
        except StopIteration:
            return
        run = run_once(scenario, pick, rules)
        if run.error is not None and fails(run.choices) is not None:
            smaller = shrink(run.choices, fails, _TRIES // 4)
            yield smaller
            if deviations(smaller) <= _FEW:
                return


def _kind(error: BaseException | None) -> tuple[object, ...]:
    """Identify a failure by the type of its error and the line that raised it."""
    trace = error.__traceback__ if error is not None else None
    if trace is None:
        return (type(error),)
    while trace.tb_next is not None:
        trace = trace.tb_next
    return type(error), trace.tb_frame.f_code.co_filename, trace.tb_lineno
