"""Puts our session manager in the place of the SDK's in tests of the SDK.

Some have an event store of their own and write down the ids that it gives: 1, 2, 3. Here that
object only counts. Our manager keeps the events in the store that the environment names, and an id
of ours is shown as the number that the test's object gives it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

# The SDK's conftest imports this class for tests that are not run here.
sys.modules["logfire"] = ModuleType("logfire")
sys.modules["logfire.testing"] = _testing = ModuleType("logfire.testing")
vars(_testing)["CaptureLogfire"] = object

import mcp.server.lowlevel.server as lowlevel  # noqa: E402
from mcp.server import streamable_http_manager  # noqa: E402
from mcp.server.streamable_http import EventCallback, EventStore  # noqa: E402
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: E402
from mcp_types import JSONRPCMessage  # noqa: E402
from sessionkeeper import (  # noqa: E402
    ActorSessionStore,
    AtomicSessionStore,
    PostgresSessionStore,
    RedisSessionStore,
    SQLiteSessionStore,
)
from sessionkeeper.integrations.mcp import StoredSessionManager, stored_session  # noqa: E402
from sessionkeeper.integrations.mcp.event_store import Cursor, SessionEventStore  # noqa: E402

_URL = os.environ["SESSIONKEEPER_STORE"]
_numbers = count(1)


class _ShownEvents(SessionEventStore):
    """Ours, with ids that are shown as the test's event store numbers them."""

    shown: EventStore
    """The test's own."""
    names: dict[str, str]
    """The number of each of our ids."""

    async def store_event(
        self,
        stream_id: str,
        message: JSONRPCMessage | None,
        notes: Mapping[str, str] | None = None,
    ) -> str:
        event_id = await super().store_event(stream_id, message, notes)
        self.names[event_id] = await self.shown.store_event(stream_id, message)
        return self.names[event_id]

    async def name(self, seq: int) -> str:
        ours = await super().name(seq)
        while ours not in self.names:  # a watcher may read an event before its maker goes on
            await asyncio.sleep(0)
        return self.names[ours]

    async def find(self, event_id: str) -> Cursor | None:
        ours = {number: name for name, number in self.names.items()}
        return await super().find(ours.get(event_id, event_id))


class _Count(EventStore):
    """In the place of the event store of a test that has none."""

    def __init__(self) -> None:
        self.numbers = count(1)

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        return str(next(self.numbers))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> None:
        raise NotImplementedError


class _Manager(StoredSessionManager):
    """Ours, with a store and numbers of its own."""

    def __init__(self, app: Any, *, event_store: EventStore | None = None, **options: Any) -> None:
        super().__init__(app, None, **options)
        self._shown = event_store or _Count()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        _ShownEvents.shown, _ShownEvents.names = self._shown, {}
        with TemporaryDirectory() as folder:
            async with _make_store(folder) as self._store, super().run():
                yield


def _make_store(folder: str) -> AtomicSessionStore:
    if _URL.startswith("memory:"):
        return ActorSessionStore()
    if _URL.startswith("sqlite:"):  # a file for each; the rules are the same without a disk's sync
        return SQLiteSessionStore(Path(folder) / "sessions.db", durability="os")
    own = f"{os.getpid()}_{next(_numbers)}"
    if _URL.startswith("postgresql:"):  # its schema is last
        return PostgresSessionStore(f"{_URL}_{own}")
    url, _, prefix = _URL.partition("?prefix=")
    return RedisSessionStore(url, prefix=f"{prefix}-{own}")


def _make_manager(
    app: Any, *, stateless: bool = False, session_idle_timeout: float | None = 0, **options: Any
) -> StreamableHTTPSessionManager:
    """Make ours; without sessions there is nothing to keep."""
    if stateless:
        return StreamableHTTPSessionManager(app, stateless=True, **options)
    return _Manager(app, **options)


vars(stored_session)["SessionEventStore"] = _ShownEvents
for _module in (lowlevel, streamable_http_manager):
    vars(_module)["StreamableHTTPSessionManager"] = _make_manager
