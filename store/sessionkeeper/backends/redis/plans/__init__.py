"""What each command becomes on a server: a plan, by the class of the command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from soleowner import CallerError

from ....operations import (
    AddFrame,
    AddFrames,
    CountFrames,
    CountOwnSessions,
    CountSessions,
    CreateSession,
    DeleteFrames,
    DeleteSession,
    ExpireSessions,
    FindSessions,
    GetOrCreateSession,
    GetSession,
    GetSessionsBatch,
    ListOwnSessions,
    ListSessions,
    ModifySession,
    PurgeSessions,
    ReadFrames,
    ReadNewFrames,
    ReadStatistics,
    Scoped,
    TouchSession,
    TrimFrames,
    UpdateSession,
    UpdateSessionsBatch,
)
from ..context import PlanContext
from ..delivery.request import Plan
from . import changes as changing
from . import frames, sessions, sweeps
from . import statistics as counting
from .resolve import Resolve, resolve

__all__ = ["plan_of"]

_PLANS: dict[type, Callable[[PlanContext, Any, str], Plan[Any]]] = {
    AddFrame: frames.add_frame,
    AddFrames: changing.add_frames,
    CountFrames: frames.count_frames,
    CountOwnSessions: counting.count_own_sessions,
    CountSessions: counting.count_sessions,
    CreateSession: sessions.create_session,
    DeleteFrames: frames.delete_frames,
    DeleteSession: sessions.delete_session,
    ExpireSessions: sweeps.expire_sessions,
    FindSessions: sweeps.find_sessions,
    GetOrCreateSession: sessions.get_or_create_session,
    GetSession: sessions.get_session,
    GetSessionsBatch: sessions.get_sessions_batch,
    ListOwnSessions: sweeps.list_own_sessions,
    ListSessions: sweeps.list_sessions,
    ModifySession: changing.modify_session,
    PurgeSessions: sweeps.purge_sessions,
    ReadFrames: frames.read_frames_of,
    ReadNewFrames: frames.read_new_frames,
    ReadStatistics: counting.read_statistics,
    Resolve: resolve,
    TouchSession: sessions.touch_session,
    TrimFrames: frames.trim_frames,
    UpdateSession: sessions.update_session,
    UpdateSessionsBatch: sessions.update_sessions_batch,
}


def plan_of(plan_context: PlanContext, command: object) -> Plan[Any]:
    """Return the steps of a command. Raises `NotImplementedError` for one without a script."""
    scope = ""
    if isinstance(command, Scoped):
        scoped = cast("Scoped[object]", command)
        scope, command = scoped.principal, scoped.command
    plan = _PLANS.get(type(command))
    if plan is None:
        raise CallerError(NotImplementedError(f"{type(command).__name__} has no script"))
    return plan(plan_context, command, scope)
