"""The service on each backend, refusing what is stale and merging it, with each home."""

from __future__ import annotations

from typing import Any

import pytest
from sessionkeeper import AtomicSessionStore

pytest.importorskip("google.adk", reason="google-adk is not installed", exc_type=ImportError)

from sessionkeeper.integrations.google_adk import StoreSessionService

WAYS = (("refuse", "session"), ("merge", "session"), ("refuse", "user"), ("merge", "app"))


@pytest.fixture(params=WAYS, ids="-".join)
def way(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """How stale sessions are treated, and what has a record of the store."""
    way: tuple[Any, Any] = request.param
    return way


@pytest.fixture
def stale(way: tuple[Any, Any]) -> Any:
    """How stale sessions are treated."""
    return way[0]


@pytest.fixture
def home(way: tuple[Any, Any]) -> Any:
    """What has a record of the store."""
    return way[1]


@pytest.fixture
def service(store: AtomicSessionStore, stale: Any, home: Any) -> StoreSessionService:
    """The service on each backend, in each way."""
    return StoreSessionService(store, stale=stale, home=home)
