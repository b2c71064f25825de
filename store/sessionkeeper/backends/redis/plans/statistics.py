"""The operations that only count, as plans; several buckets are added up, one after the other.

A plain command a bucket; in a store with a ttl a script, which first takes away those who are gone.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ....operations import CountOwnSessions, CountSessions, ReadStatistics
from ....values.states import SessionState
from ....values.statistics import Counters, TableStatistics
from ..codec import whole
from ..context import Setting
from ..delivery.request import Ask, Plan
from ..scripts import script
from .requests import checked

__all__ = ["count_own_sessions", "count_sessions", "read_statistics"]

COUNTED, RECOUNT = script("counted"), script("recount")


def count_sessions(setting: Setting, command: CountSessions, scope: str) -> Plan[int]:
    if setting.ttl is not None:
        return sum((yield from _counted(setting, "sessions")))
    asks = [Ask(each, None, None, ("ZCARD", each.order)) for each in setting.keys.buckets]
    return sum((yield asks))


def count_own_sessions(setting: Setting, command: CountOwnSessions, scope: str) -> Plan[int]:
    principal = command.principal
    if setting.ttl is not None:
        return sum((yield from _counted(setting, "own", principal)))
    asks = [
        Ask(each, None, None, ("HGET", each.principals, principal)) for each in setting.keys.buckets
    ]
    return sum(whole(count or 0) for count in (yield asks))


def read_statistics(setting: Setting, command: ReadStatistics, scope: str) -> Plan[TableStatistics]:
    buckets = setting.keys.buckets
    if setting.ttl is not None:
        metas = [_pairs(flat) for flat in (yield from _counted(setting, "all"))]
    else:
        metas = yield [Ask(each, None, None, ("HGETALL", each.meta)) for each in buckets]
    lost = [place for place, meta in enumerate(metas) if b"lost" in meta]
    if lost:
        asks = [Ask(buckets[place], RECOUNT, (), (setting.now,)) for place in lost]
        for place, answer in zip(lost, (yield asks), strict=True):
            metas[place] = _pairs(checked(answer, "")[1])
    sums: Counter[str] = Counter()
    for meta in metas:
        sums.update({name.decode(): whole(value) for name, value in meta.items()})
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
        ),
    )


def _counted(setting: Setting, what: str, principal: str = "") -> Plan[list[Any]]:
    asks = [Ask(each, COUNTED, (), (what, principal)) for each in setting.keys.buckets]
    return [checked(answer, "")[1] for answer in (yield asks)]


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    """Read what `HGETALL` answers a script."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
