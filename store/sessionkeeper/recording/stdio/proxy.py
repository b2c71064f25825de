"""The proxy: it starts a server, connects it to a client, and records the messages.

Threads forward the bytes (`pump`), whatever happens to the loop, the recorder or the store. POSIX
only.
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from ...values.errors import SessionError
from ...values.kinds import MAX_MESSAGE_BYTES
from ...values.states import Direction
from ..budget import Budget
from ..journal import Journal
from .pumps import Pumps, take_client, take_stderr
from .report import Ending, StdioReport, unrecorded
from .server import CommandNotStarted, Server

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from ..protocol import Recorder

__all__ = ["MAX_LINE", "MAX_PENDING", "StdioProxy"]

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line; of a longer one a gap frame is recorded."""
MAX_PENDING = 128 * 1024 * 1024
"""Bytes that wait to be recorded, where no line is longer than half as much."""

# In seconds. After the server's exit a child of it may keep its stdout open for the grace time.
_GRACE = 1.0
_SHORT_GRACE = 0.1
_PATIENCE = 5.0
_SHORT_PATIENCE = 0.1
_DEADLINE = 1.0
# An interrupt closes the server's stdin; what has not ended then gets SIGTERM, and SIGKILL.
_TERM_AFTER, _KILL_AFTER = 0.5, 0.8

_INTERRUPTS = frozenset({signal.SIGINT, signal.SIGTERM})
_ENDS = _INTERRUPTS | {signal.SIGHUP, signal.SIGQUIT}


