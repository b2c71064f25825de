"""An owner around a third party's ten methods: atomic within the process, honest about the rest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

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
from soleowner import Reentrant

if TYPE_CHECKING:
    from tests.store.conftest import Kit, ThirdPartyStore


def active(session: Session) -> Session:
    """A change."""
    return session.model_copy(update={"state": SessionState.ACTIVE})


async def turns(n: int = 5) -> None:
    """Let the loop turn."""
    for _ in range(n):
        await asyncio.sleep(0)


class Gate:
    """Stops an inner store in its next operation, and lets a test know that it stands there."""

    def __init__(self, inner: ThirdPartyStore) -> None:
        self.entered, self.opened = asyncio.Event(), asyncio.Event()
        self.swallows = False
        inner.wait = self.wait  # type: ignore[method-assign]  # the gate

    async def wait(self) -> None:
        self.entered.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            if not self.swallows:
                raise


async def test_the_inner_store_alone_loses_updates(kit: Kit) -> None:
    """Why it needs an owner: the third party's store is honest, and races all the same."""
    inner = kit.ThirdPartyStore()
    await asyncio.gather(
        *(inner.create_session(kit.session("a")) for _ in range(3)), return_exceptions=True
    )
    await asyncio.gather(*(inner.add_frame(kit.note(n)) for n in range(10)))
    assert inner.revision == 3
    assert (await inner.get_session("a")).last_seq < 10
    assert inner.most_running > 1


async def test_one_operation_at_a_time_reaches_the_inner_store(kit: Kit) -> None:
    """Commands run one at a time by awaiting the inner store."""
    inner = kit.ThirdPartyStore()
    async with OwnedSessionStore(inner) as store:
        results = await asyncio.gather(
            *(store.create_session(kit.session("a")) for _ in range(3)), return_exceptions=True
        )
        assert [type(each).__name__ for each in results] == ["Session"] + ["SessionExists"] * 2
        await asyncio.gather(*(store.add_frame(kit.note(n)) for n in range(10)))
        assert kit.numbers(await store.get_frames("a")) == [*range(10)]
        assert (await store.get_session("a")).last_seq == 10
    assert inner.most_running == 1


async def test_what_cannot_be_whole_is_refused(kit: Kit) -> None:
    """A backend that cannot keep that for a method refuses the method."""
    async with OwnedSessionStore(kit.ThirdPartyStore()) as store:
        await store.create_session(kit.session("a"))
        before = await store.get_session("a")
        with pytest.raises(NotImplementedError, match="touch"):
            await store.touch_session("a")
        with pytest.raises(NotImplementedError, match="several frames"):
            await store.add_frames("a", [kit.note(1), kit.note(2)])
        assert await store.get_session("a") == before
        assert await store.get_frames("a") == []


async def test_the_inner_stores_errors_reach_their_caller(kit: Kit) -> None:
    """Any error belongs to its caller; a conflict from outside is told as it is."""
    inner = kit.ThirdPartyStore()

    class DiskFull(Exception):
        pass

    async def fail() -> None:
        raise DiskFull

    async with OwnedSessionStore(inner) as store:
        await store.create_session(kit.session("a"))
        wait, inner.wait = inner.wait, fail  # type: ignore[method-assign]  # a broken disk
        for call in (store.count_sessions(), store.get_session("a"), store.add_frame(kit.note())):
            with pytest.raises(DiskFull):
                await call
        inner.wait = wait  # type: ignore[method-assign]  # repaired
        assert await store.count_sessions() == 1
        with pytest.raises(SessionNotFound):
            await store.get_session("b")


async def test_a_modification_is_tried_again_when_another_process_was_faster(kit: Kit) -> None:
    """`modify_session` never conflicts; `change` may run more than once."""
    inner = kit.ThirdPartyStore()
    ran = 0

    def change(session: Session) -> Session:
        nonlocal ran
        ran += 1
        if ran < 4:  # somebody else changes the session behind our back
            inner.revision += 1
            meanwhile = session.model_copy(update={"revision": inner.revision})
            inner.sessions["a"] = meanwhile
        return active(session)

    async with OwnedSessionStore(inner) as store:
        await store.create_session(kit.session("a"))
        assert (await store.modify_session("a", change)).state is SessionState.ACTIVE
        assert ran == 4


async def test_a_store_that_always_conflicts_is_given_up(kit: Kit) -> None:
    """Not for ever: sixteen tries, then the conflict is told."""
    ran = 0

    class Moving(kit.ThirdPartyStore):  # type: ignore[name-defined,misc]  # a class from a fixture
        async def update_session(self, session: Session, /) -> Session:
            nonlocal ran
            ran += 1
            raise RevisionConflict(session.id, expected=session.revision, current=ran)

    async with OwnedSessionStore(Moving()) as store:
        await store.create_session(kit.session("a"))
        with pytest.raises(RevisionConflict) as told:
            await store.modify_session("a", active)
        assert told.value.current == ran == 16


