"""Stores that are wrong in one detail of a frame or a log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sessionkeeper import (
    Change,
    Clock,
    Frame,
    MessageEnvelope,
    PlainSessionStore,
    Session,
    SessionClosed,
    SessionNotFound,
    SessionState,
    StoreLimits,
)

from tests.lab.conformance.broken.breaking import breaking


class FromZero(PlainSessionStore):
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        return await super().add_frame(envelope) - 1


class EmptyIsUnknown(PlainSessionStore):
    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        found = await super().get_frames(session_id)
        if not found:
            raise SessionNotFound(session_id)
        return found


class ForgetsWhy(PlainSessionStore):
    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        found = await super().get_frames(session_id)
        return [
            each if each.oddity is None else each.model_copy(update={"oddity": "odd"})
            for each in found
        ]


class CountsOnlyWhatIsThere(PlainSessionStore):
    async def delete_frames(self, session_id: str, /) -> int:
        removed = await super().delete_frames(session_id)
        row = self._tables.find(session_id)
        if row is not None:
            row.odd_frames = row.gap_frames = 0
        return removed


class ByPrefix(PlainSessionStore):
    async def delete_frames(self, session_id: str, /) -> int:
        removed = await super().delete_frames(session_id)
        for session in await self.list_sessions():
            if session.id.startswith(session_id):
                await super().delete_frames(session.id)
        return removed


class ReadsBehind(PlainSessionStore):
    old: tuple[str, list[MessageEnvelope]] = ("", [])

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        now = await super().get_frames(session_id)
        (key, before), self.old = self.old, (session_id, now)
        return before if key == session_id and len(now) % 3 == 0 else now


class TwoSteps(PlainSessionStore):
    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        told = await super().add_frames(session_id, envelopes, expected_last_seq=expected_last_seq)
        await asyncio.sleep(0)
        if change is not None:
            await self.modify_session(session_id, change)
        return told


class IgnoresChange(PlainSessionStore):
    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        return await super().add_frames(session_id, envelopes, expected_last_seq=expected_last_seq)


class AfterIncluded(PlainSessionStore):
    async def read_frames(
        self, session_id: str, /, *, after: int = 0, limit: int = 1000, **options: Any
    ) -> list[Frame]:
        after = max(0, after - 1)
        return await super().read_frames(session_id, after=after, limit=limit, **options)


class HundredAtMost(PlainSessionStore):
    async def read_frames(
        self, session_id: str, /, *, limit: int = 1000, **options: Any
    ) -> list[Frame]:
        limit = min(limit, 100)
        return await super().read_frames(session_id, limit=limit, **options)


class BeforeIncluded(PlainSessionStore):
    async def read_frames(
        self, session_id: str, /, *, before: int | None = None, **options: Any
    ) -> list[Frame]:
        before = None if before is None else before + 1
        return await super().read_frames(session_id, before=before, **options)


class ReversesTheFirst(PlainSessionStore):
    async def read_frames(
        self, session_id: str, /, *, reverse: bool = False, **options: Any
    ) -> list[Frame]:
        frames = await super().read_frames(session_id, **options)
        return frames[::-1] if reverse else frames


class SharedFrames(PlainSessionStore):
    frames: list[Frame] | None = None

    async def read_frames(self, session_id: str, /, **options: Any) -> list[Frame]:
        if self.frames is None:
            self.frames = await super().read_frames(session_id)
        return self.frames


class OnlyActive(PlainSessionStore):
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        session = await self.get_session(envelope.context.session_id)
        if session.state is SessionState.SHUTTING_DOWN:
            raise SessionClosed(session.id, session.state)
        return await super().add_frame(envelope)


class OnceEach(PlainSessionStore):
    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        return await super().get_sessions_batch(list(dict.fromkeys(session_ids)))


class LimitOneByOne(PlainSessionStore):
    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        if self._tables.limits.max_metadata_bytes > 50:
            return await super().update_sessions_batch(sessions)
        return [await self.update_session(session) for session in sessions]


class TagsUncounted(PlainSessionStore):
    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(limits=StoreLimits() if limits is None else limits, clock=clock)
        self._tables.limits = self._tables.limits.model_copy(update={"max_tags": 1_000})


TestTagsUncounted = breaking(TagsUncounted, "test_tags")

TestOnlyActive = breaking(OnlyActive, "test_a_session_that_has_not_ended_takes_frames")

TestOnceEach = breaking(OnceEach, "test_sessions_come_in_the_order_asked")

TestLimitOneByOne = breaking(
    LimitOneByOne, "test_a_batch_of_sessions_that_does_not_fit_is_refused_whole"
)

TestFromZero = breaking(FromZero, "test_numbers_start_at_one_and_have_no_gap")

TestEmptyIsUnknown = breaking(EmptyIsUnknown, "test_a_known_session_without_frames_has_none")

TestByPrefix = breaking(ByPrefix, "test_frames_stay_in_their_session")

TestReadsBehind = breaking(ReadsBehind, "test_what_is_read_is_a_prefix")

TestTwoSteps = breaking(TwoSteps, "test_a_frame_and_its_change_stay_together")

TestIgnoresChange = breaking(IgnoresChange, "test_frames_and_change_are_one_step")

TestAfterIncluded = breaking(AfterIncluded, "test_frames_are_read_after_a_number")

TestHundredAtMost = breaking(HundredAtMost, "test_a_thousand_frames_are_read_at_once")

TestBeforeIncluded = breaking(BeforeIncluded, "test_frames_are_read_before_a_number")

TestReversesTheFirst = breaking(ReversesTheFirst, "test_frames_are_read_backwards")

TestSharedFrames = breaking(SharedFrames, "test_frames_cannot_be_changed")

TestForgetsWhy = breaking(ForgetsWhy, "test_what_is_no_message_comes_back_whole")

TestCountsOnlyWhatIsThere = breaking(
    CountsOnlyWhatIsThere, "test_odd_frames_and_gaps_are_counted_for_good"
)
