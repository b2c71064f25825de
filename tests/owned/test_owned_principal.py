"""`for_principal` on a third party's store: sessions of others do not exist in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    LimitExceeded,
    OwnedSessionStore,
    PlainSessionStore,
    Session,
    SessionExists,
    SessionNotFound,
    SessionPage,
    SessionQuery,
    SessionState,
    SessionStore,
    StoreClosed,
    StoreLimits,
)

from tests.support.sessions import new_session, note, turns

if TYPE_CHECKING:
    from tests.conftest import ReachableObjects, TenMethodStore
    from tests.owned.conftest import StoreSetup

CALLS: dict[str, Callable[[AtomicSessionStore, StoreSetup], Awaitable[object]]] = {
    "get": lambda view, _: view.get_session("b"),
    "get batch": lambda view, _: view.get_sessions_batch(["a", "b"]),
    "delete": lambda view, _: view.delete_session("b"),
    "modify": lambda view, _: view.modify_session("b", lambda session: session),
    "get or create": lambda view, setup: view.get_or_create_session(new_session("b")),
    "add frame": lambda view, setup: view.add_frame(note(1, "b")),
    "add frames": lambda view, setup: view.add_frames("b", [note(1, "b")]),
    "get frames": lambda view, _: view.get_frames("b"),
    "read frames": lambda view, _: view.read_frames("b"),
    "count frames": lambda view, _: view.count_frames("b"),
    "delete frames": lambda view, _: view.delete_frames("b"),
    "watch": lambda view, _: anext(view.watch_frames("b")),
}
WHOLE: dict[str, Callable[[AtomicSessionStore], object]] = {
    "expire": lambda view: view.expire_sessions(idle=0).send(None),
    "purge": lambda view: view.purge_sessions(ended_before=datetime.now(UTC)).send(None),
    "statistics": lambda view: view.statistics().send(None),
    "subscribe": lambda view: view.subscribe(lambda _, __: None),
}


@pytest.mark.parametrize("call", CALLS)
async def test_another_principals_session_is_not_found(setup: StoreSetup, call: str) -> None:
    """`SessionNotFound`, told exactly as for one that never was; nothing has happened."""
    await setup.create("a", principal="alice")
    for owner in ("bob", None):
        (before,) = await setup.create("b", principal=owner)
        view = setup.store.for_principal("alice")
        with pytest.raises(SessionNotFound) as told:
            await CALLS[call](view, setup)
        assert str(told.value) == str(SessionNotFound("b"))
        assert told.value.session_id == "b"
        assert await setup.store.get_session("b") == before
        await setup.store.delete_session("b")


async def test_a_view_uses_its_own_sessions_as_the_store_does(setup: StoreSetup) -> None:
    """Created with the principal, then everything the store can do."""
    view = setup.store.for_principal("alice")
    created = await view.create_session(new_session("a"))
    assert created.principal == "alice"
    assert (await view.get_or_create_session(new_session("a")))[1] is False
    assert (await view.get_or_create_session(new_session("c")))[0].principal == "alice"
    await setup.create("b", principal="bob")
    assert [s.id for s in await view.list_sessions()] == ["a", "c"]
    assert await view.count_sessions() == 2
    updated = await view.update_session(created.model_copy(update={"state": "active"}))
    (again,) = await view.update_sessions_batch([updated.model_copy(update={"tags": {"x"}})])
    assert await view.add_frame(note(1)) == 1
    closed = {"state": SessionState.CLOSED}
    watching = asyncio.ensure_future(anext(view.watch_frames("a", after=1)))
    await turns(60)
    change = await view.add_frames("a", [note(2)], change=lambda s: s.model_copy(update=closed))
    assert change == range(2, 3)
    assert (await watching).seq == 2
    assert len(await view.get_frames("a")) == await view.count_frames("a") == 2
    assert (await view.read_frames("a", after=1))[0].seq == 2
    assert await view.delete_frames("a") == 2
    assert again.revision < (await view.get_sessions_batch(["a"]))[0].revision
    await view.delete_session("a")
    await setup.counted()


async def test_a_view_cannot_give_away_or_take_a_session(setup: StoreSetup) -> None:
    """Another principal is a `ValueError`, a taken id is shown, a forged snapshot is not found."""
    view = setup.store.for_principal("alice")
    mine = await view.create_session(new_session("a"))
    (theirs,) = await setup.create("b", principal="bob")
    away = {"principal": "bob"}
    wrong: list[Callable[[], Awaitable[object]]] = [
        lambda: view.create_session(new_session("c", principal="bob")),
        lambda: view.get_or_create_session(new_session("c", principal="bob")),
        lambda: view.update_session(mine.model_copy(update=away)),
        lambda: view.update_session(mine.model_copy(update={"principal": None})),
        lambda: view.update_sessions_batch([mine.model_copy(update=away)]),
        lambda: view.modify_session("a", lambda s: s.model_copy(update=away)),
        lambda: view.add_frames("a", [note()], change=lambda s: s.model_copy(update=away)),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match="principal"):
            await call()
    with pytest.raises(SessionExists):
        await view.create_session(new_session("b"))
    forged = theirs.model_copy(update={"principal": "alice"})
    for call in (
        lambda: view.update_session(forged),
        lambda: view.update_sessions_batch([mine, forged]),
    ):
        with pytest.raises(SessionNotFound):
            await call()
    assert await setup.store.list_sessions() == [mine, theirs]


async def test_a_view_finds_its_own(setup: StoreSetup) -> None:
    """Whoever else's is asked for is not there; the places are those of the whole store."""
    for n in range(6):
        await setup.create(f"s{n}", principal=("alice", "bob", None)[n % 3])
    view = setup.store.for_principal("alice")
    page = await view.find_sessions(SessionQuery(), limit=1)
    assert [s.id for s in page.sessions] == ["s0"]
    page = await view.find_sessions(SessionQuery(principal="alice"), cursor=page.cursor)
    assert [s.id for s in page.sessions] == ["s3"]
    assert await view.find_sessions(SessionQuery(principal="bob"), limit=1) == SessionPage((), None)


