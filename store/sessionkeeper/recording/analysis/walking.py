"""Reads a session's log once, for all who want its frames and its calls together."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .pairing import OpenCall, Pairing, PairingOddity

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.message import Frame
    from ...values.session import Session

__all__ = ["Step", "read_log", "walk"]

_FIRST_PAGE, _LARGEST_PAGE, _FOUND_PAGE = 4, 1_000, 100
"""Frames."""
_PAGE_BYTES = 4 * 1024 * 1024
_LONGEST_NEEDLE = 1_024
"""Bytes that a store searches for."""


class Step(NamedTuple):
    """One frame of a log, and the calls that it began, changed or ended."""

    frame: Frame | None
    """None for the last step, with the calls that have no answer."""
    calls: list[OpenCall]


async def read_log(
    store: AtomicSessionStore,
    session: Session,
    *,
    containing: Sequence[bytes] | None = None,
    on_frames: Callable[[int], object] = lambda count: None,
) -> AsyncGenerator[Sequence[Frame]]:
    """Yield the frames of a session in pages: fewer at a time, the larger they are.

    With `containing`, only those with at least one of these byte strings. `on_frames` is called
    with the number of frames that were read or searched. Raises `SessionNotFound`, also for another
    session that has its id by now.
    """
    if containing is not None:
        async for found in _search_log(store, session, containing, on_frames):
            yield found
        return
    after, limit = 0, _FIRST_PAGE
    while True:
        frames = await store.read_frames(
            session.id, after=after, limit=limit, incarnation=session.incarnation
        )
        on_frames(len(frames))
        if frames:
            yield frames
        if len(frames) < limit:
            return
        after = frames[-1].seq
        size = sum(len(each.envelope.message) for each in frames)
        limit = max(1, min(_LARGEST_PAGE, 2 * limit, limit * _PAGE_BYTES // max(size, 1)))


async def _search_log(
    store: AtomicSessionStore,
    session: Session,
    containing: Sequence[bytes],
    on_frames: Callable[[int], object],
) -> AsyncGenerator[Sequence[Frame]]:
    # What begins with a long byte string has its beginning, too.
    needles = [each[:_LONGEST_NEEDLE] for each in containing]
    after, is_complete = 0, False
    while not is_complete:
        found = await store.search_frames(
            session.id,
            containing=needles,
            after=after,
            limit=_FOUND_PAGE,
            incarnation=session.incarnation,
        )
        on_frames(found.scanned_to - after)
        if found.frames:
            yield found.frames
        after, is_complete = found.scanned_to, found.is_complete


async def walk(
    store: AtomicSessionStore,
    session: Session,
    *,
    on_oddity: Callable[[PairingOddity], object] | None = None,
    on_frames: Callable[[int], object] = lambda count: None,
) -> AsyncGenerator[Step]:
    """Yield every frame of a session with its calls, and last those without an answer.

    Those are over, too, but for the `OPEN` ones of a live session. `on_oddity` is called before the
    step of its frame, `on_frames` with the number of frames of each page. Raises as `read_log`.
    """
    pairing = Pairing(session.id, on_oddity=on_oddity)
    async for frames in read_log(store, session, on_frames=on_frames):
        for frame in frames:
            yield Step(frame, pairing.feed(frame))
    yield Step(None, pairing.finish(ended=session.state.is_terminal))
