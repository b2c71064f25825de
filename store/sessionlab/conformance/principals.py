"""The view of one principal: other sessions do not exist in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import SessionExists, SessionNotFound
from sessionkeeper.values.events import SessionEvent
from sessionkeeper.values.query import SessionQuery
from sessionkeeper.values.session import Session

from .kit import StoreKit
from .promise import demand, needs
from .samples import become, held, new, note, numbers, tagged, turns

__all__ = ["PrincipalsConformance"]


def deaf(event: SessionEvent, context: Context) -> None:
    """A listener."""


REACHES: dict[str, Callable[[AtomicSessionStore, str, Session], Coroutine[Any, Any, object]]] = {
    "get_session": lambda v, key, mine: v.get_session(key),
    "update_session": lambda v, key, mine: v.update_session(mine),
    "delete_session": lambda v, key, mine: v.delete_session(key),
    "add_frame": lambda v, key, mine: v.add_frame(note(9, key)),
    "get_frames": lambda v, key, mine: v.get_frames(key),
    "delete_frames": lambda v, key, mine: v.delete_frames(key),
    "count_frames": lambda v, key, mine: v.count_frames(key),
    "get_sessions_batch": lambda v, key, mine: v.get_sessions_batch(["a", key]),
    "update_sessions_batch": lambda v, key, mine: v.update_sessions_batch([mine]),
    "modify_session": lambda v, key, mine: v.modify_session(key, become("closed")),
    "get_or_create_session": lambda v, key, mine: v.get_or_create_session(mine),
    "touch_session": lambda v, key, mine: v.touch_session(key),
    "add_frames": lambda v, key, mine: v.add_frames(key, [note(9, key)]),
    "read_frames": lambda v, key, mine: v.read_frames(key),
    "search_frames": lambda v, key, mine: v.search_frames(key, containing=[b"x"]),
    "trim_frames": lambda v, key, mine: v.trim_frames(key, up_to=9),
    "remove_frames": lambda v, key, mine: v.remove_frames(key, [1]),
    "watch_frames": lambda v, key, mine: anext(v.watch_frames(key)),
}
"""Every method that names a session, called with another principal's."""


async def two(store: AtomicSessionStore) -> tuple[AtomicSessionStore, AtomicSessionStore]:
    """The views of Ann, who has session `a`, and Bob, who has `b`; `nobody` has no principal."""
    for key, principal in (("a", "ann"), ("b", "bob"), ("nobody", None)):
        await store.create_session(new(key, principal=principal))
        await store.add_frame(note(1, key))
    return store.for_principal("ann"), store.for_principal("bob")


