"""`sessionkeeper runs` lists what clients did over all their servers, one row a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ..printing import styled
from ..recording import CallTally, Run, tally
from ..recording.analysis.parties import server_name
from ..recording.analysis.times import duration_of, started_at
from ..values.errors import SessionNotFound, short_id
from ..values.query import SessionQuery
from ..values.session import Session
from ..values.states import SessionState
from .console import print_line
from .progress import progress
from .quantities import format_counted, format_duration, format_moment, parse_since
from .screen import Screen
from .stores import NOTHING, AsJson, StoreUrl, open_store, run_command
from .table import Cell, Column, Table

if TYPE_CHECKING:
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["runs"]

_SHOWN = 20


def runs(
    store: StoreUrl,
    *,
    since: Annotated[
        str | None, typer.Option(help="Only sessions used since: 1h, 2d, or a time in UTC.")
    ] = None,
    sessions: Annotated[
        bool, typer.Option("--sessions", help="Below each run, show its sessions.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="Number of newest runs to show; 0 for all.")
    ] = _SHOWN,
    as_json: AsJson = False,
) -> int:
    """List the runs of clients, the newest first.

    A run is what one client did over all its servers: the sessions of one client (by name, version,
    principal and, if known, process) without a pause of more than five minutes between them.

    --json prints one line per run. Exit code 1 if there is no run.
    """
    query = None if since is None else SessionQuery(active_from=parse_since(since))
    return run_command(_runs(store, query, limit, with_sessions=sessions, as_json=as_json))


async def _runs(
    url: str, query: SessionQuery | None, limit: int, *, with_sessions: bool, as_json: bool
) -> int:
    from ..recording import runs as find_runs

    screen = Screen()
    table = _table(screen)
    async with open_store(url) as store:
        found = [run async for run in find_runs(store, query)]
        shown = found[:limit] if limit else found
        with progress("counting calls", sum(len(run.sessions) for run in shown)) as advance:
            for run in shown:
                counted: list[tuple[Session, CallTally]] = []
                for session_id in run.sessions:
                    try:
                        session = await store.get_session(session_id)
                        counted.append((session, await tally(store, session)))
                    except SessionNotFound:  # deleted meanwhile
                        pass
                    advance(1)
                if as_json:
                    print_line(json.dumps(_fields(run, counted)))
                    continue
                table.add(*_run_row(run, counted))
                if with_sessions:
                    for session, calls in counted:
                        table.add(*_session_row(session, calls))
    if not as_json:
        table.end()
        table.note_left_out()
        if len(shown) < len(found):
            more = format_counted(len(found) - len(shown), "older run")
            screen.note(f"{more} not shown; --limit 0 shows all")
    screen.flush()
    return 0 if found else NOTHING


def _table(screen: Screen) -> Table:
    return Table(
        screen,
        Column("client", 1, least=12),
        Column("servers", 2, least=12, style="cyan"),
        Column("sessions", 6, right=True),
        Column("calls", 3, right=True),
        Column("errors", 4, right=True, optional=True),
        Column("state", 5, optional=True),
        Column("began", 7, right=True),
        Column("lasted", 8, right=True),
        Column("principal", 10, least=8, optional=True),
        Column("process", 11, least=8, optional=True),
    )


def _run_row(run: Run, counted: list[tuple[Session, CallTally]]) -> tuple[Cell, ...]:
    calls, errors, exact = _sums(counted)
    client = " ".join(filter(None, (run.client_name, run.client_version)))
    process = "" if run.client_pid is None else f"{run.client_pid} on {run.client_host}"
    return (
        styled(client or "a client without a name", "bold"),
        ", ".join(run.servers),
        f"{len(run.sessions):,}",
        _number(calls, exact=exact),
        styled(_number(errors, exact=exact) if errors else "", "red"),
        _run_state(run),
        format_moment(run.started),
        format_duration(run.ended - run.started),
        run.principal or "",
        process,
    )


def _session_row(session: Session, calls: CallTally) -> tuple[Cell, ...]:
    failed = session.state is SessionState.FAILED
    return (
        f"  {short_id(session.id)}",
        server_name(session) or "",
        "",
        _number(calls.calls, exact=calls.exact),
        styled(_number(calls.errors, exact=calls.exact) if calls.errors else "", "red"),
        styled(session.state.value, "red" if failed else ""),
        format_moment(started_at(session)),
        format_duration(duration_of(session)),
        "",
        "",
    )


def _run_state(run: Run) -> Text:
    if run.failed:
        return styled(f"{run.failed:,} failed", "red")
    return styled(f"{run.live:,} live", "green") if run.live else styled("")


def _number(number: int, *, exact: bool) -> str:
    # Of a session that no recorder counted, only the first frames are.
    return f"{number:,}" if exact else f"{number:,}+"


def _sums(counted: list[tuple[Session, CallTally]]) -> tuple[int, int, bool]:
    tallies = [calls for _, calls in counted]
    return (
        sum(each.calls for each in tallies),
        sum(each.errors for each in tallies),
        all(each.exact for each in tallies),
    )


def _fields(run: Run, counted: list[tuple[Session, CallTally]]) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(run)
    calls, errors, exact = _sums(counted)
    return {**fields, "calls": calls, "errors": errors, "exact": exact}
