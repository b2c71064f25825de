"""A store with an event loop of its own, for programs with many loops or none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, ClassVar, NoReturn, Self, cast

from soleowner import ActorStatistics, LoopPort, Observer, ThreadPort, WouldBlock

from ...interface.listeners import Listeners
from ...interface.wakeups import StoreWakeups
from ...operations.command import StoreCommand
from ...values.errors import StoreClosed
from ...values.guarantees import Atomicity, Durability, Guarantees, Scope
from ...values.statistics import PostgresStatistics, ServerStatistics
from ..config import StorageBackend, backend_from_url
from ..facade import CommandStore
from ..factory import StorageFactory
from ..owner_backed import OwnerBackedStore
from ..principal import PrincipalStore
from .bridge import ThreadBridge
from .facade import ThreadSafeSessionStore
from .foreign_wakeups import ForeignWakeups
from .store_thread import Opening, StoreThread

__all__ = ["ThreadedSessionStore", "threaded"]


def threaded(backend: StorageBackend | str, /, **config: object) -> ThreadedSessionStore:
    """Make a store with a thread and an event loop of its own, from a configuration or a URL.

    `config` are fields of the backend's configuration, such as `durability="os"`. It is not open
    yet: see `ThreadedSessionStore`. Raises `TypeError` and `ValueError` for a bad configuration.
    """
    if isinstance(backend, str):
        backend = backend_from_url(backend)
    if not isinstance(backend, StorageBackend):
        raise TypeError(f"a StorageBackend or a URL is expected, not {type(backend).__name__}")
    if unknown := config.keys() - type(backend).model_fields.keys() | config.keys() & {"kind"}:
        raise TypeError(f"not a setting of this backend: {', '.join(sorted(unknown))}")
    if config:
        backend = backend.model_copy(update=config)
    return ThreadedSessionStore(partial(_opened, backend))


async def _opened(backend: StorageBackend) -> OwnerBackedStore:
    return cast("OwnerBackedStore", await StorageFactory.create(backend))  # as all that it makes


class ThreadedSessionStore(CommandStore, ThreadBridge):
    """A store that runs on an event loop in a thread of its own; made by `threaded`.

    Its methods may be awaited from any event loop, in any number of threads at once. `blocking` has
    the same methods for code without a loop. Use it as `async with threaded(url) as store` or
    `with threaded(url) as store`, or call `open` or `start` and later `aclose` or `close`, from any
    loop or thread. A watcher belongs to the loop that takes its steps. Listeners and changes run
    in the store's thread or its database's; they cannot call the store.

    A cancelled call means what it means on every store: queued, it has no effect; begun, it is
    completed. The same holds for calls of a loop that has been closed.

    A store that nobody closed is closed when the interpreter ends, and has five seconds to finish
    what is queued. In a forked child every call raises `WrongLoop`, and closing does nothing.
    """

    # Until it is open. Then those of the store that runs in the thread.
    guarantees: ClassVar[Guarantees] = Guarantees(
        operation=Atomicity.LINEARIZABLE,
        batch=Atomicity.LINEARIZABLE,
        listing=Atomicity.LINEARIZABLE,
        durability=Durability.MEMORY,
        scope=Scope.PROCESS,
    )

    def __init__(self, opening: Opening, /) -> None:
        """Configure it. `opening` makes and opens a store with an owner, in the new thread."""
        self._thread = StoreThread(opening)
        self._store: OwnerBackedStore | None = None
        self._wakeups, self._listeners = StoreWakeups(), Listeners()
        self._run = self._refuse

    def __repr__(self) -> str:
        kind = "" if self._store is None else f" {type(self._store).__name__}"
        return f"<ThreadedSessionStore{kind} {'open' if self.is_open else 'not open'}>"

    @property
    def is_open(self) -> bool:
        """Whether it accepts operations now."""
        return self._store is not None and not self._thread.is_closing and self._store.is_open

    @property
    def mailbox(self) -> ActorStatistics | None:
        """One moment of the mailbox and its owner; None before opening."""
        return None if self._store is None else self._store.mailbox

    @property
    def blocking(self) -> ThreadSafeSessionStore:
        """The same store for code without an event loop: its methods block.

        Closing what this returns closes nothing else. Raises `RuntimeError` before opening, and
        `StoreClosed` after closing.
        """
        return ThreadSafeSessionStore(self._opened_store())

    async def open(self) -> Self:
        """Start the thread and open the store in it; `async with` does it for you.

        Raises what opening the store raises, and `RuntimeError` when it was opened before.
        """
        self._thread.start()
        try:
            self._adopt(*await asyncio.wrap_future(self._thread.opened))
        except BaseException:  # also a cancellation: it did not open, and never will
            self._thread.begin_closing(0)
            await self._end()
            raise
        return self

    def start(self) -> Self:
        """Start the thread and open the store in it, blocking; `with` does it for you.

        Raises as `open`.
        """
        self._thread.start()
        try:
            self._adopt(*self._thread.opened.result())
        except BaseException:  # also an interrupt
            self._thread.begin_closing(0)
            self._thread.wait()
            raise
        return self

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Refuse new operations, finish queued ones, end the thread. Idempotent.

        After `timeout` seconds, what is left is answered with `StoreClosed`: certainly no effect.
        A cancelled call closes it all the same. In the store's own thread this does not wait for
        the thread to end.
        """
        if self._thread.is_here:
            await self._thread.close_here(_checked(timeout))
        elif self._thread.begin_closing(_checked(timeout)):
            await self._end()

    def close(self, *, timeout: float | None = None) -> None:
        """Close it as `aclose` does, blocking. Raises `WouldBlock` in the store's own thread."""
        if self._thread.is_here:
            raise WouldBlock("await the store's aclose")
        if self._thread.begin_closing(_checked(timeout)):
            self._thread.wait()

    def __enter__(self) -> Self:
        return self if self.is_open else self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def observe(self, observer: Observer | None, /) -> None:
        """Notify an observer of each batch, in the store's thread. Raises as an operation."""
        store = self._opened_store()
        self._port.tell(partial(store.observe, observer))

    def for_principal(self, principal: str, /) -> PrincipalStore:
        self._opened_store()
        return PrincipalStore(self, principal)

    def bridge(self) -> tuple[CommandStore, ThreadPort[Any]]:
        return self._opened_store().bridge()

    async def settle(self) -> None:
        store = self._opened_store()
        thread = self._thread
        if thread.is_here or thread.is_copy:
            await store.settle()
            return
        settled: Future[None] = Future()
        settled.set_running_or_notify_cancel()
        # Through the port: after all commands that went through it before.
        self._port.tell(partial(thread.settle_here, store, settled))
        ends = {asyncio.wrap_future(settled), asyncio.wrap_future(thread.ended)}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    def _adopt(self, store: OwnerBackedStore, port: LoopPort[Any]) -> None:
        self._port = port
        self._wakeups = ForeignWakeups(store._wakeups, port)  # type: ignore[assignment]  # as much as it needs
        if self._listeners:
            store.subscribe(self._listeners.tell)
        self._listeners = store._listeners
        self.guarantees = store.guarantees  # type: ignore[misc]  # of the store that it opened
        self._store = store
        self._run = port.ask

    async def _end(self) -> None:
        await asyncio.wrap_future(self._thread.ended)
        self._thread.wait()

    def _opened_store(self) -> OwnerBackedStore:
        if self._store is None:
            self._refuse()
        return self._store

    def _refuse(self, command: StoreCommand[Any] | None = None, /) -> NoReturn:
        if self._thread.is_closing:
            raise StoreClosed
        raise RuntimeError("not open: use 'with' or 'async with', or await open() first")

    def _refusals(self) -> Mapping[str, int]:
        store = self._opened_store()
        return store._refusals()  # pyright: ignore[reportPrivateUsage]  # of a facade, as this is

    def _server(self) -> ServerStatistics | PostgresStatistics | None:
        return self._opened_store()._server()


def _checked(timeout: float | None) -> float | None:
    if timeout is not None and not isinstance(timeout, int | float):
        raise TypeError(f"a timeout is a number of seconds, not {type(timeout).__name__}")
    return timeout
