"""Uses up the numbers of removed frames, so that later frames keep theirs."""

from __future__ import annotations

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import OutcomeUnknown
from ..values.message import MessageEnvelope
from ..values.states import Direction
from .append_frames import TRIES, BatchSizes, append_frames

__all__ = ["FILLER", "use_numbers"]

FILLER = b'{"jsonrpc":"2.0","method":"notifications/sessionkeeper/trimmed"}'
_AT_ONCE = 1_000


async def use_numbers(
    store: AtomicSessionStore, session_id: str, *, after: int, up_to: int, sizes: BatchSizes
) -> None:
    """Append placeholder frames from number `after` to `up_to`, and trim them immediately.

    A log begins at 1, and this is the only way to begin later. The cost is proportional to the
    numbers. Raises as `append_frames` and `trim_frames` do. Not atomic.
    """
    filler = MessageEnvelope.of(session_id, FILLER, direction=Direction.CLIENT_TO_SERVER)
    while after < up_to:
        fillers = [filler] * min(_AT_ONCE, up_to - after)
        await append_frames(store, session_id, fillers, after=after, sizes=sizes)
        after += len(fillers)
        await _trim(store, session_id, after)


async def _trim(store: AtomicSessionStore, session_id: str, up_to: int) -> None:
    for attempt in range(TRIES):
        try:
            await store.trim_frames(session_id, up_to=up_to)
            return
        except OutcomeUnknown:  # repeating the trim has no effect
            if attempt == TRIES - 1:
                raise
