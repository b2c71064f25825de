"""Stores that are wrong in one detail of the streams of a log, or of opaque payloads."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from sessionkeeper import (
    Frame,
    FrameWatcher,
    MessageEnvelope,
    PlainSessionStore,
    Session,
    SessionNotFound,
)
from sessionkeeper.interface.frame_watcher import LogPage

from tests.lab.conformance.broken.breaking import breaking


def of(frame: Frame) -> str | None:
    """The stream of a frame."""
    return frame.envelope.context.stream


class ReadsEveryStream(PlainSessionStore):
    async def read_frames(
        self, session_id: str, /, *, stream: str | None = None, **options: Any
    ) -> list[Frame]:
        return await super().read_frames(session_id, **options)


class NumbersEachStream(PlainSessionStore):
    """As a log of its own would."""

    async def read_frames(
        self, session_id: str, /, *, stream: str | None = None, **options: Any
    ) -> list[Frame]:
        found = await super().read_frames(session_id, stream=stream, **options)
        if stream is None:
            return found
        return [Frame(seq=n, envelope=each.envelope) for n, each in enumerate(found, 1)]


class FindsByLetters(PlainSessionStore):
    """Takes two names for one that differ in the case of their letters alone."""

    async def read_frames(
        self, session_id: str, /, *, stream: str | None = None, **options: Any
    ) -> list[Frame]:
        found = await super().read_frames(session_id, **options)
        return [
            each for each in found if stream is None or (of(each) or "").lower() == stream.lower()
        ]


class FiltersThePage(PlainSessionStore):
    """Takes a page of the whole log, and of it what is of the stream."""

    async def read_frames(
        self, session_id: str, /, *, stream: str | None = None, **options: Any
    ) -> list[Frame]:
        found = await super().read_frames(session_id, **options)
        return [each for each in found if stream is None or of(each) == stream]


class CountsTheLog(PlainSessionStore):
    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        return await super().count_frames(session_id)


class CountsForGood(PlainSessionStore):
    """A count of all that was appended, which nothing that is removed makes smaller."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.counts: Counter[tuple[str, str | None]] = Counter()

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        seq = await super().add_frame(envelope)
        self.counts[envelope.context.session_id, envelope.context.stream] += 1
        return seq

    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        if stream is None:
            return await super().count_frames(session_id)
        await self.get_session(session_id)
        return self.counts[session_id, stream]


class CountsUntilDeleted(CountsForGood):
    """And one that a new session of the id begins anew: trimmed and dropped frames stay in it."""

    async def create_session(self, session: Session, /) -> Session:
        self._forget(session.id)
        return await super().create_session(session)

    async def delete_frames(self, session_id: str, /) -> int:
        self._forget(session_id)
        return await super().delete_frames(session_id)

    def _forget(self, session_id: str) -> None:
        for key in [key for key in self.counts if key[0] == session_id]:
            del self.counts[key]


class WatchesEveryStream(PlainSessionStore):
    def watch_frames(
        self, session_id: str, /, *, stream: str | None = None, **options: Any
    ) -> FrameWatcher:
        return super().watch_frames(session_id, **options)


class WatchesOnePage(PlainSessionStore):
    """Takes a page of the log, and waits if none of it is of the stream."""

    def watch_frames(
        self, session_id: str, /, *, after: int = 0, stream: str | None = None, **options: Any
    ) -> FrameWatcher:
        read_page = super().watch_frames(session_id, after=after, **options)._read_page

        async def filtered(number: int | None, after: int) -> LogPage:
            page = await read_page(number, after)
            frames = [each for each in page.frames if stream is None or of(each) == stream]
            return replace(page, frames=frames)

        return FrameWatcher(filtered, self._wakeups, session_id, after)


class EndsWithoutNews(PlainSessionStore):
    """Takes a page without a frame of the stream for the end."""

    def watch_frames(
        self, session_id: str, /, *, after: int = 0, stream: str | None = None, **options: Any
    ) -> FrameWatcher:
        watcher = super().watch_frames(session_id, after=after, stream=stream, **options)
        read_page = watcher._read_page

        async def hasty(number: int | None, after: int) -> LogPage:
            page = await read_page(number, after)
            session = await self.get_session(session_id)
            return replace(page, ended=page.ended or (not page.frames and session.last_seq > after))

        return FrameWatcher(hasty, self._wakeups, session_id, after) if stream else watcher


class WatchesTheId(PlainSessionStore):
    """Goes on with the next session of the id."""

    def watch_frames(
        self, session_id: str, /, *, after: int = 0, stream: str | None = None, **options: Any
    ) -> FrameWatcher:
        watcher = super().watch_frames(session_id, after=after, stream=stream, **options)
        read_page = watcher._read_page

        async def wrong(number: int | None, after: int) -> LogPage:
            return await read_page(None, after)

        return FrameWatcher(wrong, self._wakeups, session_id, after) if stream else watcher


class TakesAnyName(PlainSessionStore):
    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        try:
            return await super().count_frames(session_id, stream=stream)
        except SessionNotFound:
            raise
        except ValueError:
            return 0


class ForgetsTheStream(PlainSessionStore):
    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        return [
            each.model_copy(update={"context": each.context.model_copy(update={"stream": None})})
            for each in await super().get_frames(session_id)
        ]


class ForgetsTheMediaType(PlainSessionStore):
    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        return [
            each
            if each.is_message or each.oddity is not None
            else each.model_copy(update={"media_type": "application/octet-stream"})
            for each in await super().get_frames(session_id)
        ]


class CountsPayloadsAsOdd(PlainSessionStore):
    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        seq = await super().add_frame(envelope)
        row = self._tables.find(envelope.context.session_id)
        if row is not None and not envelope.is_message and envelope.oddity is None:
            row.odd_frames += 1
        return seq


TestReadsEveryStream = breaking(
    ReadsEveryStream, "test_a_stream_is_read_with_the_numbers_of_the_log"
)

TestNumbersEachStream = breaking(
    NumbersEachStream, "test_a_stream_is_read_with_the_numbers_of_the_log"
)

TestFindsByLetters = breaking(FindsByLetters, "test_streams_differ_in_their_whole_name")

TestFiltersThePage = breaking(FiltersThePage, "test_every_part_of_a_stream_is_read")

TestCountsTheLog = breaking(CountsTheLog, "test_the_frames_of_a_stream_are_counted")

TestCountsForGood = breaking(CountsForGood, "test_removed_frames_are_in_no_stream")

TestCountsUntilDeleted = breaking(
    CountsUntilDeleted,
    "test_trimmed_frames_are_in_no_stream",
    "test_dropped_frames_are_in_no_stream",
)

TestWatchesEveryStream = breaking(WatchesEveryStream, "test_a_watcher_of_a_stream_gets_its_frames")

TestWatchesOnePage = breaking(
    WatchesOnePage, "test_a_watcher_of_a_stream_passes_all_other_frames", patience=0.5
)

TestEndsWithoutNews = breaking(
    EndsWithoutNews, "test_a_watcher_of_a_stream_passes_all_other_frames"
)

TestWatchesTheId = breaking(
    WatchesTheId, "test_a_watcher_of_a_stream_ends_with_its_session", patience=0.5
)

TestTakesAnyName = breaking(TakesAnyName, "test_no_stream_has_such_a_name")

TestForgetsTheStream = breaking(ForgetsTheStream, "test_the_context_comes_back_whole")

TestForgetsTheMediaType = breaking(ForgetsTheMediaType, "test_opaque_payloads_come_back_whole")

TestCountsPayloadsAsOdd = breaking(CountsPayloadsAsOdd, "test_opaque_payloads_come_back_whole")
