"""What the conformance kit does not try: hostile strings, cursors, and stores made wrongly.

The table of calls is the kit's. There every method gets every wrong type.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    OwnedSessionStore,
    PlainSessionStore,
    Session,
    SessionQuery,
    SessionStore,
    StoreStatistics,
)
from sessionlab.conformance.errors import MORE, TEN

from tests.support.sessions import new_session, note
from tests.support.stores import ThirdPartyStore


class Evil(str):
    """A string whose methods raise: when it is compared, hashed, measured or shown."""

    def _hit(self, *_: object) -> NoReturn:
        raise ZeroDivisionError("evil")

    __hash__ = __eq__ = __ne__ = __lt__ = __len__ = __iter__ = __contains__ = _hit
    __str__ = __repr__ = __format__ = __getitem__ = __add__ = encode = isascii = _hit  # type: ignore[assignment]  # very


CALLS = {name: [call] for name, (call, _) in TEN.items()}
CALLS |= {name: [call for call, _ in cases] for name, cases in MORE.items()}
"""Each method of the kit's table, with each of its arguments left open."""

CURSORS = ["x", "-1", "1.0", " 1", "1\n", "\u0661", "1" * 19, "1" * 1_000_000]

REFUSED = ("touch_session", "archive_session", "trim_frames", "remove_frames")
"""What an owner around ten methods refuses, whatever it is given."""


async def held(store: AtomicSessionStore) -> tuple[StoreStatistics, list[Session], object]:
    """All that a store holds."""
    statistics = replace(await store.statistics(), mailbox=None, refusals={})
    return statistics, await store.list_sessions(), await store.get_frames("a")


@pytest.mark.parametrize("method", CALLS)
async def test_a_hostile_string_is_refused_and_none_of_its_methods_runs(
    any_store: AtomicSessionStore, method: str
) -> None:
    """`TypeError` or `ValueError`; the store and its counters stay as they were."""
    await any_store.create_session(new_session("a"))
    await any_store.add_frame(note(1))
    before = await held(any_store)
    expected: tuple[type[Exception], ...] = (TypeError, ValueError)
    if isinstance(any_store, OwnedSessionStore) and method in REFUSED:
        expected = (NotImplementedError,)
    hostile = [Evil("")] if method == "for_principal" else [Evil(""), Evil("a b"), Evil("\xe9")]
    for call in CALLS[method]:
        for thing in hostile:
            with pytest.raises(expected) as refused:
                await call(any_store, thing)
            assert "evil" not in str(refused.value)
            assert len(str(refused.value)) < 1000
    assert await held(any_store) == before
    assert await any_store.add_frame(note(2)) == 2


async def test_a_cursor_must_be_a_short_decimal_number(any_store: AtomicSessionStore) -> None:
    """Spelled as the store spells it; anything else is `ValueError`."""
    await any_store.create_session(new_session("a"))
    for cursor in CURSORS:
        with pytest.raises(ValueError, match="cursor"):
            await any_store.find_sessions(SessionQuery(), cursor=cursor)


def test_the_table_of_the_kit_names_every_method_with_an_argument() -> None:
    """A new method of the interface needs a line in the kit's table."""
    without = {"list_sessions", "count_sessions", "statistics", "guarantees"}
    without |= {"open", "is_open", "aclose", "mailbox", "observe"}
    public = {name for name in dir(AtomicSessionStore) if not name.startswith("_")}
    assert public - without == {*TEN, *MORE}


async def test_a_batch_of_sessions_with_one_wrong_thing_changes_nothing(
    store: AtomicSessionStore,
) -> None:
    """Checked whole before anything is sent to the owner."""
    created = await store.create_session(new_session("a"))
    before = await held(store)
    tagged = created.model_copy(update={"tags": {"x"}})
    wrong: list[Any] = [None, 5, "a", object(), Evil("a")]
    for thing in wrong:
        with pytest.raises((TypeError, ValueError)):
            await store.update_sessions_batch([tagged, thing])
    assert await held(store) == before


async def test_a_hostile_string_is_stored_as_a_plain_string(
    any_store: AtomicSessionStore,
) -> None:
    """A subclass may bring its own `__hash__` or `__eq__`; those never run inside the owner."""
    evil: Any = Evil("a")
    created = await any_store.create_session(
        Session.new(transport_type="stdio", id=evil, principal=Evil("p"), tags=[Evil("t")])
    )
    assert type(created.id) is type(created.principal) is type(next(iter(created.tags))) is str
    await any_store.add_frame(note(1, evil))
    assert (await any_store.get_session(evil)).id == "a"
    assert await any_store.get_sessions_batch([evil]) == [await any_store.get_session("a")]
    for envelope in (
        *await any_store.get_frames(evil),
        *(frame.envelope for frame in await any_store.read_frames(evil)),
    ):
        assert type(envelope.context.session_id) is str
    await any_store.modify_session(evil, lambda s: s.model_copy(update={"tags": {"x"}}))
    assert await any_store.add_frames(evil, [note(2, evil)]) == range(2, 3)
    assert await any_store.count_frames(evil) == await any_store.delete_frames(evil) == 2
    await any_store.delete_session(evil)
    assert await any_store.count_sessions() == 0


@pytest.mark.parametrize("argument", ["limits", "clock"])
def test_wrong_limits_and_clocks_are_refused_by_the_constructor(argument: str) -> None:
    """A wrong one would otherwise crash the owner in the middle of the first operation."""
    for wrong in (5, "x", object(), {}, 0, Session):
        for made in (ActorSessionStore, PlainSessionStore):
            with pytest.raises(TypeError):
                made(**{argument: wrong})  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(TypeError, match="Clock"):
            OwnedSessionStore(ThirdPartyStore(), clock=wrong)  # type: ignore[arg-type]  # so too


def test_mailbox_bounds_must_be_positive() -> None:
    """Wrong bounds are `ValueError` or `TypeError` in the constructor."""
    for bound in (0, -5):
        with pytest.raises(ValueError, match="mailbox"):
            ActorSessionStore(capacity=bound)
        with pytest.raises(ValueError, match="mailbox"):
            ActorSessionStore(capacity_bytes=bound)
    for wrong in ("x", None, object()):
        with pytest.raises(TypeError):
            ActorSessionStore(capacity=wrong)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(TypeError, match="SessionStore"):
            OwnedSessionStore(wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_the_interface_cannot_be_instantiated() -> None:
    """An ABC: a store that lacks one of the ten methods is no store."""
    with pytest.raises(TypeError, match="abstract"):
        SessionStore()  # type: ignore[abstract]  # wrong on purpose
    assert len(SessionStore.__abstractmethods__) == 10
