"""The two ends of a pump: descriptors that are read and written without blocking forever.

Inherited descriptors never get O_NONBLOCK, because the flag belongs to the open file, which a
terminal or another process may share.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import stat
import struct
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Source", "Sink", "release"]

_STDERR = 2
_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


def release(fd: int) -> None:
    """Close a descriptor, so that the other side sees the end.

    0, 1 and 2 are pointed at /dev/null instead: if they were closed, the next opened file would
    get the number, and a stray `print` would write into it.
    """
    with contextlib.suppress(OSError):  # nobody could handle it
        if fd > _STDERR:
            os.close(fd)
            return
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, fd)
        os.close(null)


class Source:
    """The end that a pump reads from. `duplex`: the socket also carries the other direction."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.duplex = False

    def read(self, size: int) -> bytes | None:
        """Read once. b"" is the end; None means that another reader took the bytes.

        A broken connection and a closed terminal are an end, too.
        """
        try:
            return os.read(self.fd, size)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def waiting(self) -> int:
        """Return how many bytes can be read now."""
        try:
            answer = fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4))
        except OSError:
            return 0
        return int(struct.unpack("i", answer)[0])

    def close(self) -> None:
        """Stop reading; from now on a writer on the other side gets EPIPE. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            if self.duplex:
                _shut_down(fd, socket.SHUT_RD)
            release(fd)


class Sink:
    """The end that a pump writes to. `write` never waits; it raises `BlockingIOError`.

    `own`: a pipe that this process created and whose writing end it does not share. `duplex`: the
    same socket also carries the other direction.
    """

    def __init__(self, fd: int, *, own: bool = False) -> None:
        self.fd = fd
        self.duplex = False
        self._socket: socket.socket | None = None
        self._reopened: int | None = None
        mode = os.fstat(fd).st_mode
        self._write_once: Callable[[memoryview], int] = self._write_little
        if own:
            os.set_blocking(fd, False)
            self._write_once = self._write_all
        elif stat.S_ISREG(mode):
            self._write_once = self._write_all
        elif stat.S_ISSOCK(mode):
            self._socket = sock = socket.socket(fileno=os.dup(fd))
            self._write_once = lambda data: sock.send(data, socket.MSG_DONTWAIT)
        elif stat.S_ISFIFO(mode) or os.isatty(fd):
            self._reopen()

    def write(self, data: memoryview) -> int:
        """Write as many bytes as fit, and return how many.

        Raises `BlockingIOError` if nothing fits, any other `OSError` if the reader has gone.
        """
        return self._write_once(data)

    def reader_is_gone(self) -> bool:
        """Whether no process can read what would be written now."""
        return bool(_poll_once(self.fd, 0) & _GONE)

    def close(self) -> None:
        """Close it, so that the reader sees the end. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        if self.duplex:
            _shut_down(fd, socket.SHUT_WR)
        if self._socket is not None:
            self._socket.close()
        if self._reopened is not None:
            os.close(self._reopened)
        release(fd)

    def _reopen(self) -> None:
        # On Linux this opens the pipe or terminal a second time, with its own flags. Other
        # systems have no such path, so small writes must do.
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
            self._reopened = os.open(f"/proc/self/fd/{self.fd}", flags)
            self._write_once = self._write_all

    def _write_all(self, data: memoryview) -> int:
        return os.write(self.fd if self._reopened is None else self._reopened, data)

    def _write_little(self, data: memoryview) -> int:
        # POSIX: a pipe that polls writable takes PIPE_BUF bytes without blocking.
        if not _poll_once(self.fd, select.POLLOUT):
            raise BlockingIOError
        return os.write(self.fd, data[: select.PIPE_BUF])


def _poll_once(fd: int, events: int) -> int:
    poller = select.poll()
    poller.register(fd, events)
    return next((seen for _, seen in poller.poll(0)), 0)


def _shut_down(fd: int, how: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as end:
        end.shutdown(how)
