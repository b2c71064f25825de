"""Every method of every store with everything wrong: told at the call, nothing stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn, TypeAlias

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    MessageEnvelope,
    OwnedSessionStore,
    PlainSessionStore,
    Session,
    SessionQuery,
    SessionStore,
    StoreStatistics,
)

from tests.support.sessions import new_session, note
from tests.support.stores import ThirdPartyStore

Call: TypeAlias = Callable[[AtomicSessionStore, Any], Any]


class Evil(str):
    """A string that hits back when it is compared, hashed, measured or shown."""

    def _hit(self, *_: object) -> NoReturn:
        raise ZeroDivisionError("evil")

    __hash__ = __eq__ = __ne__ = __lt__ = __len__ = __iter__ = __contains__ = _hit
    __str__ = __repr__ = __format__ = __getitem__ = __add__ = encode = isascii = _hit  # type: ignore[assignment]  # very


IDS = [
    *(None, 5, 1.5, True, b"a", ["a"], ("a",), {"a": 1}, object(), Session),
    *("", "x" * 129, "x" * 1_000_000, "a b", "a\n", "\n", "a\0", "\x7f", "é", "\u0661", "\ud800"),
    *(Evil(""), Evil("a b"), Evil("é")),
]
THINGS = [None, 5, "a", b"a", ["a"], {"id": "a"}, object(), Session, MessageEnvelope, Evil("a")]
SEQUENCES = [None, 5, object(), "ab", b"ab", [None], ["a b", 5], [["a"]], [object()], Evil("ab")]
NUMBERS = ["1", 1.0, True, False, -1, -(10**30), object(), [], b"1", Evil("1")]
CURSORS = [
    5,
    1.5,
    True,
    b"1",
    ["1"],
    object(),
    "",
    "x",
    "-1",
    "1.0",
    " 1",
    "1\n",
    "\u0661",
    "1" * 19,
]
CURSORS += ["1" * 1_000_000, Evil(""), Evil("x")]
SECONDS = ["1", b"1", True, -1, -0.001, float("nan"), float("-inf"), object(), [], timedelta(1)]
SECONDS += [Evil("1")]
MOMENTS = [None, 5, 1.5, "2026-01-01", b"x", object(), datetime, date(2026, 1, 1), Evil("x")]
MOMENTS += [datetime(2026, 1, 1), timedelta(1)]  # wrong on purpose
ALL = SessionQuery()

CASES: dict[str, tuple[Call, list[Any]]] = {
    "create_session": (lambda s, x: s.create_session(x), THINGS),
    "get_session": (lambda s, x: s.get_session(x), IDS),
    "update_session": (lambda s, x: s.update_session(x), THINGS),
    "delete_session": (lambda s, x: s.delete_session(x), IDS),
    "add_frame": (lambda s, x: s.add_frame(x), THINGS),
    "get_frames": (lambda s, x: s.get_frames(x), IDS),
    "delete_frames": (lambda s, x: s.delete_frames(x), IDS),
    "count_frames": (lambda s, x: s.count_frames(x), IDS),
    "get_sessions_batch": (lambda s, x: s.get_sessions_batch(x), SEQUENCES),
    "update_sessions_batch": (lambda s, x: s.update_sessions_batch(x), SEQUENCES),
    "get_or_create_session": (lambda s, x: s.get_or_create_session(x), THINGS),
    "touch_session": (lambda s, x: s.touch_session(x), IDS),
    "modify_session id": (lambda s, x: s.modify_session(x, lambda session: session), IDS),
    "modify_session change": (lambda s, x: s.modify_session("a", x), [None, 5, "f", object()]),
    "add_frames id": (lambda s, x: s.add_frames(x, []), IDS),
    "add_frames envelopes": (lambda s, x: s.add_frames("a", x), SEQUENCES),
    "add_frames expected": (lambda s, x: s.add_frames("a", [], expected_last_seq=x), NUMBERS),
    "add_frames change": (lambda s, x: s.add_frames("a", [], change=x), [5, "f", object()]),
    "read_frames id": (lambda s, x: s.read_frames(x), IDS),
    "read_frames after": (lambda s, x: s.read_frames("a", after=x), [None, *NUMBERS]),
    "read_frames limit": (lambda s, x: s.read_frames("a", limit=x), [None, 0, *NUMBERS]),
    "trim_frames id": (lambda s, x: s.trim_frames(x, up_to=1), IDS),
    "trim_frames up_to": (lambda s, x: s.trim_frames("a", up_to=x), [None, *NUMBERS]),
    "watch_frames id": (lambda s, x: anext(s.watch_frames(x)), IDS),
    "watch_frames after": (lambda s, x: anext(s.watch_frames("a", after=x)), [None, *NUMBERS]),
    "find_sessions query": (lambda s, x: s.find_sessions(x), [*THINGS, SessionQuery]),
    "find_sessions cursor": (lambda s, x: s.find_sessions(ALL, cursor=x), CURSORS),
    "find_sessions limit": (lambda s, x: s.find_sessions(ALL, limit=x), [None, 0, 1001, *NUMBERS]),
    "expire_sessions idle": (lambda s, x: s.expire_sessions(idle=x), SECONDS),
    "expire_sessions age": (lambda s, x: s.expire_sessions(age=x), SECONDS),
    "expire_sessions limit": (lambda s, x: s.expire_sessions(idle=0, limit=x), [None, 0, *NUMBERS]),
    "purge_sessions ended_before": (lambda s, x: s.purge_sessions(ended_before=x), MOMENTS),
    "purge_sessions ended_for": (lambda s, x: s.purge_sessions(ended_for=x), [None, *SECONDS]),
    "purge_sessions limit": (
        lambda s, x: s.purge_sessions(ended_before=datetime.now(UTC), limit=x),
        [None, 0, *NUMBERS],
    ),
}


async def _at_once(method: Callable[[Any], object], thing: object) -> object:
    return method(thing)


CASES |= {
    "subscribe": (lambda s, x: _at_once(s.subscribe, x), [None, 5, "f", object()]),
    "for_principal": (
        lambda s, x: _at_once(s.for_principal, x),
        [None, 5, b"a", "", "x" * 1025, Evil("")],
    ),
}

REFUSED = ("touch_session", "trim_frames")
"""What an owner around ten methods refuses, whatever it is given."""


async def held(store: AtomicSessionStore) -> tuple[StoreStatistics, list[Session], object]:
    """All that a store holds."""
    statistics = replace(await store.statistics(), mailbox=None, refusals={})
    return statistics, await store.list_sessions(), await store.get_frames("a")


@pytest.mark.parametrize("case", CASES)
async def test_what_is_wrong_is_told_at_the_call(any_store: AtomicSessionStore, case: str) -> None:
    """Wrong types and wrong use are `TypeError` or `ValueError`; the store is as it was, alive."""
    call, wrong = CASES[case]
    await any_store.create_session(new_session("a"))
    await any_store.add_frame(note(1))
    before = await held(any_store)
    for thing in wrong:
        expected: tuple[type[Exception], ...] = (TypeError, ValueError)
        if isinstance(any_store, OwnedSessionStore) and case.startswith(REFUSED):
            expected = (NotImplementedError,)
        with pytest.raises(expected) as refused:
            await call(any_store, thing)
        assert "evil" not in str(refused.value)
        assert len(str(refused.value)) < 1000
    assert await held(any_store) == before
    assert await any_store.add_frame(note(2)) == 2


def test_the_table_names_every_method_with_an_argument() -> None:
    """What is added to the interface must be added here."""
    tried = {case.split()[0] for case in CASES}
    without = {"list_sessions", "count_sessions", "statistics", "guarantees"}
    without |= {"open", "is_open", "aclose", "mailbox", "observe"}
    public = {name for name in dir(AtomicSessionStore) if not name.startswith("_")}
    assert public - without == tried


async def test_a_batch_with_one_wrong_thing_changes_nothing(store: AtomicSessionStore) -> None:
    """Checked whole before anything is sent to the owner."""
    created = await store.create_session(new_session("a"))
    before = await held(store)
    tagged = created.model_copy(update={"tags": {"x"}})
    wrong: list[Any] = [None, 5, "a", object(), Evil("a")]
    for thing in wrong:
        with pytest.raises((TypeError, ValueError)):
            await store.add_frames("a", [note(), thing, note()])
        with pytest.raises((TypeError, ValueError)):
            await store.update_sessions_batch([tagged, thing])
    assert await held(store) == before


async def test_a_string_that_hits_back_is_read_as_what_it_spells(
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
def test_a_store_is_told_at_once_how_it_was_made_wrong(argument: str) -> None:
    """Not by an owner that dies in the middle of the first operation."""
    for wrong in (5, "x", object(), {}, 0, Session):
        for made in (ActorSessionStore, PlainSessionStore):
            with pytest.raises(TypeError):
                made(**{argument: wrong})  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(TypeError, match="Clock"):
            OwnedSessionStore(ThirdPartyStore(), clock=wrong)  # type: ignore[arg-type]  # so too


def test_a_mailbox_holds_something() -> None:
    """Wrong bounds are told at once."""
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


def test_the_interface_cannot_be_made() -> None:
    """An ABC: a store that lacks one of the ten methods is no store."""
    with pytest.raises(TypeError, match="abstract"):
        SessionStore()  # type: ignore[abstract]  # wrong on purpose
    assert len(SessionStore.__abstractmethods__) == 10
