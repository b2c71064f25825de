"""`sessionkeeper calls` lists the calls of a session, or of all sessions."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import heappop, heappush
from typing import Annotated

import typer

from ..printing import styled
from ..recording.analysis import Call, CallFilter
from ..recording.analysis.reading import calls_of_each
from ..values.errors import SessionNotFound, short_id
from ..values.query import SessionQuery
from ..values.session import Session
from ..values.states import Direction
from .call_text import (
    ARROW_STYLES,
    OUTCOME_STYLES,
    call_fields,
    describe_outcome,
    style_call,
)
from .console import print_line
from .frame_text import ARROWS
from .newest_sessions import newest_sessions
from .progress import progress_bar
from .quantities import (
    format_counted,
    format_duration,
    format_moment,
    format_size,
    parse_duration,
    parse_since,
)
from .screen import Screen
from .session_text import show_command
from .stores import NOTHING, AsJson, StoreUrl, find_session, open_store, run_command
from .table import Cell, Column, Table

__all__ = ["calls"]

_SHOWN = 100
_SLOW = "1s"
"""A call that takes longer is counted as slow, unless --slow says something else."""
_MOST_SORTED = 65_536
"""Number of calls that are put in order at a time. One that was overtaken by more comes late."""
_NARROW = 60
"""Cells below which a call is only its name, or its method if it has no name."""
_COLUMNS = (
    Column("session", 3, optional=True),
    Column("frame", 4, right=True),
    Column("time", 6, right=True),
    Column("dir", 7),
    Column("call", 1, least=18),
    Column("latency", 5, right=True),
    Column("size", 8, right=True, spare=True),
    Column("outcome", 2, least=16),
)


def calls(
    store: StoreUrl,
    session: Annotated[
        str | None,
        typer.Argument(
            help="Session id, unique prefix, last or last~2; without it, all sessions.",
            show_default=False,
        ),
    ] = None,
    *,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only calls that got an error, or a tool's isError.")
    ] = False,
    unanswered: Annotated[
        bool, typer.Option("--unanswered", help="Only calls without an answer; or with --errors.")
    ] = False,
    slow: Annotated[
        str | None, typer.Option(help="Only calls that took longer than this: 500ms, 2s.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="Only calls of this method.")] = None,
    tool: Annotated[
        str | None, typer.Option(help="Only calls of this tool, prompt or resource.")
    ] = None,
    direction: Annotated[
        Direction | None, typer.Option(help="Only calls that this side sent.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only calls that began since: 1h, 2d, or a time in UTC.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"Number of newest calls to show ({_SHOWN}; all with --json); 0 for all."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """List calls: when, which tool, how long it took, and what became of it.

    In order of their requests; of all sessions, the newest session first. Exit code 1 if there is
    no such call.
    """
    wanted = CallFilter(
        errors=errors,
        unanswered=unanswered,
        slower_than=None if slow is None else parse_duration(slow, option="--slow"),
        method=method,
        name=tool,
        direction=direction,
        since=None if since is None else parse_since(since),
    )
    if limit is None:
        limit = 0 if as_json else _SHOWN
    counts = _Counts(slow or _SLOW)
    return run_command(_calls(store, session, wanted, limit, counts, as_json=as_json))


@dataclass(slots=True)
class _Counts:
    """What is said below the calls."""

    slow: str
    """Above which latency a call is slow."""
    found: int = 0
    errors: int = 0
    slow_calls: int = 0
    shown: int = 0
    last: Call | None = None
    _threshold: timedelta = field(init=False)

    def __post_init__(self) -> None:
        self._threshold = parse_duration(self.slow, option="--slow")

    def count(self, call: Call) -> None:
        """Count a call that was found."""
        self.found += 1
        self.errors += call.is_error
        latency = call.latency
        self.slow_calls += latency is not None and latency > self._threshold

    def describe(self) -> str:
        """Return them as a sentence without its end."""
        said = format_counted(self.found, "call")
        if self.shown < self.found:
            said = f"the newest {self.shown:,} of {said}"
        if self.errors:
            said += f", {format_counted(self.errors, 'error')}"
        if self.slow_calls:
            said += f", {self.slow_calls:,} slower than {self.slow}"
        return said


async def _calls(
    url: str,
    asked: str | None,
    wanted: CallFilter,
    limit: int,
    counts: _Counts,
    *,
    as_json: bool,
) -> int:
    screen = Screen()
    table = Table(screen, *_COLUMNS)
    narrow = screen.width is not None and screen.width < _NARROW
    more = False

    def print_call(call: Call) -> None:
        counts.shown += 1
        counts.last = call
        if as_json:
            print_line(json.dumps(call_fields(call)))
        else:
            table.add(*_row(call, of_all=asked is None, narrow=narrow))

    async with open_store(url) as store:
        if asked is None:
            sessions = newest_sessions(store, SessionQuery(active_from=wanted.since))
        else:
            sessions = _only(await find_session(store, asked))
        with progress_bar("reading", None) as bar:
            async with aclosing(sessions), aclosing(calls_of_each(store, sessions, wanted)) as each:
                async for session, found in each:
                    if limit and counts.shown >= limit:
                        more = True
                        break
                    bar.update(f"reading {short_id(session.id)}")
                    room = limit - counts.shown if limit else 0
                    async for call in _sorted(found, room, counts):
                        print_call(call)
    if not as_json:
        table.end()
        _print_notes(screen, table, counts, url, wanted, more=more)
    return 0 if counts.shown else NOTHING


def _print_notes(
    screen: Screen, table: Table, counts: _Counts, url: str, wanted: CallFilter, *, more: bool
) -> None:
    if counts.last is None:
        screen.note("no calls" if wanted == CallFilter() else "no such calls")
        return
    older = "; older sessions were not read" if more else ""
    every = "; --limit 0 shows all" if more or counts.shown < counts.found else ""
    screen.note(f"{counts.describe()}{older}{every}")
    screen.note(
        f"one of them: {show_command(url, counts.last.session_id, counts.last.request_seq)}"
    )
    table.note_left_out()


async def _only(session: Session) -> AsyncGenerator[Session]:
    yield session


async def _sorted(calls: AsyncIterable[Call], limit: int, counts: _Counts) -> AsyncGenerator[Call]:
    """Yield the calls of a session in order of their requests: all, or the newest ones."""
    waiting: list[tuple[int, int, Call]] = []
    try:
        async for call in calls:
            counts.count(call)
            # Of a batch, in order of their answers.
            heappush(waiting, (call.request_seq, counts.found, call))
            if limit and len(waiting) > limit:
                heappop(waiting)
            elif len(waiting) > _MOST_SORTED:
                yield heappop(waiting)[2]
    except SessionNotFound:  # deleted meanwhile
        pass
    while waiting:
        yield heappop(waiting)[2]


def _row(call: Call, *, of_all: bool, narrow: bool) -> tuple[Cell, ...]:
    latency, style = call.latency, OUTCOME_STYLES[call.outcome]
    return (
        short_id(call.session_id) if of_all else "",
        f"{call.request_seq}",
        format_moment(call.started, exact=True),
        styled(ARROWS[call.direction], ARROW_STYLES[call.direction]),
        style_call(call.method, call.name, narrow=narrow),
        "" if latency is None else format_duration(latency),
        "" if call.response_bytes is None else format_size(call.response_bytes),
        styled(describe_outcome(call), style),
    )
