"""Frames as the commands print them: as JSON, and what is no message as one line of text."""

from __future__ import annotations

from base64 import b64encode

import msgspec

from ..values.jsonrpc import MessageKind
from ..values.message import Frame, MessageEnvelope
from ..values.oddities import as_text
from ..values.session import Session
from ..values.states import Direction

__all__ = ["ARROWS", "count_parts", "describe_frame", "frame_fields"]

_SHOWN = 65_536
"""Bytes."""
_UNSHOWN = {"session_id", "stream"}
ARROWS = {Direction.CLIENT_TO_SERVER: "→", Direction.SERVER_TO_CLIENT: "←"}


def count_parts(session: Session) -> list[str]:
    """Return the number of a session's frames, and of its odd frames and gaps."""
    odd, gaps = session.odd_frames, session.gap_frames
    parts = [str(session.frame_count)]
    if odd:
        parts.append(f"{odd} odd")
    if gaps:
        parts.append(f"{gaps} {'gap' if gaps == 1 else 'gaps'}")
    return parts


def frame_fields(frame: Frame) -> dict[str, object]:
    """Return a frame as JSON has it: bytes that are not UTF-8 as `message_base64`."""
    envelope = frame.envelope
    fields: dict[str, object] = {
        "seq": frame.seq,
        **envelope.context.model_dump(mode="json", exclude=_UNSHOWN),
    }
    if envelope.context.stream is not None:
        fields["stream"] = envelope.context.stream
    if not envelope.is_message:
        fields["kind"] = envelope.kind.value
        fields["media_type"], fields["oddity"] = envelope.media_type, envelope.oddity
    text = as_text(envelope.message)
    if text is None:
        return {**fields, "message_base64": b64encode(envelope.message).decode()}
    return {**fields, "message": text}


def describe_frame(envelope: MessageEnvelope, *, content: bool = True) -> str:
    """Return a frame that is no message as one line, which the caller must escape.

    It begins with the kind, and the reason or the media type; a removed one has only its kind.
    Bytes that are no text are written as `\\xNN`. Without `content` it says only what it is.
    """
    kind = envelope.kind
    if kind is MessageKind.REMOVED:
        return f"[{kind}]" if content else kind.value
    what = f"{kind}: {envelope.oddity or envelope.media_type}"
    if not content:
        return what
    text = envelope.message[:_SHOWN].decode(errors="backslashreplace")
    if kind is MessageKind.GAP:
        text = _gap_text(envelope.message) or text
    return f"[{what}] {text}"


class _Gap(msgspec.Struct):
    size: int
    lines: int = 1
    sha256: str | None = None


def _gap_text(message: bytes) -> str | None:
    try:
        gap = msgspec.json.decode(message, type=_Gap)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    digest = "" if gap.sha256 is None else f", SHA-256 {gap.sha256}"
    return f"{gap.lines} {'line' if gap.lines == 1 else 'lines'}, {gap.size} bytes{digest}"
