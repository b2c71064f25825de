"""A server for the pages whose examples speak to one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_engines import usual_engine
from redis_fleet import Fleet
from redis_watchdog import Watchdog


@pytest.fixture
def redis_url(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[str | None]:
    """Start Redis where the page asks for `REDIS_URL`, and let its examples find it there.

    PostgreSQL as well, where it asks for `POSTGRES_URL`.
    """
    if "POSTGRES_URL" in page.read_text(encoding="utf-8"):
        monkeypatch.setenv("POSTGRES_URL", request.getfixturevalue("postgres_url"))
    if "REDIS_URL" not in page.read_text(encoding="utf-8"):
        yield None
        return
    watchdog = Watchdog()
    fleet = Fleet(usual_engine(), tmp_path, watchdog)
    try:
        url = fleet.start().url
        monkeypatch.setenv("REDIS_URL", url)
        yield url
    finally:
        fleet.close()
        watchdog.close()
