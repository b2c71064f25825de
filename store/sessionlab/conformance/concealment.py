"""What a principal's view tells of others: neither the kind of an error nor its order, no number.

Each call is made with the id of another's session and with one that nobody has: the answers must
be the same, whatever else is wrong with the call. What a view may tell is in section 9 of
`docs/guarantees.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product
from typing import TypeAlias

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import LimitExceeded, SessionNotFound
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.query import SessionOrder, SessionQuery
from sessionkeeper.values.session import Session

from .kit import AtomicStoreKit
from .promise import needs
from .samples import become, held, new, note, tagged, turns

__all__ = ["ConcealmentConformance"]

THEIRS = ("live-1", "ended1", "full-1", "nobody")
"""Sessions of others: one that is used, one that ended, one with a full log, one of nobody."""
NOWHERE = "absent"
MAXIMUM = 3
"""Frames of a session, in the store with limits."""

Probe: TypeAlias = Callable[[AtomicSessionStore, str, Session], Awaitable[object]]


class Refusal(Exception):
    """What a caller's own change raises."""


def raising(_: Session) -> Session:
    raise Refusal


def aged(session: Session) -> Session:
    """A stale snapshot."""
    return session.model_copy(update={"revision": max(0, session.revision - 1)})


async def mine(view: AtomicSessionStore) -> Session:
    """The caller's own session."""
    return await view.get_session("mine-1")


async def update_beside(view: AtomicSessionStore, session: Session, *, first: bool) -> object:
    """Update another's session in one batch with an own snapshot that is stale."""
    own = aged(await mine(view))
    return await view.update_sessions_batch([own, session] if first else [session, own])


PROBES: dict[str, Probe] = {
    "get_session": lambda v, key, _: v.get_session(key),
    "update_session": lambda v, _, x: v.update_session(tagged(x, "x")),
    "update_session, stale": lambda v, _, x: v.update_session(aged(x)),
    "update_session, wrong state": lambda v, _, x: v.update_session(become("initializing")(x)),
    "delete_session": lambda v, key, _: v.delete_session(key),
    "add_frame": lambda v, key, _: v.add_frame(note(9, key)),
    "add_frame, large": lambda v, key, _: v.add_frame(note(9, key, size=500)),
    "get_frames": lambda v, key, _: v.get_frames(key),
    "delete_frames": lambda v, key, _: v.delete_frames(key),
    "count_frames": lambda v, key, _: v.count_frames(key),
    "get_sessions_batch": lambda v, key, _: v.get_sessions_batch(["mine-1", key]),
    "get_sessions_batch, before one": lambda v, key, _: v.get_sessions_batch([key, "no-one"]),
    "get_sessions_batch, after one": lambda v, key, _: v.get_sessions_batch(["no-one", key]),
    "get_sessions_batch, after another's": lambda v, key, _: v.get_sessions_batch(["other1", key]),
    "update_sessions_batch": lambda v, _, x: v.update_sessions_batch([tagged(x, "x")]),
    "update_sessions_batch, first": lambda v, _, x: update_beside(v, x, first=False),
    "update_sessions_batch, last": lambda v, _, x: update_beside(v, x, first=True),
    "modify_session": lambda v, key, _: v.modify_session(key, become("closed")),
    "modify_session, raising": lambda v, key, _: v.modify_session(key, raising),
    "touch_session": lambda v, key, _: v.touch_session(key),
    "add_frames": lambda v, key, _: v.add_frames(key, [note(9, key)]),
    "add_frames, none": lambda v, key, _: v.add_frames(key, []),
    "add_frames, expecting": lambda v, key, _: v.add_frames(key, [], expected_last_seq=77),
    "add_frames, raising": lambda v, key, _: v.add_frames(key, [note(9, key)], change=raising),
    "add_frames, elsewhere": lambda v, key, _: v.add_frames(key, [note(9, "mine-1")]),
    "read_frames": lambda v, key, _: v.read_frames(key),
    "read_frames, after": lambda v, key, _: v.read_frames(key, after=99, newest=True),
    "read_frames, before": lambda v, key, _: v.read_frames(key, before=2, reverse=True),
    "read_frames, stream": lambda v, key, _: v.read_frames(key, stream="x"),
    "search_frames": lambda v, key, _: v.search_frames(key, containing=[b"x"]),
    "search_frames, after": lambda v, key, _: v.search_frames(key, containing=[b"x"], after=99),
    "count_frames, stream": lambda v, key, _: v.count_frames(key, stream="x"),
    "trim_frames": lambda v, key, _: v.trim_frames(key, up_to=9),
    "remove_frames": lambda v, key, _: v.remove_frames(key, [1]),
    "remove_frames, none": lambda v, key, _: v.remove_frames(key, []),
    "remove_frames, beyond": lambda v, key, _: v.remove_frames(key, [77]),
    "remove_frames, many": lambda v, key, _: v.remove_frames(key, range(1, 20_000)),
    "watch_frames": lambda v, key, _: anext(v.watch_frames(key)),
    "watch_frames, stream": lambda v, key, _: anext(v.watch_frames(key, stream="x")),
    "watch_frames, after": lambda v, key, _: anext(v.watch_frames(key, after=99)),
}
"""By method and what is wrong with the call: a view, an id, and a snapshot under that id."""


