"""An owner around a third party's ten methods: atomic within the process, honest about the rest."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper import (
    MessageEnvelope,
    OutcomeUnknown,
    OwnedSessionStore,
    RevisionConflict,
    SequenceConflict,
    Session,
    SessionNotFound,
    SessionState,
    StoreClosed,
)

from tests.support.sessions import new_session, note, numbers, turns
from tests.support.stores import Barrier, ThirdPartyStore


def active(session: Session) -> Session:
    """A change."""
    return session.model_copy(update={"state": SessionState.ACTIVE})


async def test_the_inner_store_alone_loses_updates() -> None:
    """Why it needs an owner: the third party's store is honest, and races all the same."""
    inner = ThirdPartyStore()
    await asyncio.gather(
        *(inner.create_session(new_session("a")) for _ in range(3)), return_exceptions=True
    )
    await asyncio.gather(*(inner.add_frame(note(n)) for n in range(10)))
    assert inner.revision == 3
    assert (await inner.get_session("a")).last_seq < 10
    assert inner.most_running > 1


async def test_one_operation_at_a_time_reaches_the_inner_store() -> None:
    """Commands run one at a time by awaiting the inner store."""
    inner = ThirdPartyStore()
    async with OwnedSessionStore(inner) as store:
        results = await asyncio.gather(
            *(store.create_session(new_session("a")) for _ in range(3)), return_exceptions=True
        )
        assert [type(each).__name__ for each in results] == ["Session"] + ["SessionExists"] * 2
        await asyncio.gather(*(store.add_frame(note(n)) for n in range(10)))
        assert numbers(await store.get_frames("a")) == [*range(10)]
        assert (await store.get_session("a")).last_seq == 10
    assert inner.most_running == 1


async def test_operations_that_cannot_be_atomic_are_refused() -> None:
    """A backend that cannot keep that for a method refuses the method."""
    async with OwnedSessionStore(ThirdPartyStore()) as store:
        await store.create_session(new_session("a"))
        before = await store.get_session("a")
        with pytest.raises(NotImplementedError, match="touch"):
            await store.touch_session("a")
        with pytest.raises(NotImplementedError, match="several frames"):
            await store.add_frames("a", [note(1), note(2)])
        assert await store.get_session("a") == before
        assert await store.get_frames("a") == []


async def test_the_inner_stores_errors_reach_their_caller() -> None:
    """Any error reaches its caller; a conflict from outside is raised unchanged."""
    inner = ThirdPartyStore()

    class DiskFull(Exception):
        pass

    async def fail() -> None:
        raise DiskFull

    async with OwnedSessionStore(inner) as store:
        await store.create_session(new_session("a"))
        wait, inner.wait = inner.wait, fail  # type: ignore[method-assign]  # a broken disk
        for call in (store.count_sessions(), store.get_session("a"), store.add_frame(note())):
            with pytest.raises(DiskFull):
                await call
        inner.wait = wait  # type: ignore[method-assign]  # repaired
        assert await store.count_sessions() == 1
        with pytest.raises(SessionNotFound):
            await store.get_session("b")


async def test_closing_with_a_deadline_reports_unknown_outcomes() -> None:
    """`OutcomeUnknown` for the operation the store hangs in, `StoreClosed` for those behind it."""
    inner = ThirdPartyStore()
    store = await OwnedSessionStore(inner).open()
    await store.create_session(new_session("a"))
    gate = Barrier(inner)
    running = asyncio.create_task(store.add_frame(note()))
    await gate.entered.wait()
    queued = [asyncio.create_task(store.add_frame(note())) for _ in range(3)]
    await turns(5)
    await store.aclose(timeout=0)
    with pytest.raises(OutcomeUnknown) as unknown:
        await running
    assert unknown.value.operation_id == ""
    for task in queued:
        with pytest.raises(StoreClosed):
            await task
    assert inner.logs["a"] == []
    with pytest.raises(StoreClosed):
        await store.count_sessions()


async def test_a_frame_whose_change_could_not_be_kept_has_an_unknown_outcome() -> None:
    """The frame was appended and the change could not be stored."""

    class Stubborn(ThirdPartyStore):
        async def update_session(self, session: Session, /) -> Session:
            raise RevisionConflict(session.id, expected=0, current=0)

    async with OwnedSessionStore(Stubborn()) as store:
        await store.create_session(new_session("a"))
        with pytest.raises(OutcomeUnknown) as unknown:
            await store.add_frames("a", [note()], change=active)
        assert isinstance(unknown.value.__cause__, RevisionConflict)
        with pytest.raises(SequenceConflict):
            await store.add_frames("a", [note()], expected_last_seq=0, change=active)


async def test_changing_an_argument_after_the_call_has_no_effect() -> None:
    """The caller's list may change while the command waits in the mailbox."""
    inner = ThirdPartyStore()
    async with OwnedSessionStore(inner) as store:
        await store.create_session(new_session("a"))
        gate = Barrier(inner)
        busy = asyncio.create_task(store.count_sessions())
        await gate.entered.wait()
        mine: list[MessageEnvelope] = [note(1)]
        adding = asyncio.create_task(store.add_frames("a", mine))
        await turns(5)
        mine[:] = [note(2), note(3)]
        gate.opened.set()
        assert await adding == range(1, 2)
        assert await busy == 1
        assert numbers(await store.get_frames("a")) == [1]


async def test_the_owner_closes_and_the_inner_store_stays() -> None:
    """The inner store is its maker's to open and close."""
    inner = ThirdPartyStore()
    async with OwnedSessionStore(inner) as store:
        await store.create_session(new_session("a"))
        assert repr(store) == "<OwnedSessionStore open mailbox=0/1024>"
    assert await inner.count_sessions() == 1
    async with OwnedSessionStore(inner) as store:
        assert await store.count_sessions() == 1
