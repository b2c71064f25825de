"""Shows the result of the demo, as tables or as JSON."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from ..printing import styled
from ..values.frozen import FrozenDict
from ..values.message import Frame, MessageEnvelope
from ..values.session import Session
from ..values.states import Direction, SessionState
from .run import DemoResult

__all__ = ["result_as_dict", "show_result"]

_PREVIEW = 60


def show_result(result: DemoResult, console: Console) -> None:
    """Print the sessions, the last frames of one, the mailbox and the check."""
    console.print(_sessions(result))
    if not any("git" in session.tags for session in result.sessions):
        console.print("git is not installed, so only the time server was used")
    console.print(_frames(result))
    mailbox = result.statistics.store.mailbox
    if mailbox is not None:
        console.print(
            f"mailbox: {mailbox.commands} commands in {mailbox.batches} batches,"
            f" the largest of {mailbox.largest_batch}; capacity {mailbox.capacity},"
            f" now {mailbox.depth} queued, {mailbox.refused} refused"
        )
    for trouble in result.troubles:
        console.print(styled("trouble", "red"), styled(trouble))
    for check in result.checks:
        for fault in check.faults:
            console.print(styled("fault", "red"), styled(f"{check.name}: {fault}"))
    total = sum(check.bytes_sent + check.bytes_received for check in result.checks)
    frames = result.statistics.store.frames
    if result.ok:
        console.print(
            f"[green]ok[/] {len(result.sessions)} sessions, {frames} frames, {total} bytes: every"
            f" stored byte equals what the witnesses at both ends saw ({result.seconds:.1f} s)"
        )
    else:
        console.print(styled("failed", "red"), styled(_verdict(result)))


def _verdict(result: DemoResult) -> str:
    different = [each.name for each in result.checks if each.differences]
    ended = [each.name for each in result.checks if each.endings]
    if different:
        of_all = f"{len(different)} of {len(result.checks)} sessions"
        return f"{of_all} are not what the witnesses at both ends saw: {', '.join(different)}"
    equal = "every stored byte equals what the witnesses at both ends saw, but"
    if ended:
        return f"{equal} not every session ended as planned: {', '.join(ended)}"
    return f"{equal} the recorder had trouble"


def result_as_dict(result: DemoResult) -> dict[str, object]:
    """Return everything as plain JSON values."""
    store = result.statistics.store
    return {
        "ok": result.ok,
        "seconds": round(result.seconds, 3),
        "sessions": [
            {
                "id": session.id,
                "state": session.state.value,
                "failure": session.failure,
                "client": _name(session.client_info),
                "server": _name(session.server_info),
                "protocol_version": session.version_state.negotiated,
                "frames": session.frame_count,
                "bytes": check.bytes_sent + check.bytes_received,
                "seconds": round(_seconds(session), 3),
                "faults": list(check.faults),
            }
            for session, check in zip(result.sessions, result.checks, strict=True)
        ],
        "frames": store.frames,
        "bytes": store.bytes,
        "mailbox": None if store.mailbox is None else asdict(store.mailbox),
        "troubles": result.troubles,
    }


def _sessions(result: DemoResult) -> Table:
    table = Table(title="Sessions", header_style="bold")
    for column in ("session", "state", "client", "server"):
        table.add_column(column)
    for column in ("frames", "bytes", "seconds"):
        table.add_column(column, justify="right")
    for session, check in zip(result.sessions, result.checks, strict=True):
        colour = "green" if session.state is SessionState.CLOSED else "yellow"
        state = f"{session.state}: {session.failure}" if session.failure else str(session.state)
        table.add_row(
            styled(str(session.metadata["name"])),
            styled(state, colour),
            styled(_name(session.client_info)),
            styled(_name(session.server_info)),
            str(session.frame_count),
            str(check.bytes_sent + check.bytes_received),
            f"{_seconds(session):.2f}",
        )
    return table


def _frames(result: DemoResult) -> Table:
    name = str(result.sessions[0].metadata["name"])
    table = Table(title=f"Last frames of {name}", header_style="bold")
    widths = {"seq": 3, "": 1, "what": 18, "bytes": 5}
    for column, width in widths.items():
        right = column in ("seq", "bytes")
        table.add_column(column, justify="right" if right else "left", min_width=width)
    table.add_column("message", overflow="ellipsis", no_wrap=True)
    for frame in result.last_frames:
        envelope = frame.envelope
        arrow = "→" if envelope.context.direction is Direction.CLIENT_TO_SERVER else "←"
        table.add_row(
            str(frame.seq),
            arrow,
            styled(_what(envelope)),
            str(len(envelope.message)),
            styled(_preview(frame)),
        )
    return table


def _what(envelope: MessageEnvelope) -> str:
    if envelope.request_id is None or envelope.method is not None:
        return envelope.method or str(envelope.kind)
    return f"{envelope.kind} of {envelope.request_id!r}"


def _preview(frame: Frame) -> str:
    text = frame.envelope.message.decode(errors="backslashreplace")
    return text if len(text) <= _PREVIEW else f"{text[: _PREVIEW - 1]}…"


def _name(info: FrozenDict | None) -> str:
    return "–" if info is None else str(info.get("name", "?"))


def _seconds(session: Session) -> float:
    ended = session.ended_at or session.last_activity
    return (ended - session.created_at).total_seconds()
