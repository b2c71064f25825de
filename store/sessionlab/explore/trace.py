"""The steps of one run as text: which task ran, from which line to which."""

# What a handle calls is private to asyncio, and there is no other way to know.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

from .lanes import CALLBACKS, THREADS, AnyTask, LaneHandle, LaneTimer
from .task_stacks import SourceLine, find_source_line

__all__ = ["TraceStep", "Tracer", "draw_steps"]

_WIDTH = 100
_MAX = 60


class TraceStep(NamedTuple):
    """One step of one lane."""

    lane: str
    deviates: bool
    what: str


class Tracer:
    """Records a run. It is slow, so only the reported run has one."""

    def __init__(self) -> None:
        self.steps: list[TraceStep] = []
        self._names: dict[int, str] = {}

    def run(self, handle: LaneHandle | LaneTimer, choice: int) -> None:
        """Run a handle and note what it did."""
        callback = handle._callback  # type: ignore[union-attr]  # not in the stubs
        if handle.lane > 0 and _is_task(task := getattr(callback, "__self__", None)):
            before = None if _fresh(task) else find_source_line(task)
            handle._run()
            self._note(self._named(task), choice, _moved(task, before))
            return
        called: str = getattr(callback, "__qualname__", "a callback")
        handle._run()
        name = {CALLBACKS: "callbacks", THREADS: "threads"}.get(handle.lane, "a thread's job")
        self._note(name, choice, called.rpartition("<locals>.")[2])

    def cancelled(self, task: AnyTask) -> None:
        """Note that a task was cancelled."""
        place = find_source_line(task)
        self.steps.append(TraceStep(self._named(task), True, f"is cancelled at {_shown(place)}"))

    def _named(self, task: AnyTask) -> str:
        """Return the name of a task, with a number if another task has the same name."""
        name = self._names.get(id(task))
        if name is None:
            name, number = task.get_name(), 1
            while name in self._names.values():
                number += 1
                name = f"{task.get_name()} ({number})"
            self._names[id(task)] = name
        return name

    def _note(self, lane: str, choice: int, what: str) -> None:
        self.steps.append(TraceStep(lane, choice != 0, what))


def draw_steps(steps: Sequence[TraceStep]) -> list[str]:
    """Draw a line for each step and a column for each lane; `!` marks a deviation."""
    lanes = list(dict.fromkeys(step.lane for step in steps))
    wide = max(map(len, lanes), default=0)
    lines: list[str] = []
    for number, step in enumerate(steps, 1):
        columns = "".join("●" if lane == step.lane else "·" for lane in lanes)
        mark = "!" if step.deviates else " "
        line = f"{mark}{number:3} {columns} {step.lane:<{wide}}  {step.what}"
        lines.append(line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…")
    if len(lines) > _MAX:
        last = max(n for n, step in enumerate(steps) if step.deviates or n == 0)
        start = max(0, min(last - _MAX // 2, len(lines) - _MAX))
        cut = [f"    … {start} steps before …"] if start else []
        after = len(lines) - start - _MAX
        lines = [*cut, *lines[start : start + _MAX]]
        lines += [f"    … {after} steps after …"] if after else []
    return lines


def _is_task(lane: object) -> TypeGuard[AnyTask]:
    return isinstance(lane, asyncio.Task)


def _fresh(task: AnyTask) -> bool:
    coro = task.get_coro()
    return inspect.iscoroutine(coro) and inspect.getcoroutinestate(coro) == inspect.CORO_CREATED


def _moved(task: AnyTask, before: SourceLine | None) -> str:
    came = f":{before.line}" if before else "begins"
    if task.done():
        if task.cancelled():
            return f"{came} → ends, cancelled"
        # Not `exception()`: it would mark the exception as retrieved.
        error = getattr(task, "_exception", None)
        return f"{came} → ends" + (f" with {type(error).__name__}" if error else "")
    return f"{came} → {_shown(find_source_line(task))}"


def _shown(place: SourceLine | None) -> str:
    return f"{place} `{place.text}`" if place else "nowhere"
