"""Removing chosen frames: the content goes, the number stays and says so."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import LimitExceeded, SessionNotFound
from sessionkeeper.values.jsonrpc import MessageKind
from sessionkeeper.values.limits import FramesFull, StoreLimits
from sessionkeeper.values.message import MessageEnvelope

from .kit import AtomicStoreKit
from .promise import needs
from .samples import FakeClock, become, gap, held, new, note, odd, turns

__all__ = ["RemovedFramesConformance"]

WAITS = range(6)


async def filled(store: AtomicSessionStore, count: int, key: str = "a") -> list[MessageEnvelope]:
    """A session with that many frames, all of them different; return what was sent."""
    await store.create_session(new(key))
    sent = [
        MessageEnvelope.of(
            key,
            note(n).message,
            direction=("client-to-server", "server-to-client")[n % 2],
            metadata={"n": str(n)},
            protocol_version="2025-11-25",
        )
        for n in range(1, count + 1)
    ]
    for envelope in sent:
        await store.add_frame(envelope)
    return sent


def expected(sent: list[MessageEnvelope], *removed: int) -> list[MessageEnvelope]:
    """What the log shows when these numbers were removed."""
    return [
        envelope.as_removed() if number in removed else envelope
        for number, envelope in enumerate(sent, 1)
    ]


class RemovedFramesConformance(AtomicStoreKit, needs={"remove_frames"}):
    async def test_removed_content_is_gone_and_the_number_stays(
        self, store: AtomicSessionStore
    ) -> None:
        """`remove_frames`: a frame of the kind `removed`, with its direction, time and stream."""
        sent = await filled(store, 6)
        assert await store.remove_frames("a", [2, 5]) == 2
        found = await store.get_frames("a")
        assert found == expected(sent, 2, 5)
        gone = found[1]
        assert (gone.kind, gone.message, gone.oddity) == (MessageKind.REMOVED, b"", None)
        assert gone.media_type == "application/vnd.sessionkeeper.removed"
        assert gone.context.direction == sent[1].context.direction
        assert gone.context.timestamp == sent[1].context.timestamp
        assert (gone.context.protocol_version, dict(gone.context.metadata)) == (None, {})
        frames = await store.read_frames("a")
        assert [frame.seq for frame in frames] == [1, 2, 3, 4, 5, 6], "the numbers have no gap"
        assert [frame.envelope for frame in frames] == found
        assert await store.add_frame(note(7)) == 7

    async def test_removed_frames_are_read_like_others(self, store: AtomicSessionStore) -> None:
        """`read_frames` counts a removed frame: after and before a number, limited, backwards."""
        await filled(store, 9)
        await store.remove_frames("a", [1, 4, 5, 9])
        for options, wanted in (
            ({"limit": 2}, [1, 2]),
            ({"after": 3, "limit": 2}, [4, 5]),
            ({"after": 3, "before": 7}, [4, 5, 6]),
            ({"limit": 2, "newest": True}, [8, 9]),
            ({"before": 6, "limit": 3, "reverse": True}, [5, 4, 3]),
            ({"after": 8}, [9]),
        ):
            frames = await store.read_frames("a", **options)  # type: ignore[arg-type]  # by name
            assert [frame.seq for frame in frames] == wanted, options
            for frame in frames:
                is_gone = frame.envelope.kind is MessageKind.REMOVED
                assert is_gone == (frame.seq in (1, 4, 5, 9)), options

    async def test_only_frames_of_this_call_are_counted(self, store: AtomicSessionStore) -> None:
        """It returns how many it removed: not those removed, trimmed or named before."""
        sent = await filled(store, 6)
        assert await store.remove_frames("a", []) == 0
        assert await store.remove_frames("a", iter([2, 3, 2])) == 2
        assert await store.remove_frames("a", (3, 4)) == 1
        assert await store.remove_frames("a", {2, 3, 4}) == 0
        if "trim_frames" not in self.refuses:
            await store.trim_frames("a", up_to=1)
            assert await store.remove_frames("a", [1, 5]) == 1
            assert await store.get_frames("a") == expected(sent, 2, 3, 4, 5)[1:]
        await store.delete_frames("a")
        assert await store.remove_frames("a", [5, 6]) == 0, "they are not there any more"
        with pytest.raises(SessionNotFound):
            await store.remove_frames("nobody", [1])
        with pytest.raises(SessionNotFound):
            await store.remove_frames("nobody", [])

    async def test_a_number_that_never_was_is_refused(self, store: AtomicSessionStore) -> None:
        """A number below 1 or above the last one is `ValueError`, and nothing is removed."""
        sent = await filled(store, 3)
        for wrong in (0, -1, 4, 10**30):
            with pytest.raises(ValueError):  # noqa: PT011 - of any text
                await store.remove_frames("a", [1, wrong, 2])
        assert await store.get_frames("a") == sent, "an error means: certainly no effect"

    async def test_the_counts_of_the_session_stay(self, store: AtomicSessionStore) -> None:
        """No activity and no revision; the frame is counted, and odd frames for good."""
        await store.create_session(new())
        for envelope in (note(1), *odd(), gap(), note(2)):
            await store.add_frame(envelope)
        before = await store.get_session("a")
        assert await store.remove_frames("a", range(1, 8)) == 7
        after = await store.get_session("a")
        assert after == before, "the session was changed"
        assert await store.count_frames("a") == after.frame_count == 8
        # So a snapshot from before is not stale.
        updated = await store.update_session(become("active")(before))
        assert (updated.frame_count, updated.odd_frames, updated.gap_frames) == (8, 5, 1)

    @needs("clock")
    async def test_removing_is_no_activity(self) -> None:
        """As a trim: the session is as idle as before."""
        clock = FakeClock()
        async with self.made(clock=clock.as_clock()) as store:
            await filled(store, 2)
            idle_since = (await store.get_session("a")).last_activity
            clock.advance(100)
            assert await store.remove_frames("a", [1]) == 1
            assert (await store.get_session("a")).last_activity == idle_since
            if "expire_sessions" not in self.refuses:
                ended = await store.expire_sessions(idle=50)
                assert [session.id for session in ended] == ["a"]

    async def test_frames_of_an_ended_session_can_be_removed(
        self, store: AtomicSessionStore
    ) -> None:
        """It concerns one session, also an ended one, and no other."""
        sent = await filled(store, 3)
        await filled(store, 3, "b")
        await store.update_session(become("closed")(await store.get_session("a")))
        (_, other), logs = await held(store)
        assert await store.remove_frames("a", [1, 3]) == 2
        (_, still), after = await held(store)
        assert (still, after["b"]) == (other, logs["b"])
        assert after["a"] == expected(sent, 1, 3)

    async def test_an_appended_removed_frame_stays_one(self, store: AtomicSessionStore) -> None:
        """Import and copy append removed frames: such a frame is one, and is not removed again."""
        await store.create_session(new())
        removed = note(1).as_removed()
        assert removed.as_removed() == removed
        assert await store.add_frame(removed) == 1
        empty = odd()[-1]
        assert (empty.message, empty.kind) == (b"", MessageKind.ODD)
        assert await store.add_frame(empty) == 2
        assert await store.get_frames("a") == [removed, empty]
        assert await store.remove_frames("a", [1]) == 0
        assert await store.remove_frames("a", [1, 2]) == 1, "an empty frame is not a removed one"
        assert await store.get_frames("a") == [removed, empty.as_removed()]
        assert (await store.get_session("a")).odd_frames == 1

    async def test_a_removed_log_can_be_trimmed_and_cleared(
        self, store: AtomicSessionStore
    ) -> None:
        """Trimming and clearing count removed frames, and a later session has none of them."""
        sent = await filled(store, 8)
        await store.remove_frames("a", [1, 3, 4, 8])
        if "trim_frames" not in self.refuses:
            assert await store.trim_frames("a", up_to=3) == 3
            assert await store.get_frames("a") == expected(sent, 4, 8)[3:]
            assert await store.count_frames("a") == 5
        left = await store.count_frames("a")
        assert await store.delete_frames("a") == left
        last = note(9)
        assert await store.add_frame(last) == 9
        assert await store.get_frames("a") == [last]
        await store.delete_session("a")
        again = await filled(store, 8)
        assert await store.get_frames("a") == again, "an earlier session's frames were removed"
        assert await store.remove_frames("a", [2]) == 1
        assert await store.get_frames("a") == expected(again, 2)

    @needs("statistics")
    async def test_removed_bytes_are_free(self, store: AtomicSessionStore) -> None:
        """The bytes of the store go down by those removed, once; frames stay counted."""
        await store.create_session(new())
        for n in range(1, 7):
            await store.add_frame(note(n, size=100 * n))

        async def bytes_now() -> int | None:
            held = await store.statistics()
            assert held.frames == held.counters.frames_added - held.counters.frames_removed
            return held.bytes

        if await bytes_now() is None:
            pytest.skip("this store does not know its bytes")
        await store.remove_frames("a", [2, 5])
        assert await bytes_now() == 2_100 - 700
        await store.remove_frames("a", [2, 5])
        assert await bytes_now() == 2_100 - 700
        if "trim_frames" not in self.refuses:
            await store.trim_frames("a", up_to=3)
            assert await bytes_now() == 1_000
            await store.trim_frames("a", up_to=5)
            assert await bytes_now() == 600
        await store.remove_frames("a", [6])
        assert await bytes_now() in (0, 800)
        await store.delete_session("a")
        assert await bytes_now() == 0

    @needs("limits")
    async def test_removing_makes_room(self) -> None:
        """`max_session_bytes`: what was removed does not count. Its frames do."""
        limits = StoreLimits(max_session_bytes=300, max_frames_per_session=4)
        async with self.made(limits=limits) as store:
            await store.create_session(new())
            for n in (1, 2, 3):
                await store.add_frame(note(n, size=100))
            with pytest.raises(LimitExceeded):
                await store.add_frame(note(4, size=100))
            await store.remove_frames("a", [2])
            assert await store.add_frame(note(4, size=100)) == 4
            await store.remove_frames("a", [1, 3, 4])
            with pytest.raises(LimitExceeded) as full:
                await store.add_frame(note(5, size=100))
            assert full.value.limit == "max_frames_per_session"

    @needs("limits")
    async def test_the_oldest_are_dropped_past_removed_frames(self) -> None:
        """`drop-oldest` drops no more than is needed; a removed frame makes no room for bytes."""
        limits = StoreLimits(max_session_bytes=400, frames_full=FramesFull.DROP_OLDEST)
        async with self.made(limits=limits) as store:
            await store.create_session(new())
            for n in (1, 2, 3, 4):
                await store.add_frame(note(n, size=100))
            await store.remove_frames("a", [1, 3])
            await store.add_frame(note(5, size=100))
            assert await store.count_frames("a") == 5, "there was room"
            await store.add_frame(note(6, size=200))
            assert [frame.seq for frame in await store.read_frames("a")] == [3, 4, 5, 6]
            await store.add_frame(note(7, size=100))
            assert [frame.seq for frame in await store.read_frames("a")] == [5, 6, 7]
            await store.remove_frames("a", [7, 6])
            await store.add_frame(note(8, size=400))
            found = await store.read_frames("a")
            assert [frame.seq for frame in found] == [6, 7, 8]
            kinds = [frame.envelope.kind for frame in found]
            assert kinds == [MessageKind.REMOVED, MessageKind.REMOVED, MessageKind.NOTIFICATION]

    @needs("limits")
    async def test_too_many_numbers_are_refused(self) -> None:
        """`max_frames_per_batch` numbers at once, each of them counted once."""
        async with self.made(limits=StoreLimits(max_frames_per_batch=3)) as store:
            sent = await filled(store, 5)
            with pytest.raises(SessionNotFound):
                await store.remove_frames("nobody", [1, 2, 3, 4])
            with pytest.raises(LimitExceeded) as refused:
                await store.remove_frames("a", [1, 2, 3, 4])
            assert (refused.value.limit, refused.value.maximum) == ("max_frames_per_batch", 3)
            assert await store.get_frames("a") == sent
            assert await store.remove_frames("a", [1, 2, 3, 3, 2, 1]) == 3

    @needs("watch_frames")
    async def test_a_watcher_sees_what_is_left(self, store: AtomicSessionStore) -> None:
        """Removed before it was read: seen as removed. Removed after: the watcher goes on."""
        sent = await filled(store, 3)
        await store.remove_frames("a", [2])
        watcher = store.watch_frames("a")
        seen = [(await anext(watcher)).envelope for _ in range(3)]
        assert seen == expected(sent, 2)
        for n in (4, 5):  # the frame read last is removed, while it waits and before it does
            waiting = asyncio.ensure_future(anext(watcher))
            await turns(20 * (n % 2))
            assert await store.remove_frames("a", [n - 1]) == 1
            await store.add_frame(note(n))
            assert (await waiting).seq == n, "its last frame was removed: that is no other log"
        await store.remove_frames("a", [5])
        await store.add_frame(note(6))
        assert (await anext(watcher)).seq == 6

    async def test_racing_removals_count_each_frame_once(self, store: AtomicSessionStore) -> None:
        """Each frame is counted by one caller; frames appended meanwhile stay."""
        for wait in WAITS:
            key = f"s{wait}"
            sent = await filled(store, 6, key)

            async def remove(n: int, key: str = key, wait: int = wait) -> int:
                await turns(n % 3 * wait)
                return await store.remove_frames(key, {n % 4 + 1, n % 3 + 2})

            removing = asyncio.gather(*(remove(n) for n in range(12)))
            assert await store.add_frame(note(7, key)) == 7
            assert sum(await removing) == 4, "a frame was counted twice, or not at all"
            found = await store.get_frames(key)
            assert found[:6] == expected(sent, 1, 2, 3, 4)
            assert found[6].kind is MessageKind.NOTIFICATION
