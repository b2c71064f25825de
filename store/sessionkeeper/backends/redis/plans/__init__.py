"""What each command requests of the server: a plan, by the class of the command.

Rule: a plan knows requests and replies, not how they are delivered. Read `requests`, `replies`,
then one file for each kind of command; `optimistic_change` runs a caller's function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from soleowner import CallerError

from ....operations import (
    AddFrame,
    AddFrames,
    ArchiveSession,
    CountFrames,
    CountOwnSessions,
    CountSessions,
    CreateSession,
    DeleteFrames,
    DeleteSession,
    ExpireSessions,
    FindSessions,
    FindSessionsByActivity,
    GetOrCreateSession,
    GetSession,
    GetSessionsBatch,
    ListOwnSessions,
    ListSessions,
    ModifySession,
    PurgeSessions,
    PutSession,
    ReadFrames,
    ReadNewFrames,
    ReadStatistics,
    RemoveFrames,
    Scoped,
    SearchFrames,
    TouchSession,
    TrimFrames,
    UpdateSession,
    UpdateSessionsBatch,
)
from ..context import PlanContext
from ..delivery.request import Plan
from . import archive, changes, frames, sessions, statistics, sweeps
from .resolve import Resolve, resolve

__all__ = ["make_plan"]

_PLANS: dict[type, Callable[[PlanContext, Any, str], Plan[Any]]] = {
    AddFrame: frames.add_frame,
    AddFrames: changes.add_frames,
    ArchiveSession: archive.archive_session,
    CountFrames: frames.count_frames,
    CountOwnSessions: statistics.count_own_sessions,
    CountSessions: statistics.count_sessions,
    CreateSession: sessions.create_session,
    DeleteFrames: frames.delete_frames,
    DeleteSession: sessions.delete_session,
    ExpireSessions: sweeps.expire_sessions,
    FindSessions: sweeps.find_sessions,
    FindSessionsByActivity: sweeps.find_by_activity,
    GetOrCreateSession: sessions.get_or_create_session,
    GetSession: sessions.get_session,
    GetSessionsBatch: sessions.get_sessions_batch,
    ListOwnSessions: sweeps.list_own_sessions,
    ListSessions: sweeps.list_sessions,
    ModifySession: changes.modify_session,
    PurgeSessions: sweeps.purge_sessions,
    PutSession: sessions.put_session,
    ReadFrames: frames.read_frames,
    ReadNewFrames: frames.read_new_frames,
    ReadStatistics: statistics.read_statistics,
    RemoveFrames: frames.remove_frames,
    SearchFrames: frames.search_frames,
    Resolve: resolve,
    TouchSession: sessions.touch_session,
    TrimFrames: frames.trim_frames,
    UpdateSession: sessions.update_session,
    UpdateSessionsBatch: sessions.update_sessions_batch,
}


def make_plan(plan_context: PlanContext, command: object) -> Plan[Any]:
    """Return the steps of a command. Raises `NotImplementedError` for one without a script."""
    # By the exact class: commands have an abstract base, for which `isinstance` is slow.
    plan = _PLANS.get(type(command))
    if plan is not None:
        return plan(plan_context, command, "")
    if isinstance(command, Scoped):
        scoped = cast("Scoped[object]", command)
        command = scoped.command
        plan = _PLANS.get(type(command))
        if plan is not None:
            return plan(plan_context, command, scoped.principal)
    raise CallerError(NotImplementedError(f"{type(command).__name__} has no script"))
