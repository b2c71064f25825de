"""Clients that are refused or cancelled."""

from __future__ import annotations

from contextlib import suppress

from sessionkeeper.values.errors import RevisionConflict, SequenceConflict, SessionError

from ... import RecordingStore
from ..clients import add_one, change, new, note, together

__all__ = ["cancellation", "refusals"]


async def refusals(store: RecordingStore) -> None:
    """Clients that change one session, and one with a stale snapshot; then all read."""
    old = await store.create_session(new("a"))
    await change(store, "a")

    async def write_old() -> None:
        with suppress(RevisionConflict):
            await store.update_session(old.model_copy(update={"tags": {"old"}}))
        with suppress(NotImplementedError, SequenceConflict):
            await store.add_frames("a", [note("a", "x")], expected_last_seq=7)
        await store.get_session("a")

    await together(change(store, "a"), write_old(), change(store, "a"), change(store, "a"))
    for _ in range(3):
        with suppress(SessionError):
            await store.get_session("a")


async def cancellation(store: RecordingStore) -> None:
    """One client is cancelled at some moment; then the store is used as before."""
    await store.create_session(new("a"))

    async def append_and_change() -> None:
        try:
            await store.add_frames("a", [note("a", "x")], change=add_one)
        except NotImplementedError:
            await store.add_frame(note("a", "x"))

    async def append() -> None:
        await store.add_frame(note("a", "y"))

    await together(append_and_change(), append(), change(store, "a"))
    await store.get_session("a")
    await store.add_frame(note("a", "z"))
    await store.get_frames("a")
    await store.count_frames("a")
