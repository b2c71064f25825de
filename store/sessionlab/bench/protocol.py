"""Commands and reports between a run and its worker processes: one line of JSON each."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from .load import Load
from .results import Growth

__all__ = [
    "Check",
    "StoredReport",
    "Close",
    "DoneReport",
    "FailureReport",
    "Grow",
    "GrowthReport",
    "OpenReport",
    "WorkerCommand",
    "Prepare",
    "ProgressReport",
    "WorkerReport",
    "RUN_FOLDER",
    "RoundReport",
    "Measure",
    "Start",
    "Stop",
]


RUN_FOLDER = "sessionkeeper-bench-"
"""Prefix of the folder of a run; each target has a folder in it. The last process removes it."""


class Start(msgspec.Struct, frozen=True, tag=True):
    """The first command: the target to measure."""

    target: str
    folder: str
    loop: str


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Open the subject for a round; the first process also creates its sessions."""

    load: Load
    round: int
    member: int
    fill: bool


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Warm up and measure."""


class Check(msgspec.Struct, frozen=True, tag=True):
    """Count what is stored."""


class Close(msgspec.Struct, frozen=True, tag=True):
    """End the round; with `cleanup`, delete its sessions."""

    cleanup: bool


class Grow(msgspec.Struct, frozen=True, tag=True):
    """Measure cost by size."""

    max_size: int
    skew: float


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Stop the current command and report the results so far."""


class OpenReport(msgspec.Struct, frozen=True, tag=True):
    """The subject is open."""

    limitations: tuple[str, ...]
    offers: tuple[str, ...]


class RoundReport(msgspec.Struct, frozen=True, tag=True):
    """The measurements of one process in one round."""

    seconds: float
    completed: int
    histograms: dict[str, str]
    """Encoded, by operation."""
    acknowledged: dict[str, list[int]]
    """Of `append` and `modify`, by number of the session."""
    unknown: dict[str, list[int]]
    errors: dict[str, int]
    late: int
    ended_early: bool
    stall_ns: int
    gc_pauses: int
    gc_longest_ns: int
    gc_ns: int
    depth: int | None
    rss_before: int
    rss_after: int
    server_grown: int | None
    """Growth in bytes since the store was opened; None without a server, and in other processes."""


class StoredReport(msgspec.Struct, frozen=True, tag=True):
    """Messages and counter of each session; `whole` is False after a stop."""

    appended: list[int]
    counters: list[int]
    before: int
    """Messages in each session before the round."""
    whole: bool = True


class GrowthReport(msgspec.Struct, frozen=True, tag=True):
    """Cost by size; `whole` is False after a stop."""

    growth: Growth
    limitations: tuple[str, ...]
    whole: bool


class DoneReport(msgspec.Struct, frozen=True, tag=True):
    """The command is done."""


class FailureReport(msgspec.Struct, frozen=True, tag=True):
    """The command failed; `reason` is one line."""

    reason: str


class ProgressReport(msgspec.Struct, frozen=True, tag=True):
    """The current step."""

    text: str


WorkerCommand: TypeAlias = Start | Prepare | Measure | Check | Close | Grow | Stop
WorkerReport: TypeAlias = (
    OpenReport
    | RoundReport
    | StoredReport
    | GrowthReport
    | DoneReport
    | FailureReport
    | ProgressReport
)