async def answered(call: Awaitable[object], key: str) -> tuple[object, ...]:
    """The error that a caller gets, without the id: its class, its text, its attributes."""
    try:
        answer = await call
    except Exception as error:
        fields = {name: str(value).replace(key, "<id>") for name, value in vars(error).items()}
        fields.pop("__notes__", None)
        return type(error).__name__, str(error).replace(key, "<id>"), fields
    return "answered", answer


async def neighbours(store: AtomicSessionStore) -> AtomicSessionStore:
    """Fill a store with the sessions of others; return the view of Ann, who has `mine-1`."""
    for key in (*THEIRS, "other1"):
        await store.create_session(new(key, principal=None if key == "nobody" else "bob"))
        for n in range(MAXIMUM if key == "full-1" else 1):
            await store.add_frame(note(n, key))
    await store.update_session(become("closed")(await store.get_session("ended1")))
    ann = store.for_principal("ann")
    await ann.create_session(new("mine-1", state="active"))
    return ann


class ConcealmentConformance(AtomicStoreKit, needs={"for_principal"}):
    async def test_no_error_tells_of_another_session(self, store: AtomicSessionStore) -> None:
        """Another's session looks exactly like one that does not exist, whatever else is wrong."""
        await self._compare(store)

    @needs("limits")
    async def test_no_limit_tells_of_another_session(self) -> None:
        """Another's session looks exactly like one that does not exist, also at its limits."""
        limits = StoreLimits(
            max_frame_bytes=200, max_frames_per_session=MAXIMUM, max_metadata_bytes=1_000
        )
        async with self.made(limits=limits) as store:
            await self._compare(store)

    async def _compare(self, store: AtomicSessionStore) -> None:
        ann = await neighbours(store)
        before = await held(store)
        for name, probe in PROBES.items():
            if {name.partition(",")[0]} & {*self.refuses}:
                continue
            for key in THEIRS:
                theirs = await store.get_session(key)
                told: list[object] = []
                for asked in (key, NOWHERE):
                    snapshot = theirs.model_copy(update={"principal": "ann", "id": asked})
                    told.append(await answered(probe(ann, asked, snapshot), asked))
                assert told[0] == told[1], f"{name} tells that {key!r} exists"
        assert await held(store) == before, "an error means: certainly no effect"

    @needs("limits")
    async def test_what_all_hold_together_is_not_told(self) -> None:
        """A view can learn that the store is full, and not how full: `current` is None."""
        async with self.made(limits=StoreLimits(max_sessions=2, max_total_bytes=300)) as store:
            await store.create_session(new("b", principal="bob"))
            await store.add_frame(note(1, "b", size=250))
            ann = store.for_principal("ann")
            await ann.create_session(new("a"))
            with pytest.raises(LimitExceeded) as full:
                await ann.add_frame(note(1, "a", size=100))
            assert (full.value.limit, full.value.current) == ("max_total_bytes", None)
            assert "250" not in str(full.value)
            with pytest.raises(LimitExceeded) as full:
                await ann.create_session(new("a2"))
            assert (full.value.limit, full.value.current) == ("max_sessions", None)

    async def test_a_view_counts_its_own_only(self, store: AtomicSessionStore) -> None:
        """A view lists and counts its principal's sessions, among many of others and after them."""
        ann = store.for_principal("ann")
        for n in range(12):
            await store.create_session(new(f"s{n}", principal=("bob", "ann", None)[n % 3]))
        own = [f"s{n}" for n in range(1, 12, 3)]
        assert [each.id for each in await ann.list_sessions()] == own
        assert await ann.count_sessions() == len(own)
        await store.delete_session("s0")
        await ann.delete_session("s1")
        assert [each.id for each in await ann.list_sessions()] == own[1:]
        assert await ann.count_sessions() == len(own) - 1

    @needs("find_sessions")
    async def test_pages_of_a_view_have_its_own_only(self, store: AtomicSessionStore) -> None:
        """`find_sessions` in a view: its own, each once; of others neither a page nor a cursor."""
        ann = store.for_principal("ann")
        for n in range(12):
            await store.create_session(new(f"s{n}", principal=("bob", "ann", None)[n % 3]))
        for limit, order in product((1, 2, 3, 100), SessionOrder):
            found: list[str] = []
            cursor: str | None = None
            while True:
                page = await ann.find_sessions(
                    SessionQuery(), order=order, cursor=cursor, limit=limit
                )
                found += [each.id for each in page.sessions]
                cursor = page.cursor
                if cursor is None:
                    break
            assert sorted(found) == sorted(f"s{n}" for n in range(1, 12, 3))
            page = await ann.find_sessions(SessionQuery(principal="bob"), order=order, limit=limit)
            assert (page.sessions, page.cursor) == ((), None), "a query for another's tells"

    @needs("modify_session")
    async def test_no_change_sees_another_session(self, store: AtomicSessionStore) -> None:
        """`change` is not called with a session that does not exist in the view."""
        ann = await neighbours(store)
        seen: list[str] = []

        def look(session: Session) -> Session:
            seen.append(session.id)
            return session

        for key in THEIRS:
            with pytest.raises(SessionNotFound):
                await ann.modify_session(key, look)
            if "add_frames" not in self.refuses:
                with pytest.raises(SessionNotFound):
                    await ann.add_frames(key, [note(9, key)], change=look)
        assert seen == []

    async def test_a_view_leads_to_no_other_view(self, store: AtomicSessionStore) -> None:
        """A view of a view is refused for another principal."""
        ann = await neighbours(store)
        with pytest.raises((ValueError, NotImplementedError)):
            await ann.for_principal("bob").get_session("live-1")

    @needs("watch_frames", "modify_session")
    async def test_a_watcher_loses_a_session_that_is_given_away(
        self, store: AtomicSessionStore
    ) -> None:
        """A watcher of a session that changes its principal gets `SessionNotFound`."""
        ann = await neighbours(store)
        watcher = ann.watch_frames("mine-1")
        step = asyncio.ensure_future(anext(watcher))
        await turns(20)
        await store.modify_session("mine-1", lambda s: s.model_copy(update={"principal": "bob"}))
        await store.add_frame(note(1, "mine-1"))
        with pytest.raises(SessionNotFound):
            await step

    @needs("watch_frames")
    async def test_a_watcher_ends_with_its_session(self, store: AtomicSessionStore) -> None:
        """It ends when its session is deleted, whoever has the id then."""
        for wait in (0, 5):
            ann = store.for_principal("ann")
            await ann.create_session(new())
            await ann.add_frame(note(1))
            watcher = ann.watch_frames("a")
            assert (await anext(watcher)).seq == 1
            step = asyncio.ensure_future(anext(watcher, None))
            await turns(20)
            await store.delete_session("a")
            await turns(wait)
            await store.create_session(new(principal="bob"))
            for n in (1, 2):
                await store.add_frame(note(n))
            assert await step is None, "a frame of another principal's session was shown"
            await store.delete_session("a")
