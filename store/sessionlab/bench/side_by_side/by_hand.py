"""What one writes by hand in place of a store, or of a part of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from sessionkeeper.backends.sqlite.opening import open_file
from sessionkeeper.values.guarantees import Durability

from ..peers.log_peer import LogPeer
from ..peers.optional_import import import_peer_module
from .rates import Operation

__all__ = ["AiosqliteCommits", "bare_hand_off", "begin_hand_off"]


def bare_hand_off() -> Operation:
    """The least a round trip to another task can cost: a list of futures it resolves."""
    return begin_hand_off()[0]


def begin_hand_off() -> tuple[Operation, asyncio.Task[None]]:
    """The same with the other task, which runs until it is cancelled."""
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[None]] = []
    wake: asyncio.Future[None] | None = None

    async def resolver() -> None:
        nonlocal wake, waiting
        while True:
            wake = loop.create_future()
            await wake
            wake = None
            taken, waiting = waiting, []
            for future in taken:
                future.set_result(None)

    task = loop.create_task(resolver())

    async def hand_off(_: int) -> None:
        if task.done():
            raise RuntimeError("the task that resolves has ended")
        future = loop.create_future()
        waiting.append(future)
        if wake is not None and not wake.done():
            wake.set_result(None)
        await future

    return hand_off, task


class AiosqliteCommits(LogPeer[bytes]):
    """aiosqlite with the tables and settings of our file: one connection, a commit a message."""

    name: ClassVar[str] = "aiosqlite"
    limitations: ClassVar[tuple[str, ...]] = (
        "no check: a message for a session that is not there is stored",
    )

    def __init__(self, path: Path) -> None:
        self._sqlite = import_peer_module("aiosqlite", "aiosqlite")
        self._path = path
        self._numbers: dict[str, int] = {}
        self._seq = 0

    async def open(self) -> None:
        """Make the tables, and one index on the messages, as one has it by hand."""
        open_file(str(self._path), Durability.DISK).close()
        self._connection: Any = await self._sqlite.connect(self._path, isolation_level=None)
        await self._connection.execute("PRAGMA synchronous = FULL")
        await self._connection.execute("CREATE UNIQUE INDEX by_hand ON frames (session, seq)")

    async def aclose(self) -> None:
        """Close the connection and its thread."""
        await self._connection.close()

    async def create(self, key: str) -> None:
        """Remember a number for the session."""
        self._numbers[key] = len(self._numbers) + 1

    def message(self, key: str, payload: bytes) -> bytes:
        """A message is its bytes."""
        return payload

    async def add(self, key: str, message: bytes) -> None:
        """Insert a row, which commits."""
        self._seq += 1
        await self._connection.execute(
            "INSERT INTO frames (session, seq, direction, sent_at, detail, message)"
            " VALUES (?, ?, 0, 1700000000000000, NULL, ?)",
            (self._numbers[key], self._seq, message),
        )
