"""Splits calls on several sessions of a store that does not apply them in one step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import msgspec

from ..linearizability.history.operation import Operation, Outcome, Plain
from .layout import SessionData

__all__ = ["BATCH_CALLS", "CREATE_CALLS", "LISTING_CALLS", "split_call"]

_SINGLE = {"get_sessions_batch": "get_session", "update_sessions_batch": "update_session"}
BATCH_CALLS = frozenset(_SINGLE)
"""Calls on several sessions by name, which `Guarantees.batch` speaks of."""

CREATE_CALLS = frozenset({"create_session", "get_or_create_session", "put_session"})
"""Calls that may create a session."""

_SWEEPS = frozenset({"expire_sessions", "purge_sessions"})

LISTING_CALLS = frozenset({"list_sessions", "count_sessions", "find_sessions"}) | _SWEEPS
"""Calls on all sessions, which `Guarantees.listing` speaks of."""


def split_call(whole: Operation, sessions: int) -> Iterator[Operation]:
    """Yield what a call says: each part was done at some time during the call, or may have been.

    Which sessions are not there, and how many are, such a call does not say. No more than
    `sessions` were ever there.
    """
    name, known = whole.name, whole.outcome is Outcome.OK
    if name in _SINGLE:
        yield from _batch(whole)
    elif whole.outcome is Outcome.FAILED:
        yield whole
    elif name in _SWEEPS:
        yield from _sweep(whole, sessions)
    elif known and name != "count_sessions":
        result = whole.result
        if name == "find_sessions":
            result = cast("tuple[Plain, Plain]", result)[0]
        for report in cast("tuple[SessionData, ...]", result):
            yield msgspec.structs.replace(
                whole, name="get_session", argument=report[0], result=report
            )


def _batch(batch: Operation) -> Iterator[Operation]:
    arguments = cast("tuple[Plain, ...]", batch.argument)
    known = batch.outcome is Outcome.OK
    results = cast("tuple[Plain, ...]", batch.result) if known else (None,) * len(arguments)
    for argument, result in zip(arguments, results, strict=True):
        yield msgspec.structs.replace(
            batch,
            name=_SINGLE[batch.name],
            argument=argument,
            result=result,
            outcome=Outcome.OK if known else Outcome.UNKNOWN,
        )


def _sweep(sweep: Operation, sessions: int) -> Iterator[Operation]:
    first, second, limit = cast("tuple[Plain, Plain, int]", sweep.argument)
    single = msgspec.structs.replace(sweep, argument=(first, second, 1))
    if sweep.outcome is not Outcome.OK:
        for _ in range(min(limit, sessions)):
            yield single
    elif sweep.name == "purge_sessions":
        for _ in range(cast("int", sweep.result)):
            yield msgspec.structs.replace(single, result=1)
    else:
        for report in cast("tuple[SessionData, ...]", sweep.result):
            yield msgspec.structs.replace(single, result=(report,))
