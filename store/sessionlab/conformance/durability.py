"""What an acknowledged write survives: after closing and opening, all of it is there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import isawaitable
from typing import Any

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.errors import RevisionConflict, SessionClosed
from sessionkeeper.values.guarantees import Durability

from .kit import SEVERAL, StoreKit
from .promise import declared
from .samples import archived, become, gap, held, new, note, odd, rich, tagged

__all__ = ["AtomicDurabilityConformance", "DurabilityConformance"]


class ReopeningKit(StoreKit):
    """Tests of a store that is closed and opened again on the same data."""

    @asynccontextmanager
    async def reopened(self, store: SessionStore) -> AsyncGenerator[Any]:
        """Close a store and open another one on its data.

        Skips the test where nothing is declared to survive and no `reopen_store` is written.
        """
        level = declared(store).durability
        written = type(self).reopen_store is not StoreKit.reopen_store
        if level in (Durability.MEMORY, Durability.INNER) and not written:
            pytest.skip(
                f"{type(store).__name__} declares durability {level}, and no `reopen_store` is"
                " written"
            )
        old: Any = store
        if hasattr(old, "aclose"):
            await old.aclose()
        made = self.reopen_store(store)
        again: Any = await made if isawaitable(made) else made
        if isinstance(again, AbstractAsyncContextManager):
            async with again:
                yield again
        else:
            yield again


class DurabilityConformance(ReopeningKit):
    async def test_acknowledged_writes_survive_reopening(self, store: SessionStore) -> None:
        """An acknowledged write survives what `durability` names, and so it survives closing."""
        for key in ("a", "gone", "b"):
            await store.create_session(new(key, metadata={"n": 1}, principal="p"))
            await store.add_frame(note(1, key))
        await store.update_session(tagged(await store.get_session("a"), "x"))
        for each in (note(2, "a"), *odd("a"), gap("a")):
            await store.add_frame(each)
        await store.delete_frames("b")
        await store.delete_session("gone")
        before = await held(store)
        async with self.reopened(store) as again:
            assert await held(again) == before
            assert await again.count_sessions() == 2
            assert [await again.count_frames(key) for key in "ab"] == [8, 0]
            await again.create_session(new("gone"))
            assert await again.get_frames("gone") == [], "frames of a deleted session came back"

    async def test_numbers_go_on_after_reopening(self, store: SessionStore) -> None:
        """No number of a frame and no revision is used again, also not by a store opened later."""
        created = await store.create_session(new())
        for n in (1, 2, 3):
            await store.add_frame(note(n))
        await store.delete_frames("a")
        await store.create_session(new("gone"))
        newest = await store.update_session(tagged(await store.get_session("gone"), "x"))
        await store.delete_session("gone")
        async with self.reopened(store) as again:
            assert await again.add_frame(note(4)) == 4, "the number of a frame was used again"
            later = await again.create_session(new("gone"))
            assert later.revision > newest.revision, "a revision was used again"
            await again.update_session(tagged(await again.get_session("a"), "y"))
            with pytest.raises(RevisionConflict):
                await again.update_session(created)

    async def test_every_field_survives_reopening(self, store: SessionStore) -> None:
        """A session and its messages come back as they were, to the byte, in their order."""
        for key in ("z", "a", "m"):
            await store.create_session(rich(key))
        messages = [note(n, "a", size=60 + n) for n in range(5)]
        for message in messages:
            await store.add_frame(message)
        await store.update_session(become("closed")(await store.get_session("z")))
        before = await held(store)
        async with self.reopened(store) as again:
            after = await held(again)
            assert [each.id for each in after[0]] == ["z", "a", "m"]
            assert after == before
            assert [each.message for each in after[1]["a"]] == [each.message for each in messages]
            with pytest.raises(SessionClosed):
                await again.add_frame(note(9, "z"))
            assert await held(again) == before


class AtomicDurabilityConformance(ReopeningKit):
    async def test_every_kind_of_write_survives_reopening(self, store: AtomicSessionStore) -> None:
        """What any method has acknowledged survives closing."""
        for key in "abcde":
            await store.create_session(new(key, state="active"))
            for n in (1, 2, 3):
                await store.add_frame(note(n, key))
        refuses = {*self.refuses}
        if "modify_session" not in refuses:
            await store.modify_session("a", lambda session: tagged(session, "modified"))
        if not refuses & {"add_frames", SEVERAL}:
            await store.add_frames("b", [note(4, "b"), note(5, "b")], change=become("closed"))
        if "trim_frames" not in refuses:
            await store.trim_frames("c", up_to=2)
        if "remove_frames" not in refuses:
            await store.remove_frames("b", [1, 3])
            await store.remove_frames("d", [2])
        if "update_sessions_batch" not in refuses:
            both = [await store.get_session(key) for key in "cd"]
            await store.update_sessions_batch([tagged(each, "batch") for each in both])
        if "get_or_create_session" not in refuses:
            await store.get_or_create_session(new("f"))
        if "put_session" not in refuses:
            for state in ("active", "closed", "initializing"):
                await store.put_session(new("p", state=state, tags={state}))
                if state == "active":
                    await store.add_frame(note(1, "p"))
        if "purge_sessions" not in refuses:
            await store.update_session(become("failed")(await store.get_session("e")))
            await store.purge_sessions(ended_for=0, limit=1)
        if "expire_sessions" not in refuses:
            await store.expire_sessions(idle=0, limit=2)
        if "archive_session" not in refuses:
            created = await store.create_session(new("archived"))
            await store.archive_session(archived(created, state="closed"), expected_last_seq=0)
        before = await held(store)
        async with self.reopened(store) as again:
            assert await held(again) == before
