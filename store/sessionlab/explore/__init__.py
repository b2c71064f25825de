"""Run a coroutine in many orders of its tasks, and replay the one in which it fails.

The standard library is all this needs: nothing here knows what a session is.
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
from .trace import Step

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
    "Step",
    "Strategy",
    # errors
    "Deadlock",
    "ExplorationFailed",
    "LeftUndone",
    "StepLimit",
]
