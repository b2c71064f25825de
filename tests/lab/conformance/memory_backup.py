"""Old data beneath an open store in memory, as a restored backup has it."""

from __future__ import annotations

from copy import deepcopy

from sessionkeeper import AtomicSessionStore, PlainSessionStore
from sessionlab.conformance import Restore

__all__ = ["back_up_memory"]


def back_up_memory(store: AtomicSessionStore) -> Restore:
    """Copy what a store in memory holds; return what puts the copy back."""
    assert isinstance(store, PlainSessionStore)
    tables = store._tables
    shared = [tables.clock, tables.limits, tables._notify, tables._listeners]
    shared += [row.session for row in tables.rows()]
    before = deepcopy(tables, {id(each): each for each in shared})

    async def restore() -> None:
        store._tables = before

    return restore
