"""An owner around a store that misbehaves: conflicts, cancellations, questions to its own owner."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper import (
    OutcomeUnknown,
    OwnedSessionStore,
    RevisionConflict,
    Session,
    SessionState,
    StoreClosed,
)
from soleowner import Reentrant

from tests.support.sessions import new_session, turns
from tests.support.stores import Barrier, ThirdPartyStore


def active(session: Session) -> Session:
    """A change."""
    return session.model_copy(update={"state": SessionState.ACTIVE})


async def test_closing_does_not_wait_for_an_inner_store_that_ignores_it() -> None:
    """Nobody waits for ever: after it swallowed the cancellation, nothing more is begun."""
    inner = ThirdPartyStore()
    store = await OwnedSessionStore(inner).open()
    await store.create_session(new_session("a"))
    gate = Barrier(inner)
    gate.swallows = True
    running = asyncio.create_task(store.count_sessions())
    queued = asyncio.create_task(store.delete_session("a"))
    await gate.entered.wait()
    await store.aclose(timeout=0)
    assert await running == 1
    with pytest.raises(StoreClosed):
        await queued
    assert "a" in inner.sessions


async def test_a_cancellation_of_the_inner_stores_own_ends_nothing() -> None:
    """Its task died in the middle: the outcome is unknown, and the owner lives on."""
    inner = ThirdPartyStore()

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


async def test_an_inner_store_that_asks_its_owner_gets_an_error() -> None:
    """Reentrancy from the inner store raises instead of hanging, from a task it started too."""
    inner = ThirdPartyStore()
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


async def test_another_caller_may_ask_while_the_inner_store_is_busy() -> None:
    """Others run meanwhile: they wait in the mailbox, they are not taken for the owner."""
    inner = ThirdPartyStore()
    async with OwnedSessionStore(inner, capacity=1) as store:
        await store.create_session(new_session("a"))
        gate = Barrier(inner)
        tasks = [asyncio.create_task(store.count_sessions()) for _ in range(5)]
        await gate.entered.wait()
        await turns(5)
        assert not any(task.done() for task in tasks)
        gate.opened.set()
        assert await asyncio.gather(*tasks) == [1] * 5


async def test_a_modification_is_retried_after_a_conflict() -> None:
    """`modify_session` never conflicts; `change` may run more than once."""
    inner = ThirdPartyStore()
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
        await store.create_session(new_session("a"))
        assert (await store.modify_session("a", change)).state is SessionState.ACTIVE
        assert ran == 4


async def test_modifying_gives_up_on_a_store_that_always_conflicts() -> None:
    """After sixteen tries it raises the conflict."""
    ran = 0

    class Moving(ThirdPartyStore):
        async def update_session(self, session: Session, /) -> Session:
            nonlocal ran
            ran += 1
            raise RevisionConflict(session.id, expected=session.revision, current=ran)

    async with OwnedSessionStore(Moving()) as store:
        await store.create_session(new_session("a"))
        with pytest.raises(RevisionConflict) as told:
            await store.modify_session("a", active)
        assert told.value.current == ran == 16
