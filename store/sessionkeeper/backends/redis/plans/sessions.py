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
from ..context import Setting
from ..delivery.request import Ask, Plan
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


def create_session(setting: Setting, command: CreateSession, scope: str) -> Plan[Session]:
    session, _ = yield from _create(setting, command, scope, give_back=False)
    return session


def get_or_create_session(
    setting: Setting, command: GetOrCreateSession, scope: str
) -> Plan[tuple[Session, bool]]:
    return (yield from _create(setting, command, scope, give_back=True))


def get_session(setting: Setting, command: GetSession, scope: str) -> Plan[Session]:
    row = yield from fetch(setting, command.session_id, scope)
    return read_session(command.session_id, row)


def get_sessions_batch(
    setting: Setting, command: GetSessionsBatch, scope: str
) -> Plan[list[Session]]:
    found = yield from gathered(setting, SESSIONS, command.session_ids, scope)
    return [read_session(*each) for each in found]


def update_session(setting: Setting, command: UpdateSession, scope: str) -> Plan[Session]:
    (session,) = yield from _update(setting, [command.session], command.context, scope)
    return session


def update_sessions_batch(
    setting: Setting, command: UpdateSessionsBatch, scope: str
) -> Plan[list[Session]]:
    if not command.sessions:
        return []
    return (yield from _update(setting, command.sessions, command.context, scope))


def touch_session(setting: Setting, command: TouchSession, scope: str) -> Plan[None]:
    (answer,) = yield [write(setting, TOUCH, command.session_id, scope=scope)]
    checked(answer, command.session_id)


def delete_session(setting: Setting, command: DeleteSession, scope: str) -> Plan[None]:
    session_id = command.session_id
    (answer,) = yield [write(setting, DELETE, session_id, scope=scope)]
    session = read_session(session_id, checked(answer, session_id)[1])
    setting.guesses.forget(session_id)
    setting.bells.ring(session_id)
    setting.tell(SessionEventKind.DELETED, session, session.state, command.context)


def _create(
    setting: Setting,
    command: CreateSession | GetOrCreateSession,
    scope: str,
    *,
    give_back: bool,
) -> Plan[tuple[Session, bool]]:
    new, limits = command.session, setting.limits
    _, name = setting.place(new.id)
    ask = write(
        setting,
        CREATE,
        new.id,
        "1" if give_back else "",
        limits.max_metadata_bytes,
        setting.share(limits.max_sessions),
        limits.sessions_full.value,
        *session_words(name, "", new),
        scope=scope,
    )
    setting.guesses.revise(ask.bucket)
    (answer,) = yield [ask]
    if answer[0] == b"THERE":
        return read_session(new.id, answer[1]), False
    session = read_session(new.id, checked(answer, new.id, new)[1])
    setting.guesses.given(ask.bucket, session.revision)
    evicted = answer[2]
    for id_, row in zip(evicted[::2], evicted[1::2], strict=True):
        gone = read_session(decoded_id(id_), row)
        setting.bells.ring(gone.id)
        setting.tell(SessionEventKind.EVICTED, gone, gone.state, command.context)
    setting.tell(SessionEventKind.CREATED, session, None, command.context)
    return session, True


def _update(
    setting: Setting, sessions: Sequence[Session], context: Context, scope: str
) -> Plan[list[Session]]:
    bucket = in_one_bucket(setting, [session.id for session in sessions])
    keys: list[str] = []
    words: list[Word] = []
    for session in sessions:
        _, name = setting.place(session.id)
        keys.append(bucket.session + name)
        words += session_words(name, f"r:{bounded(session.revision)}", session)
        setting.guesses.revise(bucket)
    fixed = (setting.now, scope, setting.limits.max_metadata_bytes)
    (answer,) = yield [Ask(bucket, UPDATE, keys, (*fixed, *words), write=True)]
    if answer[0] != OK:
        place: int = answer[-1]
        wrong = sessions[place - 1]
        refuse(answer, wrong.id, wrong)
    updated: list[Session] = []
    for session, before, row in zip(sessions, answer[1::2], answer[2::2], strict=True):
        after = read_session(session.id, row)
        updated.append(after)
        setting.guesses.given(bucket, after.revision)
        note_change(setting, after, SessionState(before.decode()), context)
    return updated


def note_change(setting: Setting, session: Session, before: SessionState, context: Context) -> None:
    """Let those hear of it who watch or listen in this process."""
    setting.bells.ring(session.id)
    if session.state is not before:
        setting.tell(SessionEventKind.STATE_CHANGED, session, before, context)
