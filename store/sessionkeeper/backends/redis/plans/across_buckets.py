"""Operations on several sessions, which may live in several buckets.

What lies in one bucket is read and changed in one step. What does not cannot be: reading is
gathered, and the store's `guarantees` say so; changing is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from soleowner import CallerError

from ....values.errors import SessionNotFound
from ..client.call import Script
from ..codec import Stored
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..keys import Bucket
from .requests import OK

__all__ = ["gathered", "in_one_bucket"]


def in_one_bucket(plan_context: PlanContext, session_ids: Sequence[str]) -> Bucket:
    """Return the bucket they all live in. Raises `NotImplementedError` if that is several."""
    buckets = {plan_context.place(session_id)[0] for session_id in session_ids}
    if len(buckets) != 1:
        raise CallerError(
            NotImplementedError("sessions of several buckets cannot be changed in one step")
        )
    return buckets.pop()


def gathered(
    plan_context: PlanContext, sessions: Script, session_ids: Sequence[str], scope: str
) -> Plan[list[tuple[str, Stored]]]:
    """Read sessions, a bucket's in one step; in the order asked. Raises `SessionNotFound`."""
    wanted: dict[Bucket, dict[str, str]] = {}
    for session_id in session_ids:
        bucket, name = plan_context.place(session_id)
        wanted.setdefault(bucket, {})[session_id] = bucket.session + name
    requests = [
        Request(bucket, sessions, list(keys.values()), (scope,)) for bucket, keys in wanted.items()
    ]
    if not requests:
        return []
    rows: dict[str, Stored] = {}
    missing: set[str] = set()
    for keys, answer in zip(wanted.values(), (yield requests), strict=True):
        ids = list(keys)
        if answer[0] != OK:
            place: int = answer[1]
            missing.add(ids[place - 1])
        else:
            rows.update(zip(ids, answer[1:], strict=True))
    for session_id in session_ids:
        if session_id in missing:
            raise SessionNotFound(session_id)
    return [(session_id, rows[session_id]) for session_id in session_ids]
