"""What a message says, on one line: the tool and its arguments, the text of a result, the error.

Values are quoted from the bytes, never parsed and written again, so `1e2` stays `1e2`. A message
that is not as the protocol says is quoted as it is.

Source of the members: MCP 2025-11-25, schema.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeAlias

import msgspec

from ..values.jsonrpc import MessageKind
from ..values.message import MessageEnvelope
from .frame_text import describe_frame
from .quantities import format_size

__all__ = ["LONGEST", "STDERR", "Summary", "summarize"]

LONGEST = 1_000
"""Characters of a value that are shown at most."""
STDERR = "stderr"
"""The stream of the lines that a server wrote on its standard error."""
_FORMATTED = 262_144
"""Bytes of the longest value that is written without spaces; of a longer one, the beginning."""
_READ = 4 * LONGEST
"""Characters, or bytes, of which a value is made that is cut to `LONGEST` in the end."""
_NAMES = 12
"""Names of a list that are shown at most."""

_Members: TypeAlias = "dict[str, msgspec.Raw]"
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Summary(NamedTuple):
    """A message on one line; nothing in it is escaped."""

    kind: MessageKind
    head: str
    """The method; of a response, nothing."""
    name: str
    """The tool, the prompt or the resource."""
    body: str
    """The arguments or what was answered; of a frame that is no message, what it is."""


def summarize(envelope: MessageEnvelope) -> list[Summary]:
    """Summarize each message of a frame, or the frame if it is no message. O(bytes)."""
    if not envelope.is_message:
        if envelope.kind is MessageKind.OPAQUE and envelope.context.stream == STDERR:
            text = envelope.message[:_READ].decode(errors="backslashreplace")
            return [Summary(MessageKind.OPAQUE, STDERR, "", _cut(text))]
        return [Summary(envelope.kind, "", "", _cut(describe_frame(envelope)))]
    parts = (
        _items(msgspec.Raw(envelope.message))
        if envelope.kind is MessageKind.BATCH
        else [msgspec.Raw(envelope.message)]
    )
    return [_summary(_members(part)) for part in parts]


def _summary(message: _Members) -> Summary:
    if "method" in message:
        kind = MessageKind.REQUEST if "id" in message else MessageKind.NOTIFICATION
        method, params = _text(message["method"]), _members(message.get("params"))
        name, body = _describe_params(method, params)
        return Summary(kind, _cut(method), _cut(name), _cut(body))
    if "error" in message:
        error = _members(message["error"])
        code, text = _quote(error.get("code")), _text(error.get("message"))
        return Summary(MessageKind.ERROR, "", "", _cut(f"error {code}: {text}"))
    result = _members(message.get("result"))
    body = _describe_result(result) if result else _quote(message.get("result"))
    return Summary(MessageKind.RESULT, "", "", _cut(body))


def _describe_params(method: str, params: _Members) -> tuple[str, str]:
    """Return the name in the parameters, and the rest of them."""
    rest = {name: each for name, each in params.items() if name != "_meta"}
    if method in _NAMED:
        name = _text(rest.pop(_NAMED[method], None))
        return name, _arguments(rest)
    if method in _PARAMS and (described := _PARAMS[method](rest)):
        return "", described
    return "", _object(rest) if rest else ""


_NAMED = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
}
"""The member that names what a request is about."""


def _describe_initialize(params: _Members) -> str:
    client = _name(_members(params.get("clientInfo")))
    return f"{client} · protocol {_text(params.get('protocolVersion'))}"


def _describe_progress(params: _Members) -> str:
    total = f"/{_quote(params['total'])}" if "total" in params else ""
    return f"{_quote(params.get('progress'))}{total} {_text(params.get('message'))}".strip()


def _describe_log(params: _Members) -> str:
    logger = f" {_text(params['logger'])}" if "logger" in params else ""
    return f"{_text(params.get('level'))}{logger}: {_text(params.get('data'))}"


def _describe_cancel(params: _Members) -> str:
    reason = f": {_text(params['reason'])}" if "reason" in params else ""
    return f"request {_quote(params.get('requestId'))}{reason}"


def _describe_elicitation(params: _Members) -> str:
    return _text(params.get("message"))


def _describe_sampling(params: _Members) -> str:
    return _describe_messages(params["messages"]) if "messages" in params else ""


_PARAMS: dict[str, Callable[[_Members], str]] = {
    "initialize": _describe_initialize,
    "notifications/progress": _describe_progress,
    "notifications/message": _describe_log,
    "notifications/cancelled": _describe_cancel,
    "elicitation/create": _describe_elicitation,
    "sampling/createMessage": _describe_sampling,
}


def _arguments(rest: _Members) -> str:
    if rest.keys() <= {"arguments"}:
        return _quote(rest.get("arguments"))
    return _object(rest)


def _describe_result(result: _Members) -> str:
    rest = {name: each for name, each in result.items() if name != "_meta"}
    for name, describe in _DESCRIBED.items():
        if name in rest:
            return describe(rest[name]) or _object(rest)
    if "serverInfo" in rest:
        capabilities = ", ".join(_members(rest.get("capabilities"))) or "none"
        version = _text(rest.get("protocolVersion"))
        return f"{_name(_members(rest['serverInfo']))} · protocol {version} · {capabilities}"
    if "action" in rest:
        content = f" {_quote(rest['content'])}" if "content" in rest else ""
        return f"{_text(rest['action'])}{content}"
    if "content" in rest:
        return _describe_content(rest["content"]) or _object(rest)
    return _object(rest)


def _describe_content(raw: msgspec.Raw) -> str:
    """Describe content of a tool or a message: its texts, and the size of everything else."""
    parts = _items(raw) or [raw]
    return " ".join(filter(None, map(_describe_part, parts[:_NAMES])))


def _describe_part(raw: msgspec.Raw) -> str:
    part = _members(raw)
    if "text" in part:
        return " ".join(_text(part["text"])[:_READ].split())  # without its line breaks
    if "resource" in part:
        return _describe_part(part["resource"])
    kind = _text(part.get("type")) or "blob"
    media_type = f" {_text(part['mimeType'])}" if "mimeType" in part else ""
    data = part.get("data", part.get("blob"))
    if data is not None:
        return f"[{kind}{media_type}, {format_size(len(bytes(data)))} of Base64]"
    return f"[{kind}{media_type}] {_text(part.get('uri'))}".strip() if part else ""


def _describe_messages(raw: msgspec.Raw) -> str:
    said: list[str] = []
    for each in _items(raw)[:_NAMES]:
        members = _members(each)
        content = _describe_content(members["content"]) if "content" in members else ""
        said.append(f"{_text(members.get('role'))}: {content}")
    return " | ".join(said)


def _describe_list(noun: str) -> Callable[[msgspec.Raw], str]:
    def describe(raw: msgspec.Raw) -> str:
        items = _items(raw)
        members = (_members(each) for each in items[:_NAMES])
        names = [_text(each.get("name", each.get("uri"))) for each in members]
        more = ", …" if len(items) > _NAMES else ""
        counted = f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
        return f"{counted}: {', '.join(names)}{more}" if items else counted

    return describe


_DESCRIBED: dict[str, Callable[[msgspec.Raw], str]] = {
    "tools": _describe_list("tool"),
    "prompts": _describe_list("prompt"),
    "resources": _describe_list("resource"),
    "resourceTemplates": _describe_list("resource template"),
    "roots": _describe_list("root"),
    "contents": _describe_content,
    "messages": _describe_messages,
}
"""The results that are known by a member."""


def _name(info: _Members) -> str:
    return f"{_text(info.get('name')) or '?'} {_text(info.get('version'))}".strip()


def _members(raw: msgspec.Raw | None) -> _Members:
    """Return the members of an object; none if it is something else."""
    try:
        return {} if raw is None else _decode_members(raw)
    except _ERRORS:
        return {}


def _items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return _decode_items(raw)
    except _ERRORS:
        return []


def _text(raw: msgspec.Raw | None) -> str:
    """Return a string as it reads; another value as it is written."""
    try:
        return "" if raw is None else _decode_text(raw)
    except _ERRORS:
        return _quote(raw)


def _quote(raw: msgspec.Raw | None) -> str:
    """Return a value as it is written, without the spaces between its parts."""
    if raw is None:
        return ""
    written = bytes(raw)
    if len(written) <= _FORMATTED:
        with suppress(*_ERRORS):
            written = msgspec.json.format(written, indent=-1)
    return written[:_READ].decode(errors="ignore")


def _object(members: _Members) -> str:
    parts = (
        f"{msgspec.json.encode(name).decode()}:{_quote(each)}" for name, each in members.items()
    )
    return f"{{{','.join(parts)}}}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
