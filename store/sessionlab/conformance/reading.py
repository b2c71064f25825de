"""Reading a log after a number, and trimming it."""

from __future__ import annotations

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import SessionNotFound
from sessionkeeper.values.message import Frame

from .kit import StoreKit
from .promise import needs
from .samples import become, held, new, note, numbers

__all__ = ["ReadingConformance"]


async def filled(store: AtomicSessionStore, count: int) -> None:
    """A session `a` with that many frames."""
    await store.create_session(new())
    for n in range(1, count + 1):
        await store.add_frame(note(n))


def seqs(frames: list[Frame]) -> list[int]:
    """The numbers of frames; each must carry the message of its number."""
    assert numbers([frame.envelope for frame in frames]) == [frame.seq for frame in frames]
    return [frame.seq for frame in frames]


class ReadingConformance(StoreKit):
    @needs("read_frames")
    async def test_frames_are_read_after_a_number(self, store: AtomicSessionStore) -> None:
        """`read_frames`: the frames with `seq > after`, at most `limit`, in order."""
        await filled(store, 10)
        frames = await store.read_frames("a")
        assert seqs(frames) == [*range(1, 11)]
        assert [frame.envelope for frame in frames] == await store.get_frames("a")
        assert seqs(await store.read_frames("a", after=3, limit=4)) == [4, 5, 6, 7]
        assert seqs(await store.read_frames("a", after=8, limit=4)) == [9, 10]
        assert await store.read_frames("a", after=10) == []
        assert await store.read_frames("a", after=1_000_000) == []
        with pytest.raises(SessionNotFound):
            await store.read_frames("nobody")

    @needs("read_frames")
    async def test_the_newest_frames_are_read(self, store: AtomicSessionStore) -> None:
        """`newest`: the last frames instead of the first ones, still in order."""
        await filled(store, 10)
        assert seqs(await store.read_frames("a", limit=3, newest=True)) == [8, 9, 10]
        assert seqs(await store.read_frames("a", after=8, limit=3, newest=True)) == [9, 10]
        assert seqs(await store.read_frames("a", limit=99, newest=True)) == [*range(1, 11)]

    @needs("read_frames")
    async def test_frames_are_read_before_a_number(self, store: AtomicSessionStore) -> None:
        """`before`: the frames with `after < seq < before`, the first or the newest of them."""
        await filled(store, 10)
        assert seqs(await store.read_frames("a", before=4)) == [1, 2, 3]
        assert seqs(await store.read_frames("a", before=6, limit=2)) == [1, 2]
        assert seqs(await store.read_frames("a", before=6, limit=2, newest=True)) == [4, 5]
        assert seqs(await store.read_frames("a", after=2, before=6)) == [3, 4, 5]
        assert seqs(await store.read_frames("a", after=8, before=1_000_000)) == [9, 10]
        assert await store.read_frames("a", before=1) == []
        assert await store.read_frames("a", after=3, before=4) == []
        assert await store.read_frames("a", after=9, before=4, newest=True) == []
        with pytest.raises(SessionNotFound):
            await store.read_frames("nobody", before=4)

    @needs("read_frames")
    async def test_frames_are_read_backwards(self, store: AtomicSessionStore) -> None:
        """`reverse`: the last frames, from the newest to the oldest; `before` reads on."""
        await filled(store, 10)
        assert seqs(await store.read_frames("a", limit=3, reverse=True)) == [10, 9, 8]
        assert seqs(await store.read_frames("a", after=8, limit=3, reverse=True)) == [10, 9]
        same = await store.read_frames("a", limit=3, newest=True, reverse=True)
        assert seqs(same) == [10, 9, 8], "`newest` adds nothing to `reverse`"
        walked: list[int] = []
        page = seqs(await store.read_frames("a", limit=4, reverse=True))
        while page:
            walked += page
            page = seqs(await store.read_frames("a", before=page[-1], limit=4, reverse=True))
        assert walked == [*range(10, 0, -1)]
        with pytest.raises(SessionNotFound):
            await store.read_frames("nobody", reverse=True)

    @needs("read_frames")
    async def test_a_thousand_frames_are_read_at_once(self, store: AtomicSessionStore) -> None:
        """`limit=1000`: reading on after the last number reads the whole log once."""
        await filled(store, 1_003)
        first = seqs(await store.read_frames("a"))
        assert first == [*range(1, 1_001)]
        assert seqs(await store.read_frames("a", after=first[-1])) == [1_001, 1_002, 1_003]

    @needs("read_frames")
    async def test_numbers_stay_with_their_frames(self, store: AtomicSessionStore) -> None:
        """After `delete_frames`, new frames have the numbers that their callers got."""
        await filled(store, 3)
        await store.delete_frames("a")
        assert await store.read_frames("a") == []
        await store.add_frame(note(4))
        assert seqs(await store.read_frames("a")) == [4]
        assert await store.read_frames("a", after=4) == []

    @needs("trim_frames", "read_frames")
    async def test_trimming_drops_the_front(self, store: AtomicSessionStore) -> None:
        """`trim_frames(id, up_to)`: removes `seq <= up_to`, and returns how many."""
        await filled(store, 10)
        assert await store.trim_frames("a", up_to=0) == 0
        assert await store.trim_frames("a", up_to=4) == 4
        assert seqs(await store.read_frames("a")) == [*range(5, 11)]
        assert numbers(await store.get_frames("a")) == [*range(5, 11)]
        assert await store.trim_frames("a", up_to=4) == 0
        assert await store.trim_frames("a", up_to=7) == 3
        assert seqs(await store.read_frames("a", after=2, limit=2)) == [8, 9]
        with pytest.raises(SessionNotFound):
            await store.trim_frames("nobody", up_to=1)

    @needs("trim_frames")
    async def test_counts_follow_what_is_trimmed(self, store: AtomicSessionStore) -> None:
        """`count_frames` is exact after a trim too; `last_seq` stays."""
        await filled(store, 5)
        before = await store.get_session("a")
        await store.trim_frames("a", up_to=3)
        after = await store.get_session("a")
        assert await store.count_frames("a") == after.frame_count == 2
        assert after.last_seq == 5
        assert after.revision == before.revision, "frames are no change of the session"
        assert await store.delete_frames("a") == 2, "delete_frames tells how many went"

    @needs("trim_frames")
    async def test_trimmed_numbers_are_never_used_again(self, store: AtomicSessionStore) -> None:
        """Numbers are never used again, also when all of the log was trimmed."""
        await filled(store, 3)
        assert await store.trim_frames("a", up_to=1_000_000) == 3
        assert await store.get_frames("a") == []
        assert await store.add_frame(note(4)) == 4, "a number was used again"
        assert await store.trim_frames("a", up_to=3) == 0
        assert numbers(await store.get_frames("a")) == [4]

    @needs("trim_frames")
    async def test_a_log_is_trimmed_alone(self, store: AtomicSessionStore) -> None:
        """It concerns one session, also an ended one, and no other."""
        await filled(store, 3)
        await store.create_session(new("b"))
        await store.add_frame(note(1, "b"))
        await store.update_session(become("closed")(await store.get_session("a")))
        (_, other), logs = await held(store)
        assert await store.trim_frames("a", up_to=2) == 2
        (_, still), after = await held(store)
        assert (still, after["b"]) == (other, logs["b"])
        assert numbers(after["a"]) == [3]
