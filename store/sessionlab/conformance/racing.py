"""Races on the atomic operations: changes and batches of frames."""

from __future__ import annotations

import asyncio

from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import RevisionConflict, SequenceConflict, SessionClosed
from sessionkeeper.values.session import Session

from .concurrency import CALLERS, staggered
from .kit import SEVERAL, StoreKit
from .promise import demand, needs
from .samples import become, new, note, numbers, tagged, turns

__all__ = ["RacingConformance"]


def count_on(session: Session) -> Session:
    """Add one to a number in the metadata, and say so in the tags."""
    n = len(session.tags) + 1
    return session.model_copy(update={"metadata": {"n": n}, "tags": {*session.tags, f"t{n}"}})


class RacingConformance(StoreKit, level="operation"):
    @needs("modify_session")
    async def test_no_modification_is_lost(self, store: AtomicSessionStore) -> None:
        """`modify_session`: atomic read-modify-write; it never conflicts, whatever the races."""
        await store.create_session(new())

        async def modify(wait: int) -> None:
            await turns(wait)
            await store.modify_session("a", count_on)

        await asyncio.gather(*map(modify, staggered(2)))
        session = await store.get_session("a")
        assert session.metadata == {"n": CALLERS}, (
            f"{CALLERS} callers each added one; the sum is {session.metadata['n']}"
        )

    @needs("modify_session")
    async def test_changes_and_appends_do_not_undo_each_other(
        self, store: AtomicSessionStore
    ) -> None:
        """One linearizable operation each: neither a change nor a frame undoes the other."""
        await store.create_session(new())

        async def work(n: int, wait: int) -> None:
            await turns(wait)
            if n % 2:
                await store.modify_session("a", count_on)
            else:
                await store.add_frame(note(n))

        await asyncio.gather(*(work(n, wait) for n, wait in enumerate(staggered(2))))
        session = await store.get_session("a")
        assert session.metadata == {"n": CALLERS // 2}, "a change was lost"
        assert (session.frame_count, session.last_seq) == (CALLERS // 2,) * 2
        assert len(await store.get_frames("a")) == CALLERS // 2

    @needs("get_or_create_session")
    async def test_exactly_one_of_many_racing_callers_creates(
        self, store: AtomicSessionStore
    ) -> None:
        """`get_or_create_session`: exactly one of many racing callers creates."""
        for seed in range(3):

            async def get(n: int, wait: int, key: str = f"s{seed}") -> tuple[Session, bool]:
                await turns(wait)
                return await store.get_or_create_session(new(key, tags={f"by-{n}"}))

            waits = enumerate(staggered(seed))
            told = await asyncio.gather(*(get(n, wait) for n, wait in waits))
            assert sum(created for _, created in told) == 1, "more or less than one created"
            assert len({session.tags for session, _ in told}) == 1, "they got different sessions"

    @needs("add_frames", SEVERAL)
    async def test_a_batch_of_frames_is_together(self, store: AtomicSessionStore) -> None:
        """`batch` linearizable: contiguous numbers, and no caller sees a part of the batch."""
        demand(store, "batch")
        await store.create_session(new())
        adding = True

        async def add(n: int, wait: int) -> range:
            await turns(wait)
            if n % 4 == 0:
                seq = await store.add_frame(note(n * 10))
                return range(seq, seq + 1)
            return await store.add_frames("a", [note(n * 10 + i) for i in range(3)])

        async def read() -> None:
            while adding:
                log = numbers(await store.get_frames("a"))
                _whole(log)
                await turns(1)

        reading = asyncio.gather(read(), read())
        told = await asyncio.gather(*(add(n, wait) for n, wait in enumerate(staggered(2))))
        adding = False
        await reading
        log = numbers(await store.get_frames("a"))
        _whole(log)
        assert sorted(n for each in told for n in each) == [*range(1, len(log) + 1)]
        for n, seqs in enumerate(told):
            assert [log[seq - 1] for seq in seqs] == [n * 10 + i for i in range(len(seqs))]

    @needs("add_frames")
    async def test_one_of_many_with_the_same_expectation_wins(
        self, store: AtomicSessionStore
    ) -> None:
        """`expected_last_seq`: of callers that expect the same number, exactly one succeeds."""
        await store.create_session(new())

        async def add(n: int, wait: int) -> bool:
            await turns(wait)
            try:
                await store.add_frames("a", [note(n)], expected_last_seq=0)
            except SequenceConflict:
                return False
            return True

        told = await asyncio.gather(*(add(n, wait) for n, wait in enumerate(staggered(1))))
        assert sum(told) == await store.count_frames("a") == 1, "the check was of another moment"

    @needs("add_frames")
    async def test_a_frame_and_its_change_stay_together(self, store: AtomicSessionStore) -> None:
        """`change` in the same step: no caller sees the frame or the change alone."""
        await store.create_session(new())
        adding = True

        async def add(n: int, wait: int) -> None:
            await turns(wait)
            await store.add_frames("a", [note(n)], change=count_on)

        async def read() -> None:
            while adding:
                seen = await store.get_session("a")
                assert len(seen.tags) == seen.last_seq, "a frame was seen apart from its change"
                await turns(1)

        reading = asyncio.gather(read(), read())
        await asyncio.gather(*(add(n, wait) for n, wait in enumerate(staggered(2, 32))))
        adding = False
        await reading
        assert (await store.get_session("a")).metadata == {"n": 32}

    @needs("modify_session")
    async def test_nothing_comes_after_the_end(self, store: AtomicSessionStore) -> None:
        """An ended session accepts no frames: none is appended after the end was read."""
        for seed in range(4):
            key = f"s{seed}"
            await store.create_session(new(key))

            async def add(n: int, wait: int, key: str = key) -> bool:
                await turns(wait)
                try:
                    return await store.add_frame(note(n, key)) > 0
                except SessionClosed:
                    return False

            async def end(wait: int = seed, key: str = key) -> int:
                await turns(wait)
                closed = await store.modify_session(key, become("closed"))
                return closed.frame_count

            waits = enumerate(staggered(seed, 16))
            *told, count = await asyncio.gather(*(add(n, wait) for n, wait in waits), end())
            assert sum(told) == count == await store.count_frames(key), "a frame came after the end"

    @needs("touch_session")
    async def test_touching_undoes_nothing(self, store: AtomicSessionStore) -> None:
        """`touch_session`: last activity only, also while others write."""
        await store.create_session(new())

        async def work(n: int, wait: int) -> None:
            await turns(wait)
            if n % 3 == 0:
                await store.touch_session("a")
            elif n % 3 == 1:
                await store.add_frame(note(n))
            else:
                current = await store.get_session("a")
                try:
                    await store.update_session(tagged(current, *current.tags, f"t{n}"))
                except RevisionConflict:
                    return
                kept.append(f"t{n}")

        kept: list[str] = []
        await asyncio.gather(*(work(n, wait) for n, wait in enumerate(staggered(2, 48))))
        session = await store.get_session("a")
        assert session.frame_count == session.last_seq == 16, "a touch took a frame back"
        assert session.tags == set(kept), "a touch took an update back"


def _whole(log: list[int]) -> None:
    """The three frames of a batch are adjacent and in order."""
    place = {number: index for index, number in enumerate(log)}
    for number in log:
        tens = number // 10
        if tens % 4:
            first = tens * 10
            together = [place.get(first + i, -9) - i for i in range(3)]
            assert len(set(together)) == 1, f"the batch of messages {first} to {first + 2} is torn"
