"""An owner around ten methods, clocks set by the test, and another user of the inner store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    Counters,
    OwnedSessionStore,
    PlainSessionStore,
    Session,
    SessionEvent,
    SessionState,
    SessionStore,
)

from tests.support.sessions import new_session

if TYPE_CHECKING:
    from tests.conftest import TenMethodStore


class StoreSetup:
    """A store under test: `store` is the owner's, `elsewhere` what another process would hold."""

    def __init__(self, only_ten: Callable[[SessionStore], TenMethodStore]) -> None:
        self.wall, self.steady = 1_700_000_000.0, 50.0
        self.skew = 0.0
        """By how much the clock of the inner store's machine is ahead."""
        self.clock = Clock(wall=lambda: self.wall, steady=lambda: self.steady)
        theirs = Clock(wall=lambda: self.wall + self.skew, steady=lambda: self.steady)
        self.elsewhere = PlainSessionStore(clock=theirs)
        self.inner = only_ten(self.elsewhere)
        self.store = self.owner()
        self.events: list[tuple[str, str, str | None]] = []
        """Kind, id and the state before, of each event."""

    def owner(self) -> OwnedSessionStore:
        """Another owner around the same store, as after a restart."""
        return OwnedSessionStore(self.inner, clock=self.clock)

    def wait(self, seconds: float) -> None:
        """Let time go by on both clocks."""
        self.wall += seconds
        self.steady += seconds

    def listen(self) -> Callable[[], None]:
        """Write down what the store tells."""

        def hear(event: SessionEvent, _: Context) -> None:
            self.events.append((event.kind.value, event.session.id, event.before))

        return self.store.subscribe(hear)

    async def create(self, *ids: str, **fields: object) -> list[Session]:
        """Create sessions through the owner."""
        return [await self.store.create_session(new_session(key, **fields)) for key in ids]

    async def turn(
        self, id: str = "a", state: str = "closed", store: AtomicSessionStore | None = None
    ) -> Session:
        """Change the state of a session, through the owner or elsewhere."""
        to = {"state": SessionState(state)}
        return await (store or self.store).modify_session(id, lambda s: s.model_copy(update=to))

    def once(self, method: str, act: Callable[[], Any], *, times: int = 1) -> None:
        """Have something happen just before the inner store's method is called."""
        left = times

        async def before(name: str, _: tuple[Any, ...]) -> None:
            nonlocal left
            if name == method and left:
                left -= 1
                await act()

        self.inner.before = before

    async def counted(self) -> Counters:
        """The counters, having checked that they add up to what there is."""
        now = await self.store.statistics()
        held = await self.elsewhere.statistics()
        assert (now.sessions, now.frames) == (held.sessions, held.frames)
        counters = now.counters
        gone = counters.deleted + counters.purged + counters.evicted
        assert counters.created == sum(now.sessions.values()) + gone
        assert (
            counters.frames_added == now.frames + counters.frames_removed + counters.frames_dropped
        )
        return counters


@pytest.fixture
async def setup(only_ten: Callable[[SessionStore], TenMethodStore]) -> AsyncIterator[StoreSetup]:
    """A bench whose store is open."""
    setup = StoreSetup(only_ten)
    async with setup.store:
        yield setup
