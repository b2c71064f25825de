"""An append without an answer is made again."""

from __future__ import annotations

from collections.abc import Sequence

from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.values.errors import OutcomeUnknown
from sessionkeeper.values.message import MessageEnvelope

from ..store import PooledStore

__all__ = ["CommitAgain"]


class CommitAgain(PooledStore):
    """Duplicate: the answer to a commit was lost, not the commit; all is written once more."""

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        append = super().add_frames
        try:
            return await append(
                session_id, envelopes, expected_last_seq=expected_last_seq, change=change
            )
        except OutcomeUnknown:  # "the connection was lost, so try again"
            return await append(
                session_id, envelopes, expected_last_seq=expected_last_seq, change=change
            )
