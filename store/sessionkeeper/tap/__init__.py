"""The stdio proxy: it stands between an MCP client and its server, and records what passes.

Rule: forward first, record beside it; the life of the server is what it would be without the tap.
Read `tap`, `pumps` with `pump`, `journal`, `recorder`, then `server` and `report`.
"""

from __future__ import annotations

from .recorder import Recorder, SessionRecorder
from .report import TapReport, Traffic, exit_status
from .server import CommandNotStarted
from .signals import forwarding_signals
from .tap import MAX_LINE, MAX_PENDING, Tap

__all__ = [
    "MAX_LINE",
    "MAX_PENDING",
    "CommandNotStarted",
    "Recorder",
    "SessionRecorder",
    "Tap",
    "TapReport",
    "Traffic",
    "exit_status",
    "forwarding_signals",
]
