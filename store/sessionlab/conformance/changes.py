"""`modify_session`, `get_or_create_session` and `touch_session`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import (
    InvalidTransition,
    SessionClosed,
    SessionNotFound,
    VersionConflict,
)
from sessionkeeper.values.session import Session
from sessionkeeper.values.states import SessionState
from sessionkeeper.values.version import VersionState

from .kit import StoreKit
from .promise import needs
from .samples import become, callers_part, held, new, note, tagged

__all__ = ["ChangesConformance"]

request: ContextVar[str] = ContextVar("sessionkeeper_conformance_request")


class Upset(Exception):
    """An error of the caller's own code."""


class ChangesConformance(StoreKit):
    @needs("modify_session")
    async def test_a_change_is_stored(self, store: AtomicSessionStore) -> None:
        """`change` sees the current session, and its result is stored and returned."""
        created = await store.create_session(new(metadata={"n": 1}))
        await store.add_frame(note())
        seen: list[Session] = []

        def change(session: Session) -> Session:
            seen.append(session)
            return session.model_copy(update={"metadata": {"n": 2}, "tags": {"x"}})

        changed = await store.modify_session("a", change)
        assert seen, "the change was not run"
        assert all(each.metadata == {"n": 1} and each.frame_count == 1 for each in seen)
        assert changed.metadata == {"n": 2}
        assert changed.tags == {"x"}
        assert changed.revision > created.revision, "the revision grows with every change"
        assert await store.get_session("a") == changed

    @needs("modify_session")
    async def test_a_change_never_conflicts(self, store: AtomicSessionStore) -> None:
        """Never conflicts: it gets the current session, whatever its caller has seen."""
        created = await store.create_session(new())
        await store.update_session(tagged(created, "1"))
        changed = await store.modify_session("a", lambda s: tagged(s, *s.tags, "2"))
        assert changed.tags == {"1", "2"}

    @needs("modify_session")
    async def test_what_a_change_raises_reaches_its_caller(self, store: AtomicSessionStore) -> None:
        """Nothing is stored if it raises; its exception reaches the caller; the store lives on."""
        await store.create_session(new())
        before = await held(store)
        for error in (Upset("secret"), SessionNotFound("other"), KeyError("x"), TimeoutError()):

            def change(_: Session, error: Exception = error) -> Session:
                raise error

            with pytest.raises(type(error)) as raised:
                await store.modify_session("a", change)
            assert raised.value is error, "the caller's own exception, not another one"
            assert await held(store) == before, "an error means: certainly no effect"
        assert await store.add_frame(note()) == 1

    @needs("modify_session")
    async def test_returning_the_session_itself_changes_nothing(
        self, store: AtomicSessionStore
    ) -> None:
        """Returning the given session changes nothing, not even the revision."""
        created = await store.create_session(new())
        assert await store.modify_session("a", lambda session: session) == created
        assert await store.get_session("a") == created

    @needs("modify_session")
    async def test_a_change_returns_the_same_session(self, store: AtomicSessionStore) -> None:
        """`TypeError` when `change` returns no session, `ValueError` when it is another one."""
        await store.create_session(new())
        before = await held(store)
        things: list[Any] = [None, 5, "a", {"id": "a"}]
        for wrong in things:

            def change(_: Session, wrong: Any = wrong) -> Session:
                return wrong  # type: ignore[no-any-return]  # wrong on purpose

            with pytest.raises(TypeError):
                await store.modify_session("a", change)
        with pytest.raises(ValueError, match=r"\S"):
            await store.modify_session("a", lambda _: new("b"))
        assert await held(store) == before, "an error means: certainly no effect"

    @needs("modify_session")
    async def test_a_change_keeps_the_rules(self, store: AtomicSessionStore) -> None:
        """`InvalidTransition`, `VersionConflict`: a change keeps the rules of an update."""
        settled = VersionState(negotiated="2025-11-25")
        await store.create_session(new(state="active", version_state=settled))
        before = await held(store)
        with pytest.raises(InvalidTransition):
            await store.modify_session("a", become("initializing"))
        with pytest.raises(VersionConflict):
            await store.modify_session(
                "a", lambda s: s.model_copy(update={"version_state": VersionState()})
            )
        with pytest.raises(SessionNotFound):
            await store.modify_session("nobody", lambda _: pytest.fail("it was run"))
        assert await held(store) == before, "an error means: certainly no effect"

    @needs("modify_session")
    async def test_a_change_sets_nothing_of_the_stores(self, store: AtomicSessionStore) -> None:
        """The store's fields, which a caller reads and never sets."""
        created = await store.create_session(new())
        await store.add_frame(note())
        lies = {"revision": 1_000_000, "frame_count": 9, "last_seq": 9, "tags": {"x"}}
        changed = await store.modify_session("a", lambda s: s.model_copy(update=lies))
        assert (changed.frame_count, changed.last_seq) == (1, 1)
        assert changed.tags == {"x"}
        assert created.revision < changed.revision != 1_000_000
        assert await store.add_frame(note()) == 2

    @needs("modify_session")
    async def test_a_change_runs_in_its_callers_context(self, store: AtomicSessionStore) -> None:
        """`change` sees the context variables of its caller."""
        await store.create_session(new())
        for name in ("one", "two"):
            token = request.set(name)
            changed = await store.modify_session("a", lambda s: tagged(s, request.get("none")))
            request.reset(token)
            assert changed.tags == {name}

    @needs("modify_session")
    async def test_a_change_cannot_call_the_store(self, store: AtomicSessionStore) -> None:
        """Calling the store from inside a `change` raises `RuntimeError`; it does not hang."""
        created = await store.create_session(new())
        calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
            lambda: store.get_session("a"),
            lambda: store.delete_session("a"),
            lambda: store.add_frame(note()),
            lambda: store.modify_session("a", become("closed")),
        ]

        def change(session: Session) -> Session:
            for make in calls:
                call = make()
                try:
                    call.send(None)
                except RuntimeError:
                    continue
                finally:
                    call.close()
                raise AssertionError("a call of the store from inside a change did not raise")
            return session

        assert await store.modify_session("a", change) == created
        assert await store.count_sessions() == 1

    @needs("get_or_create_session")
    async def test_get_or_create_says_whether_it_created(self, store: AtomicSessionStore) -> None:
        """`(Session, created)`: an existing session is returned unchanged."""
        stored, created = await store.get_or_create_session(new(tags={"first"}))
        assert created
        assert stored == await store.get_session("a")
        assert callers_part(stored) == callers_part(new(tags={"first"}))
        again, created = await store.get_or_create_session(new(tags={"second"}))
        assert not created
        assert again == stored == await store.get_session("a")
        assert await store.count_sessions() == 1

    @needs("touch_session")
    async def test_touching_sets_the_time_and_nothing_else(self, store: AtomicSessionStore) -> None:
        """`touch_session(id)`: last activity only."""
        created = await store.create_session(new())
        await store.touch_session("a")
        touched = await store.get_session("a")
        assert touched.last_activity >= created.last_activity
        same = {"last_activity": created.last_activity}
        assert touched.model_copy(update=same) == created, "more than the time was changed"
        with pytest.raises(SessionNotFound):
            await store.touch_session("nobody")

    @needs("touch_session")
    async def test_an_ended_session_cannot_be_touched(self, store: AtomicSessionStore) -> None:
        """`SessionClosed`: a session that has ended has no activity."""
        for state in (each for each in SessionState if each.is_terminal):
            ended = await store.create_session(new(state, state=state))
            with pytest.raises(SessionClosed):
                await store.touch_session(state)
            assert await store.get_session(state) == ended