async def test_closing_in_time_tells_what_is_not_known(kit: Kit) -> None:
    """`OutcomeUnknown` for the operation the store hangs in, `StoreClosed` for those behind it."""
    inner = kit.ThirdPartyStore()
    store = await OwnedSessionStore(inner).open()
    await store.create_session(kit.session("a"))
    gate = Gate(inner)
    running = asyncio.create_task(store.add_frame(kit.note()))
    await gate.entered.wait()
    queued = [asyncio.create_task(store.add_frame(kit.note())) for _ in range(3)]
    await turns()
    await store.aclose(timeout=0)
    with pytest.raises(OutcomeUnknown) as unknown:
        await running
    assert unknown.value.operation_id
    for task in queued:
        with pytest.raises(StoreClosed):
            await task
    assert inner.logs["a"] == []
    with pytest.raises(StoreClosed):
        await store.count_sessions()


async def test_an_inner_store_that_ignores_its_end_does_not_hold_it_up(kit: Kit) -> None:
    """Nobody waits for ever: after it swallowed the cancellation, nothing more is begun."""
    inner = kit.ThirdPartyStore()
    store = await OwnedSessionStore(inner).open()
    await store.create_session(kit.session("a"))
    gate = Gate(inner)
    gate.swallows = True
    running = asyncio.create_task(store.count_sessions())
    queued = asyncio.create_task(store.delete_session("a"))
    await gate.entered.wait()
    await store.aclose(timeout=0)
    assert await running == 1
    with pytest.raises(StoreClosed):
        await queued
    assert "a" in inner.sessions


async def test_a_cancellation_of_the_inner_stores_own_ends_nothing(kit: Kit) -> None:
    """Its task died in the middle: the outcome is unknown, and the owner lives on."""
    inner = kit.ThirdPartyStore()

    async def die() -> None:
        task = asyncio.ensure_future(turns(100))
        task.cancel()
        await task

    async with OwnedSessionStore(inner) as store:
        wait, inner.wait = inner.wait, die  # type: ignore[method-assign]  # a broken client
        with pytest.raises(OutcomeUnknown):
            await store.count_sessions()
        inner.wait = wait  # type: ignore[method-assign]  # repaired
        assert await store.count_sessions() == 0


async def test_an_inner_store_that_asks_its_owner_is_told(kit: Kit) -> None:
    """Reentrancy from the inner store raises instead of hanging, from a task it started too."""
    inner = kit.ThirdPartyStore()
    refused: list[Reentrant] = []

    async def ask_back() -> None:
        task = asyncio.ensure_future(store.count_sessions())
        for call in (store.get_session("a"), store.aclose(), task):
            with pytest.raises(Reentrant) as raised:
                await call
            refused.append(raised.value)

    async with OwnedSessionStore(inner) as store:
        wait, inner.wait = inner.wait, ask_back  # type: ignore[method-assign]  # it asks back
        assert await store.count_sessions() == 0
        assert len(refused) == 3
        inner.wait = wait  # type: ignore[method-assign]  # no more
        assert await store.count_sessions() == 0


async def test_another_caller_may_ask_while_the_inner_store_is_busy(kit: Kit) -> None:
    """Others run meanwhile: they wait in the mailbox, they are not taken for the owner."""
    inner = kit.ThirdPartyStore()
    async with OwnedSessionStore(inner, capacity=1) as store:
        await store.create_session(kit.session("a"))
        gate = Gate(inner)
        tasks = [asyncio.create_task(store.count_sessions()) for _ in range(5)]
        await gate.entered.wait()
        await turns()
        assert not any(task.done() for task in tasks)
        gate.opened.set()
        assert await asyncio.gather(*tasks) == [1] * 5


async def test_a_frame_whose_change_could_not_be_kept_has_an_unknown_outcome(kit: Kit) -> None:
    """The frame was appended and the change could not be stored."""

    class Stubborn(kit.ThirdPartyStore):  # type: ignore[name-defined,misc]  # a class from a fixture
        async def update_session(self, session: Session, /) -> Session:
            raise RevisionConflict(session.id, expected=0, current=0)

    async with OwnedSessionStore(Stubborn()) as store:
        await store.create_session(kit.session("a"))
        with pytest.raises(OutcomeUnknown) as unknown:
            await store.add_frames("a", [kit.note()], change=active)
        assert isinstance(unknown.value.__cause__, RevisionConflict)
        with pytest.raises(SequenceConflict):
            await store.add_frames("a", [kit.note()], expected_last_seq=0, change=active)


async def test_what_was_asked_is_what_is_done(kit: Kit) -> None:
    """The caller's list may change while the command waits in the mailbox."""
    inner = kit.ThirdPartyStore()
    async with OwnedSessionStore(inner) as store:
        await store.create_session(kit.session("a"))
        gate = Gate(inner)
        busy = asyncio.create_task(store.count_sessions())
        await gate.entered.wait()
        mine: list[MessageEnvelope] = [kit.note(1)]
        adding = asyncio.create_task(store.add_frames("a", mine))
        await turns()
        mine[:] = [kit.note(2), kit.note(3)]
        gate.opened.set()
        assert await adding == range(1, 2)
        assert await busy == 1
        assert kit.numbers(await store.get_frames("a")) == [1]


async def test_the_owner_closes_and_the_inner_store_stays(kit: Kit) -> None:
    """The inner store is its maker's to open and close."""
    inner = kit.ThirdPartyStore()
    async with OwnedSessionStore(inner) as store:
        await store.create_session(kit.session("a"))
        assert repr(store) == "<OwnedSessionStore open mailbox=0/1024>"
    assert await inner.count_sessions() == 1
    async with OwnedSessionStore(inner) as store:
        assert await store.count_sessions() == 1
