"""The benchmark: how fast a store is under load, and what it really kept.

Rule: a number comes with its spread, and with what was lost. Read `load`, `subject`, `run`,
`worker`, `results`.
"""

from __future__ import annotations

from .load import USUAL_SESSIONS, Load, message_of, sizes_named
from .losses import anything_lost, told_stored
from .mixes import MIXES, Mix
from .results import (
    BenchResult,
    Curve,
    Growth,
    Latency,
    Measured,
    Point,
    Spread,
    Stored,
    SubjectResult,
    WorkResult,
)
from .run import Plan, run_plan
from .subject import Kept, Subject, Work
from .targets import DEFAULT_TARGETS, Target, target_named
from .worker_pool import MeasuringFailed

__all__ = [
    # what is measured
    "DEFAULT_TARGETS",
    "Kept",
    "Subject",
    "Target",
    "Work",
    "target_named",
    # how
    "MIXES",
    "USUAL_SESSIONS",
    "Load",
    "MeasuringFailed",
    "Mix",
    "Plan",
    "message_of",
    "run_plan",
    "sizes_named",
    # what comes of it
    "BenchResult",
    "Curve",
    "Growth",
    "Latency",
    "Measured",
    "Point",
    "Spread",
    "Stored",
    "SubjectResult",
    "WorkResult",
    "anything_lost",
    "told_stored",
]
