"""Plans of the operations that count. The results of several buckets are added.

They use a plain command for each bucket. In a store with a ttl they use a script, which removes
expired sessions first.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ....operations import CountOwnSessions, CountSessions, ReadStatistics
from ....values.states import SessionState
from ....values.statistics import Counters, TableStatistics
from ..codec import read_counter
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..scripts import script
from .replies import ValueReply, read_reply

__all__ = ["count_own_sessions", "count_sessions", "read_statistics"]

COUNT, RECOUNT = script("count"), script("recount")


def count_sessions(plan_context: PlanContext, command: CountSessions, scope: str) -> Plan[int]:
    if plan_context.ttl is not None:
        return sum((yield from _counts(plan_context, "sessions")))
    requests = [
        Request(each, None, None, ("ZCARD", each.order)) for each in plan_context.keys.buckets
    ]
    return sum((yield requests))


def count_own_sessions(
    plan_context: PlanContext, command: CountOwnSessions, scope: str
) -> Plan[int]:
    principal = command.principal
    if plan_context.ttl is not None:
        return sum((yield from _counts(plan_context, "own", principal)))
    requests = [
        Request(each, None, None, ("HGET", each.principals, principal))
        for each in plan_context.keys.buckets
    ]
    return sum(read_counter(count or 0) for count in (yield requests))


def read_statistics(
    plan_context: PlanContext, command: ReadStatistics, scope: str
) -> Plan[TableStatistics]:
    buckets = plan_context.keys.buckets
    if plan_context.ttl is not None:
        metas = [_pairs(flat) for flat in (yield from _counts(plan_context, "all"))]
    else:
        metas = yield [Request(each, None, None, ("HGETALL", each.meta)) for each in buckets]
    lost = [place for place, meta in enumerate(metas) if b"lost" in meta]
    if lost:
        requests = [Request(buckets[place], RECOUNT, (), (plan_context.now,)) for place in lost]
        for place, answer in zip(lost, (yield requests), strict=True):
            metas[place] = _pairs(read_reply(ValueReply, answer, "").value)
    sums: Counter[str] = Counter()
    for meta in metas:
        sums.update({name.decode(): read_counter(value) for name, value in meta.items()})
    return TableStatistics(
        sessions={state: sums[f"state:{state.value}"] for state in SessionState},
        frames=sums["added"] - sums["removed"] - sums["dropped"],
        bytes=sums["bytes"],
        counters=Counters(
            created=sums["created"],
            deleted=sums["gone:deleted"],
            purged=sums["gone:purged"],
            evicted=sums["gone:evicted"],
            ended={
                state: sums[f"ended:{state.value}"] for state in SessionState if state.is_terminal
            },
            frames_added=sums["added"],
            frames_removed=sums["removed"],
            frames_dropped=sums["dropped"],
            odd_frames_added=sums["odd"],
            gap_frames_added=sums["gaps"],
            contents_removed=sums["emptied"],
        ),
    )


def _counts(plan_context: PlanContext, what: str, principal: str = "") -> Plan[list[Any]]:
    requests = [Request(each, COUNT, (), (what, principal)) for each in plan_context.keys.buckets]
    return [read_reply(ValueReply, answer, "").value for answer in (yield requests)]


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    """Read the answer to `HGETALL` inside a script."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
