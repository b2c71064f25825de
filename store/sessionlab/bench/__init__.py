"""The benchmark: how fast a store is under load, and what it actually stored.

Rule: every speed is shown with its spread and with what was lost. Read `load` and `mixes` (what is
asked), `subject` and `targets` (what is measured), `run` (the rounds), `protocol`, `worker_pool`
and `worker` (the processes), `driver` (the load generator), `losses`, `results`; then `growth`,
`peers/`, `side_by_side/` and `report/`.
"""

from __future__ import annotations

from .load import DEFAULT_SESSIONS, Load, make_message, parse_sizes
from .losses import describe_losses, has_losses
from .mixes import MIXES, Mix
from .results import (
    BenchResult,
    Curve,
    Growth,
    LatencySummary,
    LoadResult,
    Point,
    Spread,
    Stored,
    SubjectResult,
    WorkResult,
)
from .run import BenchPlan, run_benchmark
from .subject import StoredContent, Subject, Work
from .targets import DEFAULT_TARGETS, Target, parse_target
from .worker_pool import MeasurementFailed

__all__ = [
    # what is measured
    "DEFAULT_TARGETS",
    "StoredContent",
    "Subject",
    "Target",
    "Work",
    "parse_target",
    # the load, and running it
    "MIXES",
    "DEFAULT_SESSIONS",
    "Load",
    "MeasurementFailed",
    "Mix",
    "BenchPlan",
    "make_message",
    "run_benchmark",
    "parse_sizes",
    # results
    "BenchResult",
    "Curve",
    "Growth",
    "LatencySummary",
    "LoadResult",
    "Point",
    "Spread",
    "Stored",
    "SubjectResult",
    "WorkResult",
    "has_losses",
    "describe_losses",
]
