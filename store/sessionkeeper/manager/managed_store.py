"""The store of a manager, from opening to closing, and which calls may still use it.

Rule: a call is refused in the step that sends it, never before an await.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Never, Self, TypeVar

from ..interface.arguments import checked_seconds
from ..interface.atomic_store import AtomicSessionStore
from ..interface.session_store import SessionStore
from ..stores.factory import StorageFactory
from ..values.clock import Clock
from ..values.errors import StoreClosed
from .config import ManagerConfig
from .hooks import SessionHooks
from .services import Services
from .shutdown import Drain, ShutdownReport
from .sweeper import Sleep

__all__ = ["ManagedStore"]

T = TypeVar("T")


class ManagedStore:
    """The part of a `SessionManager` besides its operations."""

    def __init__(
        self,
        config: ManagerConfig | None = None,
        *unexpected: Never,
        hooks: SessionHooks | None = None,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
        **unknown: Never,
    ) -> None:
        if isinstance(config, SessionStore) or unexpected or unknown:
            raise TypeError(_wrong_use(config, unknown))
        self._config = _expected(config, ManagerConfig)
        self._services = Services(
            self._config, _expected(hooks, SessionHooks), _expected(clock, Clock), sleep
        )
        self._given: AtomicSessionStore | None = None
        self._store: AtomicSessionStore | None = None
        self._closes_store = True
        self._opening: asyncio.Task[AtomicSessionStore] | None = None
        self._opened = asyncio.Event()
        self._draining = self._closed = False
        self._drain = Drain(self._services.requests)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Task[ShutdownReport] | None = None

    @classmethod
    def with_store(
        cls,
        store: SessionStore,
        config: ManagerConfig | None = None,
        *,
        hooks: SessionHooks | None = None,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> Self:
        """Make a manager on a store that its maker opens and closes.

        A store with only the ten methods of `SessionStore` is given an owner. Raises `TypeError`
        when it is no store.
        """
        manager = cls(config, hooks=hooks, clock=clock, sleep=sleep)
        if isinstance(store, AtomicSessionStore):
            manager._given, manager._closes_store = store, False
        else:
            # Imported here: most managers hold a store of this library.
            from ..stores.third_party import OwnedSessionStore

            manager._given = OwnedSessionStore(store)
        return manager

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self._store if self._store else 'no store yet'!r}>"

    @property
    def store(self) -> AtomicSessionStore:
        """The store, for reading sessions and frames.

        Raises `RuntimeError` before opening, `StoreClosed` when that was cut short by closing.
        """
        if self._store is None:
            if self._draining:
                raise StoreClosed
            raise RuntimeError("the manager is not open: use 'async with'")
        return self._store

    async def open(self) -> Self:
        """Make or adopt the store and start the sweeper; `async with` does it.

        Raises `RuntimeError` when it was opened before, `StoreClosed` when it is closed while it
        opens, what opening the store raises, and `NotImplementedError` when there are hooks and
        the store tells of no events.
        """
        if self._opening is not None or self._store is not None:
            raise RuntimeError("a manager is opened once")
        self._loop = asyncio.get_running_loop()
        self._opened.clear()
        # A separate task, so that closing can end it; a cancelled caller cancels it, too.
        self._opening = opening = self._loop.create_task(self._open_store())
        try:
            store = await self._opened_store(opening)
            try:
                if self._draining:  # `aclose` came when the store was open already
                    raise StoreClosed
                self._services.begin(store)
            except BaseException:
                if self._closes_store:
                    await store.aclose()
                raise
            self._store = store
        finally:
            if not self._draining:
                self._opening = None
            self._opened.set()
        return self

    async def _opened_store(self, opening: asyncio.Task[AtomicSessionStore]) -> AtomicSessionStore:
        try:
            return await opening
        except BaseException as error:
            made = opening.done() and not opening.cancelled() and opening.exception() is None
            if made and self._closes_store:  # it was open, and no caller will use it
                await opening.result().aclose()
            caller = asyncio.current_task()
            if not self._draining or (caller is not None and caller.cancelling()):
                raise
            closed = StoreClosed()
            raise closed from (None if isinstance(error, asyncio.CancelledError) else error)

    async def _open_store(self) -> AtomicSessionStore:
        if self._given is None:
            return await StorageFactory.create(self._config.backend)
        if self._closes_store:
            await self._given.open()
        return self._given

    async def aclose(self, *, drain: float = 0.0) -> ShutdownReport:
        """Close in good order and report what was left. Idempotent.

        Called while the manager opens, it makes `open` raise `StoreClosed`, and nothing was left.
        Before that it does nothing.

        From the call on, new sessions and new requests are refused with `StoreClosed`. Responses
        are recorded for up to `drain` seconds, until no request is pending; then all writing is
        refused. Within `close_timeout` the sweeper stops, the hooks are told what is left, and a
        store that the manager made finishes and closes; what misses it is cut short.

        A caller that calls meanwhile or later gets the same report, and may shorten the wait with a
        smaller `drain`. A cancelled caller interrupts nothing: call again.

        Raises `TypeError`, `ValueError` for `drain`, and `RuntimeError` from a hook, which would
        wait for itself, or on another event loop.
        """
        if checked_seconds("drain", drain) is None:
            raise TypeError("drain is a number of seconds, not None")
        if self._store is None and self._opening is None:
            return ShutdownReport(0, 0, 0, deadline_missed=False)
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("a manager is closed on the event loop that opened it")
        if self._store is None:
            return await self._end_opening()
        if self._services.dispatcher.is_asking:
            raise RuntimeError("a hook cannot wait for its manager to close")
        self._draining = True
        self._drain.shorten(drain)
        if not drain:
            self._closed = True
        task = self._closing
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._close(self._store), name="sessionkeeper close")
            self._closing = task
        return await asyncio.shield(task)

    async def _end_opening(self) -> ShutdownReport:
        """Make the running `open` raise, and wait until it has released everything."""
        self._draining = self._closed = True
        if self._opening is not None:
            self._opening.cancel()
        try:
            async with asyncio.timeout(self._config.close_timeout):
                await self._opened.wait()
        except TimeoutError:
            return ShutdownReport(0, None, 0, deadline_missed=True)
        return ShutdownReport(0, 0, 0, deadline_missed=False)

    async def _close(self, store: AtomicSessionStore) -> ShutdownReport:
        if not self._closed:
            await self._drain.wait()
        self._closed = True
        return await self._services.end(
            store, closes_store=self._closes_store, timeout=self._config.close_timeout
        )

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose(drain=self._config.drain_timeout)

    def _to_begin(self) -> AtomicSessionStore:
        """Return the store for something new. Raises `StoreClosed` from `aclose` on."""
        if self._draining:
            raise StoreClosed
        return self.store

    def _to_write(self) -> AtomicSessionStore:
        """Return the store for writing. Raises `StoreClosed` once what is pending was drained."""
        if self._closed:
            raise StoreClosed
        return self.store


def _wrong_use(config: object, unknown: Iterable[str]) -> str:
    # Python's own text would name the class below, which nobody uses.
    if isinstance(config, SessionStore) or "store" in unknown:
        return "a store is given as SessionManager.with_store(store, …)"
    for name in unknown:
        return f"SessionManager has no option {name!r}"
    return "SessionManager takes a ManagerConfig, and the rest by name"


def _expected(given: T | None, kind: type[T]) -> T:
    if given is None:
        return kind()
    if not isinstance(given, kind):
        raise TypeError(f"a {kind.__name__} is expected, not {type(given).__name__}")
    return given
