"""Stores in which removing frames, a sweep or a read of several sessions is several steps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sessionkeeper import PlainSessionStore, Session, SessionNotFound

from tests.lab.conformance.broken.breaking import breaking
from tests.lab.conformance.broken.broken_races import elsewhere


class TrimsAll(PlainSessionStore):
    """Clears the log where nothing would be left, as it was before it waited."""

    async def trim_frames(self, session_id: str, /, *, up_to: int, **options: Any) -> int:
        session = await self.get_session(session_id)
        await elsewhere()
        if session.frame_count and up_to >= session.last_seq:
            await super().delete_frames(session_id)
            return session.frame_count
        return await super().trim_frames(session_id, up_to=up_to, **options)


class TrimsToTheEnd(PlainSessionStore):
    """Keeps as many frames as there were above the number, whatever came meanwhile."""

    async def trim_frames(self, session_id: str, /, *, up_to: int, **options: Any) -> int:
        session = await self.get_session(session_id)
        kept = max(0, session.last_seq - up_to)
        await elsewhere()
        now = await self.get_session(session_id)
        await super().trim_frames(session_id, up_to=max(0, now.last_seq - kept), **options)
        return min(session.frame_count, max(0, up_to - session.last_seq + session.frame_count))


class TrimsBehind(PlainSessionStore):
    """Looks how much goes in one step, and drops it in another."""

    async def trim_frames(self, session_id: str, /, *, up_to: int, **options: Any) -> int:
        session = await self.get_session(session_id)
        first = session.last_seq - session.frame_count
        await elsewhere()
        await super().trim_frames(session_id, up_to=up_to, **options)
        return max(0, min(up_to, session.last_seq) - first)


class ClearsLate(PlainSessionStore):
    """Says how many there were, and clears what is there when it comes to it."""

    async def delete_frames(self, session_id: str, /) -> int:
        count = await self.count_frames(session_id)
        await elsewhere()
        await super().delete_frames(session_id)
        return count


class ClearsBehind(PlainSessionStore):
    """Answers first and clears afterwards."""

    async def delete_frames(self, session_id: str, /) -> int:
        count = await self.count_frames(session_id)
        loop = asyncio.get_running_loop()
        self.clearing = loop.create_task(self._clear(session_id))
        return count

    async def _clear(self, session_id: str) -> None:
        await elsewhere()
        await elsewhere()
        try:
            await super().delete_frames(session_id)
        except SessionNotFound:
            return


class DeletesById(PlainSessionStore):
    """Deletes a session, and a moment later what has its id."""

    async def delete_session(self, session_id: str, /) -> None:
        await super().delete_session(session_id)
        await elsewhere()
        await elsewhere()
        try:
            await super().delete_frames(session_id)
        except SessionNotFound:
            return


class ExpiresOneByOne(PlainSessionStore):
    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        ended: list[Session] = []
        while len(ended) < limit:
            one = await super().expire_sessions(idle=idle, age=age, limit=1)
            if not one:
                break
            ended += one
            await elsewhere()
        return ended


class PurgesOneByOne(PlainSessionStore):
    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        purged = 0
        while purged < limit:
            one = await super().purge_sessions(
                ended_before=ended_before, ended_for=ended_for, limit=1
            )
            if not one:
                break
            purged += one
            await elsewhere()
        return purged


class PurgesById(PlainSessionStore):
    """Looks whose time is over, and then deletes what has their ids."""

    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        if ended_for != 0:
            return await super().purge_sessions(
                ended_before=ended_before, ended_for=ended_for, limit=limit
            )
        sessions = await self.list_sessions()
        due = [session for session in sessions if session.ended_at is not None][:limit]
        await elsewhere()
        for session in due:
            await self.delete_session(session.id)
        return len(due)


class ReadsOneByOne(PlainSessionStore):
    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        found: list[Session] = []
        for session_id in session_ids:
            await elsewhere()
            found.append(await self.get_session(session_id))
        return found


class ChecksThenUpdates(PlainSessionStore):
    """Refuses a batch whole, and stores it one by one."""

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        for session in sessions:
            session.check_follows(await self.get_session(session.id))
        stored: list[Session] = []
        for session in sessions:
            stored += await super().update_sessions_batch([session])
            await elsewhere()
        return stored


TestTrimsAll = breaking(TrimsAll, "test_a_trim_drops_no_later_frame")
TestTrimsToTheEnd = breaking(TrimsToTheEnd, "test_a_trim_drops_no_later_frame")
TestTrimsBehind = breaking(
    TrimsBehind,
    "test_a_trim_beyond_the_end_drops_what_it_says",
    "test_racing_trims_drop_each_frame_once",
)
TestClearsLate = breaking(ClearsLate, "test_a_clear_drops_no_later_frame")
TestClearsBehind = breaking(ClearsBehind, "test_what_comes_after_a_clear_stays")
TestDeletesById = breaking(DeletesById, "test_deleting_takes_one_session_only")
TestExpiresOneByOne = breaking(
    ExpiresOneByOne,
    "test_nobody_sees_half_a_sweep[expire_sessions]",
    "test_a_cancelled_sweep_is_whole_or_nothing[expire_sessions]",
)
TestPurgesOneByOne = breaking(
    PurgesOneByOne,
    "test_nobody_sees_half_a_sweep[purge_sessions]",
    "test_a_cancelled_sweep_is_whole_or_nothing[purge_sessions]",
)
TestPurgesById = breaking(PurgesById, "test_a_purge_takes_no_later_session")
TestReadsOneByOne = breaking(ReadsOneByOne, "test_nobody_sees_half_a_batch")
TestChecksThenUpdates = breaking(
    ChecksThenUpdates,
    "test_nobody_sees_half_a_batch",
    "test_a_batch_is_cancelled_at_any_await",
)
