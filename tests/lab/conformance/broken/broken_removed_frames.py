"""Stores that are wrong in one detail of removing chosen frames."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from sessionkeeper import Frame, LogReplaced, MessageEnvelope, MessageKind, PlainSessionStore
from sessionkeeper.interface.frame_watcher import FrameWatcher
from sessionkeeper.operations.frame_record import FrameRecord, pack

from tests.lab.conformance.broken.breaking import breaking


class KeepsContent(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        await self.get_session(session_id)
        return len({*seqs})


class LeavesNoNumber(PlainSessionStore):
    async def read_frames(self, session_id: str, /, **options: int) -> list[Frame]:  # type: ignore[override]  # by name
        found = await super().read_frames(session_id, **options)  # type: ignore[arg-type]  # as above
        return [frame for frame in found if frame.envelope.kind is not MessageKind.REMOVED]


class ForgetsTheDirection(PlainSessionStore):
    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        return [_turned(each) for each in await super().get_frames(session_id)]


def _turned(envelope: MessageEnvelope) -> MessageEnvelope:
    if envelope.kind is not MessageKind.REMOVED:
        return envelope
    context = envelope.context.model_copy(update={"direction": "client-to-server"})
    return envelope.model_copy(update={"context": context})


class CountsAgain(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        wanted = {*seqs}
        await super().remove_frames(session_id, wanted, **options)
        return len(wanted)


class RemovesWhatItFinds(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        last = (await self.get_session(session_id)).last_seq
        wanted = [*seqs]
        known = [seq for seq in wanted if 0 < seq <= last]
        removed = await super().remove_frames(session_id, known, **options)
        if known != wanted:
            raise ValueError("no such number")
        return removed


class IsActivity(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        removed = await super().remove_frames(session_id, seqs, **options)
        await self.touch_session(session_id)
        return removed


class OnlyLive(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        live = not (await self.get_session(session_id)).state.is_terminal
        return await super().remove_frames(session_id, seqs) if live else 0


class UncountsThem(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        removed = await super().remove_frames(session_id, seqs, **options)
        row = self._tables.find(session_id)
        if row is not None:
            row.odd_frames = row.gap_frames = 0
            row.touch(row.last_activity, row.steady_active_at)
        return removed


class EmptyIsRemoved(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        held = dict(enumerate(await self.get_frames(session_id), 1))
        return await super().remove_frames(
            session_id, [seq for seq in seqs if held[seq].message], **options
        )


class KeepsBytes(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        row = self._tables.find(session_id)
        before = 0 if row is None else row.byte_count
        removed = await super().remove_frames(session_id, seqs, **options)
        if row is not None:
            self._tables.counters.bytes += before - row.byte_count
            row.byte_count = before
        return removed


class DropsByNumber(PlainSessionStore):
    """Drops one frame too many as soon as there is a removed one."""

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        key = envelope.context.session_id
        before = await self.get_session(key)
        seq = await super().add_frame(envelope)
        held = await self.get_frames(key)
        dropped = before.frame_count + 1 - len(held)
        if dropped and held and held[0].kind is MessageKind.REMOVED:
            await self.trim_frames(key, up_to=seq - len(held) + 1)
        return seq


class Unlimited(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        return sum([await super(Unlimited, self).remove_frames(session_id, [n]) for n in {*seqs}])


class WatchersTakeFright(PlainSessionStore):
    def watch_frames(self, session_id: str, /, **options: Any) -> FrameWatcher:
        watcher = super().watch_frames(session_id, **options)
        read_page, seen = watcher._read_page, dict[int, FrameRecord]()

        async def suspicious(number: int | None, after: int):  # type: ignore[no-untyped-def]  # as it is
            held = {frame.seq: pack(frame.envelope) for frame in await self.read_frames(session_id)}
            if after in seen and held.get(after) != seen[after]:
                raise LogReplaced(session_id, after=after)
            page = await read_page(number, after)
            seen.update({frame.seq: pack(frame.envelope) for frame in page.frames})
            return page

        watcher._read_page = suspicious
        return watcher


class OneByOne(PlainSessionStore):
    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        wanted = {*seqs}
        held = dict(enumerate(await self.get_frames(session_id), 1))
        there = [seq for seq in wanted if held[seq].kind is not MessageKind.REMOVED]
        await asyncio.sleep(0)
        await super().remove_frames(session_id, wanted, **options)
        return len(there)


TestKeepsContent = breaking(KeepsContent, "test_removed_content_is_gone_and_the_number_stays")

TestLeavesNoNumber = breaking(LeavesNoNumber, "test_removed_frames_are_read_like_others")

TestForgetsTheDirection = breaking(
    ForgetsTheDirection, "test_removed_content_is_gone_and_the_number_stays"
)

TestCountsAgain = breaking(CountsAgain, "test_only_frames_of_this_call_are_counted")

TestRemovesWhatItFinds = breaking(RemovesWhatItFinds, "test_a_number_that_never_was_is_refused")

TestIsActivity = breaking(IsActivity, "test_removing_is_no_activity")

TestOnlyLive = breaking(OnlyLive, "test_frames_of_an_ended_session_can_be_removed")

TestUncountsThem = breaking(UncountsThem, "test_the_counts_of_the_session_stay")

TestEmptyIsRemoved = breaking(EmptyIsRemoved, "test_an_appended_removed_frame_stays_one")

TestKeepsBytes = breaking(KeepsBytes, "test_removed_bytes_are_free", "test_removing_makes_room")

TestDropsByNumber = breaking(DropsByNumber, "test_the_oldest_are_dropped_past_removed_frames")

TestUnlimited = breaking(Unlimited, "test_too_many_numbers_are_refused")

TestWatchersTakeFright = breaking(WatchersTakeFright, "test_a_watcher_sees_what_is_left")

TestOneByOne = breaking(OneByOne, "test_racing_removals_count_each_frame_once")
