"""Ordering domains: handles of one lane keep their order; lanes may overtake each other.

A lane is a task, a job of a thread, the calls from threads, or all plain callbacks.
"""

from __future__ import annotations

import asyncio
from asyncio import Handle, TimerHandle
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from typing import Any, Final, TypeAlias

__all__ = [
    "CALLBACKS",
    "THREADS",
    "AnyTask",
    "LaneHandle",
    "LaneTask",
    "LaneTimer",
    "Pick",
    "Ready",
    "find_commuting",
    "heads",
]

AnyTask: TypeAlias = "asyncio.Task[Any]"

CALLBACKS: Final = 0
THREADS: Final = -1
"""A positive lane is of a task or a thread's job and has one handle at a time; others may have
more."""


class LaneTask(asyncio.Task[Any]):
    """A task that hashes by its number: sets of tasks have the same order in every run."""

    __slots__ = ("lane",)

    def __init__(
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        lane: int,
        loop: asyncio.AbstractEventLoop,
        name: str,
        context: Context | None,
    ) -> None:
        self.lane = lane  # first: the parent puts the task into a set
        super().__init__(coro, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self.lane


class LaneHandle(Handle):
    """A handle that knows its lane. The lane is set afterwards, which saves a call."""

    __slots__ = ("lane",)
    lane: int


class LaneTimer(TimerHandle):
    """A timer; of two timers for the same time, the one that was set first fires first.

    On a real clock no two times are equal; in virtual time most are.
    """

    __slots__ = ("lane", "number")
    number: int

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[object, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.lane = CALLBACKS

    def __lt__(self, other: TimerHandle) -> bool:
        if isinstance(other, LaneTimer):
            return (self.when(), self.number) < (other.when(), other.number)
        return super().__lt__(other)


Ready: TypeAlias = "list[LaneHandle | LaneTimer]"

Pick: TypeAlias = "Callable[[Ready, list[AnyTask]], int]"
"""Chooses from the ready handles and the cancellable tasks."""


def heads(ready: Ready) -> list[int]:
    """Return the positions of what may run next: the first handle of each lane."""
    first: dict[int, int] = {}
    for place, handle in enumerate(ready):
        first.setdefault(handle.lane, place)
    return list(first.values())


_COMMUTING = frozenset(
    {
        ("asyncio.tasks", "gather.<locals>._done_callback"),
        ("asyncio.tasks", "_wait.<locals>._on_completion"),
        ("asyncio.tasks", "_release_waiter"),
        ("asyncio.futures", "_set_result_unless_cancelled"),
    }
)
"""Callbacks of asyncio that only count, and complete a future that one task waits for."""


def find_commuting(ready: Ready, places: Sequence[int]) -> int | None:
    """Return the place of a callback that no step of a task can tell from running it later."""
    for place in places:
        handle = ready[place]
        if handle.lane == CALLBACKS and _commutes(handle):
            return place
    return None


def _commutes(handle: LaneHandle | LaneTimer) -> bool:
    callback: Any = handle._callback  # type: ignore[union-attr]  # not in the stubs
    callback = getattr(callback, "func", callback)  # of a `partial`
    name = getattr(callback, "__module__", None), getattr(callback, "__qualname__", None)
    if name == ("asyncio.taskgroups", "TaskGroup._on_task_done"):
        # After an error it cancels the other tasks, which is no small thing.
        done: Any = handle._args[0]
        return not done.cancelled() and done.exception() is None
    return name in _COMMUTING
