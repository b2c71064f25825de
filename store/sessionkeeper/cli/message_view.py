"""One message of a recording: indented, with how it was delivered and the rest of its call."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from ..interface.atomic_store import AtomicSessionStore
from ..printing import styled
from ..recording.analysis import Call, CallTracker
from ..values.delivery import Delivery, HttpDelivery, SseDelivery, StdioDelivery
from ..values.errors import short_id
from ..values.jsonrpc import MessageKind
from ..values.message import Frame, MessageEnvelope
from ..values.session import Session
from ..values.states import Direction
from .call_text import OUTCOME_STYLES, describe_outcome
from .frame_text import ARROWS, describe_frame
from .progress import progress
from .quantities import format_counted, format_duration, format_size
from .screen import Screen, join

if TYPE_CHECKING:
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["find_calls", "show_message", "write_bytes"]

_PAGE = 500
_LOOK_BACK = 2_000
"""Frames."""
_SENDERS = {
    Direction.CLIENT_TO_SERVER: "client to server",
    Direction.SERVER_TO_CLIENT: "server to client",
}
_MEMBER = re.compile(r'( *)("(?:[^"\\]|\\.)*": )?(.*?)(,?)')
_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


async def find_calls(store: AtomicSessionStore, session: Session, frame: Frame) -> list[Call]:
    """Return the calls that a frame opened, answered or changed, as they became.

    Reads on to the last of their answers. The request is looked for in the frames just before, then
    in all. Raises `SessionNotFound`, `StoreUnavailable`.
    """
    kinds = {each.kind for each in frame.envelope.heads()}
    if not kinds and not isinstance(frame.envelope.context.delivery, HttpDelivery):
        return []
    start = max(0, frame.seq - 1 - _LOOK_BACK)
    found = await _find_calls(store, session, frame.seq, start)
    if found or not start or kinds == {MessageKind.REQUEST}:
        return found
    return await _find_calls(store, session, frame.seq, 0)


async def _find_calls(
    store: AtomicSessionStore, session: Session, seq: int, after: int
) -> list[Call]:
    tracker = CallTracker(session.id)
    related: dict[tuple[int, object], Call] | None = None

    def update(changed: Sequence[Call]) -> None:
        for call in changed:
            if related is not None and (key := (call.request_seq, call.request_id)) in related:
                related[key] = call

    with progress("pairing", session.last_seq - after) as advance:
        while after < session.last_seq:
            frames = await store.read_frames(session.id, after=after, limit=_PAGE)
            for frame in frames:
                changed = tracker.feed(frame)
                update(changed)
                if frame.seq == seq:
                    related = {(each.request_seq, each.request_id): each for each in changed}
                if related is not None and all(each.response_seq for each in related.values()):
                    return list(related.values())
            if not frames:
                break
            advance(len(frames))
            after = frames[-1].seq
    update(tracker.finish() if session.state.is_terminal else tracker.open())
    return list(related.values()) if related else []


def show_message(screen: Screen, session: Session, frame: Frame, related: Sequence[Call]) -> None:
    """Print a frame. Raises `OSError`."""
    envelope = frame.envelope
    context = envelope.context
    arrow = f"{ARROWS[context.direction]} {_SENDERS[context.direction]}"
    screen.print_field("frame", f"{frame.seq} of session {short_id(session.id)}", "bold")
    screen.print_field("sent", f"{context.timestamp:%Y-%m-%d %H:%M:%S.%f} UTC, {arrow}")
    what = envelope.kind.value if envelope.is_message else describe_frame(envelope, content=False)
    screen.print_field("what", f"{what}, {_size(envelope)}")
    for call in related:
        for name, value in _describe_call(call, frame.seq):
            style = OUTCOME_STYLES[call.outcome] if name == "outcome" else ""
            screen.print_field(name, value, style)
    if delivery := _describe_delivery(context.delivery):
        screen.print_field("by", delivery)
    if context.stream is not None:
        screen.print_field("stream", context.stream)
    if places := context.metadata.get("redacted"):
        screen.print_field("redacted", f"{places} places")
    screen.print()
    for line in _body(envelope):
        screen.print(line)


def write_bytes(message: bytes) -> None:
    """Write bytes to standard output as they are. Raises `OSError`."""
    sys.stdout.flush()
    sys.stdout.buffer.write(message)
    sys.stdout.buffer.flush()


def _describe_call(call: Call, seq: int) -> Iterator[tuple[str, str]]:
    yield "call", f"{call.method}{f' {call.name}' if call.name else ''}"
    if seq != call.request_seq:
        yield "request", f"frame {call.request_seq}"
    if seq != call.response_seq and call.response_seq is not None:
        yield "answer", f"frame {call.response_seq}"
    latency = "" if call.latency is None else f"after {format_duration(call.latency)}: "
    yield "outcome", f"{latency}{describe_outcome(call)}"


def _size(envelope: MessageEnvelope) -> str:
    size = len(envelope.message)
    return format_counted(size, "byte") + (f" ({format_size(size)})" if size >= 10_240 else "")


def _describe_delivery(delivery: Delivery | None) -> str:
    match delivery:
        case HttpDelivery(method=method, path=path, status=status):
            parts = ("HTTP", method, path, None if status is None else str(status))
            return " ".join(filter(None, parts))
        case SseDelivery(event_id=event_id, event_type=event_type):
            kind = "" if event_type is None else f" {event_type}"
            return f"server-sent event{kind}{'' if event_id is None else f', id {event_id}'}"
        case StdioDelivery(pid=pid):
            return "stdio" if pid is None else f"stdio of process {pid}"
        case None:
            return ""


def _body(envelope: MessageEnvelope) -> Iterator[Text]:
    """Yield the lines of a message: JSON is indented, and nothing else of it is changed."""
    try:
        written = msgspec.json.format(envelope.message, indent=2).decode()
    except _ERRORS:
        for line in envelope.message.decode(errors="backslashreplace").split("\n"):
            yield styled(line)
        return
    for line in written.split("\n"):
        yield _coloured(line)


def _coloured(line: str) -> Text:
    found = _MEMBER.fullmatch(line)
    if found is None:
        return styled(line)
    indent, name, value, comma = found.groups(default="")
    style = "green" if value.startswith('"') else "" if value in "{}[]" else "magenta"
    return join(indent, styled(name, "cyan"), styled(value, style), comma)
