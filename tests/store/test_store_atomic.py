"""The methods that whole-object reads and writes cannot stand in for (contract 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    InvalidTransition,
    SequenceConflict,
    Session,
    SessionClosed,
    SessionNotFound,
    SessionState,
    VersionConflict,
    VersionState,
)

if TYPE_CHECKING:
    from tests.store.conftest import Kit


def tag(session: Session) -> Session:
    """A change: tag the session with its revision."""
    return session.model_copy(update={"tags": {*session.tags, f"after-{session.revision}"}})


async def test_modify_sees_the_current_session_and_stores_what_it_makes(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """`modify_session`: atomic read-modify-write, answered with what is stored."""
    created = await store.create_session(kit.session("a"))
    await store.add_frame(kit.note())
    seen: list[Session] = []

    def change(session: Session) -> Session:
        seen.append(session)
        return tag(session)

    stored = await store.modify_session("a", change)
    assert (seen[0].revision, seen[0].last_seq) == (created.revision, 1)
    assert stored.tags == {f"after-{created.revision}"}
    assert stored.revision > created.revision
    assert await store.get_session("a") == stored


async def test_returning_the_very_session_changes_nothing(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """Not even the revision."""
    created = await store.create_session(kit.session("a"))
    assert await store.modify_session("a", lambda session: session) == created
    assert await store.get_session("a") == created


async def test_a_change_sets_no_field_of_the_stores(store: AtomicSessionStore, kit: Kit) -> None:
    """Store's fields: "which a caller reads and never sets"."""
    created = await store.create_session(kit.session("a"))
    stored = await store.modify_session(
        "a", lambda s: tag(s).model_copy(update={"frame_count": 9, "last_seq": 9})
    )
    assert (stored.frame_count, stored.last_seq) == (0, 0)
    assert stored.created_at == created.created_at
    assert await store.add_frame(kit.note()) == 1


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"state": "initializing"}, InvalidTransition),
        ({"version_state": VersionState(negotiated="2")}, VersionConflict),
        ({"version_state": VersionState()}, VersionConflict),
        ({"id": "b"}, ValueError),
    ],
)
async def test_a_change_that_may_not_be_is_refused(
    store: AtomicSessionStore, kit: Kit, fields: dict[str, object], error: type[Exception]
) -> None:
    """The rules of an update hold for a change; nothing is stored."""
    spoken = VersionState(negotiated="1")
    before = await store.create_session(kit.session("a", state="active", version_state=spoken))
    with pytest.raises(error):
        await store.modify_session("a", lambda s: tag(s).model_copy(update=fields))
    with pytest.raises(error):
        await store.add_frames("a", [kit.note()], change=lambda s: tag(s).model_copy(update=fields))
    assert await store.list_sessions() == [before]
    assert await store.count_frames("a") == 0


async def test_a_session_that_contradicts_itself_is_not_created(
    full: AtomicSessionStore, kit: Kit
) -> None:
    """A transport header must match what is negotiated, from the beginning."""
    odd = VersionState(negotiated="1", transport="2")
    with pytest.raises(VersionConflict):
        await full.create_session(kit.session("a", version_state=odd))
    with pytest.raises(VersionConflict):
        await full.get_or_create_session(kit.session("a", version_state=odd))
    assert await full.count_sessions() == 0


async def test_modify_of_an_unknown_session_never_runs_the_change(
    store: AtomicSessionStore,
) -> None:
    """`SessionNotFound`, and nobody is asked."""
    with pytest.raises(SessionNotFound):
        await store.modify_session("a", lambda _: pytest.fail("ran"))


async def test_get_or_create_says_which(store: AtomicSessionStore, kit: Kit) -> None:
    """`(Session, created)`; what is there is not touched."""
    first, created = await store.get_or_create_session(kit.session("a", tags={"first"}))
    assert created
    assert first.revision == 1
    second, created = await store.get_or_create_session(kit.session("a", tags={"second"}))
    assert not created
    assert second == first == await store.get_session("a")


async def test_add_frames_answers_the_numbers_as_a_range(
    full: AtomicSessionStore, kit: Kit
) -> None:
    """All or none, contiguous numbers, returned as a `range`."""
    await full.create_session(kit.session("a"))
    assert await full.add_frames("a", [kit.note(n) for n in (1, 2, 3)]) == range(1, 4)
    assert await full.add_frames("a", (kit.note(n) for n in (4, 5))) == range(4, 6)  # type: ignore[arg-type]  # any iterable does
    assert await full.add_frames("a", []) == range(6, 6)
    assert kit.numbers(await full.get_frames("a")) == [1, 2, 3, 4, 5]


