"""The stores on which the integration with LangGraph is tested: those that index streams."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["memory", "sqlite"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Each backend."""
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("sqlite_url"))


@pytest.fixture
def shared_url(sqlite_url: str) -> str:
    """Each backend that several processes share."""
    return sqlite_url
