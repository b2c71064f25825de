"""`get_sessions_batch` and `update_sessions_batch`: what is whole, and what says it is not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    InvalidTransition,
    LimitExceeded,
    RevisionConflict,
    Session,
    SessionNotFound,
    StoreLimits,
    VersionConflict,
    VersionState,
)

if TYPE_CHECKING:
    from tests.store.conftest import Design, Kit


async def filled(store: AtomicSessionStore, kit: Kit) -> list[Session]:
    """Three sessions, active."""
    return [await store.create_session(kit.session(key, state="active")) for key in "abc"]


def tagged(session: Session, **fields: object) -> Session:
    """The session with a tag and more."""
    return session.model_copy(update={"tags": {"changed"}, **fields})


async def test_sessions_come_in_the_order_asked(store: AtomicSessionStore, kit: Kit) -> None:
    """`get_sessions_batch`: in the order asked, twice if asked twice."""
    await filled(store, kit)
    got = await store.get_sessions_batch(["c", "a", "c"])
    assert [session.id for session in got] == ["c", "a", "c"]
    assert await store.get_sessions_batch(()) == []
    with pytest.raises(SessionNotFound) as missed:
        await store.get_sessions_batch(["a", "unknown"])
    assert missed.value.session_id == "unknown"


async def test_the_stored_ones_come_back(store: AtomicSessionStore, kit: Kit) -> None:
    """`update_sessions_batch`: the stored ones, in the order given."""
    sessions = await filled(store, kit)
    updated = await store.update_sessions_batch([tagged(s) for s in reversed(sessions)])
    assert [session.id for session in updated] == ["c", "b", "a"]
    assert updated == await store.get_sessions_batch(["c", "b", "a"])
    assert all(session.tags == {"changed"} for session in updated)
    assert len({session.revision for session in updated}) == 3
    assert await store.update_sessions_batch([]) == []


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (RevisionConflict, {"revision": 77}),
        (InvalidTransition, {"state": "initializing"}),
        (VersionConflict, {"version_state": VersionState(negotiated="1", transport="2")}),
        (LimitExceeded, {"metadata": {"x": "y" * 100}}),
        (SessionNotFound, {"id": "unknown"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_all_or_nothing(
    design: Design, kit: Kit, error: type[Exception], fields: dict[str, object]
) -> None:
    """Stores with an owner override both with one command: all or nothing."""
    async with design(limits=StoreLimits(max_metadata_bytes=50)) as store:
        first, second, third = before = await filled(store, kit)
        for batch in (
            [tagged(first), tagged(second), tagged(third, **fields)],
            [tagged(first, **fields), tagged(second), tagged(third)],
        ):
            with pytest.raises(error):
                await store.update_sessions_batch(batch)
        assert await store.list_sessions() == before


async def test_the_same_session_twice_is_refused(store: AtomicSessionStore, kit: Kit) -> None:
    """One of the two would be stale: wrong use, told at the call, and nothing is changed."""
    before = await filled(store, kit)
    with pytest.raises(ValueError, match="twice"):
        await store.update_sessions_batch([before[0], before[1], before[0]])
    assert await store.list_sessions() == before


async def test_the_default_goes_one_by_one_and_stops_at_the_first_error(kit: Kit) -> None:
    """Default: one by one, stops at the first error, *not atomic*, says so."""
    store = kit.ThirdPartyStore()
    first, second, third = [await store.create_session(kit.session(key)) for key in "abc"]
    with pytest.raises(RevisionConflict):
        await store.update_sessions_batch(
            [tagged(first), tagged(second, revision=99), tagged(third)]
        )
    changed = [session.tags == {"changed"} for session in await store.list_sessions()]
    assert changed == [True, False, False]
    with pytest.raises(SessionNotFound):
        await store.get_sessions_batch(["a", "unknown"])
    for method in (store.get_sessions_batch, store.update_sessions_batch):
        assert "Not atomic" in (method.__doc__ or "")


async def test_a_batch_is_looked_at_once(store: AtomicSessionStore, kit: Kit) -> None:
    """The caller's list is the caller's: emptied after the call, it changes nothing."""
    sessions = [tagged(session) for session in await filled(store, kit)]
    ids = ["a", "b"]
    updating, getting = store.update_sessions_batch(sessions), store.get_sessions_batch(ids)
    running = asyncio.gather(updating, getting)
    await asyncio.sleep(0)
    sessions.clear()
    ids.clear()
    updated, got = await running
    assert [session.id for session in updated] == ["a", "b", "c"]
    assert [session.id for session in got] == ["a", "b"]
