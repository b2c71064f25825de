"""Plans of the operations on sessions, named as their commands."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context
from typing import Any

from ....operations import (
    CreateSession,
    DeleteSession,
    GetOrCreateSession,
    GetSession,
    GetSessionsBatch,
    PutSession,
    TouchSession,
    UpdateSession,
    UpdateSessionsBatch,
)
from ....values.events import SessionEventKind
from ....values.session import Session
from ....values.states import SessionState
from ..client.call import Argument
from ..codec import decode_session, encode_session
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..scripts import script
from .across_buckets import in_one_bucket, read_rows
from .replies import (
    OK,
    CreatedReply,
    PutReply,
    ValueReply,
    capture_sessions,
    groups,
    read_list,
    read_reply,
    read_sessions,
    refuse,
)
from .requests import bounded, fetch, write

__all__ = [
    "create_session",
    "delete_session",
    "get_or_create_session",
    "get_session",
    "get_sessions_batch",
    "put_session",
    "touch_session",
    "update_session",
    "update_sessions_batch",
]

CREATE, PUT, UPDATE, TOUCH, DELETE = (
    script("create"),
    script("put"),
    script("update"),
    script("touch"),
    script("delete"),
)
SESSIONS = script("sessions")


def create_session(plan_context: PlanContext, command: CreateSession, scope: str) -> Plan[Session]:
    session, _ = yield from _create(plan_context, command, scope, return_existing=False)
    return session


def get_or_create_session(
    plan_context: PlanContext, command: GetOrCreateSession, scope: str
) -> Plan[tuple[Session, bool]]:
    return (yield from _create(plan_context, command, scope, return_existing=True))


def put_session(plan_context: PlanContext, command: PutSession, scope: str) -> Plan[Session]:
    new, limits, context = command.session, plan_context.limits, command.context
    _, name = plan_context.locate(new.id)
    request = write(
        plan_context,
        PUT,
        new.id,
        *plan_context.session_bounds,
        plan_context.share(limits.max_sessions),
        limits.sessions_full.value,
        command.incarnation,
        *encode_session(name, "", new),
        scope=scope,
    )
    plan_context.predictions.next_revision(request.bucket)
    (answer,) = yield [request]
    reply = read_reply(PutReply, answer, new.id, new)
    session = decode_session(new.id, reply.row)
    plan_context.predictions.forget(new.id)
    plan_context.predictions.note_assigned(request.bucket, session.revision)
    if reply.state_before:
        note_change(plan_context, session, SessionState(reply.state_before.decode()), context)
        return session
    if reply.replaced:
        plan_context.wakeups.notify(new.id)
        former = decode_session(new.id, reply.replaced)
        plan_context.tell(SessionEventKind.DELETED, former, former.state, context)
    _note_created(plan_context, session, reply.evicted, context)
    return session


def get_session(plan_context: PlanContext, command: GetSession, scope: str) -> Plan[Session]:
    row = yield from fetch(plan_context, command.session_id, scope)
    return decode_session(command.session_id, row)


def get_sessions_batch(
    plan_context: PlanContext, command: GetSessionsBatch, scope: str
) -> Plan[Sequence[Session]]:
    found = yield from read_rows(plan_context, SESSIONS, command.session_ids, scope)
    return capture_sessions(plan_context, found)


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
    read_list(answer, command.session_id)


def delete_session(plan_context: PlanContext, command: DeleteSession, scope: str) -> Plan[None]:
    session_id = command.session_id
    (answer,) = yield [write(plan_context, DELETE, session_id, scope=scope)]
    session = decode_session(session_id, read_reply(ValueReply, answer, session_id).value)
    plan_context.predictions.forget(session_id)
    plan_context.wakeups.notify(session_id)
    plan_context.tell(SessionEventKind.DELETED, session, session.state, command.context)


def _create(
    plan_context: PlanContext,
    command: CreateSession | GetOrCreateSession,
    scope: str,
    *,
    return_existing: bool,
) -> Plan[tuple[Session, bool]]:
    new, limits = command.session, plan_context.limits
    _, name = plan_context.locate(new.id)
    request = write(
        plan_context,
        CREATE,
        new.id,
        "1" if return_existing else "",
        *plan_context.session_bounds,
        plan_context.share(limits.max_sessions),
        limits.sessions_full.value,
        command.incarnation,
        *encode_session(name, "", new),
        scope=scope,
    )
    plan_context.predictions.next_revision(request.bucket)
    (answer,) = yield [request]
    status, *details = answer
    if status == b"THERE":
        (row,) = details
        return decode_session(new.id, row), False
    reply = read_reply(CreatedReply, answer, new.id, new)
    session = decode_session(new.id, reply.row)
    plan_context.predictions.note_assigned(request.bucket, session.revision)
    _note_created(plan_context, session, reply.evicted, command.context)
    return session, True


def _note_created(
    plan_context: PlanContext, session: Session, evicted: Sequence[Any], context: Context
) -> None:
    """Wake the watchers of evicted sessions, and tell listeners of them and of a new one."""
    for gone in read_sessions(evicted):
        plan_context.wakeups.notify(gone.id)
        plan_context.tell(SessionEventKind.EVICTED, gone, gone.state, context)
    plan_context.tell(SessionEventKind.CREATED, session, None, context)


def _update(
    plan_context: PlanContext, sessions: Sequence[Session], context: Context, scope: str
) -> Plan[list[Session]]:
    bucket = in_one_bucket(plan_context, [session.id for session in sessions])
    keys: list[str] = []
    arguments: list[Argument] = []
    for session in sessions:
        _, name = plan_context.locate(session.id)
        keys.append(bucket.session + name)
        arguments += encode_session(name, f"r:{bounded(session.revision)}", session)
        plan_context.predictions.next_revision(bucket)
    fixed = (plan_context.now, scope, *plan_context.session_bounds)
    (answer,) = yield [Request(bucket, UPDATE, keys, (*fixed, *arguments), write=True)]
    if answer[0] != OK:
        place: int = answer[-1]
        wrong = sessions[place - 1]
        refuse(answer, wrong.id, wrong)
    updated: list[Session] = []
    for session, (before, row) in zip(sessions, groups(read_list(answer), 2), strict=True):
        after = decode_session(session.id, row)
        updated.append(after)
        plan_context.predictions.note_assigned(bucket, after.revision)
        note_change(plan_context, after, SessionState(before.decode()), context)
    return updated


def note_change(
    plan_context: PlanContext, session: Session, before: SessionState, context: Context
) -> None:
    """Wake the watchers of a session in this process, and tell listeners of a new state."""
    plan_context.wakeups.notify(session.id)
    if session.state is not before:
        plan_context.tell(SessionEventKind.STATE_CHANGED, session, before, context)
