"""`sessionkeeper ls` lists the sessions of a store."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Annotated

import typer

from ..printing import styled
from ..recording.analysis import CallTally
from ..recording.analysis.times import duration_of, started_at
from ..values.errors import short_id
from ..values.query import SessionQuery
from ..values.session import Session
from ..values.states import SessionState
from .console import print_line
from .progress import progress
from .quantities import format_duration, format_moment, parse_since
from .screen import Screen
from .session_listing import Counted, Wanted, find_counted_sessions
from .session_text import (
    describe_client,
    describe_odd_frames,
    describe_server,
    describe_state,
    name_of,
    session_fields,
    state_style,
)
from .stores import NOTHING, AsJson, StoreUrl, open_store, run_command
from .table import Cell, Column, Table

__all__ = ["ls"]

_SHOWN = 50
_COLUMNS = (
    Column("id", 1),
    Column("name", 6, least=8, optional=True),
    Column("client", 9, least=10),
    Column("server", 2, least=10),
    Column("state", 3, least=14),
    Column("started", 8, right=True),
    Column("duration", 10, right=True, spare=True),
    Column("calls", 5, right=True),
    Column("errors", 4, right=True),
    Column("frames", 11, right=True, spare=True),
    Column("odd frames", 7, optional=True, style="yellow"),
    Column("transport", 13, spare=True),
    Column("tags", 12, least=6, optional=True, spare=True),
)


def ls(
    store: StoreUrl,
    *,
    state: Annotated[
        list[SessionState] | None,
        typer.Option(help="Only sessions in this state; may be repeated."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only sessions that failed or timed out.")
    ] = False,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only sessions with a call that got an error.")
    ] = False,
    client: Annotated[
        str | None, typer.Option(help="Only sessions whose client's name contains this text.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Only sessions whose server's name contains this text.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only sessions with this tag; may be repeated.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only sessions that were active since: 1h, 2d, or a time in UTC."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"Number of newest sessions to show ({_SHOWN}; all with --json); 0 for all."
        ),
    ] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="By last activity, the newest first.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Show complete ids (they may be secrets), cut nothing.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """List the sessions of a store, in order of creation, or the last used ones first.

    Who spoke with whom, how it ended, and how many calls and errors there were. --json prints one
    line per session, with the complete id. Exit code 1 if there is no session.
    """
    states = frozenset(state or ())
    if failed:
        states |= {SessionState.FAILED, SessionState.TIMED_OUT}
    query = SessionQuery(
        states=states or None,
        tags_all=frozenset(tag) if tag else None,
        active_from=None if since is None else parse_since(since),
    )
    wanted = Wanted(query, client=client, server=server, with_errors=errors)
    if limit is None:
        limit = 0 if as_json else _SHOWN
    return run_command(_ls(store, wanted, limit, newest=newest, full=full, as_json=as_json))


async def _ls(
    url: str, wanted: Wanted, limit: int, *, newest: bool, full: bool, as_json: bool
) -> int:
    screen = Screen()
    if full:  # to be copied, so never cut to the width of the terminal
        screen.width = None
    table = Table(screen, *_COLUMNS)
    counted: list[Counted] = []
    shown, more = 0, False

    def print_session(found: Counted) -> None:
        if as_json:
            print_line(json.dumps(_listed_fields(*found)))
        else:
            table.add(*_row(*found, full=full))

    async with open_store(url) as store:
        # The newest ones are found from the newest on, and shown in order of creation.
        some = limit > 0 or wanted.query.active_from is not None
        backwards = some and not newest
        sessions = find_counted_sessions(store, wanted, newest_first=backwards, by_activity=newest)
        async with aclosing(sessions):
            with progress("counting calls", None) as advance:
                async for found in sessions:
                    if limit and shown == limit:
                        more = True
                        break
                    shown += 1
                    advance(1)
                    if backwards:
                        counted.append(found)
                    else:
                        print_session(found)
        all_of_them = await store.count_sessions() if more and wanted.is_all else None
    for found in reversed(counted):
        print_session(found)
    if not as_json:
        table.end()
        if more:
            others = "more" if all_of_them is None else f"{all_of_them - shown:,} more"
            screen.note(f"and {others}; --limit 0 shows all")
        table.note_left_out()
    return 0 if shown else NOTHING


def _row(session: Session, counted: CallTally, *, full: bool) -> tuple[Cell, ...]:
    calls = f"{counted.calls:,}{'' if counted.exact else '+'}"
    return (
        session.id if full else short_id(session.id),
        name_of(session),
        describe_client(session),
        describe_server(session),
        styled(describe_state(session), state_style(session)),
        format_moment(started_at(session)),
        format_duration(duration_of(session)),
        calls,
        styled(f"{counted.errors:,}", "red" if counted.errors else "dim"),
        f"{session.frame_count:,}",
        describe_odd_frames(session),
        session.transport_type.value,
        ", ".join(sorted(session.tags)),
    )


def _listed_fields(session: Session, counted: CallTally) -> dict[str, object]:
    return {
        **session_fields(session),
        "duration": duration_of(session).total_seconds(),
        "calls": counted.calls,
        "errors": counted.errors,
        "calls_exact": counted.exact,
    }
