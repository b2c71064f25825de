"""The messages between the two processes: a task at the start, then one line of JSON each."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ..results import Cell

__all__ = [
    "Ended",
    "Finished",
    "Importing",
    "Loaded",
    "Message",
    "Refused",
    "Running",
    "Stuck",
    "Task",
]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """The task of a process."""

    name: str
    """`module:Class`."""
    pipe: int
    """The descriptor that messages are written to."""
    timeout: float
    path: tuple[str, ...] = ()
    """Where modules are looked for, from the import of the user's module on."""
    seeds: int = 1
    loops: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    """Names of the cells to run; none to only load the design."""


class Importing(msgspec.Struct, frozen=True, tag=True):
    """The user's module is imported next."""


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """The design was found."""

    summary: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The name is wrong; the process ends."""

    reason: str


class Running(msgspec.Struct, frozen=True, tag=True):
    """The process is alive: a run of this column begins or has ended."""

    column: str


class Finished(msgspec.Struct, frozen=True, tag=True):
    """A cell is done."""

    cell: Cell


class Stuck(msgspec.Struct, frozen=True, tag=True):
    """No run ended in time; the process ends."""

    how: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The process has ended without a word, or had to be killed. No process sends this one."""

    how: str
    hung: bool = False


Message: TypeAlias = Importing | Loaded | Refused | Running | Finished | Stuck | Ended
