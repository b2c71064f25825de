"""Several frames, appended one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.errors import SequenceConflict
from sessionkeeper.values.message import MessageEnvelope

from ..round_trip import round_trip

__all__ = ["BatchOneByOne"]


class BatchOneByOne(PlainSessionStore):
    """Torn batch: a frame of another caller comes between two frames of a batch."""

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        last = (await self.get_session(session_id)).last_seq
        if expected_last_seq is not None and expected_last_seq != last:
            raise SequenceConflict(session_id, expected=expected_last_seq, current=last)
        for envelope in envelopes:
            await self.add_frame(envelope)
            await round_trip()
        if change is not None:
            await self.modify_session(session_id, change)
        return range(last + 1, last + 1 + len(envelopes))
