"""Who records a session, and what becomes of a session whose recorder is gone.

Rule: the session of a recorder that may still run is never ended. Read `process`, `judgement`,
`heartbeat`, then `gone`.
"""

from __future__ import annotations

from .gone import end_gone_sessions, end_if_gone, find_live_sessions
from .heartbeat import HEARTBEAT, Heartbeat
from .judgement import ABSENCE, SILENCE, RecorderState, describe_absence, recorder_state
from .process import own_lease

__all__ = [
    "ABSENCE",
    "HEARTBEAT",
    "SILENCE",
    "Heartbeat",
    "RecorderState",
    "describe_absence",
    "end_gone_sessions",
    "end_if_gone",
    "find_live_sessions",
    "own_lease",
    "recorder_state",
]
