"""`archive_session`: a copy gets the times and the end of the session it was made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import (
    InvalidTransition,
    LimitExceeded,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionNotFound,
    VersionConflict,
)
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.query import SessionQuery
from sessionkeeper.values.states import SessionState

from .kit import AtomicStoreKit
from .promise import needs
from .samples import LONG_AGO, FakeClock, archived, callers_part, held, new, note, numbers

__all__ = ["ArchivingConformance"]

A_DAY = 86_400.0


class ArchivingConformance(AtomicStoreKit, needs={"archive_session"}):
    @pytest.mark.parametrize("state", [*SessionState])
    async def test_an_archived_session_is_as_it_was(
        self, store: AtomicSessionStore, state: SessionState
    ) -> None:
        """It gets the caller's fields, the times and the end it had, in one step."""
        created = await store.create_session(new(tags={"unfinished"}))
        await store.add_frame(note(1))
        session = archived(created, state=state, tags={"x"}, failure="it crashed")
        answer = await store.archive_session(session, expected_last_seq=1)
        assert answer == await store.get_session("a")
        assert callers_part(answer) == callers_part(session)
        assert answer.created_at == session.created_at
        assert answer.last_activity == session.last_activity
        assert answer.ended_at == session.ended_at
        assert answer.revision > created.revision
        assert (answer.last_seq, numbers(await store.get_frames("a"))) == (1, [1])

    async def test_it_is_refused_unless_the_session_is_as_its_caller_knows_it(
        self, store: AtomicSessionStore
    ) -> None:
        """Another revision, another end of the log, an end: each is an error without effect."""
        created = await store.create_session(new())
        await store.add_frame(note(1))
        before = await held(store)
        with pytest.raises(SessionNotFound):
            await store.archive_session(archived(new("nobody")), expected_last_seq=0)
        stale = archived(created).model_copy(update={"revision": created.revision + 7})
        with pytest.raises(RevisionConflict):
            await store.archive_session(stale, expected_last_seq=1)
        with pytest.raises(SequenceConflict):
            await store.archive_session(archived(created), expected_last_seq=0)
        assert await held(store) == before
        ended = await store.create_session(new("ended", state="closed"))
        with pytest.raises(SessionClosed):
            await store.archive_session(archived(ended), expected_last_seq=0)

    async def test_a_session_that_is_in_use_moves_on_only(self, store: AtomicSessionStore) -> None:
        """Only one that initializes may become anything: others follow the rules of an update."""
        version = {"requested": "2025-06-18", "negotiated": "2025-06-18"}
        active = await store.create_session(new(state="active", version_state=version))
        before = await held(store)
        with pytest.raises(InvalidTransition):
            await store.archive_session(archived(active, state="initializing"), expected_last_seq=0)
        with pytest.raises(VersionConflict):
            await store.archive_session(
                archived(active, version_state={"requested": "2025-06-18"}), expected_last_seq=0
            )
        assert await held(store) == before

    async def test_times_that_cannot_be_are_refused(self, store: AtomicSessionStore) -> None:
        """In the future, before 1970, an end before the beginning, an end of a live session."""
        created = await store.create_session(new())
        before = await held(store)
        future = datetime.now(UTC) + timedelta(days=400)
        early = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
        wrong: list[dict[str, object]] = [
            {"created_at": future, "last_activity": future},
            {"last_activity": future},
            {"state": "closed", "ended_at": future},
            {"created_at": early},
            {"state": "closed", "ended_at": LONG_AGO - timedelta(microseconds=1)},
            {"state": "closed", "ended_at": None},
            {"ended_at": LONG_AGO},
        ]
        for times in wrong:
            session = archived(created).model_copy(update=times)
            with pytest.raises(ValueError):  # noqa: PT011 - each is another one
                await store.archive_session(session, expected_last_seq=0)
        assert await held(store) == before

    @needs("limits")
    async def test_the_limit_on_metadata_holds(self) -> None:
        """An archive is no way around a limit."""
        async with self.made(limits=StoreLimits(max_metadata_bytes=20)) as store:
            created = await store.create_session(new())
            with pytest.raises(LimitExceeded):
                await store.archive_session(
                    archived(created, metadata={"n": "x" * 20}), expected_last_seq=0
                )
            assert await store.get_session("a") == created

    @needs("find_sessions")
    async def test_it_keeps_its_place_in_the_order_of_creation(
        self, store: AtomicSessionStore
    ) -> None:
        """Cursors stay valid; a query for times finds it by its own."""
        for key in "abc":
            await store.create_session(new(key))
        page = await store.find_sessions(SessionQuery(), limit=1)
        (first,) = page.sessions
        for session in await store.list_sessions():
            await store.archive_session(archived(session, state="closed"), expected_last_seq=0)
        seen = [first.id]
        while page.cursor is not None:
            page = await store.find_sessions(SessionQuery(), cursor=page.cursor, limit=1)
            seen += [session.id for session in page.sessions]
        assert sorted(seen) == ["a", "b", "c"], "each is seen once"
        query = SessionQuery(created_before=LONG_AGO + timedelta(seconds=1))
        assert len((await store.find_sessions(query)).sessions) == 3
        assert not (await store.find_sessions(SessionQuery(created_before=LONG_AGO))).sessions

    @needs("purge_sessions", "clock")
    async def test_its_retention_counts_from_its_own_end(self) -> None:
        """Those that ended first go first, however late they were archived."""
        clock = FakeClock()
        async with self.made(clock=clock.as_clock()) as store:
            await store.create_session(new("now", state="closed"))
            for days, key in ((2, "two"), (9, "nine"), (5, "five")):
                created = await store.create_session(new(key))
                ended = clock.moment() - timedelta(days=days)
                session = archived(created, state="closed").model_copy(update={"ended_at": ended})
                await store.archive_session(session, expected_last_seq=0)
            clock.advance(1)
            await store.create_session(new("later", state="closed"))
            assert await store.purge_sessions(ended_for=9 * A_DAY + 2) == 0
            assert await store.purge_sessions(ended_for=5 * A_DAY + 1, limit=1) == 1
            left = {session.id for session in await store.list_sessions()}
            assert left == {"now", "two", "five", "later"}, "the one that ended first goes first"
            moment = clock.moment() - timedelta(days=3)
            assert await store.purge_sessions(ended_before=moment) == 1
            left = {session.id for session in await store.list_sessions()}
            assert left == {"now", "two", "later"}
            assert await store.purge_sessions(ended_for=1) == 2
            assert [session.id for session in await store.list_sessions()] == ["later"]

    @needs("expire_sessions", "clock")
    async def test_a_live_one_is_active_now(self) -> None:
        """Idle time and age count from its creation in this store, not from its own times."""
        clock = FakeClock()
        async with self.made(clock=clock.as_clock()) as store:
            created = await store.create_session(new())
            await store.archive_session(archived(created, state="active"), expected_last_seq=0)
            assert await store.expire_sessions(idle=A_DAY, age=A_DAY) == []
            clock.advance(A_DAY)
            (ended,) = await store.expire_sessions(idle=A_DAY)
            assert ended.created_at == LONG_AGO
            assert ended.ended_at == clock.moment()

    @needs("watch_frames")
    async def test_a_watcher_follows_the_session_through_it(
        self, store: AtomicSessionStore
    ) -> None:
        """Another time of creation does not make it another session; its end ends the watch."""
        created = await store.create_session(new())
        await store.add_frame(note(1))
        watcher = store.watch_frames("a")
        assert numbers([(await anext(watcher)).envelope]) == [1]
        session = archived(created, state="active")
        archive = await store.archive_session(session, expected_last_seq=1)
        await store.add_frame(note(2))
        assert numbers([(await anext(watcher)).envelope]) == [2]
        await store.archive_session(archived(archive, state="closed", days=1), expected_last_seq=2)
        with pytest.raises(StopAsyncIteration):
            await anext(watcher)
