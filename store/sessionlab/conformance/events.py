"""Listening to events of sessions: each event once, in order."""

from __future__ import annotations

import logging
from contextvars import Context, ContextVar
from functools import partial

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import SessionError
from sessionkeeper.values.events import SessionEvent
from sessionkeeper.values.limits import SessionsFull, StoreLimits

from .kit import AtomicStoreKit
from .promise import needs
from .samples import become, new, note, tagged, turns

__all__ = ["EventsConformance"]

caller: ContextVar[str] = ContextVar("sessionkeeper_conformance_caller")


class EventLog:
    """A listener that records events."""

    def __init__(self) -> None:
        self.heard: list[SessionEvent] = []

    def __call__(self, event: SessionEvent, context: Context) -> None:
        self.heard.append(event)

    async def take(self) -> list[str]:
        """Return the recorded events as text, and clear them."""
        await turns(5)  # an event may be told a little after the reply
        words = [
            f"{event.session.id} {event.kind} {event.before or 'nothing'}>{event.session.state}"
            for event in self.heard
        ]
        self.heard.clear()
        return words


class EventsConformance(AtomicStoreKit, needs={"subscribe"}):
    async def test_each_event_is_sent_once_and_in_order(self, store: AtomicSessionStore) -> None:
        """Created, changed in state, deleted: once for each event and in their order."""
        log = EventLog()
        store.subscribe(log)
        created = await store.create_session(new())
        await store.add_frame(note())
        await store.update_session(tagged(created, "x"))
        assert await log.take() == ["a created nothing>initializing"]
        for state in ("active", "closed"):
            await store.update_session(become(state)(await store.get_session("a")))
        await store.delete_session("a")
        assert await log.take() == [
            "a state-changed initializing>active",
            "a state-changed active>closed",
            "a deleted closed>closed",
        ]

    async def test_a_refused_operation_sends_no_event_to_listeners(
        self, store: AtomicSessionStore
    ) -> None:
        """An error means no effect, so there is no event."""
        await store.create_session(new(state="closed"))
        log = EventLog()
        store.subscribe(log)
        current = await store.get_session("a")
        for call in (
            partial(store.create_session, new()),
            partial(store.update_session, become("active")(current)),
            partial(store.add_frame, note()),
            partial(store.delete_session, "b"),
        ):
            with pytest.raises(SessionError):
                await call()
        assert await log.take() == []

    async def test_an_event_shows_the_session_as_it_is_then(
        self, store: AtomicSessionStore
    ) -> None:
        """The session after the event; for a deleted session, its last state."""
        log = EventLog()
        store.subscribe(log)
        created = await store.create_session(new())
        closed = await store.update_session(become("closed")(created))
        await store.delete_session("a")
        await turns(5)
        assert [event.session for event in log.heard] == [created, closed, closed]
        assert [event.ended for event in log.heard] == [False, True, False]

    @needs("expire_sessions", "purge_sessions", "get_or_create_session", "modify_session")
    async def test_every_changing_method_sends_its_event(self, store: AtomicSessionStore) -> None:
        """Every method that causes an event reports it under its kind."""
        log = EventLog()
        store.subscribe(log)
        await store.get_or_create_session(new("a"))
        await store.get_or_create_session(new("a"))
        await store.modify_session("a", become("active"))
        await store.expire_sessions(idle=0)
        await store.purge_sessions(ended_for=0)
        assert await log.take() == [
            "a created nothing>initializing",
            "a state-changed initializing>active",
            "a state-changed active>timed-out",
            "a purged timed-out>timed-out",
        ]

    @needs("limits")
    async def test_an_eviction_sends_an_event(self) -> None:
        """Each eviction is counted and reported, before the session it made room for."""
        limits = StoreLimits(max_sessions=1, sessions_full=SessionsFull.EVICT_IDLE)
        async with self.made(limits=limits) as store:
            log = EventLog()
            store.subscribe(log)
            for key in "ab":
                await store.create_session(new(key))
            assert await log.take() == [
                "a created nothing>initializing",
                "a evicted initializing>initializing",
                "b created nothing>initializing",
            ]

    async def test_an_error_in_a_listener_affects_nobody_else(
        self, store: AtomicSessionStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An error of a listener is logged; the operation stays, and other listeners are called."""

        def grumpy(event: SessionEvent, context: Context) -> None:
            raise LookupError("secret")

        log = EventLog()
        store.subscribe(grumpy)
        store.subscribe(log)
        with caplog.at_level(logging.CRITICAL):
            await store.create_session(new())
        assert await log.take() == ["a created nothing>initializing"]
        assert await store.count_sessions() == 1
        assert "secret" not in caplog.text

    async def test_an_unsubscribed_listener_is_not_called(self, store: AtomicSessionStore) -> None:
        """`subscribe` returns a function that ends it; calling it twice does no harm."""
        gone, here = EventLog(), EventLog()
        leave = store.subscribe(gone)
        store.subscribe(here)
        leave()
        leave()
        await store.create_session(new())
        assert (await gone.take(), await here.take()) == ([], ["a created nothing>initializing"])

    async def test_a_listener_is_given_its_callers_context(self, store: AtomicSessionStore) -> None:
        """A listener is called in the context of the caller that caused the event."""
        seen: list[str | None] = []
        store.subscribe(lambda _, context: seen.append(context.get(caller)))
        for name in ("ann", "bob"):
            token = caller.set(name)
            await store.create_session(new(name))
            caller.reset(token)
        await turns(5)
        assert seen == ["ann", "bob"]
