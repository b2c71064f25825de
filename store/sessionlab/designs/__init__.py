"""Designs of a store, right ones and wrong ones, and what comes of comparing them.

Rule: a wrong design is caught with the anomaly it is known for. Read `catalogue`, `workloads`,
`cells`, `compare`, then `results`.
"""

from __future__ import annotations

from .catalogue import DESIGNS, RIGHT, WRONG, Design, Flaw, Make
from .cells import LoopFactory, explore_cell, replay_cell, stress_cell
from .compare import (
    COLUMNS,
    DEFAULT_SEEDS,
    available_loops,
    compare,
    unexpected,
)
from .design_run import Trial, Undecided, Violation
from .kills import kill_cell
from .loading import design_named
from .on_redis import ON_REDIS, Visit, designs_on
from .pictures import picture_of, whole_picture
from .programs import CALLS, Program, Step
from .results import Bar, Cell, Comparison, Picture, Row, Verdict
from .workloads import WORKLOADS, Play, Workload

__all__ = [
    # what is compared
    "COLUMNS",
    "DESIGNS",
    "ON_REDIS",
    "RIGHT",
    "WORKLOADS",
    "WRONG",
    "Design",
    "Visit",
    "Flaw",
    "Make",
    "Play",
    "Workload",
    "design_named",
    "designs_on",
    # comparing
    "DEFAULT_SEEDS",
    "LoopFactory",
    "available_loops",
    "compare",
    "explore_cell",
    "kill_cell",
    "replay_cell",
    "stress_cell",
    "unexpected",
    # programs that somebody else makes
    "CALLS",
    "Violation",
    "Program",
    "Step",
    "Trial",
    "Undecided",
    # what comes of it
    "Bar",
    "Cell",
    "Comparison",
    "Picture",
    "Row",
    "Verdict",
    "picture_of",
    "whole_picture",
]
