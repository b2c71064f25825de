"""Finds the calls that were answered with an error, without reading the whole log.

The store searches for what may be an error. An answer belongs to the newest request of its id, so
the frames from that request on decide what it answers; those before do not matter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from ...values.delivery import SseDelivery
from ...values.states import TransportType
from .call import Call, CallId, CallOutcome
from .facts import read_facts
from .pairing import OpenCall, Pairing, error_status
from .replays import Replays

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.message import Frame
    from ...values.session import Session

__all__ = ["ErrorCalls", "TooManyFrames"]

_SIGNS = (b'rror"', b"\\u00")
"""One of these is in each error: the end of the names `error` and `isError`, or an escape."""
_PAGE, _LARGEST_PAGE = 16, 1_000
"""Frames."""
_LEAST_BUDGET = 20_000
_ERRORS = (CallOutcome.ERROR, CallOutcome.TOOL_ERROR)


class TooManyFrames(Exception):
    """So many frames are to be read that reading the whole log takes less time."""


class ErrorCalls:
    """The calls of one session that were answered with an error, in the order of the answers."""

    def __init__(self, store: AtomicSessionStore, session: Session) -> None:
        self._store, self._session = store, session
        self._replays = Replays()
        self._budget = max(_LEAST_BUDGET, session.frame_count // 4)
        self.done = 0
        """The number of the frame up to which all calls were yielded."""

    async def find(self) -> AsyncGenerator[Call]:
        """Yield the calls. Raises `TooManyFrames`, and what a store raises."""
        # An HTTP error may have any body.
        any_body = self._session.transport_type is not TransportType.STDIO
        is_complete = False
        while not is_complete:
            found = await self._store.search_frames(
                self._session.id,
                containing=_SIGNS,
                non_messages=any_body,
                after=self.done,
                incarnation=self._session.incarnation,
            )
            for frame in found.frames:
                for call in await self._failed_by(frame):
                    yield call.snapshot(self._session.id)
                self.done = frame.seq
            self.done, is_complete = found.scanned_to, found.is_complete

    async def _failed_by(self, frame: Frame) -> list[OpenCall]:
        """Return the calls that a frame answered with an error."""
        several = read_facts(frame.envelope) or ()
        errors = [each for each in several if each.is_error or each.is_tool_error]
        if not errors and error_status(frame) is None:
            return []
        replayed = self._replays.note(frame.envelope)
        ids = {each.id for each in errors if each.id is not None}
        answered: list[OpenCall] = []
        start = await self._first_in_stream(frame, ids)
        if start is not None:
            answered = await self._answered(start, frame)
        # A status is for the requests of its stream, and so is an event that came before.
        is_of_stream = replayed or error_status(frame) is not None
        if not (is_of_stream or ids <= {call.request_id for call in answered}):
            answered = await self._answered_elsewhere(frame, ids, answered, start or frame.seq)
        return [call for call in answered if call.outcome in _ERRORS]

    async def _answered_elsewhere(
        self, frame: Frame, ids: set[CallId], answered: list[OpenCall], start: int
    ) -> list[OpenCall]:
        """Begin with earlier and earlier requests of these ids, until all are answered."""
        before, limit = frame.seq, _PAGE
        while True:
            page = await self._read(before=before, limit=limit, newest=True)
            for earlier in reversed(page):
                if earlier.seq < start and ids & _asked(earlier, frame):
                    if isinstance(earlier.envelope.context.delivery, SseDelivery):
                        raise TooManyFrames  # it may have come before
                    start = earlier.seq
                    known = [each for each in page if each.seq >= start]
                    answered = await self._answered(start, frame, known)
                    if ids <= {call.request_id for call in answered}:
                        return answered
            if len(page) < limit:
                return answered
            before, limit = page[0].seq, min(4 * limit, _LARGEST_PAGE)

    async def _answered(
        self, start: int, last: Frame, known: Sequence[Frame] = ()
    ) -> list[OpenCall]:
        """Pair the frames from a number on; return the calls that the last one answered."""
        pairing, after = Pairing(self._session.id), start - 1
        for frame in known:
            pairing.feed(frame)
            after = frame.seq
        while after < last.seq - 1:
            page = await self._read(after=after, before=last.seq, limit=_LARGEST_PAGE)
            if not page:
                break
            for frame in page:
                pairing.feed(frame)
            after = page[-1].seq
        return [call for call in pairing.feed(last) if call.response_seq == last.seq]

    async def _first_in_stream(self, frame: Frame, ids: set[CallId]) -> int | None:
        """Return the number of the first request in a frame's stream that it may answer."""
        stream, first, before = frame.envelope.context.stream, None, frame.seq
        if stream is None:
            return None
        any_id, missing = error_status(frame) is not None, ids
        while any_id or missing:
            page = await self._read(before=before, limit=_PAGE, newest=True, stream=stream)
            for earlier in reversed(page):
                asked = _asked(earlier, frame)
                if asked & missing or (asked and any_id):
                    first, missing = earlier.seq, missing - asked
            if len(page) < _PAGE:
                break
            before = page[0].seq
        return first

    async def _read(
        self,
        *,
        after: int = 0,
        before: int,
        limit: int,
        newest: bool = False,
        stream: str | None = None,
    ) -> list[Frame]:
        if self._budget < 0:
            raise TooManyFrames
        frames = await self._store.read_frames(
            self._session.id,
            after=after,
            before=before,
            limit=limit,
            newest=newest,
            stream=stream,
            incarnation=self._session.incarnation,
        )
        self._budget -= len(frames)
        return frames


def _asked(earlier: Frame, answer: Frame) -> set[CallId]:
    """Return the ids of the requests in a frame, if it has the other direction."""
    envelope = earlier.envelope
    if envelope.context.direction is answer.envelope.context.direction:
        return set()
    several = read_facts(envelope) or ()
    return {each.id for each in several if each.method is not None and each.id is not None}
