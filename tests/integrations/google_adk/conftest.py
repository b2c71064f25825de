"""The service on each backend, refusing what is stale and merging it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sessionkeeper import AtomicSessionStore

pytest.importorskip("google.adk", reason="google-adk is not installed", exc_type=ImportError)

from sessionkeeper.integrations.google_adk import StoreSessionService

MakeService = Callable[..., StoreSessionService]


@pytest.fixture(params=["refuse", "merge"])
def stale(request: pytest.FixtureRequest) -> str:
    """Both ways to treat a session that others have appended to."""
    return str(request.param)


@pytest.fixture
def service(store: AtomicSessionStore, stale: str) -> StoreSessionService:
    """The service on each backend, in both ways."""
    return StoreSessionService(store, stale=stale)  # type: ignore[arg-type]  # one of the two
