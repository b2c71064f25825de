"""How plans make their requests."""

from __future__ import annotations

from ....values.errors import SessionNotFound
from ..client.call import Argument, Script
from ..codec import NUMBER, PRINCIPAL, ROW, Stored
from ..context import PlanContext
from ..delivery.request import Plan, Request

__all__ = ["bounded", "fetch", "read", "write"]

_EXACT = 2**53


def bounded(number: int) -> int:
    """Bound a caller's number to what scripts can count; hiredis crashes on 4,301 digits."""
    return max(-_EXACT, min(number, _EXACT))


def write(
    plan_context: PlanContext,
    script: Script,
    session_id: str,
    *arguments: Argument,
    scope: str = "",
) -> Request:
    """Make the request that changes one session."""
    bucket, name = plan_context.locate(session_id)
    keys = (bucket.session + name, bucket.log + name)
    return Request(bucket, script, keys, (plan_context.now, scope, *arguments), write=True)


def read(
    plan_context: PlanContext, script: Script, session_id: str, *arguments: Argument
) -> Request:
    """Make the request that reads one session."""
    bucket, name = plan_context.locate(session_id)
    return Request(bucket, script, (bucket.session + name, bucket.log + name), arguments)


def fetch(plan_context: PlanContext, session_id: str, scope: str) -> Plan[Stored]:
    """Read the row of a session. Raises `SessionNotFound`."""
    bucket, name = plan_context.locate(session_id)
    (row,) = yield [Request(bucket, None, None, ("HMGET", bucket.session + name, *ROW))]
    found: Stored = row
    if found[NUMBER] is None or (scope and found[PRINCIPAL] != scope.encode()):
        raise SessionNotFound(session_id)
    return found
