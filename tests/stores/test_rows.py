"""The snapshot that a row keeps, and brings up to date while nobody else has it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from random import Random
from sys import getrefcount
from typing import Any, cast

import pytest
from sessionkeeper import ActorSessionStore, Session
from sessionkeeper.operations import session_row
from sessionkeeper.operations.session_row import SessionRow
from sessionkeeper.operations.sole_holder import COUNTS_REFERENCES
from sessionkeeper.values.states import TransportType

HOLDERS: dict[str, Callable[[Session], object]] = {
    "nobody": lambda session: None,
    "a variable": lambda session: session,
    "a list": lambda session: [session],
    "a method": lambda session: session.model_dump,
    "its fields": vars,
    "a view": lambda session: vars(session).items(),
    "an iterator": lambda session: iter(vars(session).values()),
    "pydantic's iterator": iter,
    "a weak reference": weakref.ref,
    "a weak dictionary": lambda session: weakref.WeakValueDictionary({"a": session}),
}
"""All ways in which a program may have a snapshot."""


def new_row() -> SessionRow:
    """A row as of a new store."""
    session = Session.new(transport_type="stdio", id="a")
    return SessionRow(session, incarnation="", number=1, revision=1, wall=0.0, steady=0.0)


def change(row: SessionRow, random: Random) -> None:
    """Do what a rule may do to a row."""
    seconds = random.random() * 1_000
    kind = random.randrange(4)
    if kind == 0:
        row.touch(seconds, seconds)
    elif kind == 1:
        row.frame_count, row.last_seq = row.frame_count + 1, row.last_seq + 1
        row.odd_frames += 1
        row.touch(seconds, seconds)
    elif kind == 2:
        row.change(row.snapshot().model_copy(update={"tags": {str(seconds)}}), row.revision + 1)
    else:
        # As a program makes it: with some of the fields.
        session = Session(id="a", transport_type=TransportType.STDIO, principal=str(seconds))
        row.change(session, row.revision + 1)


def seen(held: Any) -> object:
    """What a holder sees of the snapshot that it has."""
    if isinstance(held, weakref.WeakValueDictionary):
        held = cast("dict[str, Session]", held).get("a")
    elif isinstance(held, list):
        (held,) = cast("list[Session]", held)
    elif callable(held):
        held = held()
    if isinstance(held, Session):
        return held.model_dump()
    if isinstance(held, dict):
        return dict(cast("dict[str, object]", held))
    return [] if held is None else list(held)


def see_changes(seed: int) -> int:
    """Change a row at random, while snapshots are held in all ways; count those that changed.

    A weak reference may find nothing, but no other snapshot.
    """
    random, row, changed = Random(seed), new_row(), 0
    held: list[tuple[str, object, object]] = []
    for _ in range(60):
        way = random.choice([*HOLDERS])
        holder = HOLDERS[way](row.snapshot())
        if "iterator" in way:  # it can be asked once
            held.append((way, holder, seen(HOLDERS[way](row.snapshot()))))
        else:
            held.append((way, holder, seen(holder)))
        change(row, random)
        if random.random() < 0.3:
            row.snapshot()
        if random.random() < 0.5:
            way, holder, before = held.pop(random.randrange(len(held)))
            now = seen(holder)
            changed += now != before and not ("weak" in way and not now)
    return changed


@pytest.mark.parametrize("seed", range(40))
def test_no_holder_sees_a_snapshot_change(seed: int) -> None:
    """Whatever it holds: the session, its fields, or a weak reference."""
    assert see_changes(seed) == 0


@pytest.mark.parametrize(("session", "fields"), [(0, 0), (1, 0), (0, 1)])
def test_a_reference_that_is_not_counted_would_be_seen(
    session: int, fields: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above reports a row that overlooks a weak reference, or one holder more."""
    if not COUNTS_REFERENCES:
        pytest.skip("this interpreter always copies")

    def is_sole_holder(one: Session, /) -> bool:
        # One call more: the argument is held by two frames.
        counts = getrefcount(one), getrefcount(one.__dict__)
        return counts in {(3, 2), (3 + session, 2 + fields)}

    monkeypatch.setattr(session_row, "is_sole_holder", is_sole_holder)
    assert sum(map(see_changes, range(20))) > 0


def test_a_row_shows_the_same_whoever_holds_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brought up to date or made anew: equal fields, in equal order, all of them set."""

    def shown(seed: int) -> list[object]:
        random, row, found, held = Random(seed), new_row(), list[object](), list[Session]()
        for _ in range(40):
            change(row, random)
            session = row.snapshot()
            found.append((list(session), session.model_fields_set, session.model_dump_json()))
            if random.random() < 0.3:
                held.append(session)
            del session
        return found

    before = [shown(seed) for seed in range(20)]

    def never(_: Session, /) -> bool:
        return False

    monkeypatch.setattr(session_row, "is_sole_holder", never)
    assert before == [shown(seed) for seed in range(20)]


def test_the_same_object_until_it_changes() -> None:
    """And then, if nobody has it, the object that was there."""
    row = new_row()
    first = row.snapshot()
    assert row.snapshot() is first
    row.touch(1.0, 1.0)
    second = row.snapshot()
    assert second is not first
    assert (first.last_activity.timestamp(), second.last_activity.timestamp()) == (0.0, 1.0)
    place = id(second)
    del second
    row.touch(2.0, 2.0)
    if COUNTS_REFERENCES:
        assert id(row.snapshot()) == place
    assert row.snapshot().last_activity.timestamp() == 2.0


async def test_reading_many_sessions_leaves_no_garbage() -> None:
    """Each read after it changed: young objects do not pile up for the collector."""
    async with ActorSessionStore() as store:
        for n in range(2_000):
            await store.create_session(Session.new(transport_type="stdio", id=str(n)))
        gc.collect()
        gc.disable()
        try:
            for n in range(2_000):
                await store.touch_session(str(n))
                await store.get_session(str(n))
            young = sum(type(each) is Session for each in gc.get_objects(generation=0))
        finally:
            gc.enable()
        assert young < 100 or not COUNTS_REFERENCES
