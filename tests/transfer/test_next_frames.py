"""Reading a log part by part, while sessions are deleted and made anew in between."""

from __future__ import annotations

from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    SessionNotFound,
    StoreUnavailable,
)
from sessionkeeper.transfer import copy_sessions
from sessionkeeper.transfer.json_lines import (
    export_session,
    header_line,
    last_line,
    read_export,
)
from sessionkeeper.transfer.next_frames import is_same_life, next_frames

from tests.support.sessions import new_session, note, numbers


async def make(store: AtomicSessionStore, principal: str, first: int, count: int) -> None:
    """A session with numbered frames."""
    await store.create_session(new_session("a", principal=principal))
    await store.add_frames("a", [note(n) for n in range(first, first + count)])


async def test_the_next_frames_follow_on_the_last_one() -> None:
    """In order, as many as asked for, to the end of the log."""
    async with ActorSessionStore() as store:
        await make(store, "alice", 1, 5)
        first = await next_frames(store, "a", None, 0, 2)
        assert [frame.seq for frame in first] == [1, 2]
        rest = await next_frames(store, "a", first[-1], 2, 9)
        assert [frame.seq for frame in rest] == [3, 4, 5]
        assert await next_frames(store, "a", rest[-1], 5, 9) == []


async def test_frames_of_another_log_do_not_follow() -> None:
    """Another frame has the number of the last one, or the next one was trimmed."""
    async with ActorSessionStore() as store:
        await make(store, "alice", 1, 5)
        first = await next_frames(store, "a", None, 0, 2)
        await store.trim_frames("a", up_to=3)
        assert await next_frames(store, "a", first[-1], 2, 9) == []
        await store.delete_session("a")
        await make(store, "mallory", 100, 5)
        assert await next_frames(store, "a", first[-1], 2, 9) == []
        assert await next_frames(store, "a", None, 7, 9) == []


async def test_a_removed_frame_is_of_the_same_log() -> None:
    """The last frame lost its content after it was read: the next ones follow all the same."""
    async with ActorSessionStore() as store:
        await make(store, "alice", 1, 5)
        first = await next_frames(store, "a", None, 0, 2)
        await store.remove_frames("a", [2, 4])
        rest = await next_frames(store, "a", first[-1], 2, 9)
        assert [frame.seq for frame in rest] == [3, 4, 5]
        after = await next_frames(store, "a", rest[1], 4, 9)
        assert [frame.seq for frame in after] == [5], "a removed frame is like any other"
        await store.delete_session("a")
        await make(store, "mallory", 100, 5)
        await store.remove_frames("a", [2])
        assert await next_frames(store, "a", first[-1], 2, 9) == []


async def test_a_session_made_anew_is_another_life() -> None:
    """An update and an append are not; what is not there is an error."""
    async with ActorSessionStore() as store:
        await make(store, "alice", 1, 5)
        session = await store.get_session("a")
        await store.update_session(session.model_copy(update={"tags": {"x"}}))
        await store.add_frame(note(6))
        assert await is_same_life(store, session)
        await store.delete_session("a")
        with pytest.raises(SessionNotFound):
            await is_same_life(store, session)
        await make(store, "mallory", 1, 9)
        assert not await is_same_life(store, session)


class Racing(ActorSessionStore):
    """Before the k-th read of frames the session is deleted, and another one has its id."""

    def __init__(self, *at: int, count: int = 1_500) -> None:
        super().__init__()
        self.at, self.count, self.reads = at, count, 0

    async def read_frames(self, session_id: str, /, **options: Any) -> Any:
        self.reads += 1
        if not self.at or self.reads in self.at:
            await self.delete_session("a")
            await make(self, f"mallory-{self.reads}", 100_000 * self.reads, self.count)
        return await super().read_frames(session_id, **options)


@pytest.mark.parametrize("at", [(1,), (2,), (1, 3)])
@pytest.mark.parametrize("count", [3, 1_500])
async def test_an_export_never_mixes_two_sessions(at: tuple[int, ...], count: int) -> None:
    """Fields and frames are of one session, also if it fits into one page."""
    async with Racing(*at, count=count) as store:
        await make(store, "alice", 1, count)
        lines = [header_line(), *await export_session(store, "a"), last_line(1)]
        (stored,) = read_export(lines)
        name, _, read = (stored.session.principal or "").partition("-")
        assert (name, read) == ("alice", "") or (name == "mallory" and int(read) in at)
        first = 100_000 * int(read) if read else 1
        assert numbers(stored.frames) == [*range(first, first + count)]


async def test_an_export_of_a_session_that_is_made_anew_again_and_again_is_given_up() -> None:
    """A clear error, and no end of trying."""
    async with Racing(count=3) as store:
        await make(store, "alice", 1, 3)
        with pytest.raises(StoreUnavailable, match="session 'a' is trimmed or made anew"):
            await export_session(store, "a")


@pytest.mark.parametrize("at", [(1,), (2,), (4,), (1, 3)])
async def test_a_copy_never_mixes_two_sessions(at: tuple[int, ...]) -> None:
    """What it had made of the first is taken back, and the second is copied."""
    async with Racing(*at) as source, ActorSessionStore() as target:
        await make(source, "alice", 1, 1_500)
        report = await copy_sessions(source, target)
        assert (report.sessions, report.differences) == (1, [])
        source.at = (0,)
        assert (await target.get_session("a")).principal == (
            await source.get_session("a")
        ).principal
        frames = await source.read_frames("a", limit=2_000)
        assert await target.read_frames("a", limit=2_000) == frames
