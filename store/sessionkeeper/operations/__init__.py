"""What an operation means: each is a command that the owner applies to `Tables`.

Rule: check first, change last, never await. A backend implements `Tables` and holds no rule of its
own. Read `command` and `tables`, then `session_rules` and `frame_rules`, then the commands.
"""

from __future__ import annotations

from .frame_commands import (
    AddFrame,
    AddFrames,
    CountFrames,
    DeleteFrames,
    ReadFrames,
    ReadNewFrames,
    RemoveFrames,
    SearchFrames,
    TrimFrames,
)
from .principal_commands import CountOwnSessions, ListOwnSessions, Scoped
from .session_commands import (
    ArchiveSession,
    CreateSession,
    DeleteSession,
    GetOrCreateSession,
    GetSession,
    GetSessionsBatch,
    ModifySession,
    PutSession,
    TouchSession,
    UpdateSession,
    UpdateSessionsBatch,
)
from .sweep_commands import (
    CountSessions,
    ExpireSessions,
    FindSessions,
    FindSessionsByActivity,
    ListSessions,
    PurgeSessions,
    ReadStatistics,
)

__all__ = [
    # sessions
    "ArchiveSession",
    "CreateSession",
    "DeleteSession",
    "GetOrCreateSession",
    "GetSession",
    "GetSessionsBatch",
    "ModifySession",
    "PutSession",
    "TouchSession",
    "UpdateSession",
    "UpdateSessionsBatch",
    # frames
    "AddFrame",
    "AddFrames",
    "CountFrames",
    "DeleteFrames",
    "ReadFrames",
    "ReadNewFrames",
    "RemoveFrames",
    "SearchFrames",
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
    "FindSessionsByActivity",
    "PurgeSessions",
]
