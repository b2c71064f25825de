"""Runs a scenario in many orders, or in the order of a token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from .choices import decode
from .errors import ExplorationFailed
from .failure import Failure, make_failure
from .loop import ExplorerLoop
from .order_tree import OrderTree
from .run import Rules, RunResult, Scenario, forbid_nesting, run_once
from .strategies import Schedule, Strategy, make_schedule, replay_choices

__all__ = ["Exploration", "explore", "run_schedule", "may_cancel", "replay"]

T = TypeVar("T")


@dataclass(slots=True)
class Exploration:
    """The result of an exploration; `str()` of it is the report."""

    runs: int = 0
    distinct: int = 0
    """Number of different orders that were run."""
    cancelled: int = 0
    """Runs in which a task was cancelled by the explorer."""
    cancellable: int = 0
    """Largest number of cancellable tasks in one run."""
    complete: bool = False
    """Whether no other order exists, with `systematic`, and with `mixed` where there are so few;
    with `exhaustive`, none with so few deviations."""
    at_least: int | None = None
    """How many orders exist at least, where `systematic` counts them; otherwise None."""
    coverage: str = "coverage unknown"
    """What part of all orders was run, in words."""
    failures: list[Failure] = field(default_factory=list[Failure])
    left: set[str] = field(default_factory=set[str])
    """Lines of code of tasks that were still pending when the scenario ended."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def __str__(self) -> str:
        runs = "1 run" if self.runs == 1 else f"{self.runs:,} runs"
        orders = "1 order" if self.distinct == 1 else f"{self.distinct:,} different orders"
        much = f"{runs}, {orders}"
        if self.ok:
            return f"{much}, no failure; {self.coverage}"
        return "\n\n".join([f"{much}, {len(self.failures)} failing", *map(str, self.failures)])

    def check(self) -> None:
        """Raise `ExplorationFailed` with the report if something failed."""
        if self.failures:
            raise ExplorationFailed(str(self)) from self.failures[0].error


def explore(
    scenario: Scenario[T],
    *,
    seeds: int = 200,
    strategy: Strategy = "mixed",
    check: Callable[[T], object] | None = None,
    cancellations: int = 0,
    cancellable: str | None = None,
    strict: bool = False,
    deviations: int = 2,
    first_seed: int = 0,
    max_steps: int = 10_000,
    failures: int = 1,
    shrink: bool = True,
) -> Exploration:
    """Run a scenario at most `seeds` times, each time in another order, and return the failures.

    A failure is an error of the scenario or of `check(result)`, a `Deadlock` or a `StepLimit`; with
    `strict`, also a pending task or an unretrieved error. It stops after `failures` failures; each
    is shrunk to the fewest deviations from the default order.

    `strategy` is `default`, `random`, `pct`, `exhaustive` (all orders with so many `deviations` at
    most), `systematic` (each order once, all of them if `seeds` allow) or `mixed`, which begins
    with all orders where there are no more than `seeds`. In each run at most `cancellations` tasks
    are cancelled at some await: those given to `may_cancel`, and those whose name begins with
    `cancellable`.

    Raises `RuntimeError` on a thread where a loop runs, `ValueError` for wrong numbers and when
    there is nothing that may be cancelled, `TypeError` if the scenario gives no coroutine.
    """
    if seeds < 1 or max_steps < 1 or failures < 1 or min(cancellations, deviations) < 0:
        raise ValueError("seeds, max_steps and failures must be at least 1, the others at least 0")
    tree = OrderTree(first_seed, cancellations)
    plan = make_schedule(
        strategy,
        seeds=range(first_seed, first_seed + seeds),
        deviations=deviations,
        cancellations=cancellations,
        tree=tree,
    )
    rules = Rules(check, cancellable, strict, max_steps)
    done = run_schedule(scenario, plan, rules, runs=seeds, failures=failures, shrinks=shrink)
    _describe_coverage(done, tree, strategy, deviations)
    if cancellations and done.ok and not done.cancellable:
        raise ValueError("no task may be cancelled: see may_cancel")
    return done


def _describe_coverage(
    done: Exploration, tree: OrderTree, strategy: Strategy, deviations: int
) -> None:
    """Say what part of all orders was run, as far as it is known."""
    if tree.complete:
        done.complete, done.at_least = True, tree.runs
        done.coverage = f"all {tree.runs:,} orders of the tasks were run"
        if tree.runs == 1:
            done.coverage = "there is no other order of the tasks"
    elif strategy == "systematic":
        done.at_least = tree.at_least
        part = min(99.9, 100 * tree.runs / tree.at_least)
        done.coverage = f"coverage at most {part:.2g} %, of at least {tree.at_least:,} orders"
    elif strategy == "exhaustive" and done.complete:
        done.coverage = f"all orders with at most {deviations} deviations were run"


def replay(
    scenario: Scenario[T],
    token: str,
    *,
    check: Callable[[T], object] | None = None,
    cancellable: str | None = None,
    strict: bool = False,
    max_steps: int = 10_000,
) -> T:
    """Run a scenario in the order of a token; return its result or raise its error.

    Raises `ValueError` for an invalid token, `RuntimeError` on a thread where a loop runs.
    """
    forbid_nesting("replay()")
    run = run_once(
        scenario, replay_choices(decode(token)), Rules(check, cancellable, strict, max_steps)
    )
    if run.error is not None:
        raise run.error
    return run.value  # type: ignore[return-value]  # without an error there is a value


def may_cancel(task: asyncio.Task[T]) -> asyncio.Task[T]:
    """Allow the explorer to cancel a task; return the task. Other loops ignore this."""
    loop = task.get_loop()
    if isinstance(loop, ExplorerLoop) and task not in loop.cancellable:
        loop.cancellable.append(task)
    return task


def run_schedule(
    scenario: Scenario[T],
    plan: Schedule,
    rules: Rules[T],
    *,
    runs: int,
    failures: int,
    shrinks: bool,
) -> Exploration:
    """Follow a schedule for `runs` runs, or until `failures` of them failed."""
    forbid_nesting("explore()")
    done = Exploration()
    seen: set[int] = set()
    answer: RunResult[T] | None = None
    while done.runs < runs:
        try:
            # `send(None)` begins it.
            seed, pick = plan.send(answer)  # type: ignore[arg-type]  # a generator's first
        except StopIteration:
            done.complete = True
            break
        answer = run = run_once(scenario, pick, rules)
        done.runs += 1
        seen.add(hash(tuple(run.choices)))
        done.left.update(run.left)
        done.cancellable = max(done.cancellable, run.cancellable)
        done.cancelled += any(choice < 0 for choice in run.choices)
        if run.error is not None:
            done.failures.append(make_failure(scenario, run, rules, seed=seed, shrinks=shrinks))
            if len(done.failures) >= failures:
                break
    plan.close()
    done.distinct = len(seen)
    return done
