"""The two ends of a pump: descriptors that are read and written without ever blocking for good.

Inherited descriptors never get O_NONBLOCK: it belongs to the open file, which the terminal or
another process may share.
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
    """Give a descriptor up, so that the other side sees the end.

    0, 1 and 2 are pointed at /dev/null: closed, the next file opened would take the number, and
    a stray `print` would land in it.
    """
    with contextlib.suppress(OSError):  # there is nobody to tell
        if fd > _STDERR:
            os.close(fd)
            return
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, fd)
        os.close(null)


class Source:
    """The end a pump reads from. `duplex`: the same socket is the way back as well."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.duplex = False

    def read(self, size: int) -> bytes | None:
        """Read once: b"" is the end, None means that somebody else took what was there.

        A broken connection or a hung-up terminal is an end too.
        """
        try:
            return os.read(self.fd, size)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def waiting(self) -> int:
        """How many bytes can be read at this moment."""
        try:
            answer = fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4))
        except OSError:
            return 0
        return int(struct.unpack("i", answer)[0])

    def close(self) -> None:
        """Stop reading; a writer on the other side gets EPIPE from now on. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            if self.duplex:
                _shut_down(fd, socket.SHUT_RD)
            release(fd)


class Sink:
    """The end a pump writes to; `write` raises `BlockingIOError` rather than wait.

    `own`: a pipe this process made, whose writing end it shares with nobody. `duplex`: the same
    socket is the way back as well.
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
        """Write what fits; return how much that was.

        Raises `BlockingIOError` when nothing fits, any other `OSError` when the reader is gone.
        """
        return self._write_once(data)

    def reader_is_gone(self) -> bool:
        """Whether nobody can read what is written from now on."""
        return bool(_poll_once(self.fd, 0) & _GONE)

    def close(self) -> None:
        """Tell the reader that this was all. Idempotent."""
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
        # On Linux this opens the pipe or terminal a second time, with flags of its own;
        # elsewhere there is no such path, and small writes have to do.
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
