"""Measures what servers put into a model's context, from the frames and calls of sessions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from ...values.jsonrpc import RpcHead
from ...values.states import Direction
from .call import CallId
from .context_cost import ContextCost, ToolCost
from .context_remarks import remarks
from .tool_sizes import (
    ListedTool,
    ResultSizes,
    ToolPage,
    instructions_size,
    read_cursor,
    read_page,
    result_sizes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...values.message import Frame
    from .call import Call

__all__ = ["ContextMeter", "SessionContext"]

_MAX_TOOLS = 10_000
"""Tools of one server that are kept apart; a hostile one could name more."""
_MAX_ASKED = 1_024
_CHANGED = b'"notifications/tools/list_changed"'


class SessionContext:
    """Follows one session. Call `feed` with each frame and the calls that it ended."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._asked: dict[tuple[int, CallId], str | None] = {}
        self._pages: list[ListedTool] = []
        self._next_cursor: str | None = None

    def feed(self, frame: Frame, ended: Iterable[Call]) -> None:
        """Take a frame, and the calls whose answer is in it."""
        envelope = frame.envelope
        if envelope.context.direction is Direction.CLIENT_TO_SERVER:
            if b'"tools/list"' in envelope.message:
                self._note_cursors(frame)
            return
        if _CHANGED in envelope.message:
            self._note_change(frame)
        heads: dict[object, RpcHead] | None = None
        for call in ended:
            if call.direction is not Direction.CLIENT_TO_SERVER or call.response_seq != frame.seq:
                continue
            if call.method not in _METHODS:
                continue
            if heads is None:
                heads = {each.id: each for each in envelope.heads()}
            self._take(call, heads.get(call.request_id))

    def _note_cursors(self, frame: Frame) -> None:
        for head in frame.envelope.heads():
            if head.method == "tools/list" and head.request_id is not None:
                params = head.params
                cursor = None if params is msgspec.UNSET else read_cursor(params)
                if len(self._asked) < _MAX_ASKED:
                    self._asked[frame.seq, head.request_id] = cursor

    def _note_change(self, frame: Frame) -> None:
        for head in frame.envelope.heads():
            if head.method == "notifications/tools/list_changed":
                self._server.changes += 1
                self._server.is_stale = True

    def _take(self, call: Call, head: RpcHead | None) -> None:
        cursor = self._asked.pop((call.request_seq, call.request_id), None)
        result = msgspec.UNSET if head is None else head.result
        if call.method == "tools/call":
            sizes = ResultSizes() if result is msgspec.UNSET else result_sizes(result)
            self._server.add_call(call, sizes)
        elif result is msgspec.UNSET:
            return
        elif call.method == "tools/list":
            page = read_page(result)
            if page is not None:
                self._take_page(page, cursor)
        else:
            self._server.instructions = instructions_size(result)

    def _take_page(self, page: ToolPage, cursor: str | None) -> None:
        if cursor is None:
            self._pages = []
        elif cursor != self._next_cursor:
            return  # a page of a list that was begun again meanwhile
        self._pages += page.tools[: _MAX_TOOLS - len(self._pages)]
        self._next_cursor = page.next_cursor
        self._server.listed = self._pages
        self._server.is_stale = False


class ContextMeter:
    """Measures the servers of sessions. Feed the sessions one after the other, the oldest first."""

    def __init__(self) -> None:
        self._servers: defaultdict[str | None, _Server] = defaultdict(_Server)

    def begin(self, server: str | None) -> SessionContext:
        """Begin with the next session, of the server of this name."""
        found = self._servers[server]
        found.sessions += 1
        return SessionContext(found)

    def costs(self) -> list[ContextCost]:
        """Return what was measured: the costliest server first."""
        costs = [server.cost(name) for name, server in self._servers.items()]
        costs.sort(key=lambda cost: -(cost.definition_tokens + cost.result_tokens))
        return costs


_METHODS = frozenset({"initialize", "tools/list", "tools/call"})


@dataclass(slots=True)
class _Used:
    calls: int = 0
    errors: int = 0
    text: int = 0
    structured: int = 0
    media: int = 0
    largest: int = 0


@dataclass(slots=True)
class _Server:
    sessions: int = 0
    instructions: int = 0
    changes: int = 0
    is_stale: bool = False
    listed: list[ListedTool] = field(default_factory=list[ListedTool])
    used: dict[str, _Used] = field(default_factory=dict[str, _Used])

    def add_call(self, call: Call, sizes: ResultSizes) -> None:
        name = call.name or ""
        if name not in self.used and len(self.used) >= _MAX_TOOLS:
            return
        used = self.used.setdefault(name, _Used())
        used.calls += 1
        used.errors += call.is_error
        used.text += sizes.text
        used.structured += sizes.structured
        used.media += sizes.media
        used.largest = max(used.largest, sizes.text)

    def cost(self, name: str | None) -> ContextCost:
        listed = {each.name: each for each in self.listed}
        tools = [_tool_cost(each, listed.get(each), self.used.get(each)) for each in listed]
        tools += [
            _tool_cost(each, None, used) for each, used in self.used.items() if each not in listed
        ]
        tools.sort(key=lambda tool: (-(tool.definition_bytes + tool.text_bytes), tool.name))
        cost = ContextCost(
            server=name,
            sessions=self.sessions,
            instructions_bytes=self.instructions,
            tools=tuple(tools),
            list_changes=self.changes,
            is_stale=self.is_stale,
            remarks=(),
        )
        return msgspec.structs.replace(cost, remarks=tuple(remarks(cost)))


def _tool_cost(name: str, listed: ListedTool | None, used: _Used | None) -> ToolCost:
    used = used or _Used()
    return ToolCost(
        name=name,
        is_listed=listed is not None,
        definition_bytes=0 if listed is None else listed.definition,
        description_bytes=0 if listed is None else listed.description,
        schema_bytes=0 if listed is None else listed.schema,
        calls=used.calls,
        errors=used.errors,
        text_bytes=used.text,
        structured_bytes=used.structured,
        media_bytes=used.media,
        largest_text=used.largest,
    )
