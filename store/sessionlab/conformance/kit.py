"""The base of the kit: how to make a store, and what its author declares."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest_asyncio
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.clock import Clock
from sessionkeeper.values.limits import StoreLimits

from .promise import Kit, Level, held_to_its_promise

__all__ = ["REFUSABLE", "AtomicStoreKit", "StoreKit"]

SEVERAL = "add_frames of several"

REFUSABLE = frozenset(
    {
        *("get_sessions_batch", "update_sessions_batch"),
        *("modify_session", "get_or_create_session", "touch_session", "archive_session"),
        *("add_frames", SEVERAL, "read_frames", "trim_frames"),
        *("find_sessions", "expire_sessions", "purge_sessions", "watch_frames"),
        *("statistics", "subscribe", "for_principal"),
        *("limits", "clock"),
    }
)
"""What the `refuses` of a test class may name: the methods that are more than the ten.

`limits` and `clock` are what `make_store` may refuse; `add_frames of several` is more than one.
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

    @asynccontextmanager
    async def made(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AsyncGenerator[AtomicSessionStore]:
        """Make an open store as the test needs it."""
        store = self.make_store(limits=limits, clock=clock)
        assert isinstance(store, AtomicSessionStore), "make_store returns an AtomicSessionStore"
        async with store:
            yield store
