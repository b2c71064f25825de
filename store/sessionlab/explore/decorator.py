"""The explorer as a decorator, for test functions that are coroutines."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import ParamSpec

from .explore import explore
from .strategies import Strategy

__all__ = ["interleavings"]

P = ParamSpec("P")


def interleavings(
    *,
    seeds: int = 1000,
    strategy: Strategy = "mixed",
    cancellations: int = 0,
    cancellable: str | None = None,
    strict: bool = False,
    max_steps: int = 10_000,
) -> Callable[[Callable[P, Coroutine[object, None, object]]], Callable[P, None]]:
    """Turn a coroutine function into a plain function that runs it in many orders.

    It raises `ExplorationFailed`, whose text is the report. Arguments, including pytest fixtures,
    are the same in each run, so create in the coroutine what a run changes.
    """

    def decorate(scenario: Callable[P, Coroutine[object, None, object]]) -> Callable[P, None]:
        @wraps(scenario)
        def explored(*args: P.args, **kwargs: P.kwargs) -> None:
            __tracebackhide__ = True
            explore(
                partial(scenario, *args, **kwargs),
                seeds=seeds,
                strategy=strategy,
                cancellations=cancellations,
                cancellable=cancellable,
                strict=strict,
                max_steps=max_steps,
            ).check()

        return explored

    return decorate
