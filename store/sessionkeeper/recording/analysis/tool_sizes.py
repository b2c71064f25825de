"""What a list of tools and a result of a tool consist of, in bytes.

Peers may send anything. What is not shaped as the protocol says counts as text, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

__all__ = ["ListedTool", "ResultSizes", "ToolPage", "instructions_size", "read_page"]
__all__ += ["read_cursor", "result_sizes"]


class ListedTool(msgspec.Struct, frozen=True, gc=False):
    """One tool of a list, in bytes as they crossed the wire."""

    name: str
    definition: int
    """The whole object."""
    description: int
    schema: int
    """Of what goes in, and of what comes out."""


class ToolPage(msgspec.Struct, frozen=True):
    """One answer to `tools/list`."""

    tools: tuple[ListedTool, ...]
    next_cursor: str | None


class ResultSizes(msgspec.Struct, frozen=True, gc=False):
    """What one result puts into a context: bytes of text, in UTF-8, and of Base64."""

    text: int = 0
    structured: int = 0
    media: int = 0
    """Images, sounds and other binary content, as Base64."""


class _Params(msgspec.Struct):
    cursor: str | None = None


class _Page(msgspec.Struct):
    tools: list[msgspec.Raw] = []
    nextCursor: str | None = None  # noqa: N815 - the name on the wire


class _Tool(msgspec.Struct):
    name: str
    description: msgspec.Raw = msgspec.Raw()
    inputSchema: msgspec.Raw = msgspec.Raw()  # noqa: N815
    outputSchema: msgspec.Raw = msgspec.Raw()  # noqa: N815


class _Result(msgspec.Struct):
    content: list[msgspec.Raw] = []
    structuredContent: msgspec.Raw = msgspec.Raw()  # noqa: N815


class _Resource(msgspec.Struct):
    text: str | None = None
    blob: str | None = None


class _Block(msgspec.Struct):
    text: str | None = None
    data: str | None = None
    resource: _Resource | None = None


class _Greeting(msgspec.Struct):
    instructions: str = ""


_decode_params = msgspec.json.Decoder(_Params).decode
_decode_page = msgspec.json.Decoder(_Page).decode
_decode_tool = msgspec.json.Decoder(_Tool).decode
_decode_result = msgspec.json.Decoder(_Result).decode
_decode_block = msgspec.json.Decoder(_Block).decode
_decode_greeting = msgspec.json.Decoder(_Greeting).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_cursor(params: bytes | msgspec.Raw) -> str | None:
    """Return the cursor in the parameters of a `tools/list`; None for the first page."""
    try:
        return _decode_params(params).cursor
    except _UNREADABLE:
        return None


def read_page(result: bytes | msgspec.Raw) -> ToolPage | None:
    """Read the result of a `tools/list`; None if it is none."""
    try:
        page = _decode_page(result)
    except _UNREADABLE:
        return None
    return ToolPage(tuple(_tools(page.tools)), page.nextCursor)


def _tools(found: list[msgspec.Raw]) -> Iterator[ListedTool]:
    for raw in found:
        try:
            tool = _decode_tool(raw)
        except _UNREADABLE:
            continue
        schema = _length(tool.inputSchema) + _length(tool.outputSchema)
        yield ListedTool(tool.name, _length(raw), _length(tool.description), schema)


def result_sizes(result: bytes | msgspec.Raw) -> ResultSizes:
    """Measure the result of a `tools/call`. What has no known shape counts as text."""
    try:
        read = _decode_result(result)
    except _UNREADABLE:
        return ResultSizes(text=_length(result))
    text = media = 0
    for raw in read.content:
        try:
            block = _decode_block(raw)
        except _UNREADABLE:
            text += _length(raw)
            continue
        held = block.resource or _Resource()
        texts = [each for each in (block.text, held.text) if each is not None]
        data = [each for each in (block.data, held.blob) if each is not None]
        text += sum(len(each.encode()) for each in texts)
        media += sum(map(len, data))
        if not texts and not data:  # a link to a resource, or a kind that is not known here
            text += _length(raw)
    return ResultSizes(text, _length(read.structuredContent), media)


def instructions_size(result: bytes | msgspec.Raw) -> int:
    """Return the bytes of the instructions in the result of an `initialize`."""
    try:
        return len(_decode_greeting(result).instructions.encode())
    except _UNREADABLE:
        return 0


def _length(raw: bytes | msgspec.Raw) -> int:
    return len(memoryview(raw))
