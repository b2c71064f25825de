"""A process that imports the servers once, and forks one for each request.

Run as a script: `python -P fork_server.py LISTENER MODULES…`, with the number of an inherited
listening socket. It ends, and kills what it forked, when its standard input ends.

A requester connects, and sends a command `-m MODULE ARGUMENTS…` with three descriptors, which
become the standard streams. Each byte that it sends afterwards is the number of a signal for the
process. It receives the return code as one line when the process has ended: -N for signal N. The
process is killed if the requester closes the connection before.

Only a process with one thread may fork and go on without an exec. This one starts no thread and no
event loop. If an import did, and on macOS, whose libraries may have threads of their own, the
forked process executes a new interpreter.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import runpy
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from types import FrameType
from typing import NoReturn

_STREAMS = 3
_LENGTH = 4
_CHUNK = 65536
_PR_SET_PDEATHSIG = 1


class ForkServer:
    """The loop of the process, and what it has forked."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._may_share = sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
        self._running: dict[int, socket.socket] = {}
        """The connection of each process that runs, by its pid."""
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _heed)  # what is ignored wakes nobody
        # Ctrl-C in a terminal reaches every process of the demo; only the demo decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._selector = selectors.DefaultSelector()
        for each in (0, self._wake, listener):
            self._selector.register(each, selectors.EVENT_READ)

    def serve(self) -> None:
        """Serve requests until standard input ends, then kill what still runs."""
        while True:
            for key, _ in self._selector.select():
                if key.fd == 0:
                    for pid in self._running:
                        os.kill(pid, signal.SIGKILL)
                    return
                if key.fd == self._wake:
                    os.read(self._wake, _CHUNK)
                    self._reap()
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    self._signal(key.fd)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        try:
            command, streams = _read_request(connection)
        except (OSError, EOFError):  # the requester was killed
            connection.close()
            return
        pid = os.fork()
        if pid == 0:
            self._become(command, streams, connection)
        for fd in streams:
            os.close(fd)
        connection.setblocking(False)
        self._running[pid] = connection
        self._selector.register(connection, selectors.EVENT_READ)

    def _become(self, command: list[str], streams: list[int], own: socket.socket) -> NoReturn:
        """Let go of what belongs to the fork server, and run the command; in the forked process."""
        _kill_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        self._selector.close()
        for fd in (*streams, self._wake, self._waker):
            os.close(fd)
        for connection in (self._listener, own, *self._running.values()):
            connection.close()
        if not self._may_share:
            os.execv(sys.executable, [sys.executable, *command])  # noqa: S606 - it needs no shell
        run_as_main(command)

    def _signal(self, fd: int) -> None:
        found = [each for each in self._running.items() if each[1].fileno() == fd]
        if not found:
            return  # it has just ended
        pid, connection = found[0]
        try:
            numbers = connection.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            numbers = b""
        for number in numbers or (signal.SIGKILL,):
            os.kill(pid, number)
        if not numbers:
            self._selector.unregister(connection)
            connection.close()

    def _reap(self) -> None:
        for pid, connection in [*self._running.items()]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            del self._running[pid]
            if connection.fileno() >= 0:
                self._selector.unregister(connection)
                with connection, suppress(OSError):  # the requester has gone
                    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def run_as_main(command: list[str]) -> NoReturn:
    """Run `-m MODULE ARGUMENTS…` as a new interpreter would, and end this process."""
    code: object = None
    sys.argv = command[1:]
    try:
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code or 0)


def _read_request(connection: socket.socket) -> tuple[list[str], list[int]]:
    data, streams, _, _ = socket.recv_fds(connection, _CHUNK, _STREAMS)
    while len(data) < _LENGTH or len(data) < _LENGTH + int.from_bytes(data[:_LENGTH], "big"):
        more = connection.recv(_CHUNK)
        if not more:
            raise EOFError
        data += more
    return data[_LENGTH:].decode(errors="surrogateescape").split("\0"), streams


def _heed(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up pipe has the number."""


def _kill_with_parent() -> None:
    """Let the kernel kill this process when the fork server ends. Source: prctl(2)."""
    if sys.platform == "linux":
        parent = os.getppid()
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)


def main() -> None:
    """Import the modules, and serve."""
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        for name in sys.argv[2:]:
            with suppress(ImportError):  # the process that needs it says so
                importlib.import_module(name)
        # What exists now stays; collections in the forked processes would copy its pages.
        gc.collect()
        gc.freeze()
        ForkServer(listener).serve()


if __name__ == "__main__":
    main()
