"""Several sessions in one call: in order, and all or nothing where that is declared."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.errors import (
    InvalidTransition,
    RevisionConflict,
    SessionNotFound,
    VersionConflict,
)
from sessionkeeper.values.version import VersionState

from .kit import StoreKit
from .promise import demand, needs
from .samples import become, held, new, tagged, turns

__all__ = ["BatchesConformance"]


class BatchesConformance(StoreKit):
    @needs("get_sessions_batch")
    async def test_sessions_come_in_the_order_asked(self, store: SessionStore) -> None:
        """`get_sessions_batch(ids)`: in the order asked; an id asked twice comes twice."""
        created = {key: await store.create_session(new(key)) for key in "abcd"}
        asked = ["c", "a", "d", "c"]
        assert await store.get_sessions_batch(asked) == [created[key] for key in asked]
        assert await store.get_sessions_batch([]) == []

    @needs("get_sessions_batch")
    async def test_one_unknown_session_fails_the_batch(self, store: SessionStore) -> None:
        """`get_sessions_batch`: `SessionNotFound`, with the id that does not exist."""
        await store.create_session(new())
        with pytest.raises(SessionNotFound) as refused:
            await store.get_sessions_batch(["a", "nobody"])
        assert refused.value.session_id == "nobody"

    @needs("update_sessions_batch")
    async def test_updated_sessions_are_answered(self, store: SessionStore) -> None:
        """`update_sessions_batch(sessions)`: returns the stored sessions, in their order."""
        created = [await store.create_session(new(key)) for key in "abc"]
        wanted = [tagged(session, "x") for session in reversed(created)]
        stored = await store.update_sessions_batch(wanted)
        assert [each.id for each in stored] == ["c", "b", "a"]
        for before, after in zip(wanted, stored, strict=True):
            assert after.tags == {"x"}
            assert after.revision > before.revision
            assert await store.get_session(after.id) == after
        assert await store.update_sessions_batch([]) == []

    @needs("update_sessions_batch")
    async def test_a_batch_is_all_or_nothing(self, store: SessionStore) -> None:
        """`batch` linearizable: all or nothing, whichever session is refused."""
        demand(store, "batch")
        created = [await store.create_session(new(key, state="active")) for key in "abc"]
        before = await held(store)
        good = [tagged(session, "x") for session in created]
        mismatch = VersionState(negotiated="2025-11-25", transport="2024-11-05")
        stale = created[2].model_copy(update={"revision": created[2].revision - 1})
        for bad, error in (
            (stale, RevisionConflict),
            (become("initializing")(created[2]), InvalidTransition),
            (created[2].model_copy(update={"version_state": mismatch}), VersionConflict),
            (new("nobody"), SessionNotFound),
        ):
            for batch in ([*good[:2], bad], [good[0], bad, good[1]], [bad, *good[:2]]):
                with pytest.raises(error):
                    await store.update_sessions_batch(batch)
                assert await held(store) == before, "a part of a refused batch was stored"

    @needs("update_sessions_batch")
    async def test_a_session_is_in_a_batch_once(self, store: SessionStore) -> None:
        """`batch` linearizable: naming a session twice is a `ValueError` at the call."""
        demand(store, "batch")
        created = await store.create_session(new())
        with pytest.raises(ValueError, match=r"\S"):
            await store.update_sessions_batch([tagged(created, "x"), tagged(created, "y")])
        assert await store.get_session("a") == created

    @needs("update_sessions_batch", "get_sessions_batch")
    async def test_nobody_sees_half_a_batch(self, store: SessionStore) -> None:
        """`batch` linearizable: it appears to happen at one instant."""
        demand(store, "batch")
        keys = [f"s{n}" for n in range(6)]
        for key in keys:
            await store.create_session(new(key, tags={"0"}))
        writing = True

        async def write() -> None:
            nonlocal writing
            for n in range(1, 21):
                sessions = await store.get_sessions_batch(keys)
                await store.update_sessions_batch([tagged(each, str(n)) for each in sessions])
                await turns(n % 4)
            writing = False

        async def read(order: list[str]) -> None:
            while writing:
                seen = await store.get_sessions_batch(order)
                tags = [next(iter(each.tags)) for each in seen]
                assert len(set(tags)) == 1, f"one batch of sessions, seen as {tags}"
                await turns(1)

        await asyncio.gather(write(), read(keys), read(keys[::-1]))

    @needs("update_sessions_batch")
    async def test_of_racing_batches_one_wins(self, store: SessionStore) -> None:
        """`batch` linearizable: of many batches with the same snapshots, exactly one is applied."""
        demand(store, "batch")
        created = [await store.create_session(new(key)) for key in "abc"]

        async def write(n: int) -> int | None:
            await turns(n % 3)
            batch = created if n % 2 else created[::-1]
            try:
                await store.update_sessions_batch([tagged(each, str(n)) for each in batch])
            except RevisionConflict:
                return None
            return n

        winners = [n for n in await asyncio.gather(*map(write, range(24))) if n is not None]
        found = [next(iter(each.tags)) for each in await store.list_sessions()]
        assert len(winners) == 1, f"{len(winners)} callers with the same snapshots were told yes"
        assert found == [str(winners[0])] * 3, f"the batches got mixed: {found}"
