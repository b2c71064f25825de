"""A thread with an event loop, which opens a store, runs it and closes it."""

from __future__ import annotations

import asyncio
import atexit
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Lock, Thread, get_ident
from typing import Any
from weakref import WeakSet

from soleowner import LoopPort, WouldBlock
from soleowner.fork import forget_on_fork

from ...values.errors import StoreClosed
from ..owner_backed import OwnerBackedStore

__all__ = ["Opening", "StoreThread"]

logger = logging.getLogger("sessionkeeper")

Opening = Callable[[], Awaitable[OwnerBackedStore]]
"""Makes and opens a store on the loop that runs."""

LAST_CALLS = 5.0
"""Seconds in which queued operations are finished when the interpreter ends."""


class StoreThread:
    """The life of one store in one thread: opened once, then closed once.

    All methods may be called from any thread.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._lock = Lock()
        self._thread: Thread | None = None
        self._main: asyncio.Task[None] | None = None
        self._helpers: set[asyncio.Task[None]] = set()
        self._closing = self.is_copy = False
        self.opened: Future[tuple[OwnerBackedStore, LoopPort[Any]]] = Future()
        """The open store and how tasks of other loops reach it, or the error of opening it."""
        self.ended: Future[None] = Future()
        """Done when nothing of it runs any more."""
        for future in (self.opened, self.ended):
            future.set_running_or_notify_cancel()  # who gives up waiting does not cancel it
        self._port: LoopPort[Any] | None = None

    def start(self) -> None:
        """Start the thread; `opened` tells the rest. Raises `RuntimeError` the second time."""
        with self._lock:
            if self._thread is not None or self._closing:
                raise RuntimeError("a store is opened once")
            self._loop = asyncio.new_event_loop()
            self._close_wanted = asyncio.Event()
            # A daemon: the interpreter ends it by `_close_all`, and does not wait for it before.
            self._thread = Thread(target=self._live, name="sessionkeeper loop", daemon=True)
            self._thread.start()
        _register(self)

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is this one."""
        thread = self._thread
        return thread is not None and get_ident() == thread.ident and not self.ended.done()

    @property
    def is_closing(self) -> bool:
        """Whether it was told to close, or has ended."""
        return self._closing or self.ended.done()

    def begin_closing(self, timeout: float | None) -> bool:
        """Close the store and end the thread; return whether there is one to wait for.

        A store that is still being opened is not opened. Idempotent: the shortest of several
        timeouts counts.
        """
        with self._lock:
            self._closing = True
            if self._thread is None or self.is_copy:
                return False
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._begin_closing, timeout)
        return True

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended. Raises `WouldBlock` in that thread, `TimeoutError`."""
        if self.is_here:
            raise WouldBlock("await the store's aclose")
        self.ended.result(timeout)
        if self._thread is not None:
            self._thread.join(timeout)

    def forget(self) -> None:
        """Know that this is a forked copy, whose thread is elsewhere."""
        self.is_copy = self._closing = True
        self._lock = Lock()  # another thread of the parent may have held it

    # The methods below run in the thread.

    def _live(self) -> None:
        runner = asyncio.Runner(loop_factory=lambda: self._loop)
        try:
            runner.run(self._serve())
        except BaseException as error:  # an exit in a listener, or a fault of the loop itself
            logger.error("the loop of a store ended with %s", type(error).__name__)
        finally:
            self._closing = True
            with suppress(RuntimeError):  # an interpreter that ends starts no thread to help
                runner.close()
            if self._port is not None:
                self._port.end()
            if not self.opened.done():
                self.opened.set_exception(StoreClosed())
            self.ended.set_result(None)

    async def _serve(self) -> None:
        self._main = asyncio.current_task()
        try:
            if self._closing:
                raise StoreClosed
            store = await self._opening()
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            self.opened.set_exception(StoreClosed() if cancelled else error)
            return
        try:
            self._port = store.loop_port()
            self.opened.set_result((store, self._port))
            await self._close_wanted.wait()
        finally:  # also if the opening was over when it was to be cancelled
            await store.aclose()

    def _begin_closing(self, timeout: float | None) -> None:
        if not self.opened.done():
            if self._main is not None:
                self._main.cancel()
        elif self.opened.exception() is None:
            self._help(partial(self.close_here, timeout))

    async def close_here(self, timeout: float | None) -> None:
        """Close the store, and let the thread end, which does not wait for the caller."""
        try:
            await self.opened.result()[0].aclose(timeout=timeout)
        finally:
            self._close_wanted.set()

    def settle_here(self, store: OwnerBackedStore, settled: Future[None]) -> None:
        """Begin to wait until all commands so far have ended; then settle the future."""
        if task := self._help(store.settle):
            task.add_done_callback(lambda _: settled.set_result(None))

    def _help(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None] | None:
        """Start a task beside the main one, unless that has ended, and the store with it."""
        if self._main is None or self._main.done():
            return None  # the loop is in its last turns: nothing would run the task or cancel it
        task = self._loop.create_task(work())
        self._helpers.add(task)
        task.add_done_callback(self._helpers.discard)
        return task


_running: WeakSet[StoreThread] | None = None


def _register(thread: StoreThread) -> None:
    global _running  # noqa: PLW0603 - made at first use: importing registers nothing
    if _running is None:
        _running = WeakSet()
        atexit.register(_close_all)
    _running.add(thread)
    forget_on_fork(thread)


def _close_all() -> None:
    """Close, at the end of the interpreter, what nobody closed."""
    waiting = [thread for thread in [*(_running or ())] if thread.begin_closing(LAST_CALLS)]
    for thread in waiting:
        with suppress(TimeoutError):
            thread.wait(2 * LAST_CALLS)
