"""Plans of the operations on all sessions. Each goes through all buckets."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from operator import itemgetter
from typing import Any

from ....operations import (
    ExpireSessions,
    FindSessions,
    FindSessionsByActivity,
    ListOwnSessions,
    ListSessions,
    PurgeSessions,
)
from ....operations.newest_first import Place
from ....operations.sweep_rules import FoundSessions
from ....values.clock import moment_micros
from ....values.events import SessionEventKind
from ....values.query import SessionQuery
from ....values.session import Session
from ....values.states import SessionState
from ..client.call import Argument, Script
from ..codec import CREATED, NUMBER, Stored, decode_id, decode_session, read_counter
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..keys import Bucket
from ..scripts import script
from .replies import capture_sessions, groups, read_list, read_sessions, read_stored
from .requests import bounded
from .sessions import note_change

__all__ = [
    "expire_sessions",
    "find_by_activity",
    "find_sessions",
    "list_own_sessions",
    "list_sessions",
    "purge_sessions",
]

FIND_BY_ACTIVITY = script("find_by_activity")
LIST, FIND, EXPIRE, PURGE = script("list"), script("find"), script("expire"), script("purge")

LOOKS = 300
"""Maximum number of sessions a page reads beyond those it returns: it blocks the server."""
_PLACE = 2**44
"""A cursor is the bucket's number times this, plus the number of a session's creation."""
_ALL = float(2**53)
_SPREAD = 4
"""Sessions that a part of a page has in addition, as buckets differ."""


def list_sessions(
    plan_context: PlanContext, command: ListSessions, scope: str
) -> Plan[Sequence[Session]]:
    return (yield from _list(plan_context, ""))


def list_own_sessions(
    plan_context: PlanContext, command: ListOwnSessions, scope: str
) -> Plan[Sequence[Session]]:
    return (yield from _list(plan_context, command.principal))


def find_sessions(
    plan_context: PlanContext, command: FindSessions, scope: str
) -> Plan[FoundSessions]:
    number, after = divmod(command.after, _PLACE)
    arguments = _filters(command.query)
    buckets = plan_context.keys.buckets
    for bucket in buckets[number:]:
        (answer,) = yield [Request(bucket, FIND, (), (after, command.limit, LOOKS, *arguments))]
        more, last, *found = read_list(answer)
        sessions = capture_sessions(plan_context, read_stored(found))
        if more:
            return FoundSessions(sessions, str(bucket.number * _PLACE + int(last)))
        if sessions:  # a page is one step, so it ends with its bucket
            following = bucket.number + 1
            cursor = str(following * _PLACE) if following < len(buckets) else None
            return FoundSessions(sessions, cursor)
        after = 0
    return FoundSessions((), None)


def find_by_activity(
    plan_context: PlanContext, command: FindSessionsByActivity, scope: str
) -> Plan[FoundSessions]:
    """Read a part of the page in each bucket, and merge them as far as all of them have come.

    A place is a moment and the number of `find_sessions`, so that later buckets come first.
    """
    buckets, limit, filters = plan_context.keys.buckets, command.limit, _filters(command.query)
    count = len(buckets)
    share = limit if count == 1 else min(limit, 2 * -(-limit // count) + _SPREAD)
    bounds = (share, -(-LOOKS // count), *filters)
    answers = yield [
        Request(bucket, FIND_BY_ACTIVITY, (), (*_begin(command.after, bucket), *bounds))
        for bucket in buckets
    ]
    found: list[tuple[Place, tuple[str, Stored]]] = []
    reached: Place | None = None
    for bucket, answer in zip(buckets, answers, strict=True):
        first = bucket.number * _PLACE
        more, moment, number, *rows = read_list(answer)
        for id_, row, active in groups(rows, 3):
            place = int(active), first + read_counter(row[NUMBER])
            found.append((place, (decode_id(id_), row)))
        if more:
            end = int(moment), first + int(number)
            reached = end if reached is None else max(reached, end)
    found = [each for each in found if reached is None or each[0] >= reached]
    found.sort(key=itemgetter(0), reverse=True)
    if len(found) > limit:
        found, reached = found[:limit], found[limit - 1][0]
    cursor = None if reached is None else f"{reached[0]}:{reached[1]}"
    sessions = capture_sessions(plan_context, [stored for _, stored in found])
    return FoundSessions(sessions, cursor)


def _begin(after: Place | None, bucket: Bucket) -> tuple[Argument, Argument]:
    """Return the place from which a bucket is read: what is later there was read before."""
    if after is None:
        return "", ""
    moment, number = bounded(after[0]), after[1] - bucket.number * _PLACE
    return moment, max(0, min(number, _PLACE))


def expire_sessions(
    plan_context: PlanContext, command: ExpireSessions, scope: str
) -> Plan[list[Session]]:
    idle, age = (
        "" if span is None else round(span * 1e6) if span < _ALL else "1e300"
        for span in (command.idle, command.age)
    )
    ended: list[Session] = []
    for answer in (yield from _sweep(plan_context, EXPIRE, (idle, age), command.limit, 3)):
        for id_, before, row in groups(answer, 3):
            session = decode_session(decode_id(id_), row)
            ended.append(session)
            plan_context.predictions.forget(session.id)
            note_change(plan_context, session, SessionState(before.decode()), command.context)
    return ended


def purge_sessions(plan_context: PlanContext, command: PurgeSessions, scope: str) -> Plan[int]:
    before, span = command.ended_before, command.ended_for
    bounds = (
        "1e300" if before == inf else round(before * 1e6),
        round(span * 1e6) if span < _ALL else "1e300",
    )
    purged = 0
    for answer in (yield from _sweep(plan_context, PURGE, bounds, command.limit, 2)):
        for session in read_sessions(answer):
            purged += 1
            plan_context.predictions.forget(session.id)
            plan_context.wakeups.notify(session.id)
            plan_context.tell(SessionEventKind.PURGED, session, session.state, command.context)
    return purged


def _sweep(
    plan_context: PlanContext, sweep: Script, spans: tuple[Argument, ...], limit: int, each: int
) -> Plan[list[Any]]:
    """Sweep bucket after bucket; in one round trip if the limit leaves a share for each.

    `each` is how many values the script answers for one session.
    """
    buckets: list[Bucket] = plan_context.keys.buckets
    limit = bounded(limit)
    answers: list[Any] = []
    while buckets and limit > 0:
        share = max(1, limit // len(buckets))
        now, later = buckets[:limit], buckets[limit:]
        arguments = (plan_context.now, "", *spans, share)
        found = yield [Request(bucket, sweep, (), arguments, write=True) for bucket in now]
        found = [read_list(answer) for answer in found]
        answers += found
        limit -= sum(len(answer) // each for answer in found)
        full = [b for b, answer in zip(now, found, strict=True) if len(answer) // each == share]
        buckets = [*later, *full]
    return answers


def _list(plan_context: PlanContext, scope: str) -> Plan[Sequence[Session]]:
    answers = yield [Request(bucket, LIST, (), (scope,)) for bucket in plan_context.keys.buckets]
    stored = [each for answer in answers for each in read_stored(read_list(answer))]
    if len(answers) > 1:
        stored.sort(key=lambda each: read_counter(each[1][CREATED]))
    return capture_sessions(plan_context, stored)


def _filters(query: SessionQuery) -> list[Argument]:
    states: frozenset[SessionState] | None = query.states
    if query.statuses is not None:
        of_status = frozenset(each for each in SessionState if each.status in query.statuses)
        states = of_status if states is None else states & of_status
    any_, all_ = sorted(query.tags_any or ()), sorted(query.tags_all or ())
    if query.tags_any is not None and not any_:
        states = frozenset()  # no tag can match
    times = (
        query.created_from,
        query.created_before,
        query.active_from,
        query.active_before,
    )
    return [
        _listed(states),
        _listed(query.transport_types),
        query.principal or "",
        *("" if time is None else moment_micros(time) for time in times),
        len(any_),
        *any_,
        *all_,
    ]


def _listed(values: Any) -> str:
    return "" if values is None else f",{','.join(sorted(values))},"
