"""What every store promises: ten methods, the atomic ones above them, and how a log is watched.

Rule: promises only. Nothing here says how they are kept. Read `session_store`, `atomic_store`,
`arguments` (what is refused at the call), then `frame_watcher` with `wakeups`, and `listeners`.
"""

from __future__ import annotations

from .atomic_store import AtomicSessionStore, Change
from .frame_watcher import FrameWatcher
from .session_store import SessionStore

__all__ = [
    # stores
    "SessionStore",
    "AtomicSessionStore",
    "Change",
    # watching a log
    "FrameWatcher",
]
