"""Describes pending tasks: the line of code, and what the task waits for."""

# What a task waits for is private to asyncio, and there is no other way to know.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import linecache
import os
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from .lanes import AnyTask

__all__ = ["SourceLine", "find_source_line", "describe_pending"]

_ASYNCIO = os.path.dirname(asyncio.__file__)
_STDLIB = sysconfig.get_path("stdlib")
# The user looks for a line of their own code, so these come second.
_NOT_USER_CODE = (_STDLIB, sysconfig.get_path("purelib"), str(Path(__file__).parents[2]))


class SourceLine(NamedTuple):
    """A line of code."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"

    @property
    def text(self) -> str:
        """The line itself, empty where there is no source."""
        return linecache.getline(self.file, self.line).strip()


def find_source_line(task: AnyTask) -> SourceLine | None:
    """Return the innermost line of user code where a task waits; None if it is done."""
    frames = list(_frames(task))
    return (
        _innermost(frames, _NOT_USER_CODE)
        or _innermost(frames, (_STDLIB,))
        or _innermost(frames, ())
    )


def describe_pending(tasks: Iterable[AnyTask]) -> list[str]:
    """Describe each pending task: its line of code, and what it waits for."""
    pending = [task for task in tasks if not task.done()]
    lines: list[str] = []
    for task in pending:
        place = find_source_line(task)
        at = f" at {place} `{place.text}`" if place else ""
        lines.append(f"{task.get_name()} waits for {_awaited(task, pending)}{at}")
    return lines


def _frames(task: AnyTask) -> Iterator[FrameType]:
    """Return the frames of a suspended task, outermost first."""
    coro: Any = task.get_coro()  # Any: coroutines and generators name the same thing differently
    while coro is not None:
        frame = getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None)
        frame = frame or getattr(coro, "ag_frame", None)
        if frame is None:
            return
        yield frame
        for link in ("cr_await", "gi_yieldfrom", "ag_await"):
            if hasattr(coro, link):
                coro = getattr(coro, link)
                break


def _innermost(frames: list[FrameType], outside: tuple[str, ...]) -> SourceLine | None:
    for frame in reversed(frames):
        file = frame.f_code.co_filename
        if not file.startswith(outside) or not outside:
            return SourceLine(file, frame.f_lineno)
    return None


def _awaited(task: AnyTask, pending: list[AnyTask]) -> str:
    waiter = getattr(task, "_fut_waiter", None)
    if waiter is None:
        return "its turn"
    if isinstance(waiter, asyncio.Task):
        return f"the task {waiter.get_name()}"
    children = getattr(waiter, "_children", None)
    if children:
        names = [
            child.get_name() if isinstance(child, asyncio.Task) else "a future"
            for child in children
            if not child.done()
        ]
        return f"all of {', '.join(names)}"
    thing = waiter
    for frame in reversed(list(_frames(task))):
        if not frame.f_code.co_filename.startswith(_ASYNCIO):
            break
        owner = frame.f_locals.get("self")
        if owner is not None and not isinstance(owner, asyncio.Future):
            thing = owner
            break
    kind = "a future" if thing is waiter else type(thing).__name__
    name = _name(thing, task)
    others = [
        f"{other.get_name()} has it as {known!r}"
        for other in pending
        if other is not task and (known := _name(thing, other)) not in (None, name)
    ]
    return kind + (f" {name!r}" if name else "") + (f" ({', '.join(others)})" if others else "")


def _name(thing: object, task: AnyTask) -> str | None:
    """Return the name of a thing in a task: a variable, or an attribute of its `self`."""
    frames = list(_frames(task))
    for frame in reversed(frames):
        names = frame.f_locals
        for name, value in names.items():
            if value is thing and name != "self":
                return name
        for name, value in getattr(names.get("self"), "__dict__", {}).items():
            if value is thing:
                return f"self.{name}"
    for name, value in frames[0].f_globals.items() if frames else ():
        if value is thing:
            return name
    return None
