"""The methods that whole-object reads and writes cannot stand in for (Guarantees 2.5)."""

from __future__ import annotations

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    RevisionConflict,
    SequenceConflict,
    Session,
    SessionNotFound,
    VersionConflict,
    VersionState,
)

from tests.support.sessions import new_session, note, numbers


def tag(session: Session) -> Session:
    """A change: tag the session with its revision."""
    return session.model_copy(update={"tags": {*session.tags, f"after-{session.revision}"}})


async def test_a_session_that_contradicts_itself_is_not_created(store: AtomicSessionStore) -> None:
    """A transport header must match what is negotiated, from the beginning."""
    odd = VersionState(negotiated="1", transport="2")
    with pytest.raises(VersionConflict):
        await store.create_session(new_session("a", version_state=odd))
    with pytest.raises(VersionConflict):
        await store.get_or_create_session(new_session("a", version_state=odd))
    assert await store.count_sessions() == 0


async def test_a_number_too_long_to_print_is_an_ordinary_conflict(
    store: AtomicSessionStore,
) -> None:
    """Python writes none of more than 4,300 digits; the owner does not die of one."""
    held = await store.create_session(new_session("a"))
    long = 10**5000
    with pytest.raises(SequenceConflict, match="16610 bits") as of_frames:
        await store.add_frames("a", [note()], expected_last_seq=long)
    with pytest.raises(RevisionConflict, match="16610 bits") as of_session:
        await store.update_session(held.model_copy(update={"revision": long}))
    assert of_frames.value.expected == of_session.value.expected == long
    assert await store.read_frames("a", after=long, limit=long) == []
    assert await store.get_session("a") == held


async def test_add_frames_answers_the_numbers_as_a_range(store: AtomicSessionStore) -> None:
    """All or none, contiguous numbers, returned as a `range`."""
    await store.create_session(new_session("a"))
    assert await store.add_frames("a", [note(n) for n in (1, 2, 3)]) == range(1, 4)
    assert await store.add_frames("a", (note(n) for n in (4, 5))) == range(4, 6)  # type: ignore[arg-type]  # any iterable does
    assert await store.add_frames("a", []) == range(6, 6)
    assert numbers(await store.get_frames("a")) == [1, 2, 3, 4, 5]


async def test_add_frames_of_one_works_on_every_store(any_store: AtomicSessionStore) -> None:
    """Even around ten methods."""
    await any_store.create_session(new_session("a"))
    assert await any_store.add_frames("a", [note(1)]) == range(1, 2)
    assert await any_store.add_frames("a", [], change=tag) == range(2, 2)
    assert await any_store.add_frames("a", []) == range(2, 2)
    assert (await any_store.get_session("a")).tags == {"after-1"}


async def test_an_envelope_of_another_session_is_refused(any_store: AtomicSessionStore) -> None:
    """Frames of one session replayed into another (fastmcp#4402), in whatever they are handed."""
    for key in "ab":
        await any_store.create_session(new_session(key))
    for envelopes in ([note(1, "b")], iter([note(1, "b")]), (note(1, "b"),)):
        with pytest.raises(ValueError, match="another session"):
            await any_store.add_frames("a", envelopes)  # type: ignore[arg-type]  # an iterator too
    with pytest.raises(ValueError, match="another session"):
        await any_store.add_frames("a", [note(1, "a"), note(1, "b")])
    assert (await any_store.statistics()).frames == 0


async def test_read_frames_reads_on(any_store: AtomicSessionStore) -> None:
    """`list[Frame]` with `after < seq < before`, at most `limit`; also the newest n, and back."""
    await any_store.create_session(new_session("a"))
    assert await any_store.read_frames("a") == []
    for n in range(1, 4):
        await any_store.add_frame(note(n))
    await any_store.delete_frames("a")
    for n in range(4, 11):
        await any_store.add_frame(note(n))

    async def read(
        after: int,
        limit: int,
        *,
        before: int | None = None,
        newest: bool = False,
        back: bool = False,
    ) -> list[int]:
        frames = await any_store.read_frames(
            "a", after=after, before=before, limit=limit, newest=newest, reverse=back
        )
        seqs = [frame.seq for frame in frames]
        assert numbers([frame.envelope for frame in frames]) == seqs
        return seqs

    everything = range(4, 11)
    for after in range(13):
        for before in (None, 1, 4, 5, 9, 11, 99):
            between = [n for n in everything if n > after and (before is None or n < before)]
            for limit in range(1, 9):
                assert await read(after, limit, before=before) == between[:limit]
                assert await read(after, limit, before=before, newest=True) == between[-limit:]
                backwards = between[::-1][:limit]
                assert await read(after, limit, before=before, back=True) == backwards
    assert await read(0, 10**30, before=10**30, back=True) == [*everything][::-1]
    assert [f.seq for f in await any_store.read_frames("a", after=10**30, limit=10**30)] == []
    with pytest.raises(SessionNotFound):
        await any_store.read_frames("b")
