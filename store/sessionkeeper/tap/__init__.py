"""The stdio proxy between an MCP client and a server. It forwards and records every message.

Rule: forwarding never waits for recording, and the server lives as long as without the tap.
Read `tap`, `pumps` with `pump`, `journal`, `recorder`, then `server` and `report`.
"""

from __future__ import annotations

from .late_recorder import LateRecorder
from .recorder import Recorder, SessionRecorder
from .report import TapReport, Traffic, exit_status
from .server import CommandNotStarted
from .signals import forwarding_signals
from .tap import MAX_LINE, MAX_PENDING, Tap

__all__ = [
    "MAX_LINE",
    "MAX_PENDING",
    "CommandNotStarted",
    "LateRecorder",
    "Recorder",
    "SessionRecorder",
    "Tap",
    "TapReport",
    "Traffic",
    "exit_status",
    "forwarding_signals",
]
