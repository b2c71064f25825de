"""Many callers at once: as if one after the other (contract 4, "one linearizable operation")."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

from sessionkeeper import (
    AtomicSessionStore,
    RevisionConflict,
    SequenceConflict,
    Session,
    SessionNotFound,
)

if TYPE_CHECKING:
    from tests.store.conftest import Kit

TASKS, TIMES = 64, 10


def count_on(session: Session) -> Session:
    """Add one to a number in the metadata."""
    n = session.metadata.get("n", 0)
    assert isinstance(n, int)
    return session.model_copy(update={"metadata": {"n": n + 1}})


async def test_no_modification_is_lost(store: AtomicSessionStore, kit: Kit) -> None:
    """`modify_session` never conflicts: 64 tasks count to 640 by tens."""
    await store.create_session(kit.session("a"))

    async def worker() -> None:
        for _ in range(TIMES):
            await store.modify_session("a", count_on)

    await asyncio.gather(*(worker() for _ in range(TASKS)))
    session = await store.get_session("a")
    assert session.metadata == {"n": TASKS * TIMES}
    assert session.revision == 1 + TASKS * TIMES


async def test_exactly_one_of_many_creates(store: AtomicSessionStore, kit: Kit) -> None:
    """`get_or_create_session`: exactly one of many racing callers creates."""
    sessions = [kit.session("a", tags={str(n)}) for n in range(TASKS)]
    got = await asyncio.gather(*(store.get_or_create_session(session) for session in sessions))
    assert [created for _, created in got].count(True) == 1
    assert len({session.tags for session, _ in got}) == 1
    assert await store.count_sessions() == 1


async def test_one_stale_writer_of_many_wins(store: AtomicSessionStore, kit: Kit) -> None:
    """All hold the same snapshot: the first to come changes it, the others are told."""
    snapshot = await store.create_session(kit.session("a"))
    writers = [snapshot.model_copy(update={"tags": {str(n)}}) for n in range(TASKS)]
    results = await asyncio.gather(
        *(store.update_session(writer) for writer in writers), return_exceptions=True
    )
    (winner,) = (result for result in results if isinstance(result, Session))
    losers = [result for result in results if isinstance(result, RevisionConflict)]
    assert len(losers) == TASKS - 1
    assert {loser.current for loser in losers} == {winner.revision}
    assert await store.get_session("a") == winner


async def test_numbers_of_racing_writers_have_no_gap(full: AtomicSessionStore, kit: Kit) -> None:
    """`add_frames`: contiguous numbers, whoever else writes; the log is in their order."""
    await full.create_session(kit.session("a"))
    given: dict[int, int] = {}

    async def writer(w: int) -> None:
        for n in range(5):
            sizes = range(1 + (w + n) % 4)
            notes = [kit.note(w * 1000 + n * 10 + i) for i in sizes]
            numbers = await full.add_frames("a", notes)
            assert len(numbers) == len(notes)
            given.update(zip(numbers, kit.numbers(notes), strict=True))
            given[await full.add_frame(kit.note(w))] = w

    await asyncio.gather(*(writer(w) for w in range(20)))
    frames = await full.read_frames("a", limit=10_000)
    assert [frame.seq for frame in frames] == sorted(given) == [*range(1, len(given) + 1)]
    assert kit.numbers([f.envelope for f in frames]) == [given[frame.seq] for frame in frames]


async def test_one_of_many_who_expect_the_same_number_appends(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """`SequenceConflict(current)` if the log has moved on."""
    await store.create_session(kit.session("a"))
    for last in range(5):
        results = await asyncio.gather(
            *(store.add_frames("a", [kit.note(n)], expected_last_seq=last) for n in range(16)),
            return_exceptions=True,
        )
        assert results.count(range(last + 1, last + 2)) == 1
        conflicts = [each for each in results if isinstance(each, SequenceConflict)]
        assert [each.current for each in conflicts] == [last + 1] * 15


async def test_a_listing_is_one_moment(store: AtomicSessionStore, kit: Kit) -> None:
    """`list_sessions`: one moment's snapshot, while two sessions change in step."""
    for key in "ab":
        await store.create_session(kit.session(key))
    going = True

    async def move() -> None:
        while going:
            await store.modify_session("a", count_on)
            await store.modify_session("b", count_on)
            await asyncio.sleep(0)

    async def watch() -> None:
        nonlocal going
        for _ in range(50):
            first, second = await store.list_sessions()
            ahead, behind = first.metadata.get("n", 0), second.metadata.get("n", 0)
            assert isinstance(ahead, int)
            assert isinstance(behind, int)
            assert ahead - behind in (0, 1)
            await asyncio.sleep(0)
        going = False

    await asyncio.gather(move(), watch())


async def test_creating_and_deleting_race_to_one_outcome(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """Every step succeeds or says why not; what is left agrees with the counts."""

    async def worker(seed: int) -> int:
        rng, balance = random.Random(seed), 0
        for _ in range(20):
            key = rng.choice("abcd")
            if rng.random() < 0.5:
                balance += (await store.get_or_create_session(kit.session(key)))[1]
            else:
                with contextlib.suppress(SessionNotFound):
                    await store.delete_session(key)
                    balance -= 1
        return balance

    balances = await asyncio.gather(*(worker(seed) for seed in range(16)))
    listed = await store.list_sessions()
    assert sum(balances) == len(listed) == await store.count_sessions()
    assert sum((await store.statistics()).sessions.values()) == len(listed)
