"""Appends many frames to a session of a target, in steps that the target accepts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import LimitExceeded, OutcomeUnknown, SequenceConflict
from ..values.message import MessageEnvelope

__all__ = ["TRIES", "BatchSizes", "append_frames"]

TRIES = 5
"""How many times a step with an unknown outcome is tried."""
_MAX_BYTES = 1024 * 1024
_OF_A_LOG = frozenset(
    {
        *("max_frame_bytes", "max_json_depth", "max_frames_per_session", "max_session_bytes"),
        *("max_total_bytes", "max_sessions", "max_metadata_bytes"),
    }
)


class BatchSizes:
    """How many frames a target accepts at once, learned from its refusals; one for each target."""

    __slots__ = ("frames",)

    def __init__(self) -> None:
        self.frames = 1_000

    def first(self, envelopes: Sequence[MessageEnvelope], start: int) -> list[MessageEnvelope]:
        """Return the envelopes of the next step: about a megabyte, and at least one."""
        part: list[MessageEnvelope] = []
        size = 0
        for index in range(start, min(start + self.frames, len(envelopes))):
            envelope = envelopes[index]
            size += len(envelope.message)
            if part and size > _MAX_BYTES:
                break
            part.append(envelope)
        return part

    def lower(self, refusal: LimitExceeded, count: int) -> bool:
        """Make the steps smaller; False if fewer than `count` would be refused as well."""
        if count == 1 or refusal.limit in _OF_A_LOG:
            return False
        fewer = count // 2
        if refusal.limit == "max_frames_per_batch":
            fewer = refusal.maximum
        self.frames = max(1, min(fewer, count - 1))
        return True


async def append_frames(
    store: AtomicSessionStore,
    session_id: str,
    envelopes: Sequence[MessageEnvelope],
    *,
    after: int,
    sizes: BatchSizes,
    on_frames: Callable[[int], None] = lambda count: None,
) -> None:
    """Append the envelopes after number `after`, each once, also if an answer is lost.

    Raises `SequenceConflict` if somebody else writes to the log, `OutcomeUnknown` if the answer is
    lost again and again, and what the store raises. Not atomic: a step is.
    """
    start = 0
    while start < len(envelopes):
        part = sizes.first(envelopes, start)
        try:
            await _append(store, session_id, part, after + start)
        except LimitExceeded as refusal:
            if not sizes.lower(refusal, len(part)):
                raise
            continue
        start += len(part)
        on_frames(len(part))


async def _append(
    store: AtomicSessionStore, session_id: str, part: list[MessageEnvelope], after: int
) -> None:
    for attempt in range(TRIES):
        try:
            await store.add_frames(session_id, part, expected_last_seq=after)
            return
        except OutcomeUnknown:
            if attempt == TRIES - 1:
                raise
        except SequenceConflict:
            # After a lost answer, this very step may have extended the log.
            if not attempt or not await _is_there(store, session_id, part, after):
                raise
            return


async def _is_there(
    store: AtomicSessionStore, session_id: str, part: list[MessageEnvelope], after: int
) -> bool:
    frames = await store.read_frames(session_id, after=after, limit=len(part) + 1)
    return [frame.envelope for frame in frames] == part
