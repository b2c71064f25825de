"""Managers on every kind of store, and messages shaped as real ones are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Protocol

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Clock,
    LockedSessionStore,
    ManagerConfig,
    MessageEnvelope,
    PlainSessionStore,
    Session,
    SessionHooks,
    SessionManager,
    SessionStore,
)


class TenMethods(SessionStore):
    """A third party's store: the ten methods, each behind a round trip, and nothing more."""

    def __init__(self) -> None:
        self._inner = PlainSessionStore()

    async def _ask(self, method: str, *arguments: Any) -> Any:
        await asyncio.sleep(0)
        reply = await getattr(self._inner, method)(*arguments)
        await asyncio.sleep(0)
        return reply

    async def create_session(self, session: Session, /) -> Session:
        return await self._ask("create_session", session)  # type: ignore[no-any-return]  # as asked

    async def get_session(self, session_id: str, /) -> Session:
        return await self._ask("get_session", session_id)  # type: ignore[no-any-return]  # as asked

    async def update_session(self, session: Session, /) -> Session:
        return await self._ask("update_session", session)  # type: ignore[no-any-return]  # as asked

    async def delete_session(self, session_id: str, /) -> None:
        await self._ask("delete_session", session_id)

    async def list_sessions(self) -> list[Session]:
        return await self._ask("list_sessions")  # type: ignore[no-any-return]  # as asked

    async def count_sessions(self) -> int:
        return await self._ask("count_sessions")  # type: ignore[no-any-return]  # as asked

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        return await self._ask("add_frame", envelope)  # type: ignore[no-any-return]  # as asked

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        return await self._ask("get_frames", session_id)  # type: ignore[no-any-return]  # as asked

    async def delete_frames(self, session_id: str, /) -> int:
        return await self._ask("delete_frames", session_id)  # type: ignore[no-any-return]  # as asked

    async def count_frames(self, session_id: str, /) -> int:
        return await self._ask("count_frames", session_id)  # type: ignore[no-any-return]  # as asked


STORES: dict[str, Callable[[], SessionStore]] = {
    "actor": ActorSessionStore,
    "plain": PlainSessionStore,
    "locked": LockedSessionStore,
    "ten methods": TenMethods,
}


class Wire:
    """Writes messages of session "a" as clients and servers write them."""

    OLD, NEW = "2025-11-25", "2026-07-28"
    CLIENT: ClassVar = {"name": "client", "version": "1.0", "title": "A client"}
    SERVER: ClassVar = {"name": "server", "version": "2.0"}
    TenMethods = TenMethods

    def tell(self, **members: object) -> MessageEnvelope:
        """A notification to the server, of session "a"."""
        return MessageEnvelope.of("a", {"jsonrpc": "2.0", **members}, direction="client-to-server")

    def ask(self, **members: object) -> MessageEnvelope:
        """A request to the server."""
        return self.tell(id=0, **members)

    def answer(self, result: object) -> MessageEnvelope:
        """A result from the server."""
        return MessageEnvelope.of(
            "a", {"jsonrpc": "2.0", "id": 0, "result": result}, direction="server-to-client"
        )

    def initialize(self, version: object = OLD, client: object = CLIENT) -> MessageEnvelope:
        """The request that opens a legacy session."""
        params = {"protocolVersion": version, "capabilities": {"roots": {}}, "clientInfo": client}
        return self.ask(method="initialize", params=params)

    def initialized_result(self, version: object = OLD, server: object = SERVER) -> MessageEnvelope:
        """Its answer."""
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}
        return self.answer(result)

    def initialized(self) -> MessageEnvelope:
        """The notification that ends the handshake."""
        return self.tell(method="notifications/initialized")

    def modern(
        self, method: str = "server/discover", version: object = NEW, client: object = CLIENT
    ) -> MessageEnvelope:
        """A request of 2026-07-28: version and name are in `_meta`, and there is no handshake."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": client,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        return self.ask(method=method, params={"_meta": meta})

    def discovered(self, server: object = SERVER) -> MessageEnvelope:
        """The answer to `server/discover`."""
        meta = {"io.modelcontextprotocol/serverInfo": server}
        versions = [self.NEW, self.OLD]
        return self.answer(
            {"supportedVersions": versions, "capabilities": {"tools": {}}, "_meta": meta}
        )


@pytest.fixture
def wire() -> Wire:
    """Messages in few words."""
    return Wire()


class Time:
    """A clock and a sleep that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[float] = []
        self._turn = asyncio.Event()
        self._asleep = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait for `pass_on`."""
        self.asked.append(seconds)
        self._asleep.set()
        await self._turn.wait()
        self._turn.clear()
        self._asleep.clear()

    async def pass_on(self, seconds: float = 1.0) -> None:
        """Let so much time pass; return when the sweeper sleeps again."""
        await self.let_go(seconds)
        await self._asleep.wait()

    async def let_go(self, seconds: float = 1.0) -> None:
        """Let so much time pass; return when the sweeper is about to wake up."""
        await self._asleep.wait()
        self.now += seconds
        self._asleep.clear()
        self._turn.set()


@pytest.fixture
def time() -> Time:
    """A clock at 0, and a sleep of the same time."""
    return Time()


class Make(Protocol):
    """Makes a manager on the store the test runs with, open inside a block."""

    def __call__(
        self,
        config: ManagerConfig | None = None,
        *,
        hooks: SessionHooks | None = None,
        clock: Clock | None = None,
    ) -> AbstractAsyncContextManager[SessionManager]: ...


@pytest.fixture(params=["its own", *STORES])
def make(request: pytest.FixtureRequest) -> Make:
    """Managers on their own store, on each design, and on a third party's."""

    @asynccontextmanager
    async def make(
        config: ManagerConfig | None = None,
        *,
        hooks: SessionHooks | None = None,
        clock: Clock | None = None,
    ) -> AsyncIterator[SessionManager]:
        if request.param == "its own":
            async with SessionManager(config, hooks=hooks, clock=clock) as manager:
                yield manager
            return
        store = STORES[request.param]()
        if isinstance(store, ActorSessionStore):
            await store.open()
        async with SessionManager.with_store(store, config, hooks=hooks, clock=clock) as manager:
            yield manager
        if isinstance(store, ActorSessionStore):
            assert await store.count_sessions() >= 0  # open: it is not the manager's to close
            await store.aclose()

    return make


@pytest.fixture
async def manager(make: Make) -> AsyncIterator[SessionManager]:
    """An open manager on each kind of store."""
    async with make() as manager:
        yield manager
