"""Follows all sessions of a store, those that begin later as well.

A store tells of one session at a time, and of those of other processes only that. So once a second
the sessions are asked for by last activity, newest first, down to those that were known before.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import islice

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import SessionNotFound
from ..values.message import Frame
from ..values.query import SessionOrder, SessionQuery
from ..values.session import Session
from ..values.states import SessionStatus

__all__ = ["PAUSE", "SessionFollower", "Step"]

PAUSE = 1.0
"""Seconds between two looks at the store."""
_FIRST_PAGE, _PAGE = 50, 1_000
_ASKED = 100
"""Sessions that are asked each time whether they have ended."""
_KNOWN = 10_000
"""Sessions that are remembered."""
_SLACK = timedelta(seconds=2)
"""What a clock may be set back, or a write may be late."""
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Place:
    incarnation: str
    seq: int
    """The last frame that was read."""
    is_live: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What is new in a session."""

    session: Session
    frames: list[Frame]
    """In order; none if only the session has changed."""
    more: bool
    """Whether more frames are there already."""


class SessionFollower:
    """Reads the frames of all sessions: the last ones, then those that are appended."""

    def __init__(self, store: AtomicSessionStore) -> None:
        self._store = store
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._began = self._latest = _BEGINNING
        """The last activity when it began, and the last one that it has seen."""

    async def read_last(self, count: int) -> list[tuple[Session, Frame]]:
        """Return the last frames of all sessions, in order of their times. Call it first.

        Looks at the 1,000 sessions that were used last.

        Raises `StoreUnavailable`, `StoreClosed`.
        """
        live = SessionQuery(statuses=frozenset({SessionStatus.ACTIVE}))
        async for session in self._walk(live):
            self._began = self._latest = max(self._latest, session.last_activity)
            self._move(session, session.last_seq)
            if len(self._places) >= _PAGE:
                break
        newest: list[tuple[datetime, int, Session, Frame]] = []
        number = walked = 0
        async for session in self._walk(SessionQuery()):
            self._began = self._latest = max(self._latest, session.last_activity)
            walked += 1
            if not count or walked > _PAGE:
                break
            if len(newest) == count and session.last_activity < newest[0][0]:
                break
            place = self._places.get(session.id)
            before = session.last_seq if place is None else place.seq
            self._move(session, before)
            for frame in await self._read_before(session, before, count):
                number += 1
                heappush(newest, (frame.envelope.context.timestamp, number, session, frame))
                if len(newest) > count:
                    heappop(newest)
        return [(session, frame) for _, _, session, frame in sorted(newest, key=_by_time)]

    async def follow(self) -> AsyncGenerator[Step]:
        """Yield what is new, forever. Raises `StoreUnavailable`, `StoreClosed`."""
        while True:
            steps = await self._look()
            for step in steps:
                yield step
            if not any(step.more for step in steps):
                await asyncio.sleep(PAUSE)

    async def _look(self) -> list[Step]:
        bound = self._latest - _SLACK if self._latest > _BEGINNING else _BEGINNING
        steps: list[Step] = []
        seen: set[str] = set()
        async for session in self._walk(SessionQuery()):
            if session.last_activity < bound:
                break
            self._latest = max(self._latest, session.last_activity)
            place = self._places.get(session.id)
            if place is not None and place.incarnation == session.incarnation:
                after, known = place.seq, True
            else:
                after, known = await self._find_beginning(session), False
            frames = await self._read_after(session, after)
            self._move(session, frames[-1].seq if frames else after)
            if frames or not known or session.state.is_terminal:
                steps.append(Step(session, frames, more=len(frames) == _PAGE))
            seen.add(session.id)
        return steps + await self._look_for_ends(seen)

    async def _look_for_ends(self, seen: set[str]) -> list[Step]:
        """Find sessions that have ended, which is no activity; only those that were used last."""
        asked = [
            session_id
            for session_id, place in islice(reversed(self._places.items()), _ASKED)
            if place.is_live and session_id not in seen
        ]
        ended: list[Step] = []
        for found in await asyncio.gather(*map(self._get, asked)):
            if found is not None and found.state.is_terminal:
                place = self._places[found.id]
                if place.seq >= found.last_seq and place.incarnation == found.incarnation:
                    place.is_live = False
                    ended.append(Step(found, [], more=False))
        return ended

    async def _get(self, session_id: str) -> Session | None:
        try:
            return await self._store.get_session(session_id)
        except SessionNotFound:
            return None

    async def _find_beginning(self, session: Session) -> int:
        """Return the last frame of a session before it was followed."""
        if session.created_at > self._began:
            return 0
        after = session.last_seq
        for frame in reversed(await self._read_before(session, session.last_seq, _PAGE)):
            if frame.envelope.context.timestamp <= self._began:
                break
            after = frame.seq - 1
        return after

    async def _walk(self, query: SessionQuery) -> AsyncGenerator[Session]:
        cursor: str | None = None
        limit = _FIRST_PAGE
        while True:
            page = await self._store.find_sessions(
                query, order=SessionOrder.LAST_ACTIVITY, cursor=cursor, limit=limit
            )
            for session in page.sessions:
                yield session
            cursor, limit = page.cursor, _PAGE
            if cursor is None:
                return

    async def _read_before(self, session: Session, seq: int, count: int) -> list[Frame]:
        if not session.frame_count:
            return []
        try:
            return await self._store.read_frames(
                session.id,
                before=seq + 1,
                limit=count,
                newest=True,
                incarnation=session.incarnation,
            )
        except SessionNotFound:  # deleted meanwhile
            return []

    async def _read_after(self, session: Session, seq: int) -> list[Frame]:
        if seq >= session.last_seq:
            return []
        try:
            return await self._store.read_frames(
                session.id, after=seq, limit=_PAGE, incarnation=session.incarnation
            )
        except SessionNotFound:
            return []

    def _move(self, session: Session, seq: int) -> None:
        live = not session.state.is_terminal
        self._places[session.id] = _Place(session.incarnation, seq, live)
        self._places.move_to_end(session.id)
        if len(self._places) > _KNOWN:
            self._places.popitem(last=False)


def _by_time(found: tuple[datetime, int, Session, Frame]) -> tuple[datetime, str, int]:
    moment, _, session, frame = found
    return moment, session.id, frame.seq
