"""The operations that only count, as plans; several buckets are added up, one after the other."""

from __future__ import annotations

from collections import Counter

from ....commands import CountOwnSessions, CountSessions, ReadStatistics
from ....states import SessionState
from ....statistics import Counters, TableStatistics
from ..ask import Ask, Plan
from ..setting import Setting

__all__ = ["count_own_sessions", "count_sessions", "read_statistics"]


def count_sessions(setting: Setting, command: CountSessions, scope: str) -> Plan[int]:
    asks = [Ask(each, None, None, ("ZCARD", each.order)) for each in setting.keys.buckets]
    return sum((yield asks))


def count_own_sessions(setting: Setting, command: CountOwnSessions, scope: str) -> Plan[int]:
    principal = command.principal
    asks = [
        Ask(each, None, None, ("HGET", each.principals, principal)) for each in setting.keys.buckets
    ]
    return sum(int(count or 0) for count in (yield asks))


def read_statistics(setting: Setting, command: ReadStatistics, scope: str) -> Plan[TableStatistics]:
    asks = [Ask(each, None, None, ("HGETALL", each.meta)) for each in setting.keys.buckets]
    sums: Counter[str] = Counter()
    for meta in (yield asks):
        sums.update({name.decode(): int(value) for name, value in meta.items()})
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
