"""How operations put their questions, and how they read what may come back instead of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from ....values.errors import (
    InvalidTransition,
    LimitExceeded,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionExists,
    SessionNotFound,
    VersionConflict,
)
from ....values.session import Session
from ....values.states import SessionState
from ..client.call import Script, Word
from ..codec import PRINCIPAL, ROW, Stored
from ..context import PlanContext
from ..delivery.request import Plan, Request

__all__ = ["OK", "bounded", "checked", "fetch", "read", "refuse", "write"]

OK = b"OK"
_EXACT = 2**53


def bounded(number: int) -> int:
    """Bound a caller's number to those scripts count with; hiredis dies of one of 4,301 digits."""
    return max(-_EXACT, min(number, _EXACT))


def write(
    plan_context: PlanContext, script: Script, session_id: str, *arguments: Word, scope: str = ""
) -> Request:
    """Ask for a change of one session."""
    bucket, name = plan_context.place(session_id)
    keys = (bucket.session + name, bucket.log + name)
    return Request(bucket, script, keys, (plan_context.now, scope, *arguments), write=True)


def read(plan_context: PlanContext, script: Script, session_id: str, *arguments: Word) -> Request:
    """Ask for what one session is."""
    bucket, name = plan_context.place(session_id)
    return Request(bucket, script, (bucket.session + name, bucket.log + name), arguments)


def fetch(plan_context: PlanContext, session_id: str, scope: str) -> Plan[Stored]:
    """Read the row of a session. Raises `SessionNotFound`."""
    bucket, name = plan_context.place(session_id)
    rows: list[Stored] = yield [Request(bucket, None, None, ("HMGET", bucket.session + name, *ROW))]
    row = rows[0]
    if row[0] is None or (scope and row[PRINCIPAL] != scope.encode()):
        raise SessionNotFound(session_id)
    return row


def checked(answer: list[Any], session_id: str, session: Session | None = None) -> list[Any]:
    """Return a script's answer. Raises what it says instead; the session is the one it was sent."""
    if answer[0] != OK:
        refuse(answer, session_id, session)
    return answer


def refuse(answer: Sequence[Any], session_id: str, session: Session | None = None) -> NoReturn:
    """Raise what a script found wrong."""
    kind = answer[0].decode()
    if kind in ("MISSING", "FOREIGN"):
        raise SessionNotFound(session_id)
    if kind == "EXISTS":
        raise SessionExists(session_id)
    if kind == "CLOSED":
        raise SessionClosed(session_id, SessionState(answer[1].decode()))
    if kind == "SEQUENCE":
        raise SequenceConflict(session_id, expected=int(answer[2]), current=int(answer[1]))
    if kind == "REVISION":
        expected = 0 if session is None else session.revision
        raise RevisionConflict(session_id, expected=expected, current=int(answer[1]))
    if kind == "TRANSITION":
        before, after = SessionState(answer[1].decode()), SessionState(answer[2].decode())
        raise InvalidTransition(session_id, before, after)
    if kind == "VERSION":
        raise VersionConflict(negotiated=answer[1].decode(), offered=answer[2].decode())
    if kind == "LIMIT":
        raise LimitExceeded(answer[1].decode(), current=int(answer[2]), maximum=int(answer[3]))
    raise RuntimeError(f"a script answered {kind}")
