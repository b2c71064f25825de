"""Stores that are right alone and wrong when others run in between, or when a caller leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sessionkeeper import (
    Change,
    Clock,
    LimitExceeded,
    MessageEnvelope,
    PlainSessionStore,
    RevisionConflict,
    SequenceConflict,
    Session,
    SessionExists,
    SessionNotFound,
    StoreLimits,
)
from soleowner import Command

from tests.lab.conformance.broken.breaking import breaking


async def elsewhere() -> None:
    """Let others run, as a round trip to a database would."""
    await asyncio.sleep(0)


class LostUpdate(PlainSessionStore):
    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        changed = change(await self.get_session(session_id))
        await elsewhere()
        return await super().modify_session(session_id, lambda _: changed)


class StaleWrite(PlainSessionStore):
    async def update_session(self, session: Session, /) -> Session:
        current = await self.get_session(session.id)
        if current.revision != session.revision:
            raise RevisionConflict(session.id, expected=session.revision, current=current.revision)
        session.check_follows(current)
        await elsewhere()
        return await super().modify_session(session.id, lambda _: session)


class TwoCreators(PlainSessionStore):
    async def create_session(self, session: Session, /) -> Session:
        try:
            await self.get_session(session.id)
        except SessionNotFound:
            await elsewhere()
            return (await super().get_or_create_session(session))[0]
        raise SessionExists(session.id)


class TwoOwners(PlainSessionStore):
    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        try:
            return await self.get_session(session.id), False
        except SessionNotFound:
            await elsewhere()
            return (await super().get_or_create_session(session))[0], True


class OneByOne(PlainSessionStore):
    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        return [await self.update_session(session) for session in sessions]


class TornBatch(PlainSessionStore):
    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        stored: list[Session] = []
        for session in sessions:
            await elsewhere()
            stored += await super().update_sessions_batch([session])
        return stored


class TornFrames(PlainSessionStore):
    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        first = await super().add_frames(
            session_id, envelopes[:1], expected_last_seq=expected_last_seq
        )
        for envelope in envelopes[1:]:
            await elsewhere()
            await self.add_frame(envelope)
        await super().add_frames(session_id, [], change=change)
        return range(first.start, first.start + len(envelopes))


class LateExpectation(PlainSessionStore):
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
        if expected_last_seq not in (None, last):
            raise SequenceConflict(session_id, expected=expected_last_seq or 0, current=last)
        await elsewhere()
        return await super().add_frames(session_id, envelopes, change=change)


class TornListing(PlainSessionStore):
    async def list_sessions(self) -> list[Session]:
        found: list[Session] = []
        for session in await super().list_sessions():
            await elsewhere()
            try:
                found.append(await self.get_session(session.id))
            except SessionNotFound:
                continue
        return found


class NumberOutside(PlainSessionStore):
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        last = (await self.get_session(envelope.context.session_id)).last_seq
        await elsewhere()
        await super().add_frame(envelope)
        return last + 1


class Orphans(PlainSessionStore):
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        seq = await super().add_frame(envelope)
        await elsewhere()
        session = Session.new(transport_type="stdio", id=envelope.context.session_id)
        await super().get_or_create_session(session)
        return seq


class Overshoot(PlainSessionStore):
    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.maximum = (limits or StoreLimits()).max_sessions

    async def create_session(self, session: Session, /) -> Session:
        count = await self.count_sessions()
        if count >= self.maximum:
            raise LimitExceeded("max_sessions", current=count, maximum=self.maximum)
        await elsewhere()
        return await super().create_session(session)


class HalfAnUpdate(PlainSessionStore):
    async def update_session(self, session: Session, /) -> Session:
        current = await self.get_session(session.id)
        session.check_follows(current)
        first = await super().update_session(session.model_copy(update={"state": current.state}))
        await elsewhere()
        last = session.model_copy(update={"revision": first.revision})
        return await super().update_session(last)


class HalfADelete(PlainSessionStore):
    async def delete_session(self, session_id: str, /) -> None:
        await self.delete_frames(session_id)
        await elsewhere()
        await super().delete_session(session_id)


class LockKept(PlainSessionStore):
    """A lock that is not given back if its holder is cancelled: everyone after him hangs."""

    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(limits=limits, clock=clock)
        self.lock = asyncio.Lock()
        self._run = self._run_locked  # type: ignore[assignment]  # on purpose

    async def _run_locked(self, command: Command[object, object], /) -> object:
        await self.lock.acquire()
        await elsewhere()
        try:
            return self._apply(command)
        finally:
            self.lock.release()


class Phantom(PlainSessionStore):
    """Answers before it has stored, and forgets what it answered if the caller leaves."""

    async def touch_session(self, session_id: str, /) -> None:
        current = await self.get_session(session_id)
        await elsewhere()
        row = self._tables.find(session_id)
        if row is not None:
            row.frame_count, row.last_seq = current.frame_count, current.last_seq
        await super().touch_session(session_id)


TestLostUpdate = breaking(
    LostUpdate, "test_no_modification_is_lost", "test_one_order_explains_all_operations"
)
TestStaleWrite = breaking(
    StaleWrite,
    "test_one_of_many_stale_writers_wins",
    "test_no_update_is_lost",
    "test_one_order_explains_all_replies",
)
TestTwoCreators = breaking(
    TwoCreators,
    "test_exactly_one_of_many_creates",
    "test_one_order_explains_all_replies",
)
TestTwoOwners = breaking(TwoOwners, "test_exactly_one_of_many_racing_callers_creates")
TestOneByOne = breaking(OneByOne, "test_a_batch_is_all_or_nothing")
TestTornBatch = breaking(
    TornBatch,
    "test_nobody_sees_half_a_batch",
    "test_a_batch_is_cancelled_at_any_await",
    "test_one_order_explains_all_replies",
)
TestTornFrames = breaking(
    TornFrames,
    "test_a_batch_of_frames_is_together",
    "test_the_others_are_cancelled_at_any_await[add_frames of several]",
)
TestLateExpectation = breaking(LateExpectation, "test_one_of_many_with_the_same_expectation_wins")
TestTornListing = breaking(
    TornListing, "test_a_listing_is_one_moment", "test_one_order_explains_all_replies"
)
TestNumberOutside = breaking(
    NumberOutside,
    "test_racing_appends_share_one_log",
    "test_one_order_explains_all_replies",
)
TestOrphans = breaking(Orphans, "test_deleting_races_appends")
TestOvershoot = breaking(Overshoot, "test_no_race_passes_a_limit")
TestHalfAnUpdate = breaking(HalfAnUpdate, "test_cancelled_at_any_await[update_session]")
TestHalfADelete = breaking(
    HalfADelete,
    "test_cancelled_at_any_await[delete_session]",
    "test_one_order_explains_all_replies",
)
TestLockKept = breaking(LockKept, "test_other_waiting_callers_are_served", patience=0.5)
TestPhantom = breaking(Phantom, "test_touching_undoes_nothing")