class PrincipalsConformance(StoreKit, needs={"for_principal"}):
    async def test_a_view_shows_only_its_own_sessions(self, store: AtomicSessionStore) -> None:
        """A view shows, lists and counts the sessions of its principal, and no others."""
        ann, bob = await two(store)
        for view, key in ((ann, "a"), (bob, "b")):
            assert await view.list_sessions() == [await store.get_session(key)]
            assert await view.count_sessions() == 1
            assert (await view.get_session(key)).id == key
            assert numbers(await view.get_frames(key)) == [1]
            assert await view.add_frame(note(2, key)) == 2
        assert await store.for_principal("carl").list_sessions() == []
        assert await store.count_sessions() == 3

    async def test_sessions_of_another_principal_are_not_found(
        self, store: AtomicSessionStore
    ) -> None:
        """A mismatch looks exactly like `SessionNotFound`, and has no effect."""
        ann, _ = await two(store)
        before = await held(store)
        for key in ("b", "nobody"):
            theirs = await store.get_session(key)
            mine = theirs.model_copy(update={"principal": "ann"})
            for method, call in REACHES.items():
                if method in self.refuses:
                    continue
                with pytest.raises(SessionNotFound) as refused:
                    await call(ann, key, mine)
                    pytest.fail(f"{method} reached another principal's session")
                assert str(refused.value) == str(SessionNotFound(key))
        assert await held(store) == before, "an error means: certainly no effect"

    async def test_what_is_created_through_it_belongs_to_it(
        self, store: AtomicSessionStore
    ) -> None:
        """A session created through the view belongs to it."""
        ann, bob = await two(store)
        assert (await ann.create_session(new("a2"))).principal == "ann"
        assert (await store.get_session("a2")).principal == "ann"
        if "get_or_create_session" not in self.refuses:
            made, created = await ann.get_or_create_session(new("a3"))
            assert (made.principal, created) == ("ann", True)
        with pytest.raises(SessionNotFound):
            await bob.get_session("a2")
        with pytest.raises(ValueError, match=r"\S"):
            await ann.create_session(new("a4", principal="bob"))
        with pytest.raises(SessionExists):
            await ann.create_session(new("b"))

    @needs("modify_session")
    async def test_a_view_cannot_give_a_session_away(self, store: AtomicSessionStore) -> None:
        """No method of a view gives a session to another principal."""
        ann, _ = await two(store)
        before = await held(store)
        given = (await ann.get_session("a")).model_copy(update={"principal": "bob"})
        with pytest.raises(ValueError, match=r"\S"):
            await ann.update_session(given)
        for other in ("bob", None):

            def give(session: Session, other: str | None = other) -> Session:
                return session.model_copy(update={"principal": other})

            with pytest.raises(ValueError, match=r"\S"):
                await ann.modify_session("a", give)
            if "add_frames" not in self.refuses:
                with pytest.raises(ValueError, match=r"\S"):
                    await ann.add_frames("a", [note(2, "a")], change=give)
        assert await held(store) == before, "an error means: certainly no effect"
        assert (await ann.modify_session("a", lambda s: tagged(s, "x"))).tags == {"x"}

    @needs("find_sessions")
    async def test_a_search_finds_its_own(self, store: AtomicSessionStore) -> None:
        """`find_sessions` in a view: a query for another principal finds nothing."""
        ann, _ = await two(store)
        page = await ann.find_sessions(SessionQuery())
        assert [each.id for each in page.sessions] == ["a"]
        page = await ann.find_sessions(SessionQuery(principal="bob"))
        assert page.sessions == ()

    async def test_a_view_refuses_operations_on_the_whole_store(
        self, store: AtomicSessionStore
    ) -> None:
        """`NotImplementedError`: archiving, expiring, purging, statistics, subscribing."""
        ann, _ = await two(store)
        before = await held(store)
        with pytest.raises(NotImplementedError):
            await ann.archive_session(await ann.get_session("a"), expected_last_seq=1)
        with pytest.raises(NotImplementedError):
            await ann.expire_sessions(idle=0)
        with pytest.raises(NotImplementedError):
            await ann.purge_sessions(ended_for=0)
        with pytest.raises(NotImplementedError):
            await ann.statistics()
        with pytest.raises(NotImplementedError):
            ann.subscribe(deaf)
        assert await held(store) == before

    async def test_closing_a_view_closes_nothing(self, store: AtomicSessionStore) -> None:
        """Closing a view closes nothing."""
        ann, bob = await two(store)
        async with ann:
            pass
        await bob.aclose()
        assert store.is_open
        assert await ann.count_sessions() == await bob.count_sessions() == 1

    async def test_the_check_is_in_the_same_step(self, store: AtomicSessionStore) -> None:
        """Every operation checks, in the same step, that the session belongs to the principal."""
        demand(store, "operation")
        ann, bob = await two(store)

        async def pass_around() -> None:
            for n in range(1, 25):
                await store.delete_session("a")
                await store.create_session(new("a", principal=("ann", "bob")[n % 2]))
                await turns(n % 4)

        async def use(view: AtomicSessionStore, name: str) -> None:
            for n in range(40):
                try:
                    seen: Session = await view.get_session("a")
                    assert seen.principal == name, "another principal's session was shown"
                    for each in await view.list_sessions():
                        assert each.principal == name, "another principal's session was listed"
                    frames = await view.add_frame(note(n, "a"))
                    assert frames >= 1
                except SessionNotFound:
                    pass
                await turns(n % 3)

        await asyncio.gather(pass_around(), use(ann, "ann"), use(bob, "bob"))
