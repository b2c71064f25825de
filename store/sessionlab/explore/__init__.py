"""The explorer: it runs a coroutine in many orders of its tasks, and finds the one that fails.

Rule: the explorer knows no session, and a run is repeated exactly by its token. Read `explore`,
`run`, `loop`, `strategies`, then `failure`.
"""

from __future__ import annotations

from .cancellation_sweep import sweep_cancellations
from .decorator import interleavings
from .errors import Deadlock, ExplorationFailed, LeftUndone, StepLimit
from .explore import Exploration, explore, may_cancel, replay
from .failure import Failure
from .run import Scenario
from .strategies import Strategy
from .stress import stress
from .trace import TraceStep

__all__ = [
    # explore and replay
    "explore",
    "interleavings",
    "may_cancel",
    "replay",
    "stress",
    "sweep_cancellations",
    # what comes of it
    "Exploration",
    "Failure",
    "Scenario",
    "TraceStep",
    "Strategy",
    # errors
    "Deadlock",
    "ExplorationFailed",
    "LeftUndone",
    "StepLimit",
]
