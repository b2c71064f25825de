"""A caller that does not give up."""

from __future__ import annotations

from redis_operations import note
from sessionkeeper import OutcomeUnknown, StoreUnavailable
from sessionkeeper.stores.postgres import PostgresSessionStore

__all__ = ["add"]


async def add(store: PostgresSessionStore, n: object, id: str = "a") -> int:
    """Append a frame once, whatever happens to the server meanwhile; its number.

    Raises `OutcomeUnknown` if nobody can tell any more.
    """
    while True:
        try:
            return await store.add_frame(note(n, id))
        except StoreUnavailable:
            continue
        except OutcomeUnknown as unknown:
            if await _resolved(store, unknown.operation_id):
                return (await store.get_session(id)).last_seq


async def _resolved(store: PostgresSessionStore, operation_id: str) -> bool:
    while True:
        try:
            return await store.resolve(operation_id)
        except StoreUnavailable:
            continue
