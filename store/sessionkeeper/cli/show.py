"""`sessionkeeper show` prints a session as a conversation, or one of its messages."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Iterator
from typing import Annotated

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..leases import recorder_state
from ..recording.analysis import CallTally, tally
from ..recording.analysis.times import duration_of, started_at
from ..values.errors import short_id
from ..values.frozen import thaw
from ..values.lease import lease_of
from ..values.message import Frame
from ..values.session import Session
from .call_text import call_fields
from .console import complain, interruptible, print_line
from .conversation import Conversation
from .frame_text import frame_fields
from .message_view import find_calls, show_message, write_bytes
from .quantities import format_counted, format_duration
from .screen import Screen
from .session_text import (
    OWN_KEYS,
    describe_client,
    describe_endpoint,
    describe_odd_frames,
    describe_redaction,
    describe_server,
    describe_state,
    name_of,
    session_fields,
    state_style,
)
from .stores import NOTHING, AsJson, SessionId, StoreUrl, find_session, open_store, run_command

__all__ = ["show"]

_PAGE = 250
"""Frames that are in memory at a time, each of any size."""
_LOOK_BACK = 1_000
_SHOWN = 20


def show(
    store: StoreUrl,
    session: SessionId,
    frame: Annotated[
        int | None, typer.Argument(min=1, help="Number of one frame to show.", show_default=False)
    ] = None,
    *,
    frames: Annotated[int, typer.Option(min=0, help="Number of the last frames to show.")] = _SHOWN,
    every: Annotated[bool, typer.Option("--all", help="Show all frames.")] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="Write the exact bytes of the frames, each with a newline; of one, without.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show a session as a conversation: each answer is below its request, with the time it took.

    With FRAME, show that message indented, and the other half of its call. Exit code 1 if there is
    no such session or frame.
    """
    if raw and as_json:
        raise typer.BadParameter("give one of them", param_hint="--raw, --json")
    if raw and sys.stdout.isatty():
        raise typer.BadParameter(
            "bytes could control the terminal; send them to a file or a pipe", param_hint="--raw"
        )
    if frame is not None:
        return run_command(_show_message(store, session, frame, raw=raw, as_json=as_json))
    count = None if every else frames
    if raw:
        return run_command(_write_raw(store, session, count))
    showing = _show_json if as_json else _show
    return run_command(showing(store, session, count))


async def _show(url: str, asked: str, count: int | None) -> int:
    screen = Screen()
    async with open_store(url) as store:
        session = await find_session(store, asked)
        _print_header(screen, session, await tally(store, session))
        first = 1 if count is None else session.last_seq - count + 1
        conversation = Conversation(screen, session)
        if first > 1:
            # The requests that the first answers belong to.
            known = max(0, first - 1 - _LOOK_BACK)
            earlier = await store.read_frames(
                session.id, after=known, before=first, limit=_LOOK_BACK
            )
            conversation.pass_over(earlier)
            screen.note(f"… {format_counted(first - 1, 'earlier frame')}; --all shows them")
        async for frames in _pages(store, session, count):
            conversation.print(frames, last=frames[-1].seq >= session.last_seq)
    return 0


async def _show_json(url: str, asked: str, count: int | None) -> int:
    async with open_store(url) as store:
        session = await find_session(store, asked)
        shown: list[dict[str, object]] = []
        async for frames in _pages(store, session, count):
            shown += map(frame_fields, frames)
    print_line(json.dumps({"session": session_fields(session), "frames": shown}))
    return 0


async def _write_raw(url: str, asked: str, count: int | None) -> int:
    async with open_store(url) as store:
        session = await find_session(store, asked)
        async for frames in _pages(store, session, count):
            with interruptible():
                for frame in frames:
                    write_bytes(frame.envelope.message + b"\n")
    return 0


async def _show_message(url: str, asked: str, seq: int, *, raw: bool, as_json: bool) -> int:
    async with open_store(url) as store:
        session = await find_session(store, asked)
        frames = await store.read_frames(session.id, after=seq - 1, before=seq + 1)
        if not frames:
            complain(f"session {short_id(session.id)} has no frame {seq}")
            return NOTHING
        if raw:
            with interruptible():
                write_bytes(frames[0].envelope.message)
            return 0
        related = await find_calls(store, session, frames[0])
    if as_json:
        print_line(
            json.dumps(
                {**frame_fields(frames[0]), "calls": [call_fields(each) for each in related]}
            )
        )
    else:
        show_message(Screen(), session, frames[0], related)
    return 0


async def _pages(
    store: AtomicSessionStore, session: Session, count: int | None
) -> AsyncGenerator[list[Frame]]:
    """Yield the last frames in pages, or all of them, up to the last one of now."""
    first = 1 if count is None else max(1, session.last_seq - count + 1)
    after = first - 1
    while after < session.last_seq:
        frames = await store.read_frames(
            session.id, after=after, before=session.last_seq + 1, limit=_PAGE
        )
        if not frames:
            return
        after = frames[-1].seq
        yield frames


def _print_header(screen: Screen, session: Session, counted: CallTally) -> None:
    for name, value, style in _header(session, counted):
        if value:
            screen.print_field(name, value, style)
    screen.print()


def _header(session: Session, counted: CallTally) -> Iterator[tuple[str, str, str]]:
    """Yield names, values and styles; a value may be empty."""
    yield "session", short_id(session.id), "bold"
    yield "name", name_of(session), ""
    yield "client", describe_client(session), ""
    server, (kind, endpoint) = describe_server(session), describe_endpoint(session)
    yield "server", server if server != endpoint else "", ""
    yield kind, endpoint, ""
    version = session.version_state.negotiated
    protocol = "" if version is None else f", protocol {version}"
    yield "transport", f"{session.transport_type}{protocol}", ""
    yield "state", describe_state(session), state_style(session)
    lease, recorder = lease_of(session), recorder_state(session)
    if lease is not None and recorder is not None:
        sign = f"last sign {lease.seen:%Y-%m-%d %H:%M:%S}"
        yield "recorder", f"{recorder}: process {lease.pid} on {lease.host}, {sign}", ""
    taken = format_duration(duration_of(session))
    yield "started", f"{started_at(session):%Y-%m-%d %H:%M:%S} UTC, for {taken}", ""
    errors = f", {format_counted(counted.errors, 'error')}" if counted.errors else ""
    more = "" if counted.exact else " in the part that was counted"
    yield "calls", f"{counted.calls:,}{errors}{more}", "red" if errors else ""
    odd = describe_odd_frames(session)
    yield "frames", f"{session.frame_count:,}{f', {odd}' if odd else ''}", "yellow" if odd else ""
    yield "redacted", describe_redaction(session), ""
    yield "tags", ", ".join(sorted(session.tags)), ""
    yield "principal", session.principal or "", ""
    rest = {
        name: thaw(value)
        for name, value in session.metadata.items()
        if not name.startswith(OWN_KEYS)
    }
    yield "metadata", json.dumps(rest, ensure_ascii=False) if rest else "", ""
