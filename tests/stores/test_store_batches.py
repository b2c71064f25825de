"""`get_sessions_batch` and `update_sessions_batch`: atomic ones, and those declared not."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    RevisionConflict,
    Session,
    SessionNotFound,
)

from tests.support.sessions import new_session
from tests.support.stores import ThirdPartyStore


async def filled(store: AtomicSessionStore) -> list[Session]:
    """Three sessions, active."""
    return [await store.create_session(new_session(key, state="active")) for key in "abc"]


def tagged(session: Session, **fields: object) -> Session:
    """The session with a tag and more."""
    return session.model_copy(update={"tags": {"changed"}, **fields})


async def test_the_default_goes_one_by_one_and_stops_at_the_first_error() -> None:
    """Default: one by one, stops at the first error, *not atomic*, says so."""
    store = ThirdPartyStore()
    first, second, third = [await store.create_session(new_session(key)) for key in "abc"]
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


async def test_emptying_the_list_after_the_call_changes_nothing(
    any_store: AtomicSessionStore,
) -> None:
    """The caller's list is the caller's: emptied after the call, it changes nothing."""
    sessions = [tagged(session) for session in await filled(any_store)]
    ids = ["a", "b"]
    updating, getting = any_store.update_sessions_batch(sessions), any_store.get_sessions_batch(ids)
    running = asyncio.gather(updating, getting)
    await asyncio.sleep(0)
    sessions.clear()
    ids.clear()
    updated, got = await running
    assert [session.id for session in updated] == ["a", "b", "c"]
    assert [session.id for session in got] == ["a", "b"]
