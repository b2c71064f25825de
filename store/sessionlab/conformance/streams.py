"""The streams of a log: the frames that name one, with their numbers, read and watched alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import LimitExceeded, SessionNotFound
from sessionkeeper.values.limits import FramesFull, StoreLimits
from sessionkeeper.values.message import Frame

from .kit import AtomicStoreKit
from .promise import needs
from .samples import become, new, note, turns

__all__ = ["StreamsConformance"]

NAMES: Sequence[str | None] = ("x", "xy", "é" * 127, "a\0b", "a", "%", None)
"""Names that a careless key would mix up, and frames of no stream."""
MANY = 250


async def grow(store: AtomicSessionStore, first: int, last: int) -> None:
    """Append frames of these numbers to the session `a`, to one stream after the other."""
    for n in range(first, last + 1):
        assert await store.add_frame(note(n, stream=NAMES[n % len(NAMES)])) == n


def expected(stream: str, first: int, last: int) -> list[int]:
    """The numbers that `grow` gave to a stream."""
    return [n for n in range(first, last + 1) if NAMES[n % len(NAMES)] == stream]


def seqs(frames: Sequence[Frame], stream: str) -> list[int]:
    """Return the numbers of frames; each must be the one of its number, and of the stream."""
    for frame in frames:
        assert frame.envelope.message == note(frame.seq).message, "a frame with another's number"
        assert frame.envelope.context.stream == stream, "a frame of another stream"
    return [frame.seq for frame in frames]


async def watch(watcher: AsyncIterator[Frame], stream: str) -> list[int]:
    """Watch to the end; return the numbers."""
    return seqs([frame async for frame in watcher], stream)


async def end(store: AtomicSessionStore) -> None:
    """End the session `a`."""
    await store.update_session(become("closed")(await store.get_session("a")))


class StreamsConformance(AtomicStoreKit, needs={"read_frames"}):
    async def test_a_stream_is_read_with_the_numbers_of_the_log(
        self, store: AtomicSessionStore
    ) -> None:
        """`read_frames(…, stream=…)`: the frames of that stream, with their numbers in the log."""
        await store.create_session(new())
        await grow(store, 1, 30)
        for stream in filter(None, NAMES):
            assert seqs(await store.read_frames("a", stream=stream), stream) == expected(
                stream, 1, 30
            )
        assert [frame.seq for frame in await store.read_frames("a")] == [*range(1, 31)]
        with pytest.raises(SessionNotFound):
            await store.read_frames("nobody", stream="x")

    async def test_streams_differ_in_their_whole_name(self, store: AtomicSessionStore) -> None:
        """`stream`: any text of 1 to 255 bytes; one is never taken for another."""
        await store.create_session(new())
        await grow(store, 1, 14)
        for unknown in ("X", "y", "é" * 126, "a\0", "\0", "é", "%25", "x" * 255):
            assert await store.read_frames("a", stream=unknown) == []
            assert await store.count_frames("a", stream=unknown) == 0

    async def test_every_part_of_a_stream_is_read(self, store: AtomicSessionStore) -> None:
        """After and before a number, at most `limit`, the newest, and backwards."""
        await store.create_session(new())
        await grow(store, 1, 42)
        all_ = expected("xy", 1, 42)
        read = store.read_frames
        assert seqs(await read("a", stream="xy", limit=2), "xy") == all_[:2]
        assert seqs(await read("a", stream="xy", after=all_[1], limit=2), "xy") == all_[2:4]
        assert seqs(await read("a", stream="xy", before=all_[3]), "xy") == all_[:3]
        assert seqs(await read("a", stream="xy", limit=2, newest=True), "xy") == all_[-2:]
        backwards = await read("a", stream="xy", before=all_[4], limit=2, reverse=True)
        assert seqs(backwards, "xy") == [all_[3], all_[2]]
        assert await read("a", stream="xy", after=all_[-1]) == []
        assert await read("a", stream="xy", after=10**6) == []

    async def test_the_frames_of_a_stream_are_counted(self, store: AtomicSessionStore) -> None:
        """`count_frames(…, stream=…)`: exactly those of the stream."""
        await store.create_session(new())
        await grow(store, 1, 30)
        for stream in filter(None, NAMES):
            assert await store.count_frames("a", stream=stream) == len(expected(stream, 1, 30))
        assert await store.count_frames("a") == 30
        with pytest.raises(SessionNotFound):
            await store.count_frames("nobody", stream="x")

    @needs("trim_frames")
    async def test_trimmed_frames_are_in_no_stream(self, store: AtomicSessionStore) -> None:
        """`trim_frames` takes frames out of their streams, too."""
        await store.create_session(new())
        await grow(store, 1, 30)
        for up_to in (1, 2, 15, 30):
            await store.trim_frames("a", up_to=up_to)
            for stream in filter(None, NAMES):
                left = expected(stream, up_to + 1, 30)
                assert seqs(await store.read_frames("a", stream=stream), stream) == left
                assert await store.count_frames("a", stream=stream) == len(left)
        await grow(store, 31, 40)
        assert await store.count_frames("a", stream="x") == len(expected("x", 31, 40))

    async def test_removed_frames_are_in_no_stream(self, store: AtomicSessionStore) -> None:
        """Deleted frames are not, nor are those of an earlier session of the id."""
        await store.create_session(new())
        await grow(store, 1, 20)
        await store.delete_frames("a")
        assert await store.read_frames("a", stream="x") == []
        assert await store.count_frames("a", stream="x") == 0
        await grow(store, 21, 40)
        assert seqs(await store.read_frames("a", stream="x"), "x") == expected("x", 21, 40)
        await store.delete_session("a")
        await store.create_session(new())
        for n in range(1, 41):
            await store.add_frame(note(n, stream="other"))
        assert await store.read_frames("a", stream="x") == []
        assert await store.count_frames("a", stream="x") == 0

    @needs("limits")
    async def test_dropped_frames_are_in_no_stream(self) -> None:
        """`frames_full="drop-oldest"` drops frames from their streams, and a refusal adds none."""
        limits = StoreLimits(
            max_frames_per_session=10,
            frames_full=FramesFull.DROP_OLDEST,
            max_frames_per_batch=10,
        )
        async with self.made(limits=limits) as store:
            await store.create_session(new())
            await grow(store, 1, 35)
            for stream in filter(None, NAMES):
                left = expected(stream, 26, 35)
                assert seqs(await store.read_frames("a", stream=stream), stream) == left
                assert await store.count_frames("a", stream=stream) == len(left)
            if "add_frames of several" in self.refuses or "add_frames" in self.refuses:
                return
            with pytest.raises(LimitExceeded):
                await store.add_frames("a", [note(n, stream="x") for n in range(36, 47)])
            assert await store.count_frames("a", stream="x") == len(expected("x", 26, 35))
            await store.add_frames("a", [note(n, stream="x") for n in range(36, 46)])
            assert seqs(await store.read_frames("a", stream="x"), "x") == [*range(36, 46)]
            assert await store.count_frames("a", stream="a") == 0

    @needs("watch_frames")
    async def test_a_watcher_of_a_stream_gets_its_frames(self, store: AtomicSessionStore) -> None:
        """`watch_frames(…, stream=…)`: its frames, in order, none twice, none missed."""
        await store.create_session(new())
        await grow(store, 1, 20)
        tasks = {
            (stream, after): asyncio.ensure_future(
                watch(store.watch_frames("a", after=after, stream=stream), stream)
            )
            for stream in ("x", "a\0b", "none")
            for after in (0, 8, 100)
        }
        await turns(20)
        await grow(store, 21, 60)
        await turns(20)
        assert not any(task.done() for task in tasks.values()), "it ended before its session"
        await end(store)
        for (stream, after), task in tasks.items():
            assert await task == expected(stream, after + 1, 60)

    @needs("watch_frames")
    async def test_a_watcher_of_a_stream_passes_all_other_frames(
        self, store: AtomicSessionStore
    ) -> None:
        """However many frames of other streams come before the next one of its own."""
        await store.create_session(new())
        await store.add_frame(note(1, stream="x"))
        for n in range(2, MANY):
            await store.add_frame(note(n, stream="other"))
        watcher = store.watch_frames("a", stream="x")
        assert (await anext(watcher)).seq == 1
        step = asyncio.ensure_future(anext(watcher))
        await turns(20)
        assert not step.done(), "it ended, or gave a frame of another stream"
        await store.add_frame(note(MANY, stream="x"))
        assert (await step).seq == MANY
        await store.add_frame(note(MANY + 1, stream=None))
        await end(store)
        assert await watch(watcher, "x") == []

    @needs("watch_frames")
    async def test_a_watcher_of_a_stream_ends_with_its_session(
        self, store: AtomicSessionStore
    ) -> None:
        """It never shows a frame of a later session of the id."""
        await store.create_session(new())
        await store.add_frame(note(0, stream="x"))
        watcher = store.watch_frames("a", stream="x")
        assert (await anext(watcher)).seq == 1  # it has begun
        task = asyncio.ensure_future(watch(watcher, "x"))
        await turns(20)
        await store.delete_session("a")
        await store.create_session(new())
        await store.add_frame(note(1, stream="x"))
        assert await task == []

    async def test_no_stream_has_such_a_name(self, store: AtomicSessionStore) -> None:
        """A name that no frame can have is refused at the call."""
        await store.create_session(new())
        for wrong in ("", "x" * 256, "é" * 128, "\ud800"):
            with pytest.raises(ValueError, match="stream"):
                await store.read_frames("a", stream=wrong)
            with pytest.raises(ValueError, match="stream"):
                await store.count_frames("a", stream=wrong)
            if "watch_frames" not in self.refuses:
                with pytest.raises(ValueError, match="stream"):
                    await anext(store.watch_frames("a", stream=wrong))
