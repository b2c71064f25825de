"""Removes at a target the content of frames that was removed at the source."""

from __future__ import annotations

from collections.abc import Sequence

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import LimitExceeded, OutcomeUnknown
from ..values.jsonrpc import MessageKind
from ..values.message import Frame
from .append_frames import TRIES, BatchSizes

__all__ = ["as_at_source", "remove_content"]


def as_at_source(frame: Frame, source: Frame) -> Frame:
    """Return a frame of the target without its content, if the source's frame has lost its own."""
    if source.envelope.kind is not MessageKind.REMOVED:
        return frame
    return Frame(seq=frame.seq, envelope=frame.envelope.as_removed())


async def remove_content(
    store: AtomicSessionStore, session_id: str, seqs: Sequence[int], *, sizes: BatchSizes
) -> None:
    """Remove the content of these frames, in steps that the store accepts.

    Raises `OutcomeUnknown` if the answer is lost again and again, and what the store raises. Not
    atomic: a step is.
    """
    start = 0
    while start < len(seqs):
        part = seqs[start : start + sizes.frames]
        try:
            await _remove(store, session_id, part)
        except LimitExceeded as refusal:
            if not sizes.lower(refusal, len(part)):
                raise
            continue
        start += len(part)


async def _remove(store: AtomicSessionStore, session_id: str, seqs: Sequence[int]) -> None:
    for attempt in range(TRIES):
        try:
            await store.remove_frames(session_id, seqs)
            return
        except OutcomeUnknown:  # repeating it has no effect
            if attempt == TRIES - 1:
                raise
