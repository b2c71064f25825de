"""Appending several frames in one step, after an expected number, with a change."""

from __future__ import annotations

from typing import Any

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import (
    InvalidTransition,
    SequenceConflict,
    SessionClosed,
    SessionNotFound,
)
from sessionkeeper.values.session import Session
from sessionkeeper.values.states import SessionState

from .kit import SEVERAL, StoreKit
from .promise import needs
from .samples import become, gap, held, new, note, numbers, odd, tagged

__all__ = ["AppendingConformance"]


class AppendingConformance(StoreKit, needs={"add_frames"}):
    @needs(SEVERAL)
    async def test_several_frames_get_contiguous_numbers(self, store: AtomicSessionStore) -> None:
        """`add_frames`: contiguous numbers, returned as a `range`."""
        await store.create_session(new())
        assert await store.add_frames("a", [note(n) for n in (1, 2, 3)]) == range(1, 4)
        assert await store.add_frame(note(4)) == 4
        assert await store.add_frames("a", [note(5), note(6)]) == range(5, 7)
        assert numbers(await store.get_frames("a")) == [*range(1, 7)]
        session = await store.get_session("a")
        assert (session.frame_count, session.last_seq) == (6, 6)

    async def test_one_frame_or_none(self, store: AtomicSessionStore) -> None:
        """Appending no frame returns an empty range after the last number."""
        await store.create_session(new())
        assert await store.add_frames("a", [note(1)]) == range(1, 2)
        none = await store.add_frames("a", [])
        assert (type(none), len(none)) == (range, 0)
        assert await store.add_frames("a", [note(2)]) == range(2, 3)
        assert numbers(await store.get_frames("a")) == [1, 2]

    async def test_the_expected_number_must_be_the_last(self, store: AtomicSessionStore) -> None:
        """`SequenceConflict(current)` if the log has moved on; nothing is appended."""
        await store.create_session(new())
        assert await store.add_frames("a", [note(1)], expected_last_seq=0) == range(1, 2)
        assert await store.add_frames("a", [note(2)], expected_last_seq=1) == range(2, 3)
        before = await held(store)
        for wrong in (0, 1, 3):
            with pytest.raises(SequenceConflict) as refused:
                await store.add_frames("a", [note(9)], expected_last_seq=wrong)
            conflict = (refused.value.session_id, refused.value.expected, refused.value.current)
            assert conflict == ("a", wrong, 2)
        assert await held(store) == before, "an error means: certainly no effect"
        await store.delete_frames("a")
        assert await store.add_frames("a", [note(3)], expected_last_seq=2) == range(3, 4)

    @needs(SEVERAL)  # so a store of ten methods may leave them uncounted
    async def test_odd_frames_and_gaps_are_counted_for_good(
        self, store: AtomicSessionStore
    ) -> None:
        """`odd_frames`, `gap_frames`: of all that were ever appended, in the same step."""
        await store.create_session(new())
        await store.add_frame(note(1))
        for envelope in odd():
            await store.add_frame(envelope)
        assert await store.add_frames("a", [gap()]) == range(7, 8)
        session = await store.get_session("a")
        assert (session.odd_frames, session.gap_frames, session.frame_count) == (5, 1, 7)
        with pytest.raises(SequenceConflict):
            await store.add_frames("a", odd()[:1], expected_last_seq=1)
        assert await store.get_session("a") == session, "what is refused is not counted"
        await store.delete_frames("a")
        session = await store.get_session("a")
        assert (session.odd_frames, session.gap_frames, session.frame_count) == (5, 1, 0)
        await store.add_frames("a", odd()[:1], change=lambda each: tagged(each, "odd"))
        (session,) = await store.list_sessions()
        assert (session.odd_frames, session.gap_frames, session.last_seq) == (6, 1, 8)
        await store.delete_session("a")
        created = await store.create_session(new())
        assert (created.odd_frames, created.gap_frames) == (0, 0), "another session"

    @needs(SEVERAL)
    async def test_what_is_odd_among_several_frames_is_counted(
        self, store: AtomicSessionStore
    ) -> None:
        """Of one batch with messages beside it."""
        await store.create_session(new())
        await store.add_frames("a", [note(1), *odd(), gap(), note(2), gap()])
        session = await store.get_session("a")
        assert (session.odd_frames, session.gap_frames, session.last_seq) == (5, 2, 9)

    async def test_frames_and_change_are_one_step(self, store: AtomicSessionStore) -> None:
        """`change` as in `modify_session`, in the same step."""
        created = await store.create_session(new(state="active"))

        def last_word(session: Session) -> Session:
            return become("closed")(tagged(session, "done"))

        assert await store.add_frames("a", [note(1)], change=last_word) == range(1, 2)
        session = await store.get_session("a")
        assert (session.state, session.frame_count) == (SessionState.CLOSED, 1)
        assert session.tags == {"done"}
        assert session.revision > created.revision
        assert session.ended_at is not None

    async def test_a_refused_change_appends_nothing(self, store: AtomicSessionStore) -> None:
        """Whole or not at all: if the change raises or is refused, no frame is stored."""
        await store.create_session(new(state="active"))
        await store.add_frame(note(1))
        before = await held(store)

        def change(_: Session) -> Session:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.add_frames("a", [note(2)], change=change)
        with pytest.raises(InvalidTransition):
            await store.add_frames("a", [note(2)], change=become("initializing"))
        with pytest.raises(ValueError, match=r"\S"):
            await store.add_frames("a", [note(2)], change=lambda _: new("b"))

        def forgetful(_: Session) -> Any:
            return None

        with pytest.raises(TypeError):
            await store.add_frames("a", [note(2)], change=forgetful)
        assert await held(store) == before, "an error means: certainly no effect"
        assert await store.add_frames("a", [note(2)]) == range(2, 3), "a number was lost"

    async def test_an_envelope_of_another_session_is_refused(
        self, store: AtomicSessionStore
    ) -> None:
        """`ValueError` when an envelope belongs to another session: none is stored."""
        for key in "ab":
            await store.create_session(new(key))
        before = await held(store)
        with pytest.raises(ValueError, match=r"\S"):
            await store.add_frames("a", [note(1, "b")])
        if SEVERAL not in self.refuses:
            with pytest.raises(ValueError, match=r"\S"):
                await store.add_frames("a", [note(1, "a"), note(2, "b")])
        assert await held(store) == before, "an error means: certainly no effect"

    async def test_an_ended_session_takes_no_batch_of_frames(
        self, store: AtomicSessionStore
    ) -> None:
        """`SessionNotFound`, `SessionClosed`, as `add_frame`; the change is not made either."""
        ended = await store.create_session(new(state="closed"))
        with pytest.raises(SessionClosed) as refused:
            await store.add_frames("a", [note()], change=lambda s: tagged(s, "x"))
        assert (refused.value.session_id, refused.value.state) == ("a", "closed")
        with pytest.raises(SessionNotFound):
            await store.add_frames("nobody", [note(id="nobody")])
        assert await store.get_session("a") == ended
        assert await store.count_frames("a") == 0
