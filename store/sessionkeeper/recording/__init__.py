"""Records what passes between MCP clients and servers, and reads recordings.

Rule: forwarding never waits for recording, and everything heavy is imported when it is used.
Read `stdio`, then `journal`, `protocol`, `recorder` and `late_recorder`, which all proxies share,
or `analysis`, which reads what they wrote.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .analysis import (
        Call,
        CallFilter,
        CallOutcome,
        CallTally,
        CallTracker,
        OddityKind,
        PairingOddity,
        calls,
        tally,
    )
    from .analysis.context_cost import ContextCost, ToolCost
    from .analysis.measuring import Measurements, context_cost, measure
    from .analysis.problem import Problem, ProblemKind, Severity
    from .analysis.problems import problems
    from .analysis.runs import Run, runs
    from .analysis.search import SearchMatch, SearchPattern, search
    from .analysis.statistics import MethodStatistics, statistics
    from .late_recorder import LateRecorder
    from .origin import Origin
    from .protocol import Captured, ManyRecorder, Recorded, Recorder, Tell
    from .recorder import SessionRecorder

__all__ = [
    # writing
    "Captured",
    "LateRecorder",
    "ManyRecorder",
    "Origin",
    "Recorded",
    "Recorder",
    "SessionRecorder",
    "Tell",
    # reading
    "Call",
    "CallFilter",
    "CallOutcome",
    "CallTally",
    "CallTracker",
    "OddityKind",
    "PairingOddity",
    "calls",
    "tally",
    # what is worth a look
    "ContextCost",
    "Measurements",
    "MethodStatistics",
    "Problem",
    "ProblemKind",
    "Run",
    "SearchMatch",
    "SearchPattern",
    "Severity",
    "ToolCost",
    "context_cost",
    "measure",
    "problems",
    "runs",
    "search",
    "statistics",
]

_HOMES = {
    "LateRecorder": "late_recorder",
    "Origin": "origin",
    "Captured": "protocol",
    "ManyRecorder": "protocol",
    "Recorded": "protocol",
    "Recorder": "protocol",
    "Tell": "protocol",
    "SessionRecorder": "recorder",
    "Call": "analysis",
    "CallFilter": "analysis",
    "CallOutcome": "analysis",
    "CallTally": "analysis",
    "CallTracker": "analysis",
    "OddityKind": "analysis",
    "PairingOddity": "analysis",
    "calls": "analysis",
    "tally": "analysis",
    "ContextCost": "analysis.context_cost",
    "Measurements": "analysis.measuring",
    "MethodStatistics": "analysis.statistics",
    "Problem": "analysis.problem",
    "ProblemKind": "analysis.problem",
    "Run": "analysis.runs",
    "SearchMatch": "analysis.search",
    "SearchPattern": "analysis.search",
    "Severity": "analysis.problem",
    "ToolCost": "analysis.context_cost",
    "context_cost": "analysis.measuring",
    "measure": "analysis.measuring",
    "problems": "analysis.problems",
    "runs": "analysis.runs",
    "search": "analysis.search",
    "statistics": "analysis.statistics",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
