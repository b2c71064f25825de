"""`sessionkeeper record -- COMMAND…`: an MCP stdio tap."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from ..manager import ManagerConfig, SessionManager
from ..stores.factory import StorageFactory
from ..tap import (
    CommandNotStarted,
    SessionRecorder,
    Tap,
    TapReport,
    exit_status,
    forwarding_signals,
)
from ..values.errors import SessionError
from ..values.session import Session
from .console import complain, run_on_loop, say
from .stores import STORES, said

__all__ = ["record"]

_SWITCH_INTERVAL = 0.0005
"""Seconds."""


def record(
    command: Annotated[list[str], typer.Argument(help="The server's command, after --.")],
    store: Annotated[
        str,
        typer.Option(
            help=f"Where to keep the session: {STORES}; in memory:// it ends with the tap."
        ),
    ] = "memory://",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No summary at the end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The summary as one line of JSON, on stderr.")
    ] = False,
) -> int:
    """Stand between an MCP client and a server, and record what passes.

    Use it in a client's configuration in place of the server's command. Every byte is forwarded
    unchanged, and stderr, signals and the exit code are the server's; the summary goes to stderr.
    """
    # A busy loop gives way to a forwarding thread only after this time; five milliseconds, the
    # default, would be felt in every round trip (measured: 385 µs against 50 µs).
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        return run_on_loop(_record(command, store, quiet=quiet, as_json=as_json))
    except CommandNotStarted as error:
        complain(str(error))
        return error.exit_status
    except SessionError as error:
        raise typer.BadParameter(str(error), param_hint="--store") from None
    except ValueError as error:
        raise typer.BadParameter(said(error), param_hint="--store") from None


async def _record(command: list[str], store_url: str, *, quiet: bool, as_json: bool) -> int:
    async with (
        await StorageFactory.create(store_url) as store,
        SessionManager.with_store(store, ManagerConfig.recording()) as manager,
    ):
        recorder = await SessionRecorder.open(manager, command)
        tap = Tap(command, recorder, client_in=0, client_out=1, on_trouble=complain)
        with forwarding_signals(tap):
            report = await tap.run()
        if not quiet:
            await _summarise(manager, recorder.session_id, report, as_json=as_json)
    return exit_status(report.returncode)


async def _summarise(
    manager: SessionManager, session_id: str, report: TapReport, *, as_json: bool
) -> None:
    try:
        session = await manager.get_session(session_id)
    except SessionError as error:  # the exit code is the server's, whatever became of the store
        complain(f"no summary: {error}")
        return
    if as_json:
        say(json.dumps(_as_dict(session, report)))
    else:
        passed = report.client_to_server.bytes + report.server_to_client.bytes
        reason = f" ({session.failure})" if session.failure else ""
        complain(
            f"session {session.id} {session.state}{reason}: {session.frame_count} frames recorded,"
            f" {passed} bytes forwarded"
        )


def _as_dict(session: Session, report: TapReport) -> dict[str, object]:
    return {
        "session": session.id,
        "state": session.state.value,
        "failure": session.failure,
        "frames": session.frame_count,
        "report": asdict(report),
    }
