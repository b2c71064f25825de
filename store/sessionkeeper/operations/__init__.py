"""The operations of a store as commands."""

from __future__ import annotations

from .frame_commands import (
    AddFrame,
    AddFrames,
    CountFrames,
    DeleteFrames,
    ReadFrames,
    ReadNews,
    TrimFrames,
)
from .principal_commands import CountOwnSessions, ListOwnSessions, Scoped
from .session_commands import (
    CreateSession,
    DeleteSession,
    GetOrCreateSession,
    GetSession,
    GetSessionsBatch,
    ModifySession,
    TouchSession,
    UpdateSession,
    UpdateSessionsBatch,
)
from .sweep_commands import (
    CountSessions,
    ExpireSessions,
    FindSessions,
    ListSessions,
    PurgeSessions,
    ReadStatistics,
)

__all__ = [
    # sessions
    "CreateSession",
    "DeleteSession",
    "GetOrCreateSession",
    "GetSession",
    "GetSessionsBatch",
    "ModifySession",
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
    # a principal's
    "CountOwnSessions",
    "ListOwnSessions",
    "Scoped",
    # all sessions
    "CountSessions",
    "ListSessions",
    "ReadStatistics",
    "ExpireSessions",
    "FindSessions",
    "PurgeSessions",
]
