"""One run of a scenario, from its creation to its cleanup; nothing reaches the next run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from .errors import LeftUndone
from .lanes import Pick
from .loop import ExplorerLoop
from .trace import Tracer, TraceStep

__all__ = ["Rules", "RunResult", "Scenario", "forbid_nesting", "run_once"]

T = TypeVar("T")

Scenario: TypeAlias = "Callable[[], Coroutine[object, None, T]]"
"""A coroutine function without parameters that creates everything it needs."""


@dataclass(frozen=True, slots=True)
class Rules(Generic[T]):
    """What counts as a failure, and which tasks may be cancelled."""

    check: Callable[[T], object] | None = None
    cancellable: str | None = None
    strict: bool = False
    max_steps: int = 10_000


@dataclass(slots=True)
class RunResult(Generic[T]):
    """What one run did, and how it ended."""

    choices: list[int]
    error: BaseException | None
    value: T | None
    cancellable: int
    left: list[str]
    steps: list[TraceStep] = field(default_factory=list[TraceStep])


def forbid_nesting(what: str) -> None:
    """Raise `RuntimeError` if a loop runs on this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        f"{what} runs its own event loops: call it from a plain function, not from a coroutine"
    )


def run_once(
    scenario: Scenario[T], pick: Pick, rules: Rules[T], *, trace: bool = False
) -> RunResult[T]:
    """Run a scenario once in the order `pick` chooses; its error is returned, not raised."""
    tracer = Tracer() if trace else None
    loop = ExplorerLoop(cancellable=rules.cancellable, tracer=tracer)
    try:
        return _run(loop, scenario, pick, rules, tracer)
    finally:
        loop.close()


def _run(
    loop: ExplorerLoop,
    scenario: Scenario[T],
    pick: Pick,
    rules: Rules[T],
    tracer: Tracer | None,
) -> RunResult[T]:
    coro = scenario()
    if not asyncio.iscoroutine(coro):
        raise TypeError(f"a scenario is a coroutine function, not one of {type(coro).__name__}")
    root = loop.create_task(coro, name="scenario")
    loop.drive(root, pick, rules.max_steps)
    cancellable = len(loop.cancellable)
    error: BaseException | None = loop.verdict
    value: T | None = None
    if error is None:
        error, value = _outcome(root)
    left = loop.finish()
    if error is None and rules.strict and (left or loop.complaints):
        error = LeftUndone("\n  ".join(["left undone:", *left, *loop.complaints]))
    if error is None and rules.check is not None:
        try:
            rules.check(value)  # type: ignore[arg-type]  # without an error there is a value
        except Exception as raised:
            error = raised
    return RunResult(loop.choices, error, value, cancellable, left, tracer.steps if tracer else [])


def _outcome(root: asyncio.Task[T]) -> tuple[BaseException | None, T | None]:
    if not root.done():
        return RuntimeError("the scenario stopped the loop"), None
    if root.cancelled():
        return AssertionError("the scenario itself ended cancelled"), None
    error = root.exception()
    return (error, None) if error is not None else (None, root.result())
