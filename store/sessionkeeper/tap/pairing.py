"""Which requests still wait for a response, read from the lines as they pass.

An id keeps its type: 1 is not "1" (JSON-RPC 2.0, section 4). What cannot be read pairs nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import msgspec

from ..states import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Head", "PendingRequests", "read_heads"]

RequestId: TypeAlias = str | int | float

# Nobody sane uses a longer id or leaves more requests open; a client that does costs no memory.
_LONGEST_ID = 1024
_MOST_PENDING = 65_536
_CANCELLED = "notifications/cancelled"


@dataclass(frozen=True, slots=True)
class Head:
    """What pairing needs of one JSON-RPC message."""

    id: RequestId | None = None
    has_method: bool = False
    cancels: RequestId | None = None


class _Message(msgspec.Struct, gc=False):
    # Raw fields are skipped over, not built: 10 MB take 6 ms instead of the 94 ms of json.loads,
    # all of it with the GIL held while the pumps want to run.
    id: msgspec.Raw = msgspec.Raw()
    method: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()


_decoder: msgspec.json.Decoder[_Message | list[_Message]] = msgspec.json.Decoder(
    _Message | list[_Message]
)


def read_heads(line: bytes) -> list[Head] | None:
    """The heads of the messages in a line: one of an object, many of a batch; None: no JSON."""
    try:
        read = _decoder.decode(line)
    except RecursionError:
        return []  # too deep: whether it is a message is for the recorder to say
    except msgspec.DecodeError:
        return _read_leniently(line)
    messages = [read] if isinstance(read, _Message) else read
    return [_head(_value(m.id), _value(m.method), m.params) for m in messages]


class PendingRequests:
    """The requests of both sides that have no response yet."""

    def __init__(self) -> None:
        self._pending: dict[Direction, set[RequestId]] = {side: set() for side in Direction}

    def note(self, direction: Direction, heads: Iterable[Head]) -> None:
        """Take account of messages that passed this way."""
        own = self._pending[direction]
        other = self._pending[_opposite(direction)]
        for head in heads:
            if head.cancels is not None:
                own.discard(head.cancels)  # a cancelled request is not answered any more
            if head.id is None:
                continue
            if not head.has_method:
                other.discard(head.id)
            elif len(own) < _MOST_PENDING:
                own.add(head.id)

    def count(self, direction: Direction) -> int:
        """How many requests sent this way have no response."""
        return len(self._pending[direction])


def _opposite(direction: Direction) -> Direction:
    if direction is Direction.CLIENT_TO_SERVER:
        return Direction.SERVER_TO_CLIENT
    return Direction.CLIENT_TO_SERVER


def _read_leniently(line: bytes) -> list[Head] | None:
    # msgspec refuses NaN and lone surrogates, which peers do send; and it looks at no more than
    # the first byte of what is no object.
    try:
        read: object = json.loads(line.decode())
    except RecursionError:
        return []
    except ValueError:
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
    return Head(_as_id(request_id), isinstance(method, str), cancels)


def _value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw) if raw else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _as_id(value: object) -> RequestId | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return None if isinstance(value, str) and len(value) > _LONGEST_ID else value
