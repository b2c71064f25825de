"""The incarnation in front of a third party's store, and `put_session` made of its ten methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    OutcomeUnknown,
    OwnedSessionStore,
    PlainSessionStore,
    Session,
    SessionNotFound,
    SessionStore,
    StoreUnavailable,
)
from sessionlab.conformance.samples import become

from tests.support.sessions import FakeClock, new_session, note
from tests.support.stores import ThirdPartyStore

if TYPE_CHECKING:
    from tests.conftest import TenMethodStore
    from tests.owned.conftest import StoreSetup


class Forgetful(PlainSessionStore):
    """Keeps no incarnation, as a store that was written before there were any."""

    async def create_session(self, session: Session, /) -> Session:
        return bare(await super().create_session(session))

    async def get_session(self, session_id: str, /) -> Session:
        return bare(await super().get_session(session_id))

    async def update_session(self, session: Session, /) -> Session:
        return bare(await super().update_session(session))

    async def list_sessions(self) -> list[Session]:
        return [bare(each) for each in await super().list_sessions()]

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        return [bare(each) for each in await super().get_sessions_batch(session_ids)]

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        return [bare(each) for each in await super().update_sessions_batch(sessions)]


def bare(session: Session) -> Session:
    """The session without one."""
    return session.model_copy(update={"incarnation": ""})


async def test_a_store_that_keeps_none_gets_one_from_the_creation(
    only_ten: Callable[[SessionStore], TenMethodStore],
) -> None:
    """It stays while the session exists, and a later session has another one."""
    clock = FakeClock()
    async with OwnedSessionStore(only_ten(Forgetful(clock=clock.as_clock()))) as store:
        created = await store.create_session(new_session())
        assert created.incarnation == f"{round(clock.wall * 1e6):016x}"
        clock.advance(1)
        await store.add_frame(note(1))
        updated = await store.update_session(become("active")(created))
        (batch,) = await store.update_sessions_batch([updated])
        shown = [updated, batch, await store.get_session("a"), *await store.list_sessions()]
        shown += await store.get_sessions_batch(["a"])
        assert {each.incarnation for each in shown} == {created.incarnation}
        assert len(await store.read_frames("a", incarnation=created.incarnation)) == 1
        await store.delete_session("a")
        later = await store.create_session(new_session())
        assert later.incarnation != created.incarnation
        with pytest.raises(SessionNotFound):
            await store.read_frames("a", incarnation=created.incarnation)


async def test_a_store_keeps_the_incarnation_that_it_was_given() -> None:
    """The owner makes it, and passes it again with each update, whatever the caller's snapshot."""
    inner = ThirdPartyStore()
    async with OwnedSessionStore(inner) as store:
        session = new_session()
        created = await store.create_session(session)
        assert inner.sessions["a"].incarnation == created.incarnation != ""
        forged = become("active")(created).model_copy(update={"incarnation": "0" * 16})
        assert (await store.update_session(forged)).incarnation == created.incarnation
        blank = bare(await store.get_session("a"))
        assert (await store.update_sessions_batch([blank]))[0].incarnation == created.incarnation
        await store.delete_session("a")
        assert (await store.create_session(session)).incarnation != created.incarnation


async def test_a_session_made_anew_elsewhere_in_the_same_moment_is_noticed(
    setup: StoreSetup,
) -> None:
    """A watcher of the first one ends, although both have one time of creation."""
    await setup.create("a")
    await setup.store.add_frame(note(1))
    watcher = setup.store.watch_frames("a")
    assert (await anext(watcher)).seq == 1
    await setup.elsewhere.delete_session("a")
    await setup.elsewhere.create_session(new_session())
    await setup.elsewhere.add_frame(note(2))
    await setup.elsewhere.add_frame(note(3))
    assert [frame async for frame in watcher] == []


async def test_a_put_goes_on_after_another_process_was_faster(setup: StoreSetup) -> None:
    """Created, changed, ended or deleted in between: the put looks again, and succeeds."""
    created = new_session(tags={"theirs"})
    setup.once("create_session", lambda: setup.elsewhere.create_session(created))
    put = await setup.store.put_session(new_session(tags={"ours"}))
    assert put.tags == {"ours"}
    assert put.incarnation == (await setup.elsewhere.get_session("a")).incarnation
    setup.once("update_session", lambda: setup.turn(state="active", store=setup.elsewhere))
    active = become("active")(new_session(tags={"again"}))
    assert (await setup.store.put_session(active)).incarnation == put.incarnation
    setup.once("update_session", lambda: setup.turn(state="closed", store=setup.elsewhere))
    again = await setup.store.put_session(active)
    assert again.incarnation != put.incarnation
    setup.once("update_session", lambda: setup.elsewhere.delete_session("a"))
    last = await setup.store.put_session(active)
    assert last.incarnation != again.incarnation
    await setup.counted()


async def test_a_put_that_deleted_and_could_not_create_is_unknown(setup: StoreSetup) -> None:
    """`OutcomeUnknown`: the ended session is gone, and a second put creates the new one."""
    await setup.create("a", state="closed")

    async def fail() -> None:
        raise StoreUnavailable("gone for lunch")

    setup.once("create_session", fail)
    with pytest.raises(OutcomeUnknown):
        await setup.store.put_session(new_session())
    assert await setup.store.count_sessions() == 0
    assert (await setup.store.put_session(new_session())).state == "initializing"
    await setup.counted()


async def test_a_put_of_an_ended_session_that_another_deleted_creates(setup: StoreSetup) -> None:
    """That it is gone already is what was wanted."""
    await setup.create("a", state="closed")
    setup.once("delete_session", lambda: setup.elsewhere.delete_session("a"))
    assert (await setup.store.put_session(new_session())).state == "initializing"
    await setup.counted()
