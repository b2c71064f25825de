"""Puts our session in the place of the SDK's own in the SDK's tests of sessions.

`AGENTS_STORE` in the environment says on which store. Only black box tests are kept: those that
look into a connection, a lock, a table or a file of the SDK's own say nothing about others.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import agents
import agents.extensions.memory
import pytest
from agents.memory import SessionSettings
from sessionkeeper import threaded
from sessionkeeper.integrations.openai_agents import StoreSession

WHITE_BOX = (
    *("connection", "lock", "corrupt", "rolls_back", "rollback", "initialization", "wal_"),
    *("same_timestamp", "cancelled_", "cancellation", "quarantined", "await_mutation"),
)
"""What the names of tests have that look inside."""

URL = os.environ["AGENTS_STORE"]
FOLDER = tempfile.mkdtemp()
NUMBERS = iter(range(1_000_000))


def url_for(path: str) -> str:
    """The store of a path: each of its own, as a file is."""
    if path == ":memory:":
        path = f"memory-{next(NUMBERS)}"
    name = sha256(f"{os.getpid()} {path}".encode()).hexdigest()[:32]
    if URL.startswith("sqlite:"):
        return f"sqlite:///{FOLDER}/{name}.db"
    return URL if URL.startswith("memory:") else f"{URL}_{name}"  # its prefix or schema


class _OnPath(StoreSession):
    """The constructor of the SDK's classes for files."""

    def __init__(
        self,
        session_id: str,
        db_path: str | Path = ":memory:",
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> None:
        # Before the store: wrong settings must leave no thread.
        self.store = threaded(url_for(str(db_path)))
        super().__init__(session_id, self.store, session_settings=session_settings)
        self.store.start()


class SQLiteSession(_OnPath):
    """The one that is closed without a loop."""

    def close(self) -> None:
        self.store.close()


class AsyncSQLiteSession(_OnPath):
    """The one that is awaited."""

    async def close(self) -> None:
        await self.store.aclose()


# Before the tests are imported, which take them from there.
agents.SQLiteSession = SQLiteSession  # type: ignore[assignment, misc]  # in its place
agents.extensions.memory.AsyncSQLiteSession = AsyncSQLiteSession  # type: ignore[assignment, misc]  # in its place


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the black box tests."""
    inside = [each for each in items if any(word in each.name for word in WHITE_BOX)]
    config.hook.pytest_deselected(items=inside)
    items[:] = [each for each in items if each not in inside]
