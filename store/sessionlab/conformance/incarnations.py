"""What tells a session from an earlier one of its id: cursors of the earlier one are refused."""

from __future__ import annotations

import re

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import SessionNotFound
from sessionkeeper.values.session import Session
from sessionkeeper.values.states import SessionState

from .kit import AtomicStoreKit
from .promise import needs
from .samples import become, new, note, tagged

__all__ = ["IncarnationsConformance"]

_FORM = re.compile(r"[0-9a-f]{16}")
_OTHER = "0123456789abcdef"
_WRONG = ((7, TypeError), ("", ValueError), ("A" * 16, ValueError))
"""What is no incarnation, and the error that says so."""


class IncarnationsConformance(AtomicStoreKit):
    async def test_each_session_of_an_id_has_its_own_incarnation(
        self, store: AtomicSessionStore
    ) -> None:
        """`incarnation`: 16 hex digits, never the same for two sessions of one id."""
        seen: list[str] = []
        for n in range(20):
            session = new(tags={str(n)})
            created = await store.create_session(session)
            seen.append(created.incarnation)
            assert _FORM.fullmatch(created.incarnation), "no incarnation of 16 hex digits"
            await store.delete_session("a")
            again = await store.create_session(session)
            seen.append(again.incarnation)
            await store.delete_session("a")
        assert len({*seen}) == len(seen), "an incarnation came twice"

    async def test_an_incarnation_stays_while_its_session_exists(
        self, store: AtomicSessionStore
    ) -> None:
        """It is set when the session is created; no change, frame or end changes it."""
        created = await store.create_session(new())
        forged = tagged(created, "x").model_copy(update={"incarnation": _OTHER})
        updated = await store.update_session(forged)
        await store.add_frame(note())
        ended = await store.update_session(become("closed")(updated))
        listed = await store.list_sessions()
        shown = [created, updated, ended, await store.get_session("a"), *listed]
        assert {each.incarnation for each in shown} == {created.incarnation}

    @needs("modify_session")
    async def test_a_change_cannot_set_an_incarnation(self, store: AtomicSessionStore) -> None:
        """It is a field of the store: what a change sets there has no effect."""
        created = await store.create_session(new())

        def forge(session: Session) -> Session:
            assert session.incarnation == created.incarnation, "the change saw another one"
            return tagged(session, "x").model_copy(update={"incarnation": _OTHER})

        changed = await store.modify_session("a", forge)
        assert changed.incarnation == created.incarnation
        assert await store.get_session("a") == changed

    @needs("get_or_create_session")
    async def test_a_session_that_was_there_keeps_its_incarnation(
        self, store: AtomicSessionStore
    ) -> None:
        """`get_or_create_session`: a new one for a new session, else the one there is."""
        first, created = await store.get_or_create_session(new())
        assert created
        assert _FORM.fullmatch(first.incarnation), "no incarnation of 16 hex digits"
        again, created = await store.get_or_create_session(new())
        assert (again.incarnation, created) == (first.incarnation, False)
        await store.delete_session("a")
        later, created = await store.get_or_create_session(new())
        assert created
        assert later.incarnation != first.incarnation, "an incarnation came twice"

    @needs("read_frames")
    async def test_another_incarnation_is_not_read(self, store: AtomicSessionStore) -> None:
        """`read_frames(…, incarnation=…)`: `SessionNotFound` if the session has another one."""
        old = await store.create_session(new())
        await store.add_frame(note(1))
        (frame,) = await store.read_frames("a", incarnation=old.incarnation)
        assert frame.envelope.message == note(1).message
        await store.delete_session("a")
        now = await store.create_session(new())
        await store.add_frame(note(2))
        for other in (old.incarnation, _OTHER):
            with pytest.raises(SessionNotFound) as refused:
                await store.read_frames("a", incarnation=other)
            assert refused.value.session_id == "a"
        (frame,) = await store.read_frames("a", incarnation=now.incarnation)
        assert frame.envelope.message == note(2).message

    @needs("watch_frames")
    async def test_another_incarnation_is_not_watched(self, store: AtomicSessionStore) -> None:
        """`watch_frames(…, incarnation=…)`: the first step raises `SessionNotFound`."""
        old = await store.create_session(new())
        await store.add_frame(note(1))
        watcher = store.watch_frames("a", incarnation=old.incarnation)
        assert (await anext(watcher)).envelope.message == note(1).message
        await store.delete_session("a")
        now = await store.create_session(new(state=SessionState.ACTIVE))
        await store.add_frame(note(2))
        assert [frame async for frame in watcher] == [], "it went on with a later session"
        for other in (old.incarnation, _OTHER):
            with pytest.raises(SessionNotFound) as refused:
                await anext(store.watch_frames("a", incarnation=other))
            assert refused.value.session_id == "a"
        frame = await anext(store.watch_frames("a", incarnation=now.incarnation))
        assert frame.envelope.message == note(2).message

    @needs("trim_frames")
    async def test_another_incarnation_is_not_trimmed(self, store: AtomicSessionStore) -> None:
        """`trim_frames(…, incarnation=…)`: `SessionNotFound` if the session has another one."""
        old, now = await _replaced(store)
        for other in (old.incarnation, _OTHER):
            for up_to in (0, 1, 9):
                with pytest.raises(SessionNotFound) as refused:
                    await store.trim_frames("a", up_to=up_to, incarnation=other)
                assert refused.value.session_id == "a"
        for wrong, error in _WRONG:
            with pytest.raises(error):
                await store.trim_frames("nobody", up_to=1, incarnation=wrong)  # type: ignore[arg-type]
        assert await store.count_frames("a") == 2, "a frame of the later session is gone"
        assert await store.trim_frames("a", up_to=1, incarnation=now.incarnation) == 1

    @needs("remove_frames")
    async def test_another_incarnation_keeps_its_content(self, store: AtomicSessionStore) -> None:
        """`remove_frames(…, incarnation=…)`: `SessionNotFound` if the session has another one."""
        old, now = await _replaced(store)
        held = await store.get_frames("a")
        for other in (old.incarnation, _OTHER):
            for seqs in ([], [1], [1, 9], range(1, 20_000)):
                with pytest.raises(SessionNotFound) as refused:
                    await store.remove_frames("a", seqs, incarnation=other)
                assert refused.value.session_id == "a"
        for wrong, error in _WRONG:
            with pytest.raises(error):
                await store.remove_frames("nobody", [1], incarnation=wrong)  # type: ignore[arg-type]
        assert await store.get_frames("a") == held, "the later session lost content"
        assert await store.remove_frames("a", [1], incarnation=now.incarnation) == 1

    @needs("search_frames")
    async def test_a_search_is_of_one_incarnation(self, store: AtomicSessionStore) -> None:
        """`search_frames(…, incarnation=…)`: `SessionNotFound` if the session has another one."""
        old = await store.create_session(new())
        await store.add_frame(note(1))
        found = await store.search_frames("a", containing=[b"{"], incarnation=old.incarnation)
        assert len(found.frames) == 1
        await store.delete_session("a")
        await store.create_session(new())
        with pytest.raises(SessionNotFound):
            await store.search_frames("a", containing=[b"{"], incarnation=old.incarnation)

    @needs("read_frames", "watch_frames")
    async def test_what_is_no_incarnation_is_refused_at_the_call(
        self, store: AtomicSessionStore
    ) -> None:
        """`TypeError`, `ValueError`: wrong use, before the store looks."""
        for wrong, error in _WRONG:
            with pytest.raises(error):
                await store.read_frames("nobody", incarnation=wrong)  # type: ignore[arg-type]
            with pytest.raises(error):
                store.watch_frames("nobody", incarnation=wrong)  # type: ignore[arg-type]

    @needs("for_principal", "read_frames")
    async def test_an_incarnation_of_another_principals_session_reveals_nothing(
        self, store: AtomicSessionStore
    ) -> None:
        """In a view, the right incarnation of a foreign session is as wrong as any other."""
        foreign = await store.create_session(new(principal="bob"))
        view = store.for_principal("alice")
        said: list[object] = []
        for wanted in (foreign.incarnation, _OTHER):
            with pytest.raises(SessionNotFound) as refused:
                await view.read_frames("a", incarnation=wanted)
            said.append((str(refused.value), vars(refused.value)))
        assert said[0] == said[1]


async def _replaced(store: AtomicSessionStore) -> tuple[Session, Session]:
    """Create a session with a frame, and then another one of its id with two."""
    old = await store.create_session(new())
    await store.add_frame(note(1))
    await store.delete_session("a")
    now = await store.create_session(new())
    for n in (2, 3):
        await store.add_frame(note(n))
    return old, now
