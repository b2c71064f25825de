"""The operations on sessions as plans, named as their commands."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context

from ....operations import (
    CreateSession,
    DeleteSession,
    GetOrCreateSession,
    GetSession,
    GetSessionsBatch,
    TouchSession,
    UpdateSession,
    UpdateSessionsBatch,
)
from ....values.events import SessionEventKind
from ....values.session import Session
from ....values.states import SessionState
from ..client.call import Word
from ..codec import decoded_id, read_session, session_words
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..scripts import script
from .across_buckets import gathered, in_one_bucket
from .requests import OK, bounded, checked, fetch, refuse, write

__all__ = [
    "create_session",
    "delete_session",
    "get_or_create_session",
    "get_session",
    "get_sessions_batch",
    "touch_session",
    "update_session",
    "update_sessions_batch",
]

CREATE, UPDATE, TOUCH, DELETE = (
    script("create"),
    script("update"),
    script("touch"),
    script("delete"),
)
SESSIONS = script("sessions")


def create_session(plan_context: PlanContext, command: CreateSession, scope: str) -> Plan[Session]:
    session, _ = yield from _create(plan_context, command, scope, give_back=False)
    return session


def get_or_create_session(
    plan_context: PlanContext, command: GetOrCreateSession, scope: str
) -> Plan[tuple[Session, bool]]:
    return (yield from _create(plan_context, command, scope, give_back=True))


def get_session(plan_context: PlanContext, command: GetSession, scope: str) -> Plan[Session]:
    row = yield from fetch(plan_context, command.session_id, scope)
    return read_session(command.session_id, row)


def get_sessions_batch(
    plan_context: PlanContext, command: GetSessionsBatch, scope: str
) -> Plan[list[Session]]:
    found = yield from gathered(plan_context, SESSIONS, command.session_ids, scope)
    return [read_session(*each) for each in found]


def update_session(plan_context: PlanContext, command: UpdateSession, scope: str) -> Plan[Session]:
    (session,) = yield from _update(plan_context, [command.session], command.context, scope)
    return session


def update_sessions_batch(
    plan_context: PlanContext, command: UpdateSessionsBatch, scope: str
) -> Plan[list[Session]]:
    if not command.sessions:
        return []
    return (yield from _update(plan_context, command.sessions, command.context, scope))


def touch_session(plan_context: PlanContext, command: TouchSession, scope: str) -> Plan[None]:
    (answer,) = yield [write(plan_context, TOUCH, command.session_id, scope=scope)]
    checked(answer, command.session_id)


def delete_session(plan_context: PlanContext, command: DeleteSession, scope: str) -> Plan[None]:
    session_id = command.session_id
    (answer,) = yield [write(plan_context, DELETE, session_id, scope=scope)]
    session = read_session(session_id, checked(answer, session_id)[1])
    plan_context.predictions.forget(session_id)
    plan_context.wakeups.notify(session_id)
    plan_context.tell(SessionEventKind.DELETED, session, session.state, command.context)


def _create(
    plan_context: PlanContext,
    command: CreateSession | GetOrCreateSession,
    scope: str,
    *,
    give_back: bool,
) -> Plan[tuple[Session, bool]]:
    new, limits = command.session, plan_context.limits
    _, name = plan_context.place(new.id)
    request = write(
        plan_context,
        CREATE,
        new.id,
        "1" if give_back else "",
        limits.max_metadata_bytes,
        plan_context.share(limits.max_sessions),
        limits.sessions_full.value,
        *session_words(name, "", new),
        scope=scope,
    )
    plan_context.predictions.revise(request.bucket)
    (answer,) = yield [request]
    if answer[0] == b"THERE":
        return read_session(new.id, answer[1]), False
    session = read_session(new.id, checked(answer, new.id, new)[1])
    plan_context.predictions.given(request.bucket, session.revision)
    evicted = answer[2]
    for id_, row in zip(evicted[::2], evicted[1::2], strict=True):
        gone = read_session(decoded_id(id_), row)
        plan_context.wakeups.notify(gone.id)
        plan_context.tell(SessionEventKind.EVICTED, gone, gone.state, command.context)
    plan_context.tell(SessionEventKind.CREATED, session, None, command.context)
    return session, True


def _update(
    plan_context: PlanContext, sessions: Sequence[Session], context: Context, scope: str
) -> Plan[list[Session]]:
    bucket = in_one_bucket(plan_context, [session.id for session in sessions])
    keys: list[str] = []
    words: list[Word] = []
    for session in sessions:
        _, name = plan_context.place(session.id)
        keys.append(bucket.session + name)
        words += session_words(name, f"r:{bounded(session.revision)}", session)
        plan_context.predictions.revise(bucket)
    fixed = (plan_context.now, scope, plan_context.limits.max_metadata_bytes)
    (answer,) = yield [Request(bucket, UPDATE, keys, (*fixed, *words), write=True)]
    if answer[0] != OK:
        place: int = answer[-1]
        wrong = sessions[place - 1]
        refuse(answer, wrong.id, wrong)
    updated: list[Session] = []
    for session, before, row in zip(sessions, answer[1::2], answer[2::2], strict=True):
        after = read_session(session.id, row)
        updated.append(after)
        plan_context.predictions.given(bucket, after.revision)
        note_change(plan_context, after, SessionState(before.decode()), context)
    return updated


def note_change(
    plan_context: PlanContext, session: Session, before: SessionState, context: Context
) -> None:
    """Let those hear of it who watch or listen in this process."""
    plan_context.wakeups.notify(session.id)
    if session.state is not before:
        plan_context.tell(SessionEventKind.STATE_CHANGED, session, before, context)