async def test_the_check_and_the_operation_are_one_step(setup: StoreSetup) -> None:
    """A session that changed hands before the owner's step is not there."""
    view = setup.store.for_principal("alice")
    await view.create_session(new_session("a"))
    hand_over = setup.store.modify_session("a", lambda s: s.model_copy(update={"principal": "bob"}))
    results = await asyncio.gather(
        view.add_frame(note()),
        hand_over,
        view.add_frame(note()),
        return_exceptions=True,
    )
    assert results[0] == 1
    assert isinstance(results[2], SessionNotFound)
    assert await setup.store.count_frames("a") == 1


@pytest.mark.parametrize("call", WHOLE)
async def test_a_view_refuses_operations_on_the_whole_third_party_store(
    setup: StoreSetup, call: str
) -> None:
    """`NotImplementedError`, at once."""
    with pytest.raises(NotImplementedError, match="concerns the whole store"):
        WHOLE[call](setup.store.for_principal("alice"))


async def test_a_view_of_a_view_is_itself(setup: StoreSetup) -> None:
    """For its own principal; `ValueError` for another. It closes nothing and shows nobody."""
    async with setup.store.for_principal("alice") as view:
        assert view.for_principal("alice") is view
        with pytest.raises(ValueError, match="nobody else"):
            view.for_principal("bob")
        assert "alice" not in repr(view)
        assert view.guarantees == setup.store.guarantees
    assert view.is_open
    await setup.store.aclose()
    assert not view.is_open
    with pytest.raises(StoreClosed):
        await view.count_sessions()


