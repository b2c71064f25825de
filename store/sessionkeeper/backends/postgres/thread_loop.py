"""The event loop of a thread that waits for one answer at a time.

A turn of an event loop, with a task, a time-out and a selector, takes twice as long as a short
statement. So while one answer is awaited, this loop reads the socket itself. All else has turns as
usual: connecting, TLS, what is too long to be sent at once, and cancelling.
"""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["ThreadLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_READ_AT_ONCE = 256 * 1024


class ThreadLoop(asyncio.SelectorEventLoop):
    """Runs coroutines of a client with one connection, on one thread.

    Every method but `wake` belongs to that thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: list[asyncio.Transport] = []
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._poll = select.poll()
        self._waking, self._woken = socket.socketpair()
        for each in (self._waking, self._woken):
            each.setblocking(False)
        self._ahead: tuple[Coroutine[Any, Any, object], asyncio.Future[Any]] | None = None
        self._is_feeding = False
        self._called: list[tuple[asyncio.Handle, Callable[[], object]]] = []

    def take_connection(self) -> None:
        """Read the connection that was made last without turns, if that is possible."""
        self.leave_connection()
        found = [each for each in self._made if not each.is_closing()]
        self._made = []
        if len(found) != 1 or found[0].get_extra_info("sslcontext") is not None:
            return
        self._transport = found[0]
        self._socket = own = found[0].get_extra_info("socket").dup()
        own.setblocking(False)
        self._poll = select.poll()
        for each in (own, self._woken):
            self._poll.register(each, select.POLLIN)
        self._transport.pause_reading()

    def leave_connection(self) -> None:
        """Give the connection turns again."""
        self._drop_ahead()
        self._resume()
        self._transport = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def wake(self) -> None:
        """Let `run` look at `stops` now; from any thread."""
        with suppress(OSError):
            self._waking.send(b"x")

    @property
    def is_direct(self) -> bool:
        """Whether there is a connection that `exchange` reads itself."""
        return self._transport is not None

    def exchange(
        self, work: Coroutine[Any, Any, T], *, seconds: float, stops: Callable[[], bool]
    ) -> T:
        """Run a coroutine that waits for nothing but answers of the connection, without a task.

        Raises what it raises, `TimeoutError` after so many seconds, and `CancelledError` once
        `stops` says so, which is asked after each `wake`. Then the coroutine was cancelled, what
        follows of that has turns, and the connection as well.
        """
        until = time.monotonic() + seconds
        ahead, self._ahead = self._ahead, None
        try:
            if ahead is not None:
                self._finish(*ahead, until, stops)
            return self._finish(work, work.send(None), until, stops)
        except StopIteration as end:  # it did not wait
            result: T = end.value
            return result
        finally:
            work.close()

    def send_ahead(self, work: Coroutine[Any, Any, object]) -> None:
        """Begin a coroutine as `exchange` does, and wait for nothing: the next one waits for both.

        What it raises is raised then.
        """
        self._drop_ahead()
        with suppress(StopIteration):
            self._ahead = work, work.send(None)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run any coroutine, as a task. Nothing is sent ahead of it."""
        self._resume()
        try:
            return self.run_until_complete(work)
        finally:
            self._pause()

    def close(self) -> None:
        """Close it, and what it reads."""
        self.leave_connection()
        for each in (self._waking, self._woken):
            each.close()
        super().close()

    # What asyncio calls.

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        if not self._is_feeding:
            return super().call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._called.append((handle, partial(callback, *args)))
        return handle

    async def create_connection(self, *args: Any, **options: Any) -> Any:
        made = await super().create_connection(*args, **options)
        self._made.append(made[0])
        return made

    async def create_unix_connection(self, *args: Any, **options: Any) -> Any:
        made = await super().create_unix_connection(*args, **options)
        self._made.append(made[0])
        return made

    async def start_tls(self, *args: Any, **options: Any) -> Any:
        self._made = []
        return await super().start_tls(*args, **options)

    # What they are made of.

    def _finish(
        self,
        work: Coroutine[Any, Any, T],
        waited: asyncio.Future[Any],
        until: float,
        stops: Callable[[], bool],
    ) -> T:
        try:
            while True:
                # As a task does.
                waited._asyncio_future_blocking = False
                if not waited.done():
                    self._await(work, waited, until, stops)
                waited = work.send(None)
        except StopIteration as end:
            result: T = end.value
            return result

    def _drop_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead[0].close()

    def _await(
        self,
        work: Coroutine[Any, Any, Any],
        waited: asyncio.Future[Any],
        until: float,
        stops: Callable[[], bool],
    ) -> None:
        while not waited.done():
            left = until - time.monotonic()
            if left <= 0 or stops():
                self._cancel(work, waited)
                raise TimeoutError if left <= 0 else asyncio.CancelledError
            transport, own = self._transport, self._socket
            if transport is None or own is None or transport.get_write_buffer_size():
                self._take_turns(waited, left)
            else:
                self._read(transport, own, left)

    def _read(self, transport: asyncio.Transport, own: socket.socket, seconds: float) -> None:
        """Feed what comes to the protocol."""
        ready = self._poll.poll(1000 * seconds)
        if any(number == self._woken.fileno() for number, _ in ready):
            self._drain()
            return
        if not ready:
            return
        try:
            data = own.recv(_READ_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # the protocol hears of the end in a turn
            self.leave_connection()
            return
        protocol: Any = transport.get_protocol()
        self._is_feeding = True
        try:
            protocol.data_received(data)
            while self._called:
                called, self._called = self._called, []
                for handle, callback in called:
                    if not handle.cancelled():
                        callback()
        finally:
            self._is_feeding = False

    def _take_turns(self, waited: asyncio.Future[Any], seconds: float) -> None:
        """Take turns until it is done, until it is woken, or for so many seconds."""
        woken: asyncio.Future[None] = self.create_future()
        self.add_reader(self._woken, self._wake, woken)
        try:
            self.run(_wait(waited, woken, seconds))
        finally:
            self.remove_reader(self._woken)

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def _wake(self, woken: asyncio.Future[None]) -> None:
        self._drain()
        if not woken.done():
            woken.set_result(None)

    def _drain(self) -> None:
        with suppress(OSError):
            self._woken.recv(64)

    def _cancel(self, work: Coroutine[Any, Any, Any], waited: asyncio.Future[Any]) -> None:
        """Cancel it as a task does; the client may ask the server to, in turns that follow."""
        self.leave_connection()
        waited.cancel()
        with suppress(asyncio.CancelledError, StopIteration):
            work.throw(asyncio.CancelledError())
        work.close()


async def _wait(waited: asyncio.Future[Any], woken: asyncio.Future[None], seconds: float) -> None:
    both = (waited, woken)
    await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
