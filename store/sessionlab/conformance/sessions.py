"""Sessions one after the other: created, read, changed, deleted, listed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.errors import (
    InvalidTransition,
    RevisionConflict,
    SessionExists,
    SessionNotFound,
    VersionConflict,
)
from sessionkeeper.values.session import Session
from sessionkeeper.values.states import SessionState
from sessionkeeper.values.version import VersionState

from .kit import StoreKit
from .samples import become, callers_part, held, new, note, numbers, rich, tagged

__all__ = ["SessionsConformance"]

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
STORES = {
    "revision": 77,
    "created_at": LONG_AGO,
    "last_activity": LONG_AGO,
    "ended_at": LONG_AGO,
    "frame_count": 7,
    "last_seq": 9,
}


class SessionsConformance(StoreKit):
    async def test_a_new_store_is_empty(self, store: SessionStore) -> None:
        """`list_sessions()`: all of them; `count_sessions()`: exact."""
        assert await store.list_sessions() == [], "the kit needs a new, empty store for each test"
        assert await store.count_sessions() == 0

    async def test_create_answers_the_stored_session(self, store: SessionStore) -> None:
        """`create_session` returns the stored `Session` with its revision."""
        created = await store.create_session(rich())
        assert created.revision > 0, "a stored session has a revision"
        assert callers_part(created) == callers_part(rich()), "a field of the caller was changed"
        assert await store.get_session("a") == created, "it is not what the store then shows"

    async def test_the_stores_fields_are_never_the_callers(self, store: SessionStore) -> None:
        """The store sets its own fields; a caller only reads them."""
        created = await store.create_session(new().model_copy(update=STORES))
        assert created.revision != 77
        assert created.created_at != LONG_AGO != created.last_activity
        assert (created.ended_at, created.frame_count, created.last_seq) == (None, 0, 0)
        own = STORES | {"revision": created.revision}
        updated = await store.update_session(created.model_copy(update=own))
        assert updated.created_at == created.created_at, "created_at was taken from the caller"
        assert updated.last_activity >= created.last_activity
        assert (updated.ended_at, updated.frame_count, updated.last_seq) == (None, 0, 0)
        assert await store.add_frame(note()) == 1, "numbering began at the caller's last_seq"

    async def test_an_id_that_is_taken_is_refused(self, store: SessionStore) -> None:
        """`SessionExists`, with its `session_id`; the first session and its frames stay."""
        await store.create_session(rich())
        await store.add_frame(note())
        before = await held(store)
        with pytest.raises(SessionExists) as refused:
            await store.create_session(new(tags={"second"}))
        assert refused.value.session_id == "a"
        assert await held(store) == before, "an error means: certainly no effect"

    async def test_a_missing_session_is_not_found(self, store: SessionStore) -> None:
        """`SessionNotFound`, with its `session_id`, by every method that names a session."""
        await store.create_session(new("b"))
        before = await held(store)
        for call in (
            partial(store.get_session, "a"),
            partial(store.update_session, new("a")),
            partial(store.delete_session, "a"),
            partial(store.add_frame, note()),
            partial(store.get_frames, "a"),
            partial(store.delete_frames, "a"),
            partial(store.count_frames, "a"),
        ):
            with pytest.raises(SessionNotFound) as refused:
                await call()
            assert refused.value.session_id == "a"
        assert await held(store) == before, "an error means: certainly no effect"

    async def test_update_replaces_the_callers_fields(self, store: SessionStore) -> None:
        """`update_session` returns the stored `Session`: the caller's fields, a new revision."""
        created = await store.create_session(new())
        await store.add_frame(note())
        wanted = rich().model_copy(update={"revision": created.revision})
        updated = await store.update_session(wanted)
        assert callers_part(updated) == callers_part(wanted)
        assert updated.revision > created.revision, "the revision grows with every change"
        assert (updated.frame_count, updated.last_seq) == (1, 1)
        assert await store.get_session("a") == updated

    async def test_a_stale_snapshot_is_refused(self, store: SessionStore) -> None:
        """`RevisionConflict` when `session.revision` is not the stored one; nothing changes."""
        first = await store.create_session(new())
        second = await store.update_session(tagged(first, "x"))
        before = await held(store)
        for stale in (first, new(), second.model_copy(update={"revision": second.revision + 1})):
            with pytest.raises(RevisionConflict) as refused:
                await store.update_session(tagged(stale, "stale"))
            conflict = (refused.value.session_id, refused.value.expected, refused.value.current)
            assert conflict == ("a", stale.revision, second.revision)
        assert await held(store) == before, "an error means: certainly no effect"

    async def test_an_old_snapshot_can_never_overwrite_a_new_session(
        self, store: SessionStore
    ) -> None:
        """`revision` is never used again, not even after delete and re-create."""
        seen: set[int] = set()
        old: list[Session] = []
        for _ in range(3):
            created = await store.create_session(new())
            updated = await store.update_session(tagged(created, "x"))
            assert seen.isdisjoint({created.revision, updated.revision}), "a revision came twice"
            seen |= {created.revision, updated.revision}
            old += [created, updated]
            await store.delete_session("a")
        now = await store.create_session(new())
        for stale in old:
            with pytest.raises(RevisionConflict):
                await store.update_session(stale)
        assert await store.get_session("a") == now

    async def test_revisions_come_from_one_counter(self, store: SessionStore) -> None:
        """One counter per store, growing with every change of a caller's fields."""
        one = await store.create_session(new("a"))
        two = await store.create_session(new("b"))
        three = await store.update_session(tagged(one, "x"))
        four = await store.update_session(tagged(two, "x"))
        found = [each.revision for each in (one, two, three, four)]
        assert found == sorted(set(found)), "revisions do not grow over all sessions"

    async def test_only_allowed_transitions_are_made(self, store: SessionStore) -> None:
        """A forbidden transition is `InvalidTransition` and changes nothing."""
        for before in SessionState:
            for after in SessionState:
                key = f"{before}/{after}"
                created = await store.create_session(new(key, state=before))
                wanted = become(after)(tagged(created, "x"))
                if before.may_become(after):
                    assert (await store.update_session(wanted)).state is after
                    continue
                with pytest.raises(InvalidTransition) as refused:
                    await store.update_session(wanted)
                assert (refused.value.from_state, refused.value.to_state) == (before, after)
                assert await store.get_session(key) == created, "it changed all the same"

    async def test_a_negotiated_version_cannot_change(self, store: SessionStore) -> None:
        """No renegotiation and no downgrade once negotiated; a transport header must match."""
        settled = VersionState(requested="2025-11-25", negotiated="2025-11-25")
        created = await store.create_session(new(version_state=settled))
        for other in (
            VersionState(negotiated="2024-11-05"),
            VersionState(),
            VersionState(negotiated="2025-11-25", transport="2024-11-05"),
        ):
            with pytest.raises(VersionConflict):
                await store.update_session(created.model_copy(update={"version_state": other}))
        assert await store.get_session("a") == created, "an error means: certainly no effect"

    async def test_an_ended_session_has_ended_at(self, store: SessionStore) -> None:
        """`ended_at` is the store's: set once, when the state becomes terminal."""
        for state in (each for each in SessionState if each.is_terminal):
            live = await store.create_session(new(state, state="active"))
            assert live.ended_at is None
            ended = await store.update_session(become(state)(live))
            assert ended.ended_at is not None, "the session ended, and ended_at is not set"
            later = await store.update_session(tagged(ended, "late"))
            assert later.ended_at == ended.ended_at
            born_dead = await store.create_session(new(f"{state}-2", state=state))
            assert born_dead.ended_at is not None

    async def test_deleting_takes_the_frames_along(self, store: SessionStore) -> None:
        """Its frames are deleted with it; a later session with that id starts at 1."""
        for key in "ab":
            await store.create_session(rich(key))
            await store.add_frame(note(1, key))
        await store.delete_session("a")
        with pytest.raises(SessionNotFound):
            await store.get_frames("a")
        again = await store.create_session(new("a"))
        assert await store.get_frames("a") == [], "frames of the deleted session came back"
        assert await store.count_frames("a") == again.frame_count == again.last_seq == 0
        assert callers_part(again) == callers_part(new("a"))
        assert await store.add_frame(note(2)) == 1
        assert numbers(await store.get_frames("b")) == [1], "another session's frames went too"

    async def test_sessions_are_listed_in_order_of_creation(self, store: SessionStore) -> None:
        """`list_sessions()`: all, in order of creation; `count_sessions()` is exact."""
        keys = ["m", "a", "z", "B", "10", "9"]
        created = [await store.create_session(new(key)) for key in keys]
        assert await store.list_sessions() == created
        await store.update_session(tagged(created[1], "x"))
        await store.add_frame(note(id="z"))
        await store.delete_session("m")
        await store.create_session(new("m"))
        assert [each.id for each in await store.list_sessions()] == [*keys[1:], "m"]
        assert await store.count_sessions() == len(keys)

    async def test_ids_are_the_applications(self, store: SessionStore) -> None:
        """An id is 1-128 visible ASCII characters; no two are confused."""
        visible = "".join(map(chr, range(0x21, 0x7F)))
        keys = [*visible, visible, "x" * 128, "x" * 127, "a:b", "a:b:frames", "{a}b", "a%", "%61"]
        keys += ["../a", "a/../b", "A'--", '";drop', "*", "a*", "[a-z]", "0", "00", "None", "aa"]
        keys = list(dict.fromkeys(keys))
        for n, key in enumerate(keys):
            await store.create_session(new(key, metadata={"n": n}))
            await store.add_frame(note(n, key))
        assert await store.count_sessions() == len(keys)
        for n, key in enumerate(keys):
            found = await store.get_session(key)
            assert (found.id, found.metadata["n"]) == (key, n), f"{key!r} is mistaken for another"
            (only,) = await store.get_frames(key)
            assert only == note(n, key).model_copy(update={"context": only.context})
            assert only.context.session_id == key

    async def test_activity_moves_forward(self, store: SessionStore) -> None:
        """`created_at` stays, `last_activity` is the time of the last change or frame."""
        created = await store.create_session(new())
        moments = [created.last_activity]
        await store.add_frame(note())
        moments.append((await store.get_session("a")).last_activity)
        updated = await store.update_session(tagged(await store.get_session("a"), "x"))
        moments.append(updated.last_activity)
        assert moments == sorted(moments)
        assert updated.created_at == created.created_at
        assert all(moment.tzinfo is not None for moment in moments)
