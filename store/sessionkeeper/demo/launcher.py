"""Starts the fork server of a demo, and processes from it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .witness import request

__all__ = ["ForkedProcess", "Launcher"]

_SCRIPT = Path(__file__).with_name("fork_server.py")
_BACKLOG = 512
_CODE = 16


class Launcher:
    """The fork server, as the demo sees it: it imports the modules while the demo goes on."""

    def __init__(self, path: Path, modules: Sequence[str], *, errlog: int) -> None:
        self._path = path
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(_BACKLOG)  # requests wait here for the end of the imports
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_SCRIPT), str(listener.fileno()), *modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errlog,
                pass_fds=[listener.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        self.pid = self._process.pid

    def start(self, command: Sequence[str], *, stdout: int, stderr: int) -> ForkedProcess:
        """Fork a process with an empty standard input.

        Raises `ConnectionError` if the fork server has ended.
        """
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self._path))
            with open(os.devnull) as nothing:
                request(connection, list(command), [nothing.fileno(), stdout, stderr])
        except BaseException:
            connection.close()
            raise
        connection.setblocking(False)
        return ForkedProcess(connection)

    async def aclose(self) -> None:
        """End the fork server and all that it forked."""
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self._process.stdin.close()
        await asyncio.to_thread(self._process.wait)


class ForkedProcess:
    """One process, until it has ended. The fork server kills it if this is closed before."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    async def wait(self) -> int:
        """Wait for the end and return the code: -N for signal N.

        Raises `ConnectionError` if the fork server ends before.
        """
        with self._connection:
            code = await asyncio.get_running_loop().sock_recv(self._connection, _CODE)
        if not code:
            raise ConnectionResetError("the fork server has ended")
        return int(code)

    async def kill(self) -> int:
        """Send SIGKILL, and wait for the end as `wait` does."""
        await asyncio.get_running_loop().sock_sendall(self._connection, bytes([signal.SIGKILL]))
        return await self.wait()

    def close(self) -> None:
        """Have it killed, and wait for nothing. Idempotent."""
        self._connection.close()
