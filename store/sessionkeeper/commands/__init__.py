"""The operations of a store as commands."""

from __future__ import annotations

from .frames import (
    AddFrame,
    AddFrames,
    CountFrames,
    DeleteFrames,
    ReadFrames,
    ReadNews,
    TrimFrames,
)
from .sessions import (
    CountSessions,
    CreateSession,
    DeleteSession,
    GetOrCreateSession,
    GetSession,
    GetSessionsBatch,
    ListSessions,
    ModifySession,
    ReadStatistics,
    TouchSession,
    UpdateSession,
    UpdateSessionsBatch,
)
from .sweeps import (
    ExpireSessions,
    FindSessions,
    PurgeSessions,
)

__all__ = [
    # sessions
    "CountSessions",
    "CreateSession",
    "DeleteSession",
    "GetOrCreateSession",
    "GetSession",
    "GetSessionsBatch",
    "ListSessions",
    "ModifySession",
    "ReadStatistics",
    "TouchSession",
    "UpdateSession",
    "UpdateSessionsBatch",
    # frames
    "AddFrame",
    "AddFrames",
    "CountFrames",
    "DeleteFrames",
    "ReadFrames",
    "ReadNews",
    "TrimFrames",
    # sweeps
    "ExpireSessions",
    "FindSessions",
    "PurgeSessions",
]
