"""Races on the ten methods: all answers fit one order of the calls."""

from __future__ import annotations

import asyncio
from random import Random
from typing import cast

from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.errors import RevisionConflict, SessionExists, SessionNotFound
from sessionkeeper.values.session import Session

from .kit import StoreKit
from .promise import demand
from .samples import held, new, note, numbers, tagged, turns

__all__ = ["CALLERS", "ConcurrencyConformance", "staggered"]

CALLERS = 64


def staggered(seed: int, count: int = CALLERS) -> list[int]:
    """For how many turns of the loop each caller waits before its call."""
    random = Random(seed)  # noqa: S311  # a seed, not a secret
    return [random.randrange(1 + seed * 3) for _ in range(count)]


class ConcurrencyConformance(StoreKit, level="operation"):
    async def test_exactly_one_of_many_creates(self, store: SessionStore) -> None:
        """`create_session` is atomic: of callers with the same id, exactly one creates."""
        for seed in range(3):

            async def create(n: int, wait: int, key: str = f"s{seed}") -> str | None:
                await turns(wait)
                try:
                    created = await store.create_session(new(key, tags={f"by-{n}"}))
                except SessionExists:
                    return None
                return next(iter(created.tags))

            waits = enumerate(staggered(seed))
            told = await asyncio.gather(*(create(n, wait) for n, wait in waits))
            winners = [tag for tag in told if tag is not None]
            assert len(winners) == 1, f"{len(winners)} of {CALLERS} callers were told they created"
            assert (await store.get_session(f"s{seed}")).tags == {winners[0]}
            assert await store.count_sessions() == len(await store.list_sessions()) == seed + 1

    async def test_one_of_many_stale_writers_wins(self, store: SessionStore) -> None:
        """`update_session` is atomic: of callers with the same snapshot, exactly one succeeds."""
        for seed in range(3):
            created = await store.create_session(new(f"s{seed}"))

            async def update(n: int, wait: int, snapshot: Session = created) -> str | None:
                await turns(wait)
                try:
                    updated = await store.update_session(tagged(snapshot, f"by-{n}"))
                except RevisionConflict:
                    return None
                return next(iter(updated.tags))

            waits = enumerate(staggered(seed))
            told = await asyncio.gather(*(update(n, wait) for n, wait in waits))
            winners = [tag for tag in told if tag is not None]
            assert len(winners) == 1, f"{len(winners)} updates of one snapshot: all but one lost"
            assert (await store.get_session(f"s{seed}")).tags == {winners[0]}

    async def test_no_update_is_lost(self, store: SessionStore) -> None:
        """An acknowledged update stays: refused callers retry, and all updates count."""
        await store.create_session(new(metadata={"n": 0}))

        async def count_on(wait: int) -> None:
            while True:
                session = await store.get_session("a")
                await turns(wait)
                n = cast("int", session.metadata["n"]) + 1
                try:
                    await store.update_session(session.model_copy(update={"metadata": {"n": n}}))
                except RevisionConflict:
                    continue
                return

        await asyncio.gather(*map(count_on, staggered(1, 16)))
        assert (await store.get_session("a")).metadata == {"n": 16}, "an update was lost"

    async def test_racing_appends_share_one_log(self, store: SessionStore) -> None:
        """`seq` has no gap and follows the order of the log; each caller gets its own number."""
        for seed in range(3):
            key = f"s{seed}"
            await store.create_session(new(key))

            async def add(n: int, wait: int, key: str = key) -> int:
                await turns(wait)
                return await store.add_frame(note(n, key))

            waits = enumerate(staggered(seed))
            told = await asyncio.gather(*(add(n, wait) for n, wait in waits))
            assert sorted(told) == [*range(1, CALLERS + 1)], "a number came twice or is missing"
            log = numbers(await store.get_frames(key))
            assert [told[n] for n in log] == [*range(1, CALLERS + 1)], "the log is in another order"
            session = await store.get_session(key)
            counts = (session.frame_count, session.last_seq, await store.count_frames(key))
            assert counts == (CALLERS,) * 3, f"{CALLERS} frames are counted as {counts}"

    async def test_what_is_read_is_a_prefix(self, store: SessionStore) -> None:
        """Every read of a growing log is a prefix of it; none is shorter than an earlier one."""
        await store.create_session(new())
        writing = 4

        async def write(start: int) -> None:
            nonlocal writing
            for n in range(start, start + 15):
                await store.add_frame(note(n))
                await turns(n % 3)
            writing -= 1

        async def read(wait: int) -> list[list[int]]:
            seen: list[list[int]] = []
            while writing:
                seen.append(numbers(await store.get_frames("a")))
                await turns(wait)
            return seen

        reads = asyncio.gather(read(1), read(2))
        await asyncio.gather(*(write(n * 100) for n in range(4)))
        log = numbers(await store.get_frames("a"))
        assert len(log) == 60
        for reader in await reads:
            lengths = [len(seen) for seen in reader]
            assert lengths == sorted(lengths), "a later read saw less than an earlier one"
            for seen in reader:
                assert seen == log[: len(seen)], "a read is no prefix of the log"

    async def test_deleting_frames_races_appends(self, store: SessionStore) -> None:
        """Numbers are never used again during deletions; each frame is deleted once."""
        await store.create_session(new())

        async def add(n: int, wait: int) -> int:
            await turns(wait)
            return await store.add_frame(note(n))

        async def clear(wait: int) -> int:
            await turns(wait)
            return await store.delete_frames("a")

        adds = asyncio.gather(*(add(n, wait) for n, wait in enumerate(staggered(2))))
        cleared = await asyncio.gather(*map(clear, range(6)))
        assert sorted(await adds) == [*range(1, CALLERS + 1)], "a number was used again"
        left = await store.get_frames("a")
        session = await store.get_session("a")
        assert sum(cleared) + len(left) == CALLERS, "a frame went twice, or not at all"
        assert (session.frame_count, session.last_seq) == (len(left), CALLERS)
        assert await store.count_frames("a") == len(left)

    async def test_deleting_races_appends(self, store: SessionStore) -> None:
        """Frames are deleted in the same step: no frame outlives its session."""
        for seed in range(6):
            await store.create_session(new())

            async def add(n: int, wait: int) -> bool:
                await turns(wait)
                try:
                    return await store.add_frame(note(n)) > 0
                except SessionNotFound:
                    return False

            async def delete(wait: int = seed) -> None:
                await turns(wait)
                await store.delete_session("a")

            waits = enumerate(staggered(seed, 16))
            await asyncio.gather(*(add(n, wait) for n, wait in waits), delete())
            assert await held(store) == ([], {}), "the session came back"
            again = await store.create_session(new())
            assert (again.frame_count, again.last_seq) == (0, 0)
            assert await store.get_frames("a") == [], "a frame outlived its session"
            await store.delete_session("a")

    async def test_deleting_happens_once(self, store: SessionStore) -> None:
        """Of many callers that delete a session, one succeeds; others get `SessionNotFound`."""
        for seed in range(3):
            await store.create_session(new())

            async def delete(wait: int) -> bool:
                await turns(wait)
                try:
                    await store.delete_session("a")
                except SessionNotFound:
                    return False
                return True

            assert sum(await asyncio.gather(*map(delete, staggered(seed, 16)))) == 1
            assert await store.count_sessions() == 0

    async def test_a_late_update_brings_nothing_back(self, store: SessionStore) -> None:
        """A late update does not recreate a deleted session."""
        for wait in range(6):
            created = await store.create_session(new())
            update = asyncio.ensure_future(store.update_session(tagged(created, "late")))
            await turns(wait)
            await store.delete_session("a")
            await asyncio.wait({update})
            assert isinstance(update.exception(), SessionNotFound | None)
            assert await store.count_sessions() == 0, "the session came back"
            again = await store.create_session(new())
            assert again.tags == frozenset()
            await store.delete_session("a")

    async def test_a_listing_is_one_moment(self, store: SessionStore) -> None:
        """`list_sessions()`: a snapshot of one moment, while sessions change, appear and go."""
        demand(store, "listing")
        keys = ["first", *(f"s{n}" for n in range(6)), "last"]
        for key in keys:
            await store.create_session(new(key, tags={"0"}))
        writing = True

        async def write() -> None:
            nonlocal writing
            for n in range(1, 21):
                for key in ("first", "last"):  # so `last` is never ahead, nor two behind
                    await store.update_session(tagged(await store.get_session(key), str(n)))
                await store.create_session(new(f"x{n}"))
                if n > 1:
                    await store.delete_session(f"x{n - 1}")
                await turns(n % 4)
            writing = False

        async def read(wait: int) -> None:
            while writing:
                seen = {each.id: each for each in await store.list_sessions()}
                first, last = (int(next(iter(seen[key].tags))) for key in ("first", "last"))
                assert 0 <= first - last <= 1, f"`last` was at {last} while `first` was at {first}"
                moving = [key for key in seen if key.startswith("x")]
                assert len(moving) <= 2, f"they were never there together: {moving}"
                assert moving or first <= 1, "there was always one of them"
                await turns(wait)

        await asyncio.gather(write(), read(1), read(2))