async def test_operations_of_a_view_send_events_and_are_counted(setup: StoreSetup) -> None:
    """Events and numbers are the whole store's."""
    setup.listen()
    view = setup.store.for_principal("alice")
    await view.create_session(new_session("a"))
    await view.modify_session("a", lambda s: s.model_copy(update={"state": "active"}))
    await view.delete_session("a")
    kinds = [("created", "a", None), ("state-changed", "a", "initializing")]
    assert setup.events == [*kinds, ("deleted", "a", "active")]
    assert (await setup.counted()).deleted == 1


class LastMissing(PlainSessionStore):
    """A batch of its own, which names the last that is not there and not the first."""

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        found = {session.id: session for session in await self.list_sessions()}
        for session_id in reversed(session_ids):
            if session_id not in found:
                raise SessionNotFound(session_id)
        return [found[session_id] for session_id in session_ids]


@pytest.mark.parametrize("inner", [PlainSessionStore, LastMissing])
async def test_a_batch_names_the_first_session_the_principal_cannot_see(
    inner: type[PlainSessionStore], setup: StoreSetup
) -> None:
    """Whatever the inner store's own batch says of those it misses."""
    told: list[list[str]] = []
    for ids in (("mine", "theirs"), ("mine", "elsewhere")):
        async with OwnedSessionStore(inner()) as store:
            for session_id, principal in zip(ids, ("alice", "bob"), strict=True):
                await store.create_session(new_session(session_id, principal=principal))
            view = store.for_principal("alice")
            named: list[str] = []
            for asked in (
                *(["theirs", "none"], ["none", "theirs"], ["mine", "theirs", "none"]),
                *(["theirs", "mine"], ["none", "mine", "theirs"]),
            ):
                with pytest.raises(SessionNotFound) as refused:
                    await view.get_sessions_batch(asked)
                assert refused.value.__context__ is None
                named.append(refused.value.session_id)
            told.append(named)
    assert told == [["theirs", "none", "theirs", "theirs", "none"]] * 2


async def test_errors_in_a_view_do_not_show_totals_of_the_store(
    only_ten: Callable[[SessionStore], TenMethodStore], setup: StoreSetup
) -> None:
    """`current` is None at every limit of the inner store but those of a session or a call."""

    async def refuse(name: str, _: tuple[object, ...]) -> None:
        if name == "add_frame":
            raise LimitExceeded("most_frames_of_all", current=77, maximum=80)

    inner = only_ten(PlainSessionStore(limits=StoreLimits(max_sessions=2, max_metadata_bytes=5)))
    inner.before = refuse
    async with OwnedSessionStore(inner) as store:
        view = store.for_principal("alice")
        await view.create_session(new_session("a"))
        await store.create_session(new_session("b"))
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: view.create_session(new_session("c")),
            lambda: view.add_frame(note()),
            lambda: view.modify_session("a", lambda s: s.model_copy(update={"metadata": {"a": 1}})),
        ]
        told: list[tuple[str, int | None]] = []
        for call in calls:
            with pytest.raises(LimitExceeded) as error:
                await call()
            told.append((error.value.limit, error.value.current))
            assert "77" not in str(error.value)
    maximum = [("max_sessions", None), ("most_frames_of_all", None), ("max_metadata_bytes", 7)]
    assert told == maximum


async def test_no_attribute_of_a_view_leads_to_the_store(
    setup: StoreSetup, reachable_objects: ReachableObjects
) -> None:
    """It does not lead to the inner store, the owner's notes or all wake-ups, either."""
    view = setup.store.for_principal("alice")
    reached = reachable_objects(view, view.watch_frames("a"))
    bookkeeping = setup.store._bookkeeping
    for hidden in (
        setup.store,
        setup.inner,
        bookkeeping,
        bookkeeping.index,
        bookkeeping.wakeups,
        setup.store._actor,
    ):
        assert not any(each is hidden for each in reached)
    assert any(each is bookkeeping.index for each in reachable_objects(setup.store)), (
        "it finds what is there"
    )
