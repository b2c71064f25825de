"""Tracks which requests have no response yet, from the lines as they pass.

An id keeps its type: 1 is not "1" (JSON-RPC 2.0, section 4). A line that cannot be parsed matches
nothing, but may have been a response. If an id is in flight several times, which the specification
forbids, as many responses answer it, and nobody can tell which response belongs to which request.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import msgspec

from ..values.states import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Head", "PendingRequests", "count_possible_answers", "read_heads"]

RequestId: TypeAlias = str | int | float

# Limits far above normal use, so that no client can fill the memory.
_MAX_ID_LENGTH = 1024
_MAX_PENDING = 65_536
_CANCELLED = "notifications/cancelled"
_INITIALIZE = "initialize"


@dataclass(frozen=True, slots=True)
class Head:
    """The fields of a JSON-RPC message that pairing needs."""

    id: RequestId | None = None
    has_method: bool = False
    initializes: bool = False
    cancels: RequestId | None = None


class _Message(msgspec.Struct, gc=False):
    # Raw fields are skipped, not built: 10 MB take 6 ms, and 94 ms with json.loads, which holds
    # the GIL all that time, so that the pumps cannot run.
    id: msgspec.Raw = msgspec.Raw()
    method: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()


_decoder: msgspec.json.Decoder[_Message | list[_Message]] = msgspec.json.Decoder(
    _Message | list[_Message]
)


def read_heads(line: bytes) -> list[Head] | None:
    """Return one head per message of a line (a batch has several); None if it cannot be read."""
    try:
        read = _decoder.decode(line)
    except RecursionError:
        return None
    except msgspec.DecodeError:
        return _read_leniently(line)
    messages = [read] if isinstance(read, _Message) else read
    return [_head(_value(m.id), _value(m.method), m.params) for m in messages]


def count_possible_answers(line: bytes, *, ended: bool) -> int:
    """Return how many responses a line may hold of which nothing could be read."""
    found = line.count(b'"result"') + line.count(b'"error"')
    # Half a line at the end of the stream is no whole response, unless it shows one.
    return max(found, 1) if ended and b"{" in line else found


class PendingRequests:
    """The requests of both sides that have no response yet."""

    def __init__(self) -> None:
        self._sides = {side: _Side() for side in Direction}

    def note(self, direction: Direction, heads: Iterable[Head]) -> None:
        """Count the messages of one line that passed in this direction."""
        own = self._sides[direction]
        other = self._sides[direction.opposite]
        for head in heads:
            if head.cancels is not None:
                own.cancel(head.cancels)  # a cancelled request gets no response
            if head.id is None:
                continue
            if head.has_method:
                own.ask(head.id, initializes=head.initializes)
            else:
                other.answer(head.id)

    def count(self, direction: Direction) -> int:
        """Return how many requests in this direction have no response."""
        return self._sides[direction].pending.total()

    def is_ambiguous(self, direction: Direction) -> bool:
        """Return whether it is unknown which requests in this direction have no response."""
        return self._sides[direction].is_ambiguous

    def ambiguous(self) -> int:
        """Return how many requests of both sides used an id that was in flight."""
        return sum(side.ambiguous for side in self._sides.values())

    def late(self) -> int:
        """Return how many responses belonged to cancelled requests of either side."""
        return sum(side.late for side in self._sides.values())


class _Side:
    """The requests that one side sent."""

    def __init__(self) -> None:
        self.pending: Counter[RequestId] = Counter()
        self.ambiguous = self.late = 0
        self._several: set[RequestId] = (
            set()
        )  # ids of several requests in flight, of which some still are
        self._initializing: set[RequestId] = set()
        self._cancelled: Counter[RequestId] = Counter()

    @property
    def is_ambiguous(self) -> bool:
        return bool(self._several)

    def ask(self, request_id: RequestId, *, initializes: bool) -> None:
        pending = self.pending
        before = pending.get(request_id, 0)
        if not before and len(pending) >= _MAX_PENDING:
            return
        pending[request_id] = before + 1
        if initializes:
            self._initializing.add(request_id)
        if request_id in self._several:
            self.ambiguous += 1
        elif before or request_id in self._cancelled:
            # The first request is ambiguous too, unless it was cancelled.
            self.ambiguous += 2 if before else 1
            self._several.add(request_id)

    def answer(self, request_id: RequestId) -> None:
        if request_id in self.pending:
            self._take(request_id)
        elif request_id in self._cancelled:
            self.late += 1
            self._cancelled[request_id] -= 1
            if not self._cancelled[request_id]:
                del self._cancelled[request_id]

    def cancel(self, request_id: RequestId) -> None:
        # `initialize` must not be cancelled. Source: MCP 2025-11-25, "Cancellation".
        if self.pending.get(request_id, 0) <= (request_id in self._initializing):
            return
        self._take(request_id)
        if request_id in self._cancelled or len(self._cancelled) < _MAX_PENDING:
            self._cancelled[request_id] += 1

    def _take(self, request_id: RequestId) -> None:
        self.pending[request_id] -= 1
        if not self.pending[request_id]:
            del self.pending[request_id]
            self._several.discard(request_id)
            self._initializing.discard(request_id)


def _read_leniently(line: bytes) -> list[Head] | None:
    # msgspec refuses NaN, lone surrogates, a byte order mark and what is not UTF-8, which some
    # peers send. If the value is not an object, it checks only the first byte.
    try:
        read: object = json.loads(line.decode("utf-8-sig", errors="replace"))
    except (RecursionError, ValueError):
        return None
    messages = cast("list[object]", read) if isinstance(read, list) else [read]
    heads: list[Head] = []
    for message in messages:
        if isinstance(message, dict):
            fields = cast("dict[str, object]", message)
            heads.append(_head(fields.get("id"), fields.get("method"), fields.get("params")))
    return heads


def _head(request_id: object, method: object, params: object) -> Head:
    cancels = None
    if method == _CANCELLED:
        fields = _value(params) if isinstance(params, msgspec.Raw) else params
        if isinstance(fields, dict):
            cancels = _as_id(cast("dict[str, object]", fields).get("requestId"))
    return Head(_as_id(request_id), isinstance(method, str), method == _INITIALIZE, cancels)


def _value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw) if raw else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _as_id(value: object) -> RequestId | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if value != value:  # noqa: PLR0124 - NaN, which some encoders write, is not equal to itself
        return None
    return None if isinstance(value, str) and len(value) > _MAX_ID_LENGTH else value
