"""What an acknowledged write survives: after closing and opening, all of it is there."""

from __future__ import annotations

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import RevisionConflict
from sessionkeeper.values.guarantees import Durability

from .kit import AtomicStoreKit
from .samples import held, new, note, tagged

__all__ = ["DurabilityConformance"]


class DurabilityConformance(AtomicStoreKit):
    def reopen_store(self, store: AtomicSessionStore) -> AtomicSessionStore:
        """Return another store, not yet open, on the data of a closed one. Write this method.

        Needed where `guarantees.durability` is `os`, `disk` or `server`.
        """
        raise NotImplementedError(
            f"{type(store).__name__} declares durability {store.guarantees.durability}: "
            "write `reopen_store`, so that it can be seen"
        )

    async def test_acknowledged_writes_survive_reopening(self, store: AtomicSessionStore) -> None:
        """An acknowledged write survives what `durability` names, and so it survives closing."""
        level = store.guarantees.durability
        if level in (Durability.MEMORY, Durability.INNER):
            pytest.skip(f"{type(store).__name__}.guarantees.durability is {level}")
        for key in ("a", "gone", "b"):
            await store.create_session(new(key, metadata={"n": 1}, principal="p"))
            await store.add_frame(note(1, key))
        old = await store.get_session("a")
        await store.update_session(tagged(old, "x"))
        await store.add_frame(note(2, "a"))
        await store.delete_frames("b")
        await store.delete_session("gone")
        before = await held(store)
        await store.aclose()
        async with self.reopen_store(store) as again:
            assert await held(again) == before
            with pytest.raises(RevisionConflict):
                await again.update_session(old)
            assert await again.add_frame(note(2, "b")) == 2, "a number was used again"
            newest = await again.create_session(new("gone"))
            assert newest.revision > max(each.revision for each in before[0])
            assert await again.get_frames("gone") == []
