"""What a store holds: flat records of atoms, which the garbage collector has no need to walk.

Measured: 200,000 parsed messages cost 3.5 KB each and a collection of 1.45 s; 300,000 such
records cost 140 bytes over their payload and 7 ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
from pydantic import TypeAdapter

from ..values.delivery import Delivery
from ..values.errors import StoreUnavailable
from ..values.frozen import FrozenDict
from ..values.message import MessageEnvelope
from ..values.message_context import NO_METADATA, MessageContext
from ..values.oddities import GAP, JSON, REMOVED
from ..values.states import Direction

__all__ = [
    "KIND_HEADERS",
    "REMOVED_DETAIL",
    "STREAM_HEADERS",
    "FrameRecord",
    "NumberedRecords",
    "count_odd",
    "is_message",
    "is_removed",
    "names_stream",
    "pack",
    "stream_of",
    "unpack",
    "without_content",
]

# What MessagePack begins tuples of four, five and six with.
_STREAM_HEADER, _KIND_HEADER, _BOTH_HEADER = 0x94, 0x95, 0x96
KIND_HEADERS = (_KIND_HEADER, _BOTH_HEADER)
"""The first bytes of the details of what is no message."""
STREAM_HEADERS = (_STREAM_HEADER, _BOTH_HEADER)
"""The first bytes of the details that name a stream."""


class FrameRecord(msgspec.Struct, frozen=True, gc=False):
    """One message without its session and number: the log it stands in knows both."""

    message: bytes
    direction: Direction
    timestamp: datetime
    detail: bytes | None
    """Delivery, protocol version and metadata, packed; shared by the frames that agree on them.

    Those of what is no message are followed by its media type and its oddity; then the stream, if
    there is one.
    """

    def __repr__(self) -> str:
        return f"<FrameRecord {len(self.message)} bytes>"


NumberedRecords: TypeAlias = tuple[Sequence[int], Sequence[FrameRecord]]
"""Records of a log, and the number of each."""


def pack(envelope: MessageEnvelope) -> FrameRecord:
    """Make the record of an envelope."""
    # Every append makes a record, and the dict of a value is read in half the time of the value.
    frame: Mapping[str, Any] = envelope.__dict__
    context: Mapping[str, Any] = frame["context"].__dict__
    is_bare = (
        context["metadata"] is NO_METADATA
        and context["delivery"] is None
        and context["protocol_version"] is None
        and context["stream"] is None
        and frame["oddity"] is None
        and frame["media_type"] == JSON
    )
    detail = None if is_bare else _detail_of(envelope)
    return FrameRecord(frame["message"], context["direction"], context["timestamp"], detail)


def unpack(session_id: str, record: FrameRecord) -> MessageEnvelope:
    """Make the envelope a record came from. Raises `StoreUnavailable` for a damaged record."""
    try:
        delivery, version, metadata, (media_type, oddity), stream = _unpack_detail(record.detail)
    except _UNREADABLE:
        raise _damage() from None
    context = MessageContext.trusted(
        {
            "session_id": session_id,
            "direction": record.direction,
            "timestamp": record.timestamp,
            "delivery": delivery,
            "protocol_version": version,
            "metadata": metadata,
            "stream": stream,
        }
    )
    return MessageEnvelope.trusted(
        {
            "message": record.message,
            "context": context,
            "media_type": media_type,
            "oddity": oddity,
        }
    )


def is_message(record: FrameRecord) -> bool:
    """Whether a record is a JSON-RPC message, or a batch of them."""
    detail = record.detail
    return detail is None or detail[0] not in KIND_HEADERS


def names_stream(record: FrameRecord) -> bool:
    """Whether a record has a stream."""
    detail = record.detail
    # Every append asks this of every record.
    return detail is not None and detail[0] in STREAM_HEADERS


def stream_of(detail: bytes | None) -> str | None:
    """Return the stream of a record's detail, if it has one.

    Raises `StoreUnavailable` if it is damaged.
    """
    if not detail or detail[0] not in STREAM_HEADERS:
        return None
    try:
        *_, stream = _unpack_detail(detail)
    except _UNREADABLE:
        raise _damage() from None
    return stream


def is_removed(record: FrameRecord) -> bool:
    """Whether a record has lost its content. Raises `StoreUnavailable` if it is damaged."""
    if record.message or is_message(record):
        return False
    try:
        _, _, _, (media_type, _), _ = _unpack_detail(record.detail)
    except _UNREADABLE:
        raise _damage() from None
    return media_type == REMOVED


def without_content(record: FrameRecord) -> FrameRecord:
    """Return what is left of a record when its content is removed."""
    stream = stream_of(record.detail)
    detail = REMOVED_DETAIL if stream is None else _pack_removed(stream)
    return FrameRecord(b"", record.direction, record.timestamp, detail)


def count_odd(records: Sequence[FrameRecord]) -> tuple[int, int]:
    """Return how many records are odd, and how many are gaps."""
    odd = gaps = 0
    for record in records:
        # Every append asks this of every record.
        if record.detail is not None and record.detail[0] in KIND_HEADERS:
            _, _, _, (media_type, oddity), _ = _unpack_detail(record.detail)
            if oddity is not None:
                gaps += media_type == GAP
                odd += media_type != GAP
    return odd, gaps


def _damage() -> StoreUnavailable:
    return StoreUnavailable("a frame is damaged")


_UNREADABLE = (TypeError, ValueError, msgspec.MsgspecError)
_Kind: TypeAlias = "tuple[str, str | None]"
_PLAIN: _Kind = (JSON, None)


def _detail_of(envelope: MessageEnvelope) -> bytes | None:
    context = envelope.context
    delivery, version, stream = context.delivery, context.protocol_version, context.stream
    kind = _PLAIN if envelope.is_message else (envelope.media_type, envelope.oddity)
    if not (delivery or version or context.metadata or stream or kind is not _PLAIN):
        return None
    # The delivery is frozen, so hashable, which pyright does not see.
    return _pack_detail(delivery, version, context.metadata, kind, stream)  # pyright: ignore[reportArgumentType]


# Most frames of a session agree on their detail: packing it once saves both time and memory.
@lru_cache(maxsize=256)
def _pack_detail(
    delivery: Delivery | None,
    version: str | None,
    metadata: FrozenDict,
    kind: _Kind,
    stream: str | None,
) -> bytes:
    fields = None if delivery is None else delivery.model_dump(mode="json")
    last: tuple[str | None, ...] = () if kind == _PLAIN else kind
    if stream is not None:
        last = (*last, stream)
    return msgspec.msgpack.encode((fields, version, dict(metadata), *last))


@lru_cache(maxsize=256)
def _unpack_detail(
    detail: bytes | None,
) -> tuple[Delivery | None, str | None, FrozenDict, _Kind, str | None]:
    if detail is None:
        return None, None, NO_METADATA, _PLAIN, None
    fields, version, metadata, *last = msgspec.msgpack.decode(detail)
    stream: str | None = None
    if len(last) in (1, 3):
        stream = last.pop()
        if type(stream) is not str:
            raise ValueError("not a stream")
    media_type, oddity = last or _PLAIN
    if type(media_type) is not str or not (oddity is None or type(oddity) is str):
        raise ValueError("not a media type and an oddity")
    return _delivery(fields), version, FrozenDict(metadata), (media_type, oddity), stream


def _delivery(fields: dict[str, Any] | None) -> Delivery | None:
    if fields is None:
        return None
    return _deliveries.validate_python(fields)


def _pack_removed(stream: str | None) -> bytes:
    return _pack_detail(None, None, NO_METADATA, (REMOVED, None), stream)


REMOVED_DETAIL = _pack_removed(None)
"""The detail of a removed frame that is in no stream."""

_deliveries: TypeAdapter[Delivery] = TypeAdapter(Delivery)
