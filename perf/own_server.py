"""A server of this run's own on loopback, started as the tests start theirs."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_server import RedisServer

__all__ = ["own_server", "server_version"]

HARNESS = Path(__file__).parents[1] / "tests" / "redis" / "harness"


@contextmanager
def own_server(engine: str, **options: object) -> Iterator[RedisServer]:
    """Start Redis or Valkey without a file; it ends with the block, or with this process."""
    if str(HARNESS) not in sys.path:
        sys.path.append(str(HARNESS))
    from redis_engines import find_engine
    from redis_fleet import Fleet
    from redis_watchdog import Watchdog

    watchdog = Watchdog()
    with tempfile.TemporaryDirectory(prefix="perf-") as folder:
        fleet = Fleet(find_engine(engine), Path(folder), watchdog)
        try:
            yield fleet.start(**options)
        finally:
            fleet.close()
            watchdog.close()


def server_version(server: RedisServer) -> str:
    """Name the engine and its version."""
    info: dict[str, Any] = server.say("INFO", "server")
    version = info.get("valkey_version") or info["redis_version"]
    return f"{server.engine.name} {version}"
