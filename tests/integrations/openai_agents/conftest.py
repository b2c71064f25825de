"""A session on each backend."""

from __future__ import annotations

import pytest
from sessionkeeper import AtomicSessionStore

agents = pytest.importorskip("agents")
agents.set_tracing_disabled(True)  # nothing leaves this machine

from sessionkeeper.integrations.openai_agents import StoreSession  # noqa: E402


@pytest.fixture
def session(store: AtomicSessionStore) -> StoreSession:
    """A conversation without an item."""
    return StoreSession("ann", store)
