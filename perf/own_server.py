"""A server of this run's own on loopback, started as the tests start theirs."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from postgres_server import PostgresServer
    from redis_server import RedisServer

__all__ = ["own_postgres", "own_server", "server_version"]

TESTS = Path(__file__).parents[1] / "tests"
HARNESS = TESTS / "redis" / "harness"
POSTGRES_HARNESS = TESTS / "postgres" / "harness"
POSTGRES_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
"""As on a small server of one's own: what a checkpoint costs is not what is measured."""


@contextmanager
def own_server(engine: str, **options: object) -> Iterator[RedisServer]:
    """Start Redis or Valkey without a file; it ends with the block, or with this process."""
    _find(HARNESS)
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


@contextmanager
def own_postgres(**settings: object) -> Iterator[PostgresServer]:
    """Start PostgreSQL on a disk, with fsync; it ends with the block, or with this process."""
    _find(HARNESS, POSTGRES_HARNESS)
    from postgres_folders import ServerFolders
    from postgres_server import PostgresServer
    from redis_watchdog import Watchdog

    watchdog = Watchdog()
    folders = ServerFolders(watchdog)
    try:
        server = PostgresServer(folders, POSTGRES_SETTINGS | settings)
        server.start()
        try:
            yield server
        finally:
            server.close()
    finally:
        watchdog.close()
        folders.close()


def _find(*folders: Path) -> None:
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.append(folder)


def server_version(server: RedisServer) -> str:
    """Name the engine and its version."""
    info: dict[str, Any] = server.say("INFO", "server")
    version = info.get("valkey_version") or info["redis_version"]
    return f"{server.engine.name} {version}"
