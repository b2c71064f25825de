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
from .scoped import CountOwnSessions, ListOwnSessions, Scoped
from .sessions import (
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
from .sweeps import (
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
