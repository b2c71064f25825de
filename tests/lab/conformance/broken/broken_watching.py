"""Stores whose watchers miss, repeat, end early or never."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from sessionkeeper import (
    FrameWatcher,
    PlainSessionStore,
)
from sessionkeeper.interface.frame_watcher import LogPage

from tests.lab.conformance.broken.breaking import breaking

R = TypeVar("R")


class Watching(PlainSessionStore):
    """What a watcher is shown, with a fault put in."""

    def shown(self, page: LogPage, after: int) -> LogPage:
        """Return what the watcher is told instead."""
        raise NotImplementedError

    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        watcher = super().watch_frames(session_id, after=after, **options)
        read_page = watcher._read_page

        async def wrong(number: int | None, after: int) -> LogPage:
            return self.shown(await read_page(number, after), after)

        return FrameWatcher(wrong, self._wakeups, session_id, after)


class MissesFrames(Watching):
    def shown(self, page: LogPage, after: int) -> LogPage:
        return replace(page, frames=page.frames[1:]) if after and len(page.frames) > 1 else page


class RepeatsFrames(Watching):
    def shown(self, page: LogPage, after: int) -> LogPage:
        return replace(page, frames=[page.frames[0], *page.frames]) if page.frames else page


class EndsEarly(Watching):
    def shown(self, page: LogPage, after: int) -> LogPage:
        return replace(page, ended=True)


class NeverEnds(Watching):
    def shown(self, page: LogPage, after: int) -> LogPage:
        return replace(page, ended=False)


class WatchesAnother(Watching):
    """Goes on with the next session of the same id."""

    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        read_page = (
            super(Watching, self).watch_frames(session_id, after=after, **options)._read_page
        )

        async def wrong(_: int | None, after: int) -> LogPage:
            return await read_page(None, after)

        return FrameWatcher(wrong, self._wakeups, session_id, after)


TestMissesFrames = breaking(MissesFrames, "test_nothing_is_missed_in_a_race")

TestRepeatsFrames = breaking(RepeatsFrames, "test_all_that_is_there_then_each_new_frame")

TestEndsEarly = breaking(EndsEarly, "test_all_that_is_there_then_each_new_frame")

TestNeverEnds = breaking(NeverEnds, "test_the_sessions_end_ends_it", patience=0.5)

TestWatchesAnother = breaking(WatchesAnother, "test_deleting_the_session_ends_it")
