"""Sessions: created, read, updated, deleted, listed, counted (contract 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    InvalidSessionId,
    InvalidTransition,
    RevisionConflict,
    SessionExists,
    SessionNotFound,
    SessionState,
    VersionConflict,
    VersionState,
)

if TYPE_CHECKING:
    from tests.store.conftest import Kit


async def test_create_answers_the_stored_session_with_its_revision(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """`create_session` answers the stored `Session` (revision set), the caller's fields kept."""
    fields = {
        "principal": "p",
        "client_info": {"name": "c"},
        "server_info": {"name": "s"},
        "version_state": VersionState(requested="2025-11-25"),
        "tags": {"t", "u"},
        "metadata": {"a": [1, {"b": None}]},
        "upstream_session_id": "up",
        "failure": "none yet",
    }
    created = await store.create_session(kit.session("a", **fields))
    assert created.revision == 1
    assert {name: getattr(created, name) for name in fields} == fields
    assert created.state is SessionState.INITIALIZING
    assert (created.frame_count, created.last_seq, created.ended_at) == (0, 0, None)
    assert await store.get_session("a") == created


async def test_a_second_session_of_the_same_id_is_refused(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """`SessionExists.session_id`; the first stays as it was."""
    first = await store.create_session(kit.session("a", tags={"first"}))
    with pytest.raises(SessionExists) as refused:
        await store.create_session(kit.session("a", tags={"second"}))
    assert refused.value.session_id == "a"
    assert await store.list_sessions() == [first]


@pytest.mark.parametrize(
    "method", ["get_session", "delete_session", "get_frames", "count_frames", "delete_frames"]
)
async def test_an_unknown_id_is_not_found(store: AtomicSessionStore, method: str) -> None:
    """`SessionNotFound.session_id`, for every method that takes an id; an ill-formed id is told."""
    with pytest.raises(SessionNotFound) as missed:
        await getattr(store, method)("unknown")
    assert missed.value.session_id == "unknown"
    with pytest.raises(InvalidSessionId):
        await getattr(store, method)("not an id")


async def test_updating_or_filling_an_unknown_session_is_not_found(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """`SessionNotFound` for the methods that take a value."""
    with pytest.raises(SessionNotFound):
        await store.update_session(kit.session("a"))
    with pytest.raises(SessionNotFound):
        await store.add_frame(kit.note())
    assert await store.count_sessions() == 0


async def test_update_replaces_the_callers_fields_and_no_others(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """Store's fields: "which a caller reads and never sets"."""
    created = await store.create_session(kit.session("a", tags={"old"}, metadata={"n": 1}))
    await store.add_frame(kit.note())
    wanted = created.model_copy(
        update={"tags": {"new"}, "metadata": {}, "frame_count": 99, "last_seq": 99}
    )
    updated = await store.update_session(wanted)
    assert updated.tags == {"new"}
    assert updated.metadata == {}
    assert (updated.frame_count, updated.last_seq) == (1, 1)
    assert updated.revision > created.revision
    assert await store.get_session("a") == updated


async def test_a_stale_snapshot_is_refused(store: AtomicSessionStore, kit: Kit) -> None:
    """`RevisionConflict` when `session.revision` is not the stored one."""
    stale = await store.create_session(kit.session("a"))
    fresh = await store.update_session(stale.model_copy(update={"tags": {"fresh"}}))
    with pytest.raises(RevisionConflict) as refused:
        await store.update_session(stale.model_copy(update={"tags": {"stale"}}))
    conflict = refused.value
    assert (conflict.session_id, conflict.expected, conflict.current) == (
        "a",
        stale.revision,
        fresh.revision,
    )
    assert await store.get_session("a") == fresh


async def test_an_old_snapshot_can_never_overwrite_a_new_session(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """`revision` is never used again, not even after delete and re-create."""
    seen: set[int] = set()
    for _ in range(5):
        old = await store.create_session(kit.session("a"))
        old = await store.update_session(old)
        await store.delete_session("a")
        new = await store.create_session(kit.session("a", tags={"new"}))
        with pytest.raises(RevisionConflict):
            await store.update_session(old)
        assert await store.get_session("a") == new
        await store.delete_session("a")
        assert seen.isdisjoint({old.revision, new.revision})
        seen |= {old.revision, new.revision}


async def test_revisions_come_from_one_counter_and_not_from_frames(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """One counter per store, which grows with every change of caller fields, not with frames."""
    revisions = []
    for key in "abc":
        revisions.append((await store.create_session(kit.session(key))).revision)
    for key in "cab":
        session = await store.get_session(key)
        await store.add_frame(kit.note(id=key))
        await store.delete_frames(key)
        assert (await store.get_session(key)).revision == session.revision
        revisions.append((await store.update_session(session)).revision)
    assert revisions == sorted(set(revisions))


async def test_what_may_not_follow_is_refused_and_changes_nothing(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """`InvalidTransition`; "anything else is `InvalidTransition` and changes nothing"."""
    created = await store.create_session(kit.session("a"))
    for state in ("active", "closed"):
        created = await store.update_session(created.model_copy(update={"state": state}))
    with pytest.raises(InvalidTransition) as refused:
        await store.update_session(created.model_copy(update={"state": "active", "tags": {"x"}}))
    assert refused.value.session_id == "a"
    assert refused.value.from_state is SessionState.CLOSED
    assert refused.value.to_state is SessionState.ACTIVE
    assert await store.get_session("a") == created


async def test_what_was_negotiated_stays(store: AtomicSessionStore, kit: Kit) -> None:
    """No renegotiation and no downgrade once negotiated, in the store as in the value."""
    spoken = VersionState(negotiated="2025-11-25")
    created = await store.create_session(kit.session("a", version_state=spoken))
    for version_state in (VersionState(), VersionState(negotiated="2024-11-05")):
        with pytest.raises(VersionConflict):
            await store.update_session(created.model_copy(update={"version_state": version_state}))
    assert await store.get_session("a") == created


async def test_sessions_are_listed_in_order_of_creation(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """`list_sessions`: all, in order of creation; `count_sessions`: exact."""
    assert await store.list_sessions() == []
    for key in ("c", "a", "d", "b"):
        await store.create_session(kit.session(key))
    await store.update_session(await store.get_session("c"))
    await store.add_frame(kit.note(id="a"))
    await store.delete_session("d")
    await store.create_session(kit.session("d"))
    assert [session.id for session in await store.list_sessions()] == ["c", "a", "b", "d"]
    assert await store.count_sessions() == 4


async def test_deleting_takes_the_frames_along(store: AtomicSessionStore, kit: Kit) -> None:
    """Its frames go with it, in the same step; a new session of this id begins at 1."""
    await store.create_session(kit.session("a"))
    for n in range(3):
        await store.add_frame(kit.note(n))
    await store.delete_session("a")
    assert await store.count_sessions() == 0
    assert (await store.statistics()).frames == 0
    with pytest.raises(SessionNotFound):
        await store.get_frames("a")
    await store.create_session(kit.session("a"))
    assert await store.get_frames("a") == []
    assert await store.add_frame(kit.note()) == 1


async def test_a_snapshot_does_not_move(store: AtomicSessionStore, kit: Kit) -> None:
    """What a caller holds is of its moment, whatever happens in the store afterwards."""
    created = await store.create_session(kit.session("a"))
    before = created.model_dump_json()
    listed = await store.list_sessions()
    await store.add_frame(kit.note())
    await store.update_session(created.model_copy(update={"tags": {"x"}}))
    assert created.model_dump_json() == listed[0].model_dump_json() == before
    listed.clear()
    assert await store.count_sessions() == 1
