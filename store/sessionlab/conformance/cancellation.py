"""A caller cancelled at any await leaves the operation applied whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.errors import OutcomeUnknown, SessionNotFound
from sessionkeeper.values.session import Session

from .kit import SEVERAL, StoreKit
from .promise import demand, needs, skip_what_is_refused
from .samples import archived, become, callers_part, new, note, numbers, tagged, turns

__all__ = ["AtomicCancellationConformance", "CancellationConformance"]

Operation: TypeAlias = Callable[[Any, Session], Awaitable[object]]

MOST_TURNS = 2_000


def moments() -> Iterator[int]:
    """After how many turns of the loop to cancel: each of the first turns, then fewer."""
    turn = 0
    while turn < MOST_TURNS:
        yield turn
        turn += 1 + turn // 24


async def seen(store: SessionStore, key: str) -> object:
    """Everything that callers can see of a session, without times and revisions."""
    try:
        session = await store.get_session(key)
        frames = await store.get_frames(key)
        log = [numbers([each])[0] if each.message else each.kind for each in frames]
        count = await store.count_frames(key)
    except SessionNotFound:
        return None
    listed = [each for each in await store.list_sessions() if each.id == key]
    assert listed == [session], "list_sessions and get_session differ"
    part = callers_part(session) | {"id": "", "ended": session.ended_at is not None}
    return part, log, count, session.frame_count, session.last_seq


def closed_and_tagged(session: Session) -> Session:
    """A change of two fields."""
    return become("closed")(tagged(session, "x"))


TEN: dict[str, Operation] = {
    "update_session": lambda s, x: s.update_session(
        x.model_copy(update={"tags": {"x"}, "metadata": {"n": 1}, "state": "closed"})
    ),
    "delete_session": lambda s, x: s.delete_session(x.id),
    "add_frame": lambda s, x: s.add_frame(note(9, x.id)),
    "delete_frames": lambda s, x: s.delete_frames(x.id),
}

MORE: dict[str, Operation] = {
    "modify_session": lambda s, x: s.modify_session(x.id, closed_and_tagged),
    "touch_session": lambda s, x: s.touch_session(x.id),
    "archive_session": lambda s, x: s.archive_session(
        archived(x, state="closed", tags={"x"}), expected_last_seq=3
    ),
    "add_frames": lambda s, x: s.add_frames(x.id, [note(9, x.id)], change=closed_and_tagged),
    SEVERAL: lambda s, x: s.add_frames(
        x.id, [note(n, x.id) for n in (7, 8, 9)], change=become("closed")
    ),
    "trim_frames": lambda s, x: s.trim_frames(x.id, up_to=2),
    "remove_frames": lambda s, x: s.remove_frames(x.id, [1, 3]),
    "expire_sessions": lambda s, _: s.expire_sessions(idle=0),
}


async def prepared(store: SessionStore, key: str) -> Session:
    """A session with three frames."""
    await store.create_session(new(key, tags={"before"}))
    for n in (1, 2, 3):
        await store.add_frame(note(n, key))
    return await store.get_session(key)


async def cancelled_everywhere(store: SessionStore, operation: Operation) -> None:
    """Run it repeatedly on new sessions, cancelled later each time, until it completes."""
    twin = await prepared(store, "twin")
    before = await seen(store, "twin")
    await operation(store, twin)
    after = await seen(store, "twin")
    for moment in moments():
        key = f"k{moment}"
        session = await prepared(store, key)
        task = asyncio.ensure_future(operation(store, session))
        await turns(moment)
        done = task.done()
        task.cancel()
        await asyncio.wait({task})
        await settled(store, key, before, after)
        found = await seen(store, key)
        assert found in (before, after), (
            f"cancelled after {moment} turns of the loop, it is neither as before nor as after:\n"
            f"  before {before}\n  after  {after}\n  found  {found}"
        )
        answered(task)
        assert found == after or not done, "it was acknowledged and has no effect"
        if done:
            return
        if found is not None:  # or it would be in the way of an operation on all sessions
            await store.delete_session(key)


async def settled(store: SessionStore, key: str, before: object, after: object) -> None:
    """An operation may continue without its caller for a moment; wait until nothing changes."""
    for _ in range(50):
        first = await seen(store, key)
        await turns(5)
        if first == await seen(store, key) in (before, after):
            return


def answered(task: asyncio.Future[Any]) -> None:
    """The call was cancelled, done, or has an unknown outcome; nothing else."""
    if not task.cancelled() and (error := task.exception()) is not None:
        assert isinstance(error, OutcomeUnknown), f"a cancelled caller was answered {error!r}"


class CancellationConformance(StoreKit, level="operation"):
    @pytest.mark.parametrize("method", TEN)
    async def test_cancelled_at_any_await(self, store: SessionStore, method: str) -> None:
        """Whole or not at all, never half, at whichever await the caller is cancelled."""
        await cancelled_everywhere(store, TEN[method])
        await store.create_session(new("later"))
        assert await store.add_frame(note(id="later")) == 1, "the store does not go on"

    async def test_creating_is_cancelled_at_any_await(self, store: SessionStore) -> None:
        """A cancelled `create_session` leaves a session or none; its id is not partly taken."""
        for moment in moments():
            key = f"k{moment}"
            task = asyncio.ensure_future(store.create_session(new(key, tags={"x"})))
            await turns(moment)
            done = task.done()
            task.cancel()
            await asyncio.wait({task})
            answered(task)
            await turns(20)
            listed = [each.id for each in await store.list_sessions()]
            assert await store.count_sessions() == len(listed), "counted, but not there"
            if key in listed:
                assert (await store.get_session(key)).tags == {"x"}
            else:
                assert not done, "it was acknowledged and has no effect"
                with pytest.raises(SessionNotFound):
                    await store.get_session(key)
                await store.create_session(new(key))
            assert await store.add_frame(note(1, key)) == 1
            assert numbers(await store.get_frames(key)) == [1]
            if done:
                return

    async def test_a_deadline_means_the_same(self, store: SessionStore) -> None:
        """A deadline is `asyncio.timeout` around the call, with the same meaning."""
        await prepared(store, "a")
        added = 3
        for _ in range(20):
            try:
                async with asyncio.timeout(0):
                    await store.add_frame(note(9))
            except TimeoutError:
                await turns(20)
            now = await store.count_frames("a")
            assert now - added in (0, 1)
            added = now
        session = await store.get_session("a")
        assert (session.frame_count, session.last_seq) == (added, added)
        assert await store.add_frame(note(9)) == added + 1

    async def test_other_waiting_callers_are_served(self, store: SessionStore) -> None:
        """The store never dies of a caller: the other callers are all answered."""
        await store.create_session(new())
        for moment in range(8):
            tasks = [asyncio.create_task(store.add_frame(note(n))) for n in range(8)]
            await turns(moment)
            for task in tasks[::2]:
                task.cancel()
            told = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, int) for each in told[1::2]), f"not all served: {told}"
        await turns(20)
        session = await store.get_session("a")
        log = await store.get_frames("a")
        assert session.frame_count == session.last_seq == len(log), "a frame was half added"


class AtomicCancellationConformance(StoreKit, level="operation"):
    @pytest.mark.parametrize("method", MORE)
    async def test_the_others_are_cancelled_at_any_await(
        self, store: AtomicSessionStore, method: str
    ) -> None:
        """Whole or not at all, never half, at whichever await the caller is cancelled."""
        skip_what_is_refused(self, {method, "add_frames"} if method == SEVERAL else {method})
        await cancelled_everywhere(store, MORE[method])
        await store.create_session(new("later"))
        assert await store.add_frame(note(id="later")) == 1, "the store does not go on"

    @needs("update_sessions_batch")
    async def test_a_batch_is_cancelled_at_any_await(self, store: AtomicSessionStore) -> None:
        """`batch` linearizable: cancelled anywhere, all sessions of a batch are changed or none."""
        demand(store, "batch")
        for moment in moments():
            sessions = [await store.create_session(new(f"k{moment}-{n}")) for n in range(3)]
            wanted = [tagged(session, "x") for session in sessions]
            task = asyncio.ensure_future(store.update_sessions_batch(wanted))
            await turns(moment)
            done = task.done()
            task.cancel()
            await asyncio.wait({task})
            answered(task)
            await turns(20)
            tags = {(await store.get_session(session.id)).tags for session in sessions}
            assert len(tags) == 1, f"cancelled after {moment} turns: a part of the batch changed"
            if done:
                assert tags == {frozenset({"x"})}, "it was acknowledged and has no effect"
                return
