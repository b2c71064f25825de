"""`sessionkeeper record -- COMMAND…` records an MCP server on stdio."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from typing import Annotated

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..leases import end_gone_sessions
from ..manager import ManagerConfig, SessionManager
from ..recording import LateRecorder, SessionRecorder
from ..recording.stdio import (
    CommandNotStarted,
    StdioProxy,
    StdioReport,
    exit_status,
    forwarding_signals,
)
from ..stores.config import SQLiteBackend, StorageBackend, backend_from_url
from ..stores.factory import StorageFactory
from ..values.errors import SessionError, StoreUnavailable
from ..values.jsonrpc import MAX_MESSAGE_BYTES
from ..values.session import Session
from .console import complain, run_on_loop, say
from .file_kinds import FileKind, refuse_other_file
from .frame_text import count_parts
from .stores import BAD_INPUT, STORES, describe_error, take_frames_of

__all__ = ["record"]

_SWITCH_INTERVAL = 0.0005
"""Seconds."""
_UNITS = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_OPENING = 1.0
"""Seconds that the start of a server may wait for its store."""
_PAUSE, _FINISHING = 0.05, 0.5
"""Seconds between pages of sessions whose recorders may be gone, and to finish after the server."""
_CLOSING = 0.5
"""Seconds to close a store that was not open in time."""


def record(
    command: Annotated[list[str], typer.Argument(help="Command of the server, after --.")],
    store: Annotated[
        str,
        typer.Option(help=f"Store URL: {STORES}. memory:// ends with the process."),
    ] = "memory://",
    *,
    require_store: Annotated[
        bool,
        typer.Option("--require-store", help="Do not start the server if the store cannot open."),
    ] = False,
    max_message: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="Bytes of the largest message to record, as 64MiB; a larger one leaves a gap.",
        ),
    ] = "64MiB",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no summary at the end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one line of JSON, on stderr.")
    ] = False,
) -> int:
    """Run an MCP server on stdio and record its traffic.

    Put `sessionkeeper record --` before the server's command in your client's configuration.
    Every byte is forwarded unchanged. Standard error, signals and the exit code are the server's.
    Lines that are no JSON-RPC message are recorded, too. A summary goes to stderr at the end. If
    the store cannot be opened, the server runs nevertheless, and the store is tried again.
    """
    # A busy loop lets a forwarding thread run only after this time. The default, five
    # milliseconds, slows every round trip (measured: 385 µs instead of 50 µs).
    sys.setswitchinterval(_SWITCH_INTERVAL)
    max_line = _size(max_message)
    try:
        recording = _Recording(take_frames_of(max_line, backend_from_url(store)), command, max_line)
        return run_on_loop(
            _record(recording, must_open=require_store, quiet=quiet, as_json=as_json)
        )
    except CommandNotStarted as error:
        complain(str(error))
        return error.exit_status
    except SessionError as error:
        complain(f"{error}; the server was not started (--require-store)")
        return BAD_INPUT
    except ValueError as error:
        raise typer.BadParameter(describe_error(error), param_hint="--store") from None


class _Recording:
    """The open store, manager and session behind a recorder."""

    def __init__(self, backend: StorageBackend, command: list[str], max_line: int) -> None:
        self.command = command
        self.max_line = max_line
        self.session_id: str | None = None
        self.manager: SessionManager | None = None
        self.troubles: list[str] = []
        """The lines printed on stderr."""
        self._backend = backend
        self._open = AsyncExitStack()

    async def open(self) -> SessionRecorder:
        """Open everything or nothing.

        Raises `StoreUnavailable` that names the store, `ValueError` for its options.
        """
        try:
            async with AsyncExitStack() as stack:
                if isinstance(self._backend, SQLiteBackend):
                    _check_file(self._backend.path)
                store = await stack.enter_async_context(await StorageFactory.create(self._backend))
                manager = SessionManager.with_store(store, ManagerConfig.recording())
                await stack.enter_async_context(manager)
                try:
                    recorder = await SessionRecorder.open(manager, self.command)
                except asyncio.CancelledError:
                    await store.aclose(timeout=_CLOSING)  # it waits for locks of other processes
                    raise
                stack.push_async_callback(_finish, asyncio.create_task(_end_gone_sessions(store)))
                self._open = stack.pop_all()
        except SessionError as error:
            path = self._backend.path if isinstance(self._backend, SQLiteBackend) else "the store"
            raise StoreUnavailable(f"{path}: {error}") from error
        self.manager, self.session_id = manager, recorder.session_id
        return recorder

    async def aclose(self) -> None:
        """Close what is open."""
        await self._open.aclose()

    async def session(self) -> Session | None:
        """Return the session as it is now; None if there is none, or if it cannot be read."""
        if self.manager is None or self.session_id is None:
            return None
        try:
            return await self.manager.get_session(self.session_id)
        except SessionError as error:
            self.tell(f"the session cannot be read: {error}")
            return None

    def tell(self, trouble: str) -> None:
        """Print a line on stderr, and keep it for the summary."""
        self.troubles.append(trouble)
        complain(trouble)


async def _record(recording: _Recording, *, must_open: bool, quiet: bool, as_json: bool) -> int:
    recorder: LateRecorder | SessionRecorder
    late = LateRecorder(recording.open, report=recording.tell)
    try:
        if must_open:
            recorder = await recording.open()
        else:
            recorder = late
            await late.start(within=_OPENING)
        proxy = StdioProxy(
            recording.command,
            recorder,
            client_in=0,
            client_out=1,
            on_trouble=recording.tell,
            on_traffic_end=late.finish,
            max_line=recording.max_line,
        )
        with forwarding_signals(proxy):
            report = await proxy.run()
        if not quiet:
            _summarise(recording, await recording.session(), report, as_json=as_json)
    finally:
        await late.aclose()
        await recording.aclose()
    return exit_status(report.returncode)


def _size(text: str) -> int:
    """Read a number of bytes with its unit. Raises `typer.BadParameter`."""
    found = re.fullmatch(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB)?", text, re.IGNORECASE)
    size = 0 if found is None else int(found[1]) * _UNITS[(found[2] or "B").lower()]
    if not 1 <= size <= MAX_MESSAGE_BYTES:
        most = MAX_MESSAGE_BYTES // _UNITS["mib"]
        raise typer.BadParameter(
            f"give 1 to {MAX_MESSAGE_BYTES} bytes, as 500000, 512KiB or {most}MiB",
            param_hint="--max-message",
        )
    return size


def _check_file(path: str) -> None:
    try:
        refuse_other_file(path, FileKind.STORE, hint="--store")
    except typer.BadParameter as error:
        raise StoreUnavailable(error.message) from None


async def _end_gone_sessions(store: AtomicSessionStore) -> None:
    """End the sessions of recorders that are gone, beside the recording."""
    with suppress(SessionError):  # the next recorder tries again
        await end_gone_sessions(store, pause=_PAUSE)


async def _finish(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task}, timeout=_FINISHING)
    task.cancel()


def _summarise(
    recording: _Recording, session: Session | None, report: StdioReport, *, as_json: bool
) -> None:
    lost = report.not_json + report.refused + report.dropped + report.failed
    if as_json:
        summary: dict[str, object] = {
            "session": recording.session_id,
            "state": None if session is None else session.state.value,
            "failure": None if session is None else session.failure,
            "frames": None if session is None else session.frame_count,
            "odd_frames": None if session is None else session.odd_frames,
            "gap_frames": None if session is None else session.gap_frames,
            "not_recorded": lost,
            "troubles": recording.troubles,
            "report": asdict(report),
        }
        say(json.dumps(summary))
        return
    passed = report.client_to_server.bytes + report.server_to_client.bytes
    what, frames = "nothing recorded, the store did not open", [str(report.recorded)]
    if session is not None:
        reason = f" ({session.failure})" if session.failure else ""
        what, frames = f"session {session.id} {session.state}{reason}", count_parts(session)
    elif recording.session_id is not None:
        what = f"session {recording.session_id}"
    count, *odd = frames
    beside = f" ({', '.join(odd)})" if odd else ""
    if lost:
        beside += f", {lost} {'line' if lost == 1 else 'lines'} not recorded"
    complain(f"{what}: {count} frames recorded{beside}, {passed} bytes forwarded")
