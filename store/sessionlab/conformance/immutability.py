"""Nothing a caller holds shares mutable state with the store."""

from __future__ import annotations

from typing import Any

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.message import MessageEnvelope
from sessionkeeper.values.session import Session

from .kit import StoreKit
from .promise import needs
from .samples import held, new, note, tagged

__all__ = ["AtomicImmutabilityConformance", "ImmutabilityConformance"]

NESTED = {"list": [1, {"deep": "x"}], "n": 1}


def meddle(thing: Any) -> None:
    """Try to change the inside of a value, as careless code would."""
    for attempt in (
        lambda: thing.metadata.__setitem__("n", 2),
        lambda: thing.metadata["list"].append("x"),
        lambda: thing.metadata["list"][1].update(deep="y"),
        lambda: thing.tags.add("x"),
        lambda: setattr(thing, "tags", {"x"}),
        lambda: thing.client_info.pop("n"),
    ):
        with pytest.raises((AttributeError, TypeError, ValueError)):
            attempt()
            pytest.fail("what the store gave out could be changed")


class ImmutabilityConformance(StoreKit):
    async def test_arguments_are_not_shared_with_the_store(self, store: SessionStore) -> None:
        """`metadata` is the user's own JSON, deeply immutable once in a `Session`."""
        mine: dict[str, Any] = {"list": [1, {"deep": "x"}], "n": 1}
        created = await store.create_session(new(metadata=mine, client_info=mine))
        mine["n"] = 2
        mine["list"][1]["deep"] = "y"
        mine["list"].append("z")
        assert (await store.get_session("a")).metadata == NESTED
        assert created.metadata == created.client_info == NESTED

    async def test_returned_values_cannot_be_changed(self, store: SessionStore) -> None:
        """A snapshot is deeply immutable, whichever method gave it."""
        created = await store.create_session(new(metadata=NESTED, client_info=NESTED))
        meddle(created)
        meddle(await store.get_session("a"))
        meddle(await store.update_session(tagged(created, "x")))
        meddle((await store.list_sessions())[0])
        assert (await store.get_session("a")).metadata == NESTED

    async def test_lists_are_the_callers_own(self, store: SessionStore) -> None:
        """A caller may change a returned list; no other caller sees it."""
        await store.create_session(new())
        await store.add_frame(note())
        before = await held(store)
        for given in (await store.get_frames("a"), await store.list_sessions()):
            given.clear()
        (await store.get_frames("a")).append(note(9))
        assert await held(store) == before, "the store's own list was given out"

    async def test_a_snapshot_stays_as_it_was(self, store: SessionStore) -> None:
        """A snapshot does not show later changes of the store."""
        created = await store.create_session(new())
        was = created.model_dump()
        listed = await store.list_sessions()
        await store.add_frame(note())
        log = await store.get_frames("a")
        await store.update_session(tagged(await store.get_session("a"), "x"))
        await store.add_frame(note(2))
        await store.create_session(new("b"))
        assert created.model_dump() == was
        assert [each.model_dump() for each in listed] == [was]
        assert log == (await store.get_frames("a"))[:1]


class Loose(Session):
    """A mutable subclass that a caller may pass as a session."""

    extra: list[str] = []  # noqa: RUF012  # pydantic copies it


class LooseEnvelope(MessageEnvelope):
    """A mutable subclass of an envelope."""

    extra: list[str] = []  # noqa: RUF012  # pydantic copies it


class AtomicImmutabilityConformance(StoreKit):
    async def test_a_subclass_is_stored_as_the_plain_value(self, store: AtomicSessionStore) -> None:
        """What is stored is a plain `Session` and a plain `MessageEnvelope`."""
        loose = Loose.new(transport_type="stdio", id="a", metadata=NESTED)
        assert type(await store.create_session(loose)) is Session
        kept = await store.get_session("a")
        assert type(kept) is Session
        fields = {name: getattr(kept, name) for name in Session.model_fields}
        assert type(await store.update_session(Loose.model_validate(fields))) is Session
        plain = note()
        await store.add_frame(LooseEnvelope(message=plain.message, context=plain.context))
        assert [type(each) for each in await store.get_frames("a")] == [MessageEnvelope]
        assert type((await store.list_sessions())[0]) is Session

    @needs("modify_session")
    async def test_a_change_is_given_a_snapshot(self, store: AtomicSessionStore) -> None:
        """The session that `change` gets is immutable and stays as it was."""
        await store.create_session(new(metadata=NESTED, client_info=NESTED))
        kept: list[Session] = []

        def change(session: Session) -> Session:
            meddle(session)
            kept.append(session)
            return tagged(session, "x")

        meddle(await store.modify_session("a", change))
        assert {each.tags for each in kept} == {frozenset()}

    @needs("read_frames")
    async def test_frames_cannot_be_changed(self, store: AtomicSessionStore) -> None:
        """Frames are values: a caller may change the list; no other caller sees it."""
        await store.create_session(new())
        await store.add_frame(note(1))
        frames = await store.read_frames("a")
        with pytest.raises((AttributeError, TypeError, ValueError)):
            setattr(frames[0], "seq", 7)  # noqa: B010  # a type checker sees a frozen class
        frames.clear()
        assert [frame.seq for frame in await store.read_frames("a")] == [1]
