"""`sessionkeeper ls`, `show` and `tail` show what a store contains, and change nothing."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ..leases import RecorderState, recorder_state
from ..printing import styled
from ..values.errors import short_id
from ..values.lease import lease_of, without_lease
from ..values.message import Frame
from ..values.query import SessionOrder, SessionQuery
from ..values.session import Session
from ..values.states import SessionState
from .console import interruptible, print_line
from .frame_text import count_parts, frame_fields, frame_text
from .stores import (
    NOTHING,
    AsJson,
    SessionId,
    StoreUrl,
    find_session,
    open_store,
    run_command,
)

__all__ = ["ls", "show", "tail"]

_PAGE = 1_000
_WIDE = 260  # an id has at most 128 characters


def ls(
    store: StoreUrl,
    state: Annotated[
        list[SessionState] | None,
        typer.Option(help="Only sessions in this state; may be repeated."),
    ] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="By last activity, the newest first.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Show complete ids (they may be secrets).")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """List the sessions of a store, in order of creation, or the last used ones first.

    --json prints one line per session, with the complete id. Exit code 1 if there is no session.
    """
    order = SessionOrder.LAST_ACTIVITY if newest else SessionOrder.CREATED
    return run_command(_ls(store, state, order, full=full, as_json=as_json))


def show(
    store: StoreUrl,
    session: SessionId,
    frames: Annotated[int, typer.Option(min=0, help="Number of frames to show.")] = 20,
    as_json: AsJson = False,
) -> int:
    """Show a session and its last frames.

    Exit code 1 if the session does not exist.
    """
    return run_command(_show(store, session, frames, as_json=as_json))


def tail(
    store: StoreUrl,
    session: SessionId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for new frames until the session ends.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Number of existing frames to print first.")
    ] = 10,
    as_json: AsJson = False,
) -> int:
    """Print the last frames of a session, one per line; -f also prints new ones.

    -f shows frames that any process writes. Exit code 1 if the session does not exist.
    """
    return run_command(_tail(store, session, lines, follow=follow, as_json=as_json))


async def _ls(
    url: str,
    states: list[SessionState] | None,
    order: SessionOrder,
    *,
    full: bool,
    as_json: bool,
) -> int:
    from rich.console import Console, Group
    from rich.table import Table

    query = SessionQuery(states=frozenset(states) if states else None)
    table = Table(show_edge=False, pad_edge=False)
    for name in ("id", "state", "transport", "frames", "created", "last activity", "tags"):
        table.add_column(name)
    cursor: str | None = None
    found = 0
    async with open_store(url) as store:
        while True:
            page = await store.find_sessions(query, order=order, cursor=cursor, limit=_PAGE)
            for each in page.sessions:
                found += 1
                if as_json:
                    with interruptible():
                        print_line(json.dumps(_session_fields(each)))
                else:
                    state_cell = Group(*map(styled, _state_lines(each)))
                    count_cell = Group(*map(styled, count_parts(each)))
                    first, transport, *rest = map(styled, _row(each, full=full))
                    table.add_row(first, state_cell, transport, count_cell, *rest)
            cursor = page.cursor
            if cursor is None:
                break
    if found and not as_json:
        table.columns[0].no_wrap = table.columns[1].no_wrap = True
        console = Console()
        if full:  # to be copied, so never cut to the width of the terminal
            console.width = max(console.width, _WIDE)
        console.print(table, soft_wrap=full)
    return 0 if found else NOTHING


async def _show(url: str, asked: str, count: int, *, as_json: bool) -> int:
    from rich.console import Console
    from rich.table import Table

    async with open_store(url) as store:
        session = await find_session(store, asked)
        frames = await store.read_frames(session.id, limit=count, newest=True) if count else []
    if as_json:
        shown = {"session": _session_fields(session), "frames": [frame_fields(f) for f in frames]}
        print_line(json.dumps(shown))
        return 0
    table = Table(show_header=False, box=None)
    for name, value in _shown_fields(session).items():
        if value not in (None, [], {}):
            text = value if isinstance(value, str) else json.dumps(value)
            table.add_row(styled(name.replace("_", " ")), styled(text))
    Console().print(table)
    for frame in frames:
        print_line(frame_text(frame))
    return 0


async def _tail(url: str, asked: str, count: int, *, follow: bool, as_json: bool) -> int:
    def print_frame(frame: Frame) -> None:
        # One write per frame: a reader of the pipe waits for it.
        with interruptible():
            print_line(json.dumps(frame_fields(frame)) if as_json else frame_text(frame))

    async with open_store(url) as store:
        session = await find_session(store, asked)
        frames = await store.read_frames(session.id, limit=count, newest=True) if count else []
        for frame in frames:
            print_frame(frame)
        if follow:
            after = frames[-1].seq if frames else session.last_seq
            async with store.watch_frames(session.id, after=after) as watcher:
                async for frame in watcher:
                    print_frame(frame)
    return 0


def _row(session: Session, *, full: bool) -> tuple[str, ...]:
    return (
        session.id if full else short_id(session.id),
        session.transport_type.value,
        f"{session.created_at:%Y-%m-%d %H:%M:%S}",
        f"{session.last_activity:%Y-%m-%d %H:%M:%S}",
        ", ".join(sorted(session.tags)),
    )


def _state_lines(session: Session) -> tuple[str, ...]:
    recorder = recorder_state(session)
    if recorder in (None, RecorderState.RUNNING):
        return (session.state.value,)
    return session.state.value, f"recorder {recorder}"


def _session_fields(session: Session) -> dict[str, object]:
    fields = session.model_dump(mode="json")
    return {
        **fields,
        "tags": sorted(session.tags),
        "status": session.status.value,
        "recorder": recorder_state(session),
    }


def _shown_fields(session: Session) -> dict[str, object]:
    """Return the fields for a reader: the recorder in words, and not as metadata."""
    fields = _session_fields(session)
    lease, recorder = lease_of(session), fields["recorder"]
    if lease is not None:
        fields["metadata"] = without_lease(session).model_dump(mode="json")["metadata"]
        if recorder is not None:
            fields["recorder"] = (
                f"{recorder}: process {lease.pid} on {lease.host},"
                f" last sign {lease.seen:%Y-%m-%d %H:%M:%S}"
            )
    return {**fields, "id": short_id(session.id)}
