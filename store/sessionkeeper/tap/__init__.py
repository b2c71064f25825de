"""The MCP stdio tap: stands between a client and a server and records what passes.

It never delays, changes or drops a byte of the traffic, whatever happens to the recording.
POSIX only.
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
