"""Clients that append frames and read them."""

from __future__ import annotations

from contextlib import suppress

from sessionkeeper.values.errors import OutcomeUnknown

from ... import RecordingStore
from ..clients import new, note, together

__all__ = ["batches", "counting", "following", "isolation", "numbering", "watching"]

_LAST = "last"


async def numbering(store: RecordingStore) -> None:
    """Three clients append to one log, a fourth reads it."""
    await store.create_session(new("a"))

    async def append(*texts: str) -> None:
        for text in texts:
            await store.add_frame(note("a", text))

    async def read() -> None:
        await store.get_frames("a")

    await together(append("x1", "x2"), append("y1"), append("z1"), read())
    await store.get_frames("a")


async def batches(store: RecordingStore) -> None:
    """Two clients append several frames at once, a third reads the log."""
    await store.create_session(new("a"))

    async def append(*texts: str) -> None:
        await store.add_frames("a", [note("a", text) for text in texts])

    async def read() -> None:
        for _ in range(2):
            await store.get_frames("a")

    await together(append("x1", "x2", "x3"), append("y1", "y2"), read())
    await store.get_frames("a")


async def following(store: RecordingStore) -> None:
    """Two clients append and each time read on from the last number they saw; a third only reads.

    A frame that appears behind that number would never be read.
    """
    await store.create_session(new("a"))

    async def follow(*texts: str | None) -> None:
        seen = 0
        for text in texts:
            if text is not None:
                await store.add_frame(note("a", text))
            frames = await store.read_frames("a", after=seen)
            seen = frames[-1].seq if frames else seen

    await together(follow("x1", "x2"), follow("y1", "y2"), follow(None, None, None))
    await store.read_frames("a")


async def watching(store: RecordingStore) -> None:
    """A client watches the log, and two append to it; then one frame tells the watcher to end."""
    await store.create_session(new("a"))

    async def watch() -> None:
        async with store.watch_frames("a") as frames:
            async for frame in frames:
                if f'"{_LAST}"'.encode() in frame.envelope.message:
                    return

    async def append(*texts: str) -> None:
        for text in texts:
            with suppress(OutcomeUnknown):
                await store.add_frame(note("a", text))

    async def append_all() -> None:
        await together(append("x1"), append("y1"))
        await append(_LAST, _LAST)  # twice: of one it may not be known whether it is there

    await together(watch(), append_all())
    await store.get_frames("a")


async def counting(store: RecordingStore) -> None:
    """Two clients append, a third reads the log and counts it."""
    await store.create_session(new("a"))

    async def append(text: str) -> None:
        await store.add_frame(note("a", text))

    async def look() -> None:
        await store.get_frames("a")
        await store.count_frames("a")

    await together(append("x"), append("y"), look())
    await look()


async def isolation(store: RecordingStore) -> None:
    """Two clients, each in a session of its own, append and read."""
    for session_id in ("a", "b"):
        await store.create_session(new(session_id))

    async def use(session_id: str, *texts: str) -> None:
        for text in texts:
            await store.add_frame(note(session_id, text))
        await store.get_frames(session_id)

    await together(use("a", "x1", "x2"), use("b", "y1"))
    for session_id in ("a", "b"):
        await store.get_frames(session_id)
