"""The server behind a proxy: one child process, its pipes, its exit.

POSIX only. The child stays in our process group and session, so that a client's `killpg` and
signals from the keyboard reach both. On Linux, the child is killed when the thread that started it
ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ...values.errors import SessionError
from .descriptors import Sink, Source
from .parent_death import kill_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["CommandNotStarted", "Server"]

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_JOIN = 1.0


class CommandNotStarted(SessionError):
    """The command of the server cannot be run. `exit_status` is what a shell would return."""

    def __init__(self, program: str, error: OSError) -> None:
        missing = isinstance(error, FileNotFoundError)
        reason = "not found" if missing else (error.strerror or type(error).__name__)
        if missing and error.filename not in (None, program):
            reason = f"no such directory: {os.fsdecode(error.filename)}"  # the working directory
        if not program or os.path.isdir(program):
            reason = "it is a directory" if program else "it has no name"
        super().__init__(f"cannot start {program!r}: {reason}")
        self.program = program
        self.exit_status = _NOT_FOUND if missing else _NOT_EXECUTABLE


class Server:
    """A running server. After its exit, `on_exit` is called on a separate thread.

    `stdin`, `stdout` and, with `pipe_stderr`, `stderr` are our ends of its pipes.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None,
        cwd: str | os.PathLike[str] | None,
        stderr: int | None,
        pipe_stderr: bool = False,
        on_exit: Callable[[], None],
    ) -> None:
        reads, to_server = os.pipe()
        from_server, writes = os.pipe()
        theirs = [reads, writes]
        self.stdin, self.stdout = Sink(to_server, own=True), Source(from_server)
        self.stderr: Source | None = None
        if pipe_stderr:
            errors, stderr = os.pipe()
            theirs.append(stderr)
            self.stderr = Source(errors)
        try:
            # What the client left open for the server beyond 0, 1, 2 stays open for it: without
            # close_fds only descriptors somebody made inheritable pass, none of ours.
            self._process = subprocess.Popen(
                list(command),
                stdin=reads,
                stdout=writes,
                stderr=stderr,
                env=None if env is None else dict(env),
                cwd=cwd,
                close_fds=False,
                # A client that kills the proxy wants to kill the server, too.
                preexec_fn=kill_with_parent(),  # noqa: PLW1509 - it takes no lock
            )
        except BaseException as error:
            self._close_pipes()
            if isinstance(error, OSError):
                raise CommandNotStarted(command[0], error) from error
            raise
        finally:
            for end in theirs:
                os.close(end)
        self.pid = self._process.pid
        self._on_exit = on_exit
        self._thread = threading.Thread(
            target=self._wait, name="sessionkeeper-stdio-exit", daemon=True
        )
        self._thread.start()

    @property
    def returncode(self) -> int | None:
        """As in `Popen`: -N for signal N; None while the server runs."""
        return self._process.returncode

    def send_signal(self, signum: int) -> None:
        """Send a signal to the server only. Does nothing after its exit."""
        with suppress(PermissionError):  # the server changed its user
            self._process.send_signal(signum)

    def wait(self) -> int:
        """Wait for the exit, and return its code. Returns at once after `on_exit`."""
        return self._process.wait()

    def release(self) -> None:
        """Kill it if it still runs, wait for its exit, and close the pipes."""
        self.send_signal(signal.SIGKILL)
        self._thread.join(_JOIN)
        self._close_pipes()

    def _close_pipes(self) -> None:
        self.stdin.close()
        self.stdout.close()
        if self.stderr is not None:
            self.stderr.close()

    def _wait(self) -> None:
        self.wait()
        self._on_exit()
