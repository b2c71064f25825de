"""Carries bytes from one descriptor to another, on a thread.

The event loop is not involved: a stalled loop delays no byte. A pump shows bytes to its observer
before it writes them, so a request is seen before its response can exist.
"""

from __future__ import annotations

import enum
import os
import select
import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .descriptors import Sink, Source

__all__ = ["Observer", "Pump", "PumpEnd"]

_CHUNK = 65536
_JOIN = 1.0


class Observer(Protocol):
    """Sees the bytes that pass, on the pump's thread. It must not wait or raise."""

    def feed(self, chunk: bytes, /) -> None:
        """Receive the next bytes, before they are written."""
        ...

    def finish(self) -> None:
        """Learn that no more bytes follow."""
        ...


class PumpEnd(enum.Enum):
    """Why a pump ended."""

    EOF = "the source ended"
    BROKEN = "the sink broke"
    STOPPED = "the pump was stopped"


class Pump:
    """One direction: everything that the inlet gives goes to the outlet, unchanged and at once.

    Both ends are closed when it ends. It ends as soon as nobody can read from the outlet, also when
    nothing is there to be written: the next write of the source then fails, as it would without a
    pump in between. What the source holds at that moment is shown to the observer.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        sink: Sink,
        *,
        observer: Observer,
        on_end: Callable[[], None],
    ) -> None:
        self.end: PumpEnd | None = None
        self.ended_at = 0.0
        self.bytes = 0
        self.reader_gone = False
        self._source = source
        self._sink = sink
        self._observer = observer
        self._on_end = on_end
        self._stopped = False
        self._read_until: float | None = None
        self._write_until: float | None = None
        self._left: int | None = None
        self._wake_lock = threading.Lock()
        self._wake_reader, self._waker = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._waker, False)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End now, without reading or writing the rest. Callable from any thread."""
        self._stopped = True
        self._wake()

    def finish(self, *, within: float, even_unwritten: bool = False) -> None:
        """End with the bytes that the source holds after `within` seconds, or at its end.

        The pump waits for a slow reader, unless `even_unwritten`. Callable from any thread.
        """
        until = time.monotonic() + within
        self._read_until = until if self._read_until is None else min(until, self._read_until)
        if even_unwritten:
            self._write_until = until
        self._wake()

    def shut(self) -> None:
        """Stop, join the thread, and close the wake-up pipe. Idempotent."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join(_JOIN)
        if self._thread.is_alive():
            return  # blocked in a device: the daemon thread keeps its descriptors
        with self._wake_lock:
            for fd in (self._wake_reader, self._waker):
                if fd >= 0:
                    os.close(fd)
            self._wake_reader = self._waker = -1

    def _wake(self) -> None:
        with self._wake_lock:
            if self._waker >= 0:
                try:
                    os.write(self._waker, b"!")
                except BlockingIOError:
                    return  # full of wake-ups already

    def _run(self) -> None:
        end = PumpEnd.STOPPED
        try:
            end = self._carry()
        finally:
            self.ended_at = time.monotonic()
            self.end = end
            self._observer.finish()
            self.reader_gone = self.reader_gone or self._sink.reader_is_gone()
            self._sink.close()
            self._source.close()
            self._on_end()

    def _carry(self) -> PumpEnd:
        poller = self._poller(self._source.fd, select.POLLIN)
        # The sink is polled for errors only, to notice that its reader has gone.
        watched = self._sink.fd if self._sink.fd != self._source.fd else -1
        if watched >= 0:
            poller.register(watched, 0)
        while room := self._wait_for_bytes(poller, watched):
            chunk = self._source.read(room)
            if chunk is None:
                continue
            if not chunk:
                return PumpEnd.EOF
            if self._left is not None:
                self._left -= len(chunk)
            self._observer.feed(chunk)
            self._write(chunk)
            if self.reader_gone:
                break
        if not self.reader_gone:
            return PumpEnd.STOPPED
        self._show_rest()
        return PumpEnd.BROKEN

    def _show_rest(self) -> None:
        left = self._source.waiting()
        while left > 0 and (chunk := self._source.read(min(left, _CHUNK))):
            left -= len(chunk)
            self._observer.feed(chunk)

    def _write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            try:
                written = self._sink.write(rest)
            except BlockingIOError:
                if not self._wait_for_room():
                    return
            except OSError:
                self.reader_gone = True
                return
            else:
                self.bytes += written
                rest = rest[written:]

    def _wait_for_bytes(self, poller: select.poll, watched: int) -> int:
        """Wait for bytes, and return how many to read; 0 means that the pump must end."""
        while not self._stopped:
            patience = _remaining(self._read_until)
            if patience == 0:
                # Only the bytes that the source holds now: otherwise a grandchild that never stops
                # writing would keep the pump alive forever.
                if self._left is None:
                    self._left = self._source.waiting()
                return min(self._left, _CHUNK)
            ready = self._poll(poller, patience)
            if watched in ready:
                self.reader_gone = True
                return 0
            if self._source.fd in ready:
                return _CHUNK
        return 0

    def _wait_for_room(self) -> bool:
        poller = self._poller(self._sink.fd, select.POLLOUT)
        while not self._stopped:
            patience = _remaining(self._write_until)
            if patience == 0:
                self._stopped = True
            elif self._sink.fd in self._poll(poller, patience):
                return True
        return False

    def _poller(self, fd: int, events: int) -> select.poll:
        poller = select.poll()
        poller.register(fd, events)
        poller.register(self._wake_reader, select.POLLIN)
        return poller

    def _poll(self, poller: select.poll, patience: float | None) -> set[int]:
        ready = {fd for fd, _ in poller.poll(None if patience is None else patience * 1000)}
        if self._wake_reader in ready:
            os.read(self._wake_reader, _CHUNK)
        return ready


def _remaining(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - time.monotonic())
