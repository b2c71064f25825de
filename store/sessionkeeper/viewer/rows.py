"""Calls, and the frames that are no part of one, as rows for the page.

A row is an array: ten thousand calls are about two megabytes of JSON, which a browser parses in
some milliseconds. Times are milliseconds since 1970, with microseconds as decimals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ..values.jsonrpc import MessageKind
from ..values.message import Frame
from ..values.states import Direction
from .session_row import millis

if TYPE_CHECKING:
    from ..recording.analysis import Call

__all__ = ["Row", "arguments_excerpt", "call_row", "mark_row"]

Row: TypeAlias = tuple[object, ...]
_EXCERPT = 200
_READ_FOR_EXCERPT = 65_536
"""Bytes: a larger request has no excerpt, because reading it takes too long."""
_PROGRESS = "notifications/progress"
_FLAT = {MessageKind.ODD, MessageKind.GAP, MessageKind.OPAQUE, MessageKind.REMOVED}


def call_row(call: Call, excerpt: str | None = None) -> Row:
    """Return a call as `callOf` of the page reads it, with the beginning of its arguments."""
    latency = call.latency
    return (
        call.request_seq,
        call.response_seq,
        0 if call.direction is Direction.CLIENT_TO_SERVER else 1,
        call.method,
        call.name,
        call.request_id,
        millis(call.started),
        None if latency is None else latency.total_seconds() * 1_000,
        call.outcome.value,
        call.request_bytes,
        call.response_bytes,
        call.progress,
        call.stream,
        call.error_code,
        call.error_text,
        excerpt,
    )


def arguments_excerpt(frame: Frame) -> str | None:
    """Return the beginning of what a request asks for; None if there is nothing to show.

    Of a tool or a prompt these are its arguments, of others all parameters.
    """
    message = frame.envelope.message
    if len(message) > _READ_FOR_EXCERPT:
        return None
    try:
        params = _decode_asking(message).params
        asked = (params and _decode_arguments(params).arguments) or params
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    text = bytes(asked)[: 4 * _EXCERPT].decode(errors="ignore").strip()
    return None if text in ("", "{}") else text[:_EXCERPT]


def mark_row(frame: Frame) -> Row | None:
    """Return a frame that is no part of a call, as `markOf` reads it; None for others."""
    envelope = frame.envelope
    context = envelope.context
    kind = envelope.kind
    token: object = None
    if kind in _FLAT:
        shown = kind.value if context.stream != "stderr" else "stderr"
        text = envelope.oddity or ""
        if kind is not MessageKind.GAP and kind is not MessageKind.REMOVED:
            content = envelope.message[:_EXCERPT].decode(errors="backslashreplace")
            text = f"{text}: {content}" if text else content
    elif kind is MessageKind.NOTIFICATION:
        shown, text = kind.value, envelope.method or ""
        if text == _PROGRESS:
            shown, (text, token) = "progress", _progress(envelope.message)
    elif kind is MessageKind.BATCH:
        shown, text = kind.value, f"{len(envelope.heads())} messages"
    else:
        return None
    return (
        frame.seq,
        0 if context.direction is Direction.CLIENT_TO_SERVER else 1,
        shown,
        millis(context.timestamp),
        len(envelope.message),
        text[:_EXCERPT],
        context.stream,
        token,
    )


class _Asking(msgspec.Struct):
    params: msgspec.Raw = msgspec.Raw()


class _Arguments(msgspec.Struct):
    arguments: msgspec.Raw = msgspec.Raw()


class _ProgressParams(msgspec.Struct):
    progressToken: int | str | None = None  # noqa: N815 - the protocol's name
    progress: float | None = None
    total: float | None = None
    message: str | None = None


class _ProgressMessage(msgspec.Struct):
    params: _ProgressParams = msgspec.field(default_factory=_ProgressParams)


_decode_asking = msgspec.json.Decoder(_Asking).decode
_decode_arguments = msgspec.json.Decoder(_Arguments).decode
_decode_progress = msgspec.json.Decoder(_ProgressMessage).decode


def _progress(message: bytes) -> tuple[str, object]:
    try:
        params = _decode_progress(message).params
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _PROGRESS, None
    parts = [] if params.progress is None else [f"{params.progress:g}"]
    if parts and params.total is not None:
        parts = [f"{params.progress:g} of {params.total:g}"]
    if params.message:
        parts.append(params.message)
    return " · ".join(parts) or _PROGRESS, params.progressToken
