"""Records what passes between MCP clients and servers, and reads recordings.

Rule: forwarding never waits for recording, and everything heavy is imported when it is used.
Read `stdio`, then `journal`, `recorder` and `late_recorder`, which all proxies share, or
`analysis`, which reads what they wrote.
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
    from .late_recorder import LateRecorder
    from .origin import Origin
    from .recorder import Recorder, SessionRecorder

__all__ = [
    # writing
    "LateRecorder",
    "Origin",
    "Recorder",
    "SessionRecorder",
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
]

_HOMES = {
    "LateRecorder": "late_recorder",
    "Origin": "origin",
    "Recorder": "recorder",
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
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
