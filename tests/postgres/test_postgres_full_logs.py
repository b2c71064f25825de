"""Several processes that append to one full log, which drops its oldest frames."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from sessionkeeper import FramesFull, PostgresSessionStore, Session, StoreLimits

from tests.support.sessions import new_session, note

LIMITS = StoreLimits(max_frames_per_session=5, frames_full=FramesFull.DROP_OLDEST)


@pytest.mark.parametrize("frames", [1, 3])
async def test_no_batch_locks_a_frame_before_its_session(postgres_url: str, frames: int) -> None:
    """Otherwise it waits for one that waits for it, and the server ends one a second later."""
    told: list[Exception] = []
    begun, released = threading.Event(), threading.Event()

    def hold(session: Session) -> Session:
        begun.set()
        assert released.wait(60)
        return session.model_copy(update={"tags": {"changed"}})

    def noting(real: Callable[[Exception], bool]) -> Callable[[Exception], bool]:
        def repeats(error: Exception) -> bool:
            told.append(error)
            return real(error)

        return repeats

    async with (
        PostgresSessionStore(postgres_url, limits=LIMITS, patience=60.0) as one,
        PostgresSessionStore(postgres_url, limits=LIMITS, patience=60.0) as two,
    ):
        await two.create_session(new_session("b"))
        await one.create_session(new_session("a"))
        for n in range(5):
            await one.add_frame(note(n, "a"))
        for store in (one, two):
            store._writer.repeats = noting(store._writer.repeats)  # type: ignore[method-assign]
        held = asyncio.ensure_future(two.add_frames("a", [note(5, "a")], change=hold))
        assert await asyncio.to_thread(begun.wait, 60)
        asked = asyncio.ensure_future(one.add_frames("a", [note(6, "a")] * frames))
        done, _ = await asyncio.wait({asked}, timeout=0.3)
        assert not done, "it wrote to a session whose row another batch holds"
        released.set()
        assert await held == range(6, 7)
        assert await asked == range(7, 7 + frames)
        assert [type(each).__name__ for each in told] == ["_RowsChanged"]
        assert [each.seq for each in await two.read_frames("a")] == [*range(2 + frames, 7 + frames)]


async def test_a_full_log_of_one_process_is_appended_to_without_repeating(
    postgres_url: str,
) -> None:
    """Also by a batch that drops what it has appended itself."""
    async with PostgresSessionStore(postgres_url, limits=LIMITS) as store:
        await store.create_session(new_session("a"))
        for n in range(20):
            await asyncio.gather(*(store.add_frame(note(n, "a")) for _ in range(1 + n % 7)))
        assert store._writer._locking == 0
        session = await store.get_session("a")
        assert (session.frame_count, session.last_seq) == (5, sum(1 + n % 7 for n in range(20)))
