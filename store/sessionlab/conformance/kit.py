"""The base of the kit: how to make a store, and what its author declares."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import ClassVar, TypeAlias

import pytest_asyncio
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.clock import Clock
from sessionkeeper.values.limits import StoreLimits

from .promise import Kit, Level, declared, held_to_its_promise

__all__ = ["REFUSABLE", "AtomicStoreKit", "Restore", "StoreKit"]

SEVERAL = "add_frames of several"
BACKUPS = "backups"

Restore: TypeAlias = Callable[[], Awaitable[None]]
"""Puts the data of an open store back to what they were when it was made."""

REFUSABLE = frozenset(
    {
        *("get_sessions_batch", "update_sessions_batch"),
        *("modify_session", "get_or_create_session", "touch_session", "archive_session"),
        "put_session",
        *("add_frames", SEVERAL, "read_frames", "search_frames", "trim_frames", "remove_frames"),
        *("find_sessions", "expire_sessions", "purge_sessions", "watch_frames"),
        *("statistics", "subscribe", "for_principal"),
        *("limits", "clock", BACKUPS),
    }
)
"""What the `refuses` of a test class may name: the methods that are more than the ten.

`limits` and `clock` are what `make_store` may refuse; `add_frames of several` is more than one;
`backups` says that no test can put old data beneath an open store (`back_up`).
"""


class StoreKit(Kit):
    """Tests of one topic; a class of tests with a store is made by combining topics."""

    refuses: ClassVar[Collection[str]] = frozenset()
    """What this store refuses with `NotImplementedError`, of `REFUSABLE`. Nothing else may be
    refused, and all of this must be."""

    patience: ClassVar[float] = 20.0
    """Seconds after which a test that still waits has failed."""

    def __init_subclass__(
        cls, *, needs: Collection[str] = (), level: Level | None = None, **rest: object
    ) -> None:
        super().__init_subclass__(**rest)
        if cls.__module__.startswith(f"{__package__}."):  # the user's own tests are the user's
            for name, test in [*vars(cls).items()]:
                if name.startswith("test_"):
                    setattr(cls, name, held_to_its_promise(test, needs, level))

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> SessionStore:
        """Return a new, empty store, not yet open. Write this method.

        Raises `NotImplementedError` for an argument that the store cannot use; `refuses` says so.
        """
        raise NotImplementedError("give the kit a store: write `make_store` or the fixture `store`")

    def reopen_store(self, store: SessionStore) -> SessionStore | Awaitable[SessionStore]:
        """Return another store on the data of `store`. Write this method, or a coroutine function.

        The kit has closed `store` before, if it has an `aclose`; otherwise it is closed here. What
        is returned is entered with `async with`, if it can be. Needed where
        `guarantees.durability` is `os`, `disk` or `server`; with any other store that has this
        method, what it keeps is tested all the same.
        """
        raise NotImplementedError(
            f"{type(store).__name__} declares durability {declared(store).durability}: "
            "write `reopen_store`, so that it can be seen"
        )

    @pytest_asyncio.fixture(loop_scope="function")
    async def store(self) -> AsyncIterator[SessionStore]:
        """A new, empty, open store. Define your own fixture where `make_store` is not enough."""
        store = self.make_store()
        if isinstance(store, AtomicSessionStore):
            async with store:
                yield store
        else:
            yield store


class AtomicStoreKit(StoreKit):
    """The same for stores that can be opened, limited, and given a clock."""

    async def back_up(self, store: AtomicSessionStore) -> Restore:
        """Copy the data of an open store; return what puts the copy back beneath it.

        As a restored file does, or a server that lost what it had not saved. Write this method
        where `guarantees.durability` is `os`, `disk` or `server` and the store can be watched, or
        declare that it `refuses` "backups".
        """
        raise NotImplementedError(
            f"{type(store).__name__} can be watched, and its data can be replaced: write `back_up`"
        )

    @asynccontextmanager
    async def made(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AsyncGenerator[AtomicSessionStore]:
        """Make an open store as the test needs it."""
        store = self.make_store(limits=limits, clock=clock)
        assert isinstance(store, AtomicSessionStore), "make_store returns an AtomicSessionStore"
        async with store:
            yield store
