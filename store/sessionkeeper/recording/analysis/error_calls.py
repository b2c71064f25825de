"""Finds the calls that were answered with an error, without reading the whole log.

The store searches for what may be an error. An answer belongs to the newest request of its id, so
the frames from that request on decide what it answers; those before do not matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ...values.delivery import SseDelivery
from ...values.states import Direction, TransportType
from .call import Call, CallId, CallOutcome
from .facts import read_facts
from .pairing import OpenCall, Pairing, is_another_post
from .refusals import error_status
from .replays import Replays

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.message import Frame
    from ...values.session import Session

__all__ = ["ErrorCalls", "TooManyFrames"]

_SIGNS = (b'"error"', (b'"isError"', b"true"), b"\\u00")
"""One of these is in each error: a name, or an escape in a name. Most results have `isError`."""
_PAGE, _LARGEST_PAGE = 8, 1_000
"""Frames."""
_LEAST_BUDGET = 20_000
_AHEAD, _MOST_AHEAD, _AHEAD_BYTES = 4, 32, 4 * 1024 * 1024
"""Errors whose first pages are read together, at first and at most; and what these hold, about."""
_Request: TypeAlias = tuple[int, CallId]
"""The number of its frame, and its id."""
_ERRORS = (CallOutcome.ERROR, CallOutcome.TOOL_ERROR)


class TooManyFrames(Exception):
    """Reading the whole log takes less time than reading the frames around each error."""


class ErrorCalls:
    """The calls of one session that were answered with an error, in the order of the answers."""

    def __init__(self, store: AtomicSessionStore, session: Session) -> None:
        self._store, self._session = store, session
        self._replays = Replays()
        self._budget = max(_LEAST_BUDGET, session.frame_count // 4)
        self._newest: list[Frame] = []
        """The frames that were read last."""
        self._first_pages: dict[int, list[Frame]] = {}
        """By the number of an error: what came before it in its stream."""
        self._ahead = _AHEAD
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
            errors = [(frame, ids) for frame in found.frames if (ids := _failed(frame)) is not None]
            while errors:
                some, errors = errors[: self._ahead], errors[self._ahead :]
                await self._read_ahead([frame for frame, _ in some])
                for frame, ids in some:
                    for call in await self._failed_by(frame, ids):
                        yield call.snapshot(self._session.id)
                    self.done = frame.seq
            self.done, is_complete = found.scanned_to, found.is_complete

    async def _read_ahead(self, errors: Sequence[Frame]) -> None:
        """Ask at once for what comes before each error: the store answers several together."""
        self._first_pages = {}
        if self._budget < len(errors) * _PAGE:
            return
        pages = await asyncio.gather(
            *(
                self._read(
                    before=frame.seq,
                    limit=_PAGE,
                    newest=True,
                    stream=frame.envelope.context.stream,
                )
                for frame in errors
            ),
            return_exceptions=True,
        )
        size = 1
        for frame, page in zip(errors, pages, strict=True):
            if isinstance(page, BaseException):
                raise page
            self._first_pages[frame.seq] = page
            size += sum(len(each.envelope.message) for each in page)
        room = self._ahead * _AHEAD_BYTES // size
        self._ahead = max(1, min(_MOST_AHEAD, 2 * self._ahead, room))

    async def _failed_by(self, frame: Frame, ids: set[CallId]) -> list[OpenCall]:
        """Return the calls that a frame with errors for these ids answered with an error."""
        has_status = error_status(frame) is not None
        replayed = self._replays.note(frame.envelope)
        requests = await self._requests_in_stream(frame, ids)
        # A status is for the requests of its stream, and so is an event that came before.
        if not (has_status or replayed):
            missing = ids.difference(request_id for _, request_id in requests)
            requests |= await self._requests_elsewhere(frame, missing)
        if not requests:
            return []
        answered = await self._answered(min(seq for seq, _ in requests), frame)
        if not requests <= {(call.seq, call.request_id) for call in answered}:
            raise TooManyFrames  # an id was in flight twice, and earlier frames matter
        return [call for call in answered if call.outcome in _ERRORS]

    async def _requests_in_stream(self, frame: Frame, ids: set[CallId]) -> set[_Request]:
        """Find the newest request of each id in the stream of a frame; for a status, of any id."""
        stream, before = frame.envelope.context.stream, frame.seq
        found: set[_Request] = set()
        if stream is None:
            return found
        has_status, missing = error_status(frame) is not None, ids
        while has_status or missing:
            page = self._first_pages.pop(frame.seq, None)
            if page is None:
                page = await self._read(before=before, limit=_PAGE, newest=True, stream=stream)
            for earlier in reversed(page):
                asked = _asked(earlier, frame)
                found |= {(earlier.seq, each) for each in asked if has_status or each in missing}
                missing = missing - asked
            if len(page) < _PAGE:
                break
            before = page[0].seq
        return found

    async def _requests_elsewhere(self, frame: Frame, ids: set[CallId]) -> set[_Request]:
        """Find the newest request of each id that a frame may answer; whatever its stream."""
        found: set[_Request] = set()
        before, limit = frame.seq, _PAGE
        stream = frame.envelope.context.stream
        by_server = frame.envelope.context.direction is Direction.SERVER_TO_CLIENT
        while ids:
            page = None if stream is not None else self._first_pages.pop(frame.seq, None)
            if page is None:
                page = await self._read(before=before, limit=limit, newest=True)
            self._newest = page
            for earlier in reversed(page):
                asked = ids & _asked(earlier, frame)
                its_stream = earlier.envelope.context.stream
                if not asked or (by_server and is_another_post(stream, its_stream)):
                    continue
                found |= {(earlier.seq, each) for each in asked}
                ids = ids - asked
            if len(page) < limit:
                break
            before, limit = page[0].seq, min(4 * limit, _LARGEST_PAGE)
        return found

    async def _answered(self, start: int, last: Frame) -> list[OpenCall]:
        """Pair the frames from a number on; return the calls that the last one answered."""
        pairing, after = Pairing(self._session.id), start - 1
        if self._newest and self._newest[0].seq <= start and self._newest[-1].seq == last.seq - 1:
            for frame in self._newest[start - last.seq :]:
                _feed(pairing, frame)
            after = last.seq - 1
        while after < last.seq - 1:
            page = await self._read(after=after, before=last.seq, limit=_LARGEST_PAGE)
            if not page:
                break
            for frame in page:
                _feed(pairing, frame)
            after = page[-1].seq
        return [call for call in pairing.feed(last) if call.response_seq == last.seq]

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


def _failed(frame: Frame) -> set[CallId] | None:
    """Return the ids for which a frame has an error; None if it has neither an error nor a status.

    A status is an error without an id.
    """
    several = read_facts(frame.envelope) or ()
    errors = [each for each in several if each.is_error or each.is_tool_error]
    if not errors and error_status(frame) is None:
        return None
    return {each.id for each in errors if each.id is not None}


def _feed(pairing: Pairing, frame: Frame) -> None:
    """Feed a frame, unless it may be an event that came before what the pairing has seen.

    Raises `TooManyFrames` for such an event.
    """
    context = frame.envelope.context
    delivery = context.delivery
    # Events come again in the answer to a GET.
    if (
        isinstance(delivery, SseDelivery)
        and delivery.event_id is not None
        and not (context.stream is not None and context.stream.startswith("POST-"))
    ):
        raise TooManyFrames
    pairing.feed(frame)


def _asked(earlier: Frame, answer: Frame) -> set[CallId]:
    """Return the ids of the requests in a frame, if it has the other direction."""
    envelope = earlier.envelope
    if envelope.context.direction is answer.envelope.context.direction:
        return set()
    several = read_facts(envelope) or ()
    return {each.id for each in several if each.method is not None and each.id is not None}