async def test_add_frames_of_one_works_on_every_store(store: AtomicSessionStore, kit: Kit) -> None:
    """Even around ten methods."""
    await store.create_session(kit.session("a"))
    assert await store.add_frames("a", [kit.note(1)]) == range(1, 2)
    assert await store.add_frames("a", [], change=tag) == range(2, 2)
    assert await store.add_frames("a", []) == range(2, 2)
    assert (await store.get_session("a")).tags == {"after-1"}


async def test_the_expected_number_must_be_the_last(store: AtomicSessionStore, kit: Kit) -> None:
    """`SequenceConflict(current)` if the log has moved on; a cleared log still counts."""
    await store.create_session(kit.session("a"))
    assert await store.add_frames("a", [kit.note(1)], expected_last_seq=0) == range(1, 2)
    for expected in (0, 2, 99):
        with pytest.raises(SequenceConflict) as refused:
            await store.add_frames("a", [kit.note(9)], expected_last_seq=expected)
        assert refused.value.session_id == "a"
        assert (refused.value.expected, refused.value.current) == (expected, 1)
    await store.delete_frames("a")
    assert await store.add_frames("a", [kit.note(2)], expected_last_seq=1) == range(2, 3)
    assert kit.numbers(await store.get_frames("a")) == [2]


async def test_frames_and_change_are_one_step(store: AtomicSessionStore, kit: Kit) -> None:
    """`change` as in `modify_session`, in the same step; it may even end the session."""
    await store.create_session(kit.session("a"))
    end = {"state": SessionState.CLOSED}
    await store.add_frames("a", [kit.note(1)], change=lambda s: s.model_copy(update=end))
    session = await store.get_session("a")
    assert (session.state, session.last_seq) == (SessionState.CLOSED, 1)
    with pytest.raises(SessionClosed):
        await store.add_frames("a", [kit.note(2)])
    with pytest.raises(SessionClosed):
        await store.add_frames("a", [])
    with pytest.raises(SessionNotFound):
        await store.add_frames("b", [kit.note(2, "b")])


async def test_an_envelope_of_another_session_is_refused(
    store: AtomicSessionStore, kit: Kit
) -> None:
    """Frames of one session replayed into another (fastmcp#4402), in whatever they are handed."""
    for key in "ab":
        await store.create_session(kit.session(key))
    for envelopes in ([kit.note(1, "b")], iter([kit.note(1, "b")]), (kit.note(1, "b"),)):
        with pytest.raises(ValueError, match="another session"):
            await store.add_frames("a", envelopes)  # type: ignore[arg-type]  # an iterator too
    with pytest.raises(ValueError, match="another session"):
        await store.add_frames("a", [kit.note(1, "a"), kit.note(1, "b")])
    assert (await store.statistics()).frames == 0


async def test_read_frames_reads_on(store: AtomicSessionStore, kit: Kit) -> None:
    """`list[Frame]` with `seq > after`, at most `limit`; also the newest n."""
    await store.create_session(kit.session("a"))
    assert await store.read_frames("a") == []
    for n in range(1, 4):
        await store.add_frame(kit.note(n))
    await store.delete_frames("a")
    for n in range(4, 11):
        await store.add_frame(kit.note(n))

    async def read(after: int, limit: int, newest: bool) -> list[int]:
        frames = await store.read_frames("a", after=after, limit=limit, newest=newest)
        numbers = [frame.seq for frame in frames]
        assert kit.numbers([frame.envelope for frame in frames]) == numbers
        return numbers

    everything = range(4, 11)
    for after in range(13):
        later = [n for n in everything if n > after]
        for limit in range(1, 9):
            assert await read(after, limit, newest=False) == later[:limit]
            assert await read(after, limit, newest=True) == later[-limit:]
    assert [f.seq for f in await store.read_frames("a", after=10**30, limit=10**30)] == []
    with pytest.raises(SessionNotFound):
        await store.read_frames("b")


async def test_touching_sets_nothing_but_the_time(full: AtomicSessionStore, kit: Kit) -> None:
    """`touch_session`: last activity only; an ended session is left alone."""
    created = await full.create_session(kit.session("a"))
    await full.touch_session("a")
    touched = await full.get_session("a")
    assert touched.model_copy(update={"last_activity": created.last_activity}) == created
    await full.update_session(touched.model_copy(update={"state": "closed"}))
    with pytest.raises(SessionClosed):
        await full.touch_session("a")
    with pytest.raises(SessionNotFound):
        await full.touch_session("b")