class StdioProxy:
    """One run of a server's command between the two descriptors of a client.

    It takes over `client_in` and `client_out` and closes them (0, 1 and 2 are pointed at
    /dev/null). They may be the same socket. `on_trouble` is called with one line, without any
    payload, about what could not be recorded, and `on_traffic_end` when all traffic has ended. A
    line of more than `max_line` bytes is recorded as a gap; `max_pending` bytes wait to be recorded
    at most, enough for two such lines unless it is given, and what comes then is dropped.
    The server's standard error goes to the descriptor `stderr`, or to ours; with `record_stderr` it
    passes through the proxy, and its lines are recorded as the stream `stderr` of the session.
    `patience`: how many seconds a recorder may make no progress after all traffic has ended. Use a
    proxy on the thread of one loop.
    """

    def __init__(
        self,
        command: Sequence[str],
        recorder: Recorder,
        *,
        client_in: int,
        client_out: int,
        on_trouble: Callable[[str], None],
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stderr: int | None = None,
        record_stderr: bool = False,
        max_line: int = MAX_LINE,
        max_pending: int | None = None,
        patience: float = _PATIENCE,
        on_traffic_end: Callable[[], None] | None = None,
    ) -> None:
        if not command:
            raise ValueError("the command is empty")
        if not 1 <= max_line <= MAX_MESSAGE_BYTES:
            raise ValueError(f"max_line is 1 to {MAX_MESSAGE_BYTES} bytes")
        self._command = tuple(command)
        self._recorder = recorder
        self._client_in = client_in
        self._client_out = client_out
        self._on_trouble = on_trouble
        self._env = env
        self._cwd = cwd
        self._stderr = stderr
        self._record_stderr = record_stderr
        self._max_line = max_line
        self._max_pending = max(MAX_PENDING, 2 * max_line) if max_pending is None else max_pending
        self._patience = patience
        self._on_traffic_end = on_traffic_end
        self._begun = False
        self._server: Server | None = None
        self._early: list[int] = []
        self._forwarded: set[int] = set()
        self._interrupted = False
        self._end_requested = False
        self._deadline: float | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._end_task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        if self._server is None:
            return "<StdioProxy not started>"
        code = self._server.returncode
        return (
            f"<StdioProxy pid={self._server.pid} {'running' if code is None else f'ended={code}'}>"
        )

    async def run(self) -> StdioReport:
        """Start the server, forward everything until it has ended, and return a report.

        Raises `CommandNotStarted`, or the `OSError` of a bad descriptor; then the session has
        failed. If it is cancelled, it ends the server within about a second and completes the
        session. It never leaves a process, a thread or a descriptor behind.
        """
        if self._begun:
            raise RuntimeError("a proxy runs once")
        self._begun = True
        with ExitStack() as stack:
            try:
                server = self._start(stack)
            except Exception as error:
                own = isinstance(error, CommandNotStarted)
                await self._record_end(
                    str(error) if own else f"cannot start: {type(error).__name__}"
                )
                raise
            try:
                return await self._finish(server)
            except asyncio.CancelledError:
                self._set_deadline()
                self._escalate(server, term_after=0.0, kill_after=0.5)
                await self._finish(server)
                raise

    def send_signal(self, signum: int, *, has_it: bool = False) -> None:
        """Forward a signal to the server, or keep it until the server starts.

        `has_it`: the server has received it already, with its process group.
        """
        self._end_requested = self._end_requested or signum in _ENDS
        if self._is_over():
            self._finish_pumps()
            return
        self._forwarded.add(signum)
        self._interrupted = self._interrupted or signum in _INTERRUPTS
        if has_it:
            return
        if self._server is None:
            self._early.append(signum)
        else:
            self._server.send_signal(signum)

    def interrupt(self) -> None:
        """End within a second: close the server's stdin, then send SIGTERM, then SIGKILL."""
        if self._deadline is None:
            self._set_deadline()
            if self._server is not None:
                self._escalate(self._server, term_after=_TERM_AFTER, kill_after=_KILL_AFTER)

    def _start(self, stack: ExitStack) -> Server:
        """Start the server and the pumps; if this fails, the stack undoes it."""
        self._loop = asyncio.get_running_loop()
        self._exited = asyncio.Event()
        client = take_client(self._client_in, self._client_out, stack)
        to_stderr = take_stderr(self._stderr, stack) if self._record_stderr else None
        server = Server(
            self._command,
            env=self._env,
            cwd=self._cwd,
            stderr=self._stderr,
            pipe_stderr=self._record_stderr,
            on_exit=self._note_exit,
        )
        stack.callback(server.release)
        self._journal = Journal(
            self._recorder, budget=Budget(self._max_pending), report=self._complain
        )
        stack.callback(self._journal.abandon)
        self._recorder.started(server.pid)
        self._pumps = Pumps(
            client,
            server,
            to_stderr=to_stderr,
            journal=self._journal,
            max_line=self._max_line,
            stack=stack,
        )
        self._server = server
        stack.callback(self._cancel_timers)
        for signum in self._early:
            server.send_signal(signum)
        if self._deadline is not None:
            self._escalate(server, term_after=_TERM_AFTER, kill_after=_KILL_AFTER)
        return server

    async def _finish(self, server: Server) -> StdioReport:
        """Wait until everything has ended. Callable again after a cancellation."""
        await self._exited.wait()
        self._finish_pumps()
        await self._pumps.ended()
        if self._on_traffic_end is not None:
            self._on_traffic_end()
        await self._journal.settle(self._patience_left())
        ending = self._ending(server)
        if self._end_task is None:
            for trouble in unrecorded(self._journal.outcomes):
                self._complain(trouble)
            self._end_task = self._loop.create_task(self._record_end(ending.failure()))
        await asyncio.wait({self._end_task}, timeout=self._patience_left())
        if not self._end_task.done():
            self._end_task.cancel()
            self._complain("the end of the session was not recorded: it took too long")
        outcomes, passed = self._journal.outcomes, self._pumps.passed
        return StdioReport.of(server.pid, ending, outcomes, passed, self._journal.gaps)

    def _ending(self, server: Server) -> Ending:
        return Ending(
            returncode=server.wait(),
            interrupted=self._interrupted,
            forwarded=frozenset(self._forwarded),
            client_gone=self._pumps.outbound.reader_gone,
            client_left=self._pumps.client_left,
            unanswered=self._journal.unanswered(),
            is_ambiguous=self._journal.requests.is_ambiguous(Direction.CLIENT_TO_SERVER),
            ambiguous=self._journal.requests.ambiguous(),
            late=self._journal.requests.late(),
        )

    def _finish_pumps(self) -> None:
        """After the server's exit, forward the rest of its output, then end.

        A slow client gets everything, unless a signal asked for the end.
        """
        grace = _GRACE if self._deadline is None else _SHORT_GRACE
        self._pumps.finish(within=grace, even_unwritten=self._end_requested)
        if self._end_requested:
            # A flood can leave a backlog of a minute, and the sender of the signal waits for us.
            self._journal.abandon_after(self._patience_left())

    def _set_deadline(self) -> None:
        self._deadline = time.monotonic() + _DEADLINE
        self._end_requested = True
        if self._is_over():
            self._finish_pumps()
        else:
            self._interrupted = True

    def _escalate(self, server: Server, *, term_after: float, kill_after: float) -> None:
        self._pumps.inbound.stop()
        for delay, signum in (term_after, signal.SIGTERM), (kill_after, signal.SIGKILL):
            self._timers.append(self._loop.call_later(delay, server.send_signal, signum))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _is_over(self) -> bool:
        return self._server is not None and self._server.returncode is not None

    def _patience_left(self) -> float:
        if self._deadline is None:
            return min(self._patience, _DEADLINE) if self._end_requested else self._patience
        return max(_SHORT_PATIENCE, self._deadline - time.monotonic())

    async def _record_end(self, failure: str | None) -> None:
        try:
            if failure is None:
                await self._recorder.complete()
            else:
                await self._recorder.fail(failure)
        except Exception as error:
            reason = f": {error}" if isinstance(error, SessionError) else ""
            kind = type(error).__name__
            self._complain(f"the end of the session was not recorded: {kind}{reason}")

    def _complain(self, trouble: str) -> None:
        with suppress(Exception):  # a closed stderr must not end the proxy
            self._on_trouble(trouble)

    def _note_exit(self) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._exited.set)
