"""Operations on several sessions, which may be in several buckets.

Sessions of one bucket are read and changed in one step. Sessions of several buckets are read bucket
by bucket, as the store's `guarantees` say, and a change of them is refused.
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
from .replies import OK, read_list

__all__ = ["in_one_bucket", "read_rows"]


def in_one_bucket(plan_context: PlanContext, session_ids: Sequence[str]) -> Bucket:
    """Return the bucket of all these sessions. Raises `NotImplementedError` for several."""
    buckets = {plan_context.locate(session_id)[0] for session_id in session_ids}
    if len(buckets) != 1:
        raise CallerError(
            NotImplementedError("sessions of several buckets cannot be changed in one step")
        )
    return buckets.pop()


def read_rows(
    plan_context: PlanContext, sessions: Script, session_ids: Sequence[str], scope: str
) -> Plan[list[tuple[str, Stored]]]:
    """Read sessions in the order asked, each bucket in one step. Raises `SessionNotFound`."""
    wanted: dict[Bucket, dict[str, str]] = {}
    for session_id in session_ids:
        bucket, name = plan_context.locate(session_id)
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
            place: int = answer[-1]
            missing.add(ids[place - 1])
        else:
            rows.update(zip(ids, read_list(answer), strict=True))
    for session_id in session_ids:
        if session_id in missing:
            raise SessionNotFound(session_id)
    return [(session_id, rows[session_id]) for session_id in session_ids]
