"""Stores that forget something when they are opened again, or do not notice a replaced log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    FrameWatcher,
    LogReplaced,
    MessageEnvelope,
    PlainSessionStore,
)
from sessionkeeper.interface.frame_watcher import LogPage
from sessionkeeper.operations import ReadNewFrames
from sessionkeeper.stores.facade import WATCHED_AT_ONCE
from sessionlab.conformance import Restore, SessionStoreConformance

from tests.lab.conformance.broken.breaking import breaking
from tests.lab.conformance.file_store import FileSessionStore
from tests.lab.conformance.memory_backup import back_up_memory


class FileViolation(SessionStoreConformance):
    __test__ = False
    store_class: ClassVar[type[FileSessionStore]]

    @pytest.fixture(autouse=True)
    def _folder(self) -> Iterator[None]:
        with TemporaryDirectory() as folder:
            self.file = Path(folder) / "store.json"
            yield

    def make_store(self, **_: Any) -> FileSessionStore:
        return self.store_class(self.file)

    async def reopen_store(self, store: Any) -> Any:
        return self.store_class(store.file)


def file_breaking(store: type[FileSessionStore], *noticed_by: str) -> type[FileViolation]:
    """The kit for ten methods on a broken durable store, and the tests that must notice."""
    fields = {"store_class": store, "noticed_by": noticed_by, "__test__": True}
    return type(f"Test{store.__name__}", (FileViolation,), fields)


class ForgetsFrames(FileSessionStore):
    """Writes all frames but the last."""

    def dump(self) -> dict[str, Any]:
        kept = super().dump()
        kept["sessions"] = [(fields, log[:-1]) for fields, log in kept["sessions"]]
        return kept


class ForgetsDeletions(FileSessionStore):
    async def delete_session(self, session_id: str, /) -> None:
        before = self.file.read_text(encoding="utf-8")
        await super().delete_session(session_id)
        self.file.write_text(before, encoding="utf-8")


class CountsAnew(FileSessionStore):
    def load(self, kept: dict[str, Any]) -> None:
        super().load(kept)
        for key, session in self._sessions.items():
            last = {"last_seq": len(self._logs[key])}
            self._sessions[key] = session.model_copy(update=last)


class RevisionsAnew(FileSessionStore):
    def load(self, kept: dict[str, Any]) -> None:
        super().load(kept)
        self._revision = max((each.revision for each in self._sessions.values()), default=0)


class SortsWhenOpened(FileSessionStore):
    def load(self, kept: dict[str, Any]) -> None:
        super().load(kept)
        self._sessions = dict(sorted(self._sessions.items()))


class WritesJson(FileSessionStore):
    def envelope(self, written: str) -> MessageEnvelope:
        envelope = super().envelope(written)
        compact = json.dumps(json.loads(envelope.message)).encode()
        return envelope.model_copy(update={"message": compact})


class EndsNothing(FileSessionStore):
    def dump(self) -> dict[str, Any]:
        kept = super().dump()
        kept["sessions"] = [
            (json.dumps(json.loads(fields) | {"ended_at": None}), log)
            for fields, log in kept["sessions"]
        ]
        return kept


class ReadsOn(PlainSessionStore):
    """Goes on behind the number it has, whatever is there now."""

    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        async def look(number: int | None, after: int) -> LogPage:
            command = ReadNewFrames(session_id, number, after, WATCHED_AT_ONCE)
            found = await self._run(command)
            frames = await self.read_frames(session_id, after=after)
            return LogPage(found.number, frames, found.ended)

        return FrameWatcher(look, self._wakeups, session_id, after)


class AlarmedByRemovals(PlainSessionStore):
    """Takes a frame that was removed for one that was lost."""

    def watch_frames(self, session_id: str, /, *, after: int = 0, **options: Any) -> FrameWatcher:
        look = super().watch_frames(session_id, after=after, **options)._read_page

        async def wrong(number: int | None, after: int) -> LogPage:
            page = await look(number, after)
            if after and not await self._has(session_id, after):
                raise LogReplaced(session_id, after=after)
            return page

        return FrameWatcher(wrong, self._wakeups, session_id, after)

    async def _has(self, session_id: str, seq: int) -> bool:
        frames = await self.read_frames(session_id, after=seq - 1, limit=1)
        return [frame.seq for frame in frames] == [seq]


TestForgetsFrames = file_breaking(
    ForgetsFrames,
    "test_acknowledged_writes_survive_reopening",
    "test_every_field_survives_reopening",
)
TestForgetsDeletions = file_breaking(ForgetsDeletions, "test_acknowledged_writes_survive_reopening")
TestCountsAnew = file_breaking(CountsAnew, "test_numbers_go_on_after_reopening")
TestRevisionsAnew = file_breaking(RevisionsAnew, "test_numbers_go_on_after_reopening")
TestSortsWhenOpened = file_breaking(SortsWhenOpened, "test_every_field_survives_reopening")
TestWritesJson = file_breaking(WritesJson, "test_every_field_survives_reopening")
TestEndsNothing = file_breaking(EndsNothing, "test_every_field_survives_reopening")
TestAlarmedByRemovals = breaking(AlarmedByRemovals, "test_removed_frames_are_no_replaced_log")


ReadsOnKit = breaking(
    ReadsOn,
    "test_a_watcher_is_told_that_its_log_was_replaced[1]",
    "test_a_watcher_is_told_that_its_log_was_replaced[3]",
    "test_a_watcher_is_told_that_its_log_was_replaced[9]",
    "test_a_watcher_of_a_stream_is_told_that_its_log_was_replaced[x]",
    "test_a_watcher_of_a_stream_is_told_that_its_log_was_replaced[other]",
    patience=0.5,
)


class TestReadsOn(ReadsOnKit):  # type: ignore[valid-type,misc]  # made above
    async def back_up(self, store: AtomicSessionStore) -> Restore:
        return back_up_memory(store)
