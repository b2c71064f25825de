"""Clients that create, change, list and delete sessions."""

from __future__ import annotations

from contextlib import suppress

from sessionkeeper.values.errors import SessionError, SessionExists, SessionNotFound

from ... import RecordingStore
from ..clients import add_one, change, new, note, together

__all__ = ["creation", "deletion", "limits", "listing", "reads", "recreation", "updates"]


async def updates(store: RecordingStore) -> None:
    """Three clients increment a counter in one session."""
    await store.create_session(new("a"))
    await together(change(store, "a"), change(store, "a"), change(store, "a"))
    await store.get_session("a")


async def creation(store: RecordingStore) -> None:
    """Three clients create the same session."""

    async def create() -> None:
        try:
            await store.get_or_create_session(new("a"))
        except NotImplementedError:
            await store.create_session(new("a"))

    async def create_only() -> None:
        with suppress(SessionExists):
            await store.create_session(new("a"))
        await store.get_session("a")

    await together(create(), create(), create_only())
    await store.count_sessions()


async def reads(store: RecordingStore) -> None:
    """One client writes and reads; another reads too."""
    await store.create_session(new("a"))

    async def write() -> None:
        for _ in range(2):
            await store.update_session(add_one(await store.get_session("a")))
        await store.get_session("a")

    async def read() -> None:
        for _ in range(3):
            await store.get_session("a")

    await together(write(), read())
    await store.get_session("a")


async def listing(store: RecordingStore) -> None:
    """One client changes the first session, then the second; another lists them."""
    for session_id in ("a", "b"):
        await store.create_session(new(session_id))

    async def change_both() -> None:
        await change(store, "a")
        await change(store, "b")

    async def look() -> None:
        for _ in range(2):
            await store.list_sessions()

    await together(change_both(), look())


async def limits(store: RecordingStore) -> None:
    """Three clients create sessions under a limit of two."""

    async def create(session_id: str) -> None:
        await store.create_session(new(session_id))

    await together(create("a"), create("b"), create("c"))
    await store.count_sessions()


async def recreation(store: RecordingStore) -> None:
    """One client deletes a session and creates it again; another writes an old snapshot."""
    old = await store.create_session(new("a"))

    async def write_old() -> None:
        await store.update_session(add_one(old))

    async def create_again() -> None:
        await store.delete_session("a")
        await store.create_session(new("a"))

    await together(write_old(), create_again())
    with suppress(SessionError):
        await write_old()
    await store.get_session("a")


async def deletion(store: RecordingStore) -> None:
    """One client deletes a session, another appends to it, a third changes it."""
    await store.create_session(new("a"))

    async def append() -> None:
        await store.add_frame(note("a", "1"))

    async def delete() -> None:
        await store.delete_session("a")

    await together(append(), delete(), change(store, "a"))
    with suppress(SessionNotFound):
        await store.get_session("a")
    await store.list_sessions()
