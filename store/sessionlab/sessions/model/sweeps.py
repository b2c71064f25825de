"""Finding, expiring and purging. Each operation returns the states it may lead to.

Which sessions are idle or old is not modelled: a reply is accepted if it is possible. One that ends
by its `expires_at` has that moment behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, combinations
from typing import Any, TypeVar, cast

from ...linearizability.history.operation import Plain
from ..layout import CallerData, SessionData
from .sessions import States
from .state import LIVE, Entry, ModelState, find, match_snapshot, without, write_fields

__all__ = ["expire", "find_page", "purge"]

_STATUS = {"closed": "completed", "failed": "failed", "timed-out": "timeout"}
T = TypeVar("T")

_TIMED_OUT = "timed-out"
_EXPIRES = 10
"""The position of `expires_at` among the caller's fields, where there is one."""


def find_page(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Return matching sessions of one moment, in order of creation, without a gap.

    Last activity is not modelled: in that order each session is on a page at most once, and none is
    missing on a page that has all.
    """
    query, cursor, limit, *order = cast("tuple[Any, ...]", argument)
    reports, following = cast("tuple[tuple[SessionData, ...], str | None]", result)
    ids = [report[0] for report in reports]
    shown = [index for index, entry in enumerate(state.entries) if entry.id in set(ids)]
    if len(shown) < len(ids) or len(ids) > limit:
        return ()
    if not order and [state.entries[index].id for index in shown] != ids:
        return ()
    after: ModelState = state
    for report in reports:
        entry = find(after, report[0])
        seen = None if entry is None else match_snapshot(after, entry, report)
        if seen is None or not _matches(query, report[1], report[5], report[6]):
            return ()
        after = seen
    # No match may be missing between the first and the last, before the first of the first page,
    # or after the last of the last page.
    begin = 0 if cursor is None or order else min(shown, default=len(state.entries))
    end = len(state.entries) if following is None else max(shown, default=-1) + 1
    if following is None and cursor is not None and not shown:
        end = 0
    if order and not (cursor is None and following is None):
        end = 0
    for entry in state.entries[begin:end]:
        if entry.id not in ids and _matches(query, entry.caller, entry.created_at, None):
            return ()
    return (after,)


def _matches(  # noqa: PLR0911 - a list of reasons
    query: tuple[Plain, ...], caller: CallerData, created: float | None, active: float | None
) -> bool:
    """Whether a session certainly matches; with an open time it does not."""
    states, statuses, transports, any_of, all_of, principal, *times = query
    tags = set(cast("tuple[str, ...]", caller[7]))
    if states is not None and caller[1] not in cast("tuple[str, ...]", states):
        return False
    status = _STATUS.get(cast("str", caller[1]), "active")
    if statuses is not None and status not in cast("tuple[str, ...]", statuses):
        return False
    if transports is not None and caller[0] not in cast("tuple[str, ...]", transports):
        return False
    if any_of is not None and tags.isdisjoint(cast("tuple[str, ...]", any_of)):
        return False
    if all_of is not None and not tags.issuperset(cast("tuple[str, ...]", all_of)):
        return False
    if principal is not None and principal != caller[3]:
        return False
    created_from, created_before, active_from, active_before = cast("list[float | None]", times)
    return _within(created, created_from, created_before) and _within(
        active, active_from, active_before
    )


def _within(moment: float | None, begin: float | None, end: float | None) -> bool:
    if begin is None and end is None:
        return True
    if moment is None:
        return False
    return (begin is None or not _is_less(moment, begin)) and (end is None or _is_less(moment, end))


def _is_less(moment: float, other: float) -> bool:
    """Compare times, which are exact forms here: bytes if they are integers."""
    return float(moment) < float(other)


def expire(state: ModelState, argument: Plain, result: Plain, known: bool) -> Iterable[ModelState]:
    """End live sessions as timed out; check and change are one step."""
    idle, age, limit = cast("tuple[Plain, Plain, int]", argument)
    if not known:
        return _any_expired(state, limit)
    reports = cast("tuple[SessionData, ...]", result)
    after: ModelState | None = state
    if idle is None and age is None and not all(map(_has_expired, reports)):
        return ()
    if len(reports) > limit or any(type(report[2]) is not int for report in reports):
        return ()
    for report in sorted(reports, key=lambda report: report[2]):
        after = None if after is None else _expired(after, report[0], report)
    return () if after is None else (after,)


def _has_expired(report: SessionData) -> bool:
    expires, ended = report[1][_EXPIRES:], report[7]
    return bool(expires) and ended is not None and not _is_less(ended, cast("float", expires[0]))


def _expired(state: ModelState, session_id: str, report: SessionData | None) -> ModelState | None:
    entry = find(state, session_id)
    if entry is None or entry.caller[1] not in LIVE:
        return None
    caller = (entry.caller[0], _TIMED_OUT, *entry.caller[2:])
    return write_fields(state, entry, caller, report)


def _any_expired(state: ModelState, limit: int) -> Iterator[ModelState]:
    live = [entry.id for entry in state.entries if entry.caller[1] in LIVE]
    for ids in _subsets(live, limit):
        after: ModelState | None = state
        for session_id in ids:
            after = None if after is None else _expired(after, session_id, None)
        if after is not None:
            yield after


def purge(state: ModelState, argument: Plain, result: Plain, known: bool) -> Iterator[ModelState]:
    """Remove ended sessions with their frames; the reply tells how many.

    Only the store's own clock knows how long ago they ended.
    """
    ended_before, _, limit = cast("tuple[float | None, float | None, int]", argument)
    ended = [entry for entry in state.entries if _may_go(entry, ended_before)]
    wanted = cast("int", result)
    if known and (type(wanted) is not int or not 0 <= wanted <= limit):
        return
    several: Iterable[tuple[Entry, ...]] = (
        combinations(ended, wanted) if known else _subsets(ended, limit)
    )
    for gone in several:
        yield without(state, gone)


def _may_go(entry: Entry, ended_before: float | None) -> bool:
    if entry.caller[1] in LIVE:
        return False
    return ended_before is None or entry.ended_at is None or _is_less(entry.ended_at, ended_before)


def _subsets(things: list[T], maximum: int) -> Iterator[tuple[T, ...]]:
    sizes = range(min(maximum, len(things)) + 1)
    return chain.from_iterable(combinations(things, size) for size in sizes)
