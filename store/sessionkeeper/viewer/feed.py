"""Follows the log of a session, and turns its frames into calls and marks for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..recording.analysis import CallTracker, walking
from .rows import Row, arguments_excerpt, call_row, mark_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ..interface.atomic_store import AtomicSessionStore
    from ..recording.analysis import Call
    from ..values.message import Frame
    from ..values.session import Session

__all__ = ["Batch", "follow", "read_log"]

_FIRST_PAGE, _LARGEST_PAGE = 16, 1_000
"""Frames; fewer are read at a time, the larger they are."""
_PAGE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """What some frames in a row are to the page."""

    calls: tuple[Row, ...]
    """Calls that are new or have changed; a later row of a call replaces an earlier one."""
    marks: tuple[Row, ...]
    last_seq: int
    live: bool
    """Whether everything that was there at the beginning has been sent before."""
    ended: bool = False


async def follow(store: AtomicSessionStore, session: Session) -> AsyncIterator[Batch]:
    """Yield the log of a session from its beginning, then each new frame at once.

    It ends after the last frame of a session that ended or was deleted. Memory is bounded by the
    calls in progress. Raises as `watch_frames`.
    """
    tracker = CallTracker(session.id)
    after, limit, live = 0, _FIRST_PAGE, False
    while True:
        frames = await store.read_frames(
            session.id, after=after, limit=limit, incarnation=session.incarnation
        )
        if frames:
            after = frames[-1].seq
            yield _batch(tracker, frames, live=live)
        full, limit = len(frames) == limit, _next_limit(frames, limit)
        if full:
            continue
        if not live:
            live = True
            yield Batch((), (), after, live=True)
        watcher = store.watch_frames(session.id, after=after, incarnation=session.incarnation)
        async for frame in watcher:
            after = frame.seq
            yield _batch(tracker, [frame], live=True)
            break  # more may have come with it: they are read as one page
        else:
            rest = tuple(call_row(each) for each in tracker.finish())
            yield Batch(rest, (), after, live=True, ended=True)
            return


async def read_log(
    store: AtomicSessionStore, session: Session
) -> AsyncIterator[tuple[Sequence[Frame], Batch]]:
    """Yield the log as it is now, in pages with their frames; at the end the calls left open.

    Raises `SessionNotFound`.
    """
    tracker = CallTracker(session.id)
    async for frames in walking.read_log(store, session):
        yield frames, _batch(tracker, frames, live=False)
    left = tracker.finish() if session.state.is_terminal else tracker.open()
    yield (), Batch(tuple(map(call_row, left)), (), session.last_seq, live=False, ended=True)


def _batch(tracker: CallTracker, frames: Sequence[Frame], *, live: bool) -> Batch:
    latest: dict[tuple[int, object, object], Call] = {}
    excerpts: dict[int, str | None] = {}
    marks: list[Row] = []
    for frame in frames:
        seq, calls = frame.seq, tracker.feed(frame)
        for call in calls:
            # A request and its answer in one page are one row: the last one counts.
            latest[call.request_seq, call.request_id, call.direction] = call
        if any(seq == call.request_seq for call in calls):
            excerpts[seq] = arguments_excerpt(frame)
        elif all(seq != call.response_seq for call in calls):
            row = mark_row(frame)
            if row is not None:
                marks.append(row)
    rows = tuple(call_row(call, excerpts.get(call.request_seq)) for call in latest.values())
    return Batch(rows, tuple(marks), frames[-1].seq, live=live)


def _next_limit(frames: Sequence[Frame], limit: int) -> int:
    size = sum(len(each.envelope.message) for each in frames)
    return max(1, min(_LARGEST_PAGE, 2 * limit, limit * _PAGE_BYTES // max(size, 1)))
