"""What a thread's log holds, as bytes: MessagePack that `msgspec` checks on the way back.

The log of a thread has one stream for each checkpoint, with the checkpoint and its pending writes,
one for each namespace, with an entry for each checkpoint, and one that names the namespaces. So a
checkpoint is read by its id alone, and the latest one without reading any other.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias

import msgspec

from sessionkeeper import Direction, Frame, MessageEnvelope

__all__ = [
    "NAMESPACES",
    "CheckpointRecord",
    "EntryRecord",
    "HighestId",
    "NamespacesRecord",
    "Record",
    "Serialized",
    "WritesRecord",
    "checkpoint_stream",
    "entry_stream",
    "pack",
    "unpack",
]

MEDIA_TYPE = "application/x-sessionkeeper-langgraph"
NAMESPACES = "namespaces"
"""The stream that says which namespaces there are."""

Serialized: TypeAlias = tuple[str, bytes]
"""A value as LangGraph's serializer writes it: the name of the form, and the bytes."""


class CheckpointRecord(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A checkpoint, as `put` got it."""

    checkpoint_id: str
    parent_id: str | None
    checkpoint: Serialized
    metadata: Serialized


class WritesRecord(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The writes of one call of `put_writes`."""

    task_id: str
    task_path: str
    writes: list[tuple[int, str, str, bytes]]
    """Of each write its index, channel, form and bytes."""


class HighestId(msgspec.Struct, frozen=True, array_like=True):
    """A fact about a namespace: no entry numbered `up_to` or less has an id above `highest`.

    It holds for ever in the log of that incarnation: an entry is never added before others, and
    removing some makes no id higher. None means that there is no such entry.
    """

    incarnation: str
    up_to: int
    highest: str | None


class EntryRecord(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """That a namespace has a checkpoint, and what the writer knew of the ids before it."""

    checkpoint_id: str
    run_id: str | None
    known: HighestId | None


class NamespacesRecord(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Namespaces that the thread has; some may be named more than once."""

    namespaces: list[str]


Record: TypeAlias = CheckpointRecord | WritesRecord | EntryRecord | NamespacesRecord

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def checkpoint_stream(namespace: str, checkpoint_id: str) -> str:
    """Name the stream of a checkpoint and its writes."""
    # The length says where the namespace ends.
    return _short(f"checkpoint/{len(namespace)}/{namespace}/{checkpoint_id}")


def entry_stream(namespace: str) -> str:
    """Name the stream of the entries of a namespace."""
    return _short(f"entries/{namespace}")


def _short(name: str) -> str:
    encoded = name.encode()
    return name if len(encoded) <= 255 else f"sha256/{sha256(encoded).hexdigest()}"


def pack(session_id: str, stream: str, record: Record) -> MessageEnvelope:
    """Make the frame of a record. Raises `InvalidMessage` for more than 256 MiB."""
    return MessageEnvelope.of_payload(
        session_id,
        _encoder.encode(record),
        media_type=MEDIA_TYPE,
        direction=Direction.CLIENT_TO_SERVER,
        stream=stream,
    )


def unpack(frame: Frame) -> Record | None:
    """Return the record of a frame, or None if the frame was removed.

    Raises `ValueError` for a frame of somebody else.
    """
    envelope = frame.envelope
    if envelope.media_type != MEDIA_TYPE:
        if envelope.kind == "removed":
            return None
        raise ValueError(f"frame {frame.seq} of the thread is not one of a SessionSaver")
    try:
        return _decoder.decode(envelope.message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # From None: the cause could quote what the frame says.
        raise ValueError(f"frame {frame.seq} of the thread is damaged") from None
