"""What a run and its processes say to each other: a line of JSON each, and nothing that runs."""

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
"""How the folder of a run begins, in which each target has one; the last process removes it."""


class Start(msgspec.Struct, frozen=True, tag=True):
    """The first order: whom to measure."""

    target: str
    folder: str
    loop: str


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """Open the subject for a round; the first of several also makes its sessions."""

    load: Load
    round: int
    member: int
    fill: bool


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Warm up and measure."""


class Check(msgspec.Struct, frozen=True, tag=True):
    """Look at what is stored."""


class Close(msgspec.Struct, frozen=True, tag=True):
    """End the round; delete its sessions if they would stay."""

    cleanup: bool


class Grow(msgspec.Struct, frozen=True, tag=True):
    """Measure cost over size."""

    max_size: int
    skew: float


class Stop(msgspec.Struct, frozen=True, tag=True):
    """End what is being done now, and answer with what there is."""


class OpenReport(msgspec.Struct, frozen=True, tag=True):
    """Ready."""

    limitations: tuple[str, ...]
    offers: tuple[str, ...]


class RoundReport(msgspec.Struct, frozen=True, tag=True):
    """What one process measured in one round."""

    seconds: float
    completed: int
    histograms: dict[str, str]
    """By work, encoded."""
    acknowledged: dict[str, list[int]]
    """Of `append` and `modify`, by the place of their session."""
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
    """Bytes, since the store was opened; None without a server, and of all but one process."""


class StoredReport(msgspec.Struct, frozen=True, tag=True):
    """Messages and counter of each session; `whole` is False when it was stopped."""

    appended: list[int]
    counters: list[int]
    before: int
    """Messages that each of them held when the round began."""
    whole: bool = True


class GrowthReport(msgspec.Struct, frozen=True, tag=True):
    """Cost over size; `whole` is False when it was stopped."""

    growth: Growth
    limitations: tuple[str, ...]
    whole: bool


class DoneReport(msgspec.Struct, frozen=True, tag=True):
    """Nothing to tell."""


class FailureReport(msgspec.Struct, frozen=True, tag=True):
    """It could not be done; one line says why."""

    reason: str


class ProgressReport(msgspec.Struct, frozen=True, tag=True):
    """Where it is."""

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
