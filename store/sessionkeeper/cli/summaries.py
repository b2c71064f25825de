"""What a message says, on one line: the tool and its arguments, the text of a result, the error.

Values are quoted from the bytes, never parsed and written again, so `1e2` stays `1e2`. A message
that is not as the protocol says is quoted as it is.

Source of the members: MCP 2025-11-25, schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from ..values.jsonrpc import MessageKind
from ..values.message import MessageEnvelope
from .frame_text import describe_frame
from .quantities import format_size
from .quoting import READ, Members, cut, quote, quote_object, read_items, read_members, read_text

__all__ = ["STDERR", "Summary", "summarize"]

STDERR = "stderr"
"""The stream of the lines that a server wrote on its standard error."""
_NAMES = 12
"""Names of a list that are shown at most."""


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
            text = envelope.message[:READ].decode(errors="backslashreplace")
            return [Summary(MessageKind.OPAQUE, STDERR, "", cut(text.rstrip()))]
        return [Summary(envelope.kind, "", "", cut(describe_frame(envelope)))]
    parts = (
        read_items(msgspec.Raw(envelope.message))
        if envelope.kind is MessageKind.BATCH
        else [msgspec.Raw(envelope.message)]
    )
    return [_summary(read_members(part)) for part in parts]


def _summary(message: Members) -> Summary:
    if "method" in message:
        kind = MessageKind.REQUEST if "id" in message else MessageKind.NOTIFICATION
        method, params = read_text(message["method"]), read_members(message.get("params"))
        name, body = _describe_params(method, params)
        return Summary(kind, cut(method), cut(name), cut(body))
    if "error" in message:
        error = read_members(message["error"])
        code, text = quote(error.get("code")), read_text(error.get("message"))
        return Summary(MessageKind.ERROR, "", "", cut(f"error {code}: {text}"))
    result = read_members(message.get("result"))
    body = _describe_result(result) if result else quote(message.get("result"))
    return Summary(MessageKind.RESULT, "", "", cut(body))


def _describe_params(method: str, params: Members) -> tuple[str, str]:
    """Return the name in the parameters, and the rest of them."""
    rest = {name: each for name, each in params.items() if name != "_meta"}
    if method in _NAMED:
        name = read_text(rest.pop(_NAMED[method], None))
        return name, _arguments(rest)
    if method in _PARAMS and (described := _PARAMS[method](rest)):
        return "", described
    return "", quote_object(rest) if rest else ""


_NAMED = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
}
"""The member that names what a request is about."""


def _describe_initialize(params: Members) -> str:
    client = _name(read_members(params.get("clientInfo")))
    return f"{client} · protocol {read_text(params.get('protocolVersion'))}"


def _describe_progress(params: Members) -> str:
    total = f"/{quote(params['total'])}" if "total" in params else ""
    return f"{quote(params.get('progress'))}{total} {read_text(params.get('message'))}".strip()


def _describe_log(params: Members) -> str:
    logger = f" {read_text(params['logger'])}" if "logger" in params else ""
    return f"{read_text(params.get('level'))}{logger}: {read_text(params.get('data'))}"


def _describe_cancel(params: Members) -> str:
    reason = f": {read_text(params['reason'])}" if "reason" in params else ""
    return f"request {quote(params.get('requestId'))}{reason}"


def _describe_elicitation(params: Members) -> str:
    return read_text(params.get("message"))


def _describe_sampling(params: Members) -> str:
    return _describe_messages(params["messages"]) if "messages" in params else ""


_PARAMS: dict[str, Callable[[Members], str]] = {
    "initialize": _describe_initialize,
    "notifications/progress": _describe_progress,
    "notifications/message": _describe_log,
    "notifications/cancelled": _describe_cancel,
    "elicitation/create": _describe_elicitation,
    "sampling/createMessage": _describe_sampling,
}


def _arguments(rest: Members) -> str:
    if rest.keys() <= {"arguments"}:
        return quote(rest.get("arguments"))
    return quote_object(rest)


def _describe_result(result: Members) -> str:
    rest = {name: each for name, each in result.items() if name != "_meta"}
    for name, describe in _DESCRIBED.items():
        if name in rest:
            return describe(rest[name]) or quote_object(rest)
    if "serverInfo" in rest:
        capabilities = ", ".join(read_members(rest.get("capabilities"))) or "none"
        version = read_text(rest.get("protocolVersion"))
        return f"{_name(read_members(rest['serverInfo']))} · protocol {version} · {capabilities}"
    if "action" in rest:
        content = f" {quote(rest['content'])}" if "content" in rest else ""
        return f"{read_text(rest['action'])}{content}"
    if "content" in rest:
        return _describe_content(rest["content"]) or quote_object(rest)
    return quote_object(rest)


def _describe_content(raw: msgspec.Raw) -> str:
    """Describe content of a tool or a message: its texts, and the size of everything else."""
    parts = read_items(raw) or [raw]
    return " ".join(filter(None, map(_describe_part, parts[:_NAMES])))


def _describe_part(raw: msgspec.Raw) -> str:
    part = read_members(raw)
    if "text" in part:
        return " ".join(read_text(part["text"])[:READ].split())  # without its line breaks
    if "resource" in part:
        return _describe_part(part["resource"])
    kind = read_text(part.get("type")) or "blob"
    media_type = f" {read_text(part['mimeType'])}" if "mimeType" in part else ""
    data = part.get("data", part.get("blob"))
    if data is not None:
        return f"[{kind}{media_type}, {format_size(len(bytes(data)))} of Base64]"
    return f"[{kind}{media_type}] {read_text(part.get('uri'))}".strip() if part else ""


def _describe_messages(raw: msgspec.Raw) -> str:
    said: list[str] = []
    for each in read_items(raw)[:_NAMES]:
        members = read_members(each)
        content = _describe_content(members["content"]) if "content" in members else ""
        said.append(f"{read_text(members.get('role'))}: {content}")
    return " | ".join(said)


def _describe_list(noun: str) -> Callable[[msgspec.Raw], str]:
    def describe(raw: msgspec.Raw) -> str:
        items = read_items(raw)
        members = (read_members(each) for each in items[:_NAMES])
        names = [read_text(each.get("name", each.get("uri"))) for each in members]
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


def _name(info: Members) -> str:
    return f"{read_text(info.get('name')) or '?'} {read_text(info.get('version'))}".strip()
