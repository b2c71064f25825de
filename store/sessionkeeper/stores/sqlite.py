"""The store in a file: the same commands and rules, and a batch is a transaction."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import ClassVar

from ..backends.sqlite.files import StoreFiles
from ..backends.sqlite.maintenance import VacuumStep, back_up, check_pages, checkpoint, run_aside
from ..backends.sqlite.raw_connection import resolved
from ..backends.sqlite.reader import SQLiteReader
from ..backends.sqlite.tables import SQLiteTables
from ..backends.sqlite.writer import SQLiteWriter
from ..interface.arguments import checked_seconds
from ..interface.listeners import Listeners
from ..interface.wakeups import StoreWakeups
from ..values.clock import Clock
from ..values.guarantees import Atomicity, Durability, Guarantees, Scope
from ..values.limits import StoreLimits
from .two_connections import TwoConnectionStore

__all__ = ["SQLiteSessionStore"]


class SQLiteSessionStore(TwoConnectionStore):
    """Every operation is one linearizable step among all processes that have the file open.

    Use it as `async with SQLiteSessionStore("sessions.db") as store`. What is acknowledged
    survives a power cut, or with `durability="os"` a killed process. A `change` runs on the
    database's thread. `lock_timeout` is how many seconds an operation waits for another process
    before it raises `StoreUnavailable`. Limits are each process's own: open a file with the same.

    Reads have a connection, a thread and a mailbox of their own: a read waits for no writer and
    sees every write that was answered before it was called. A read and a write that run at the same
    time have no order: await a write before the read that must see it.
    """

    guarantees: ClassVar[Guarantees] = Guarantees(
        operation=Atomicity.LINEARIZABLE,
        batch=Atomicity.LINEARIZABLE,
        listing=Atomicity.LINEARIZABLE,
        durability=Durability.DISK,
        scope=Scope.HOST,
    )
    _writer_type: ClassVar[type[SQLiteWriter]] = SQLiteWriter
    """The class that makes a batch a transaction; the lab has wrong ones."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: str = "disk",
        limits: StoreLimits | None = None,
        capacity: int = 1024,
        capacity_bytes: int = 64 * 1024 * 1024,
        clock: Clock | None = None,
        lock_timeout: float = 5.0,
    ) -> None:
        """Configure it. Raises `TypeError`, `ValueError`."""
        self._path = resolved(path)
        self._files = StoreFiles(self._path, os.path.join(os.getcwd(), os.fspath(path)))
        if durability not in (Durability.DISK, Durability.OS):
            raise ValueError("durability is 'disk' or 'os'")
        level = Durability(durability)
        limits = StoreLimits() if limits is None else limits
        clock = Clock() if clock is None else clock
        if not isinstance(limits, StoreLimits) or not isinstance(clock, Clock):
            raise TypeError("limits are StoreLimits, and a clock is a Clock")
        # Per store object: its configuration decides the level.
        self.guarantees = replace(type(self).guarantees, durability=level)  # type: ignore[misc]  # as above
        wakeups, listeners = StoreWakeups(), Listeners()
        self._patience = patience = checked_seconds("lock_timeout", lock_timeout) or 0.0
        self._writer = self._writer_type(
            SQLiteTables(limits, clock, listeners),
            self._path,
            self._files,
            durability=level,
            patience=patience,
            wakeups=wakeups,
            listeners=listeners,
        )
        reader = SQLiteReader(
            SQLiteTables(limits, clock, Listeners()),
            self._writer,
            self._path,
            self._files,
            durability=level,
            patience=patience,
            wakeups=wakeups,
        )
        super().__init__(
            self._writer,
            reader,
            name="sqlite",
            wakeups=wakeups,
            listeners=listeners,
            capacity=capacity,
            capacity_bytes=capacity_bytes,
        )

    @property
    def write_failure(self) -> str | None:
        """Why it refuses writes after a failure of the disk or the file, or None."""
        return self._writer.reason

    async def vacuum(self) -> int:
        """Return the file's free pages to the file system; return how many.

        In small steps, each one a batch, so that other operations run in between; not atomic, and
        nothing anyone can observe changes. Raises as every operation.
        """
        given, left = await self._actor.ask(VacuumStep())
        while left:
            freed, left = await self._actor.ask(VacuumStep())
            if not freed:
                break
            given += freed
        return given

    async def checkpoint(self) -> int:
        """Copy the write-ahead log into the file now; return how many pages are left in it.

        This is optional: the owner does it whenever the log has grown. It holds the file's write
        lock, so writes wait meanwhile. Raises `StoreUnavailable`, `StoreClosed`.
        """
        self._pair.check_here()
        work = partial(checkpoint, path=self._path, patience=self._patience, look=self._files.look)
        return await run_aside(self._path, self._files, work)

    async def backup(self, path: str | os.PathLike[str], /) -> None:
        """Copy a snapshot of the store to a new file, while the store stays in use.

        The file appears completely or not at all, with mode 0600, synced. Raises `FileExistsError`,
        `StoreUnavailable`, `StoreClosed`, `OSError`.
        """
        self._pair.check_here()
        work = partial(back_up, target=resolved(path), look=self._files.look)
        await run_aside(self._path, self._files, work)

    async def check(self) -> list[str]:
        """Read the whole file; return what is wrong with it, nothing if all is well.

        Raises `StoreUnavailable`, `StoreClosed`.
        """
        self._pair.check_here()
        return await run_aside(self._path, self._files, check_pages)
