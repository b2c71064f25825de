"""The explorer: it runs a coroutine in many orders of its tasks and finds one that fails.

Rule: the explorer knows no session and uses only the standard library; a token repeats a run
exactly. Read `explore`, `run`, `lanes`, `lane_loop` and `loop` (the event loop), `strategies`,
`order_tree` and `choices` (the orders), `failure`, `shrinking` and `trace` (the report), then
`stress`. `pytest_plugin` is loaded by name only.
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
    # results
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
