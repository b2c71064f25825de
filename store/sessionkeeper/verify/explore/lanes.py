"""What may overtake what: handles of one lane keep their order, lanes are free of each other.

A lane is a task, a thread's job, the calls that come from threads, or all plain callbacks.
"""

# What asyncio schedules is private to it, and an event loop has to look at it.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from asyncio import Handle
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeAlias

__all__ = ["CALLBACKS", "THREADS", "LaneHandle", "LaneTask", "Pick", "heads", "lane_of"]

AnyTask: TypeAlias = "asyncio.Task[Any]"

Pick: TypeAlias = "Callable[[list[Handle], list[AnyTask]], int]"
"""Choose from what is ready and from the tasks that may be cancelled."""


class LaneTask(asyncio.Task[Any]):
    """A task that hashes by its number: sets of tasks have the same order in every run."""

    __slots__ = ("_serial",)

    def __init__(
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        serial: int,
        loop: asyncio.AbstractEventLoop,
        name: str,
        context: Context | None,
    ) -> None:
        self._serial = serial  # first: the parent puts the task into a set
        super().__init__(coro, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self._serial


class LaneHandle(Handle):
    """A handle that brings its lane along."""

    __slots__ = ("lane",)

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[object, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
        lane: object,
    ) -> None:
        super().__init__(callback, args, loop, context)
        self.lane = lane


CALLBACKS: Final = "callbacks"
THREADS: Final = "threads"


def lane_of(handle: Handle) -> object:
    """Return the lane of a handle.

    A task's first step, its steps and its wake-ups are bound to it, in C and in Python alike.
    """
    if type(handle) is LaneHandle:
        return handle.lane
    bound: object = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]  # not in the stubs
    if isinstance(bound, asyncio.Task):
        task: AnyTask = bound
        return task
    return CALLBACKS


def heads(ready: list[Handle]) -> list[int]:
    """Return the places of what may run next: the first handle of each lane."""
    seen: set[int] = set()
    places: list[int] = []
    for place, handle in enumerate(ready):
        lane = id(lane_of(handle))
        if lane not in seen:
            seen.add(lane)
            places.append(place)
    return places
