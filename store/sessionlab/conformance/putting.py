"""`put_session`: create, change or replace in one step, whatever was there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import (
    InvalidTransition,
    LimitExceeded,
    SessionExists,
    SessionNotFound,
    VersionConflict,
)
from sessionkeeper.values.limits import SessionsFull, StoreLimits
from sessionkeeper.values.message import MessageEnvelope
from sessionkeeper.values.session import Session
from sessionkeeper.values.version import VersionState

from .events import EventLog
from .kit import AtomicStoreKit
from .promise import needs
from .samples import become, callers_part, held, new, note, numbers, rich, tagged, turns

__all__ = ["PuttingConformance"]

CALLERS = 24


class PuttingConformance(AtomicStoreKit, needs={"put_session"}):
    async def test_put_creates_what_is_not_there(self, store: AtomicSessionStore) -> None:
        """Without a session of this id it is created, and what is stored is returned."""
        stored = await store.put_session(rich())
        assert stored == await store.get_session("a")
        assert callers_part(stored) == callers_part(rich())
        assert (stored.frame_count, stored.last_seq, stored.ended_at) == (0, 0, None)

    async def test_put_changes_a_live_session_whatever_its_revision(
        self, store: AtomicSessionStore
    ) -> None:
        """A live one gets the caller's fields; it keeps its log, incarnation and place."""
        first = await store.create_session(new())
        await store.create_session(new("b"))
        await store.update_session(tagged(first, "moved on"))
        for n in (1, 2):
            await store.add_frame(note(n))
        for wanted in (rich(), tagged(rich(), "y"), become("shutting-down")(rich())):
            before = await store.get_session("a")
            put = await store.put_session(wanted.model_copy(update={"revision": first.revision}))
            assert put == await store.get_session("a")
            assert callers_part(put) == callers_part(wanted), "not the caller's fields"
            assert put.revision > before.revision, "a change of a session has a new revision"
            assert put.incarnation == first.incarnation, "a live session was replaced"
            assert put.created_at == first.created_at
            assert (put.frame_count, put.last_seq) == (2, 2), "its log was lost"
        assert numbers(await store.get_frames("a")) == [1, 2]
        assert await store.add_frame(note(3)) == 3
        assert [each.id for each in await store.list_sessions()] == ["a", "b"]

    async def test_put_replaces_a_session_that_has_ended(self, store: AtomicSessionStore) -> None:
        """An ended one is deleted with its frames, and a new one is created in the same step."""
        old = await store.create_session(rich())
        await store.create_session(new("b"))
        await store.add_frame(note(1))
        ended = await store.update_session(become("closed")(old))
        put = await store.put_session(new(tags={"again"}))
        assert put == await store.get_session("a")
        assert callers_part(put) == callers_part(new(tags={"again"})), (
            "fields of the old one stayed"
        )
        assert put.incarnation != old.incarnation, "a session that had ended was revived"
        assert put.revision > ended.revision
        assert (put.frame_count, put.last_seq, put.ended_at) == (0, 0, None)
        assert await store.get_frames("a") == [], "frames of the old session stayed"
        assert await store.add_frame(note(7)) == 1
        assert [each.id for each in await store.list_sessions()] == ["b", "a"]
        for state in ("failed", "closed", "active"):  # it may be over from its beginning
            await store.put_session(become("closed")(new("c")))
            again = await store.put_session(become(state)(new("c")))
            assert (again.ended_at is None) == (state == "active")

    @needs("read_frames", "expire_sessions")
    async def test_nothing_of_a_replaced_session_stays(self, store: AtomicSessionStore) -> None:
        """Neither frames of a stream, nor the moment after which it would have ended."""
        past = datetime(2020, 1, 1, tzinfo=UTC)
        line = b'{"jsonrpc":"2.0","method":"note"}'
        named = MessageEnvelope.of("a", line, direction="client-to-server", stream="s")
        await store.create_session(new(state="active", expires_at=past))
        await store.add_frame(named)
        await store.add_frame(note(2))
        await store.put_session(new(state="closed", expires_at=past))
        await store.put_session(new())
        assert await store.count_frames("a", stream="s") == 0
        assert await store.read_frames("a", stream="s") == []
        assert await store.expire_sessions() == [], "it expires with the one that it replaced"
        assert await store.add_frame(note(1)) == 1
        assert await store.add_frame(named) == 2
        assert [frame.seq for frame in await store.read_frames("a", stream="s")] == [2]
        assert await store.count_frames("a", stream="s") == 1
        await store.put_session(new(expires_at=past))
        assert [each.id for each in await store.expire_sessions()] == ["a"]
        await store.put_session(new(expires_at=past))
        assert [each.id for each in await store.expire_sessions()] == ["a"]

    async def test_a_put_that_is_refused_has_no_effect(self, store: AtomicSessionStore) -> None:
        """`InvalidTransition`, `VersionConflict`: as `update_session`, and nothing changes."""
        settled = VersionState(requested="2025-11-25", negotiated="2025-11-25")
        live = new(state="active", version_state=settled)
        await store.create_session(live)
        await store.add_frame(note(1))
        before = await held(store)
        with pytest.raises(InvalidTransition):
            await store.put_session(become("initializing")(live))
        with pytest.raises(VersionConflict):
            await store.put_session(live.model_copy(update={"version_state": VersionState()}))
        torn = VersionState(negotiated="2025-11-25", transport="2024-11-05")
        with pytest.raises(VersionConflict):
            await store.put_session(new("b", version_state=torn))
        assert await held(store) == before, "an error means: certainly no effect"
        await store.update_session(become("closed")(await store.get_session("a")))
        before = await held(store)
        with pytest.raises(VersionConflict):
            await store.put_session(new(version_state=torn))
        assert await held(store) == before, "the ended session went although nothing came"

    async def test_racing_puts_all_succeed(self, store: AtomicSessionStore) -> None:
        """One step: of many callers, one creates, and no other is refused or replaces."""
        for key in ("a", "b"):

            async def put(n: int, key: str = key) -> Session:
                await turns(n % 5)
                return await store.put_session(new(key, tags={f"by-{n}"}))

            told = await asyncio.gather(*(put(n) for n in range(CALLERS)))
            assert len({each.incarnation for each in told}) == 1, "a live session was replaced"
            assert len({each.revision for each in told}) == CALLERS
            last = max(told, key=lambda each: each.revision)
            assert await store.get_session(key) == last
            await store.update_session(become("closed")(last))
            again = await asyncio.gather(*(put(n) for n in range(CALLERS)))
            made = {each.incarnation for each in again}
            assert len(made) == 1, "the ended session was replaced more than once"
            assert made.isdisjoint({last.incarnation})
        assert await store.count_sessions() == 2

    async def test_puts_beside_appends_lose_no_frame(self, store: AtomicSessionStore) -> None:
        """The log of a live session stays, and no change of another caller is undone by halves."""
        await store.create_session(new())

        async def append(n: int) -> int:
            await turns(n % 3)
            return await store.add_frame(note(n))

        async def put(n: int) -> Session:
            await turns(n % 3)
            return await store.put_session(new(tags={f"by-{n}"}, metadata={"by": n}))

        appends = [append(n) for n in range(CALLERS)]
        told = await asyncio.gather(*appends, *(put(n) for n in range(CALLERS)))
        assert sorted(told[:CALLERS]) == [*range(1, CALLERS + 1)]  # type: ignore[type-var]
        now = await store.get_session("a")
        assert (now.frame_count, now.last_seq) == (CALLERS, CALLERS)
        assert now.tags == {f"by-{now.metadata['by']}"}, "two puts were mixed"

    @needs("limits")
    async def test_a_put_keeps_the_limits(self) -> None:
        """`max_sessions` counts what is there afterwards; `max_metadata_bytes` as always."""
        limits = StoreLimits(max_sessions=2, max_metadata_bytes=100)
        async with self.made(limits=limits) as store:
            await store.put_session(new("a"))
            await store.put_session(new("b", state="closed"))
            before = await held(store)
            large = {"metadata": {"x": "y" * 200}}
            for refused in (new("c"), new("a", **large), new("b", **large)):
                with pytest.raises(LimitExceeded):
                    await store.put_session(refused)
                assert await held(store) == before, "an error means: certainly no effect"
            await store.put_session(new("a", tags={"x"}))
            await store.put_session(new("b", tags={"x"}))
            assert await store.count_sessions() == 2

    @needs("limits")
    async def test_a_put_evicts_as_a_creation_does(self) -> None:
        """A new session makes room by the policy; one that is there already needs none."""
        limits = StoreLimits(max_sessions=2, sessions_full=SessionsFull.EVICT_ENDED)
        async with self.made(limits=limits) as store:
            await store.put_session(new("a", state="closed"))
            await store.put_session(new("b", state="closed"))
            await store.put_session(new("b"))
            assert [each.id for each in await store.list_sessions()] == ["a", "b"]
            await store.put_session(new("b", tags={"x"}))
            assert [each.id for each in await store.list_sessions()] == ["a", "b"]
            await store.put_session(new("c"))
            assert [each.id for each in await store.list_sessions()] == ["b", "c"]

    @needs("subscribe")
    async def test_a_put_sends_the_events_of_what_it_does(self, store: AtomicSessionStore) -> None:
        """Created; changed in state; deleted and created; nothing where the state stays."""
        log = EventLog()
        store.subscribe(log)
        for state in ("initializing", "initializing", "active", "closed", "active"):
            await store.put_session(new(state=state))
        assert await log.take() == [
            "a created nothing>initializing",
            "a state-changed initializing>active",
            "a state-changed active>closed",
            "a deleted closed>closed",
            "a created nothing>active",
        ]

    @needs("statistics")
    async def test_a_put_is_counted_as_what_it_does(self, store: AtomicSessionStore) -> None:
        """`created` equals the sessions that exist plus those deleted; frames likewise."""
        await store.put_session(new())
        await store.add_frame(note(1))
        await store.put_session(new(state="closed"))
        await store.put_session(new())
        counted = await store.statistics()
        assert (counted.counters.created, counted.counters.deleted) == (2, 1)
        assert sum(counted.sessions.values()) == 1
        assert counted.frames == 0
        assert counted.counters.frames_added == counted.counters.frames_removed == 1

    @needs("watch_frames")
    async def test_a_watcher_does_not_go_on_with_what_replaced_its_session(
        self, store: AtomicSessionStore
    ) -> None:
        """It ends with the frames of the session that ended, and a put wakes it."""
        created = await store.create_session(new())
        await store.add_frame(note(1))
        watcher = store.watch_frames("a")
        assert (await anext(watcher)).seq == 1
        await store.update_session(become("closed")(created))
        await store.put_session(new())
        await store.add_frame(note(2))
        assert [frame async for frame in watcher] == []

    @needs("for_principal")
    async def test_a_view_puts_only_its_own(self, store: AtomicSessionStore) -> None:
        """What is put through a view is its principal's, and cannot be given away."""
        view = store.for_principal("ann")
        put = await view.put_session(new())
        assert put.principal == "ann"
        assert (await view.put_session(become("closed")(new()))).principal == "ann"
        assert (await view.put_session(new())).incarnation != put.incarnation
        with pytest.raises(ValueError, match=r"\S"):
            await view.put_session(new(principal="bob"))
        with pytest.raises(SessionNotFound):
            await store.for_principal("bob").get_session("a")

    @needs("for_principal")
    async def test_a_view_learns_of_a_foreign_session_only_that_its_id_is_taken(
        self, store: AtomicSessionStore
    ) -> None:
        """`SessionExists`, as from `create_session`, whatever that session is or the call wants."""
        foreign = [
            new("live", state="active", principal="bob"),
            new("ended", state="closed", principal="bob"),
            new("nobody"),
        ]
        for session in foreign:
            await store.create_session(session)
            if session.state != "closed":
                await store.add_frame(note(1, session.id))
        before = await held(store)
        view = store.for_principal("ann")
        torn = VersionState(negotiated="2025-11-25", transport="2024-11-05")
        for session in foreign:
            for wanted in (
                new(session.id),
                new(session.id, state="closed"),
                new(session.id, version_state=torn),
                new(session.id, metadata={"x": "y" * 1_000_000}),
            ):
                said: list[object] = []
                for call in (view.create_session, view.put_session):
                    with pytest.raises(SessionExists) as refused:
                        await call(wanted)
                    said.append((str(refused.value), vars(refused.value)))
                assert said[0] == said[1]
        assert await held(store) == before, "a put through a view changed another's session"
