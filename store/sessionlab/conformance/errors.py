"""Wrong types, ill-formed ids and wrong use raise at the call and have no effect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.errors import InvalidSessionId, SessionError
from sessionkeeper.values.message import MessageEnvelope
from sessionkeeper.values.query import SessionQuery
from sessionkeeper.values.session import Session

from .kit import StoreKit
from .promise import needs, skip_what_is_refused
from .samples import archived, held, new, note

__all__ = ["AtomicErrorsConformance", "ErrorsConformance"]

Call: TypeAlias = Callable[[Any, Any], Any]

IDS: list[Any] = [
    *(None, 5, 1.5, True, b"a", ["a"], ("a",), {"a": 1}, object(), Session),
    *("", "x" * 129, "x" * 1_000_000, "a b", " a", "a\n", "a\0", "\x7f", "é", "\u0661", "\ud800"),
]
THINGS: list[Any] = [None, 5, "a", b"a", ["a"], {"id": "a"}, object(), Session, MessageEnvelope]
SEQUENCES: list[Any] = [
    None,
    5,
    object(),
    "ab",
    b"ab",
    [None],
    ["a", 5],
    ["a b", 5],
    [["a"]],
    [object()],
]
NUMBERS: list[Any] = ["1", 1.0, True, False, -1, -(10**30), object(), [], b"1"]
CURSORS: list[Any] = [5, 1.5, True, b"1", ["1"], object()]
SECONDS: list[Any] = [
    *("1", b"1", True, -1, -0.001, float("nan"), float("-inf"), object(), [], timedelta(1)),
]
MOMENTS: list[Any] = [
    *(None, 5, 1.5, "2026-01-01", b"x", object(), datetime, timedelta(1)),
    *(date(2026, 1, 1), datetime(2026, 1, 1)),
]

TEN: dict[str, tuple[Call, list[Any]]] = {
    "create_session": (lambda s, x: s.create_session(x), THINGS),
    "get_session": (lambda s, x: s.get_session(x), IDS),
    "update_session": (lambda s, x: s.update_session(x), THINGS),
    "delete_session": (lambda s, x: s.delete_session(x), IDS),
    "add_frame": (lambda s, x: s.add_frame(x), THINGS),
    "get_frames": (lambda s, x: s.get_frames(x), IDS),
    "delete_frames": (lambda s, x: s.delete_frames(x), IDS),
    "count_frames": (lambda s, x: s.count_frames(x), IDS),
}


def unchanged(session: Session) -> Session:
    """A change that changes nothing."""
    return session


ALL = SessionQuery()
MORE: dict[str, list[tuple[Call, list[Any]]]] = {
    "get_sessions_batch": [(lambda s, x: s.get_sessions_batch(x), SEQUENCES)],
    "update_sessions_batch": [(lambda s, x: s.update_sessions_batch(x), SEQUENCES)],
    "get_or_create_session": [(lambda s, x: s.get_or_create_session(x), THINGS)],
    "put_session": [(lambda s, x: s.put_session(x), THINGS)],
    "touch_session": [(lambda s, x: s.touch_session(x), IDS)],
    "archive_session": [
        (lambda s, x: s.archive_session(x, expected_last_seq=0), THINGS),
        (lambda s, x: s.archive_session(archived(new()), expected_last_seq=x), [None, *NUMBERS]),
    ],
    "modify_session": [
        (lambda s, x: s.modify_session(x, unchanged), IDS),
        (lambda s, x: s.modify_session("a", x), [None, 5, "f", object()]),
    ],
    "add_frames": [
        (lambda s, x: s.add_frames(x, []), IDS),
        (lambda s, x: s.add_frames("a", x), SEQUENCES),
        (lambda s, x: s.add_frames("a", [], expected_last_seq=x), NUMBERS),
        (lambda s, x: s.add_frames("a", [], change=x), [5, "f", object()]),
    ],
    "read_frames": [
        (lambda s, x: s.read_frames(x), IDS),
        (lambda s, x: s.read_frames("a", after=x), [None, *NUMBERS]),
        (lambda s, x: s.read_frames("a", before=x), [0, *NUMBERS]),
        (lambda s, x: s.read_frames("a", limit=x), [None, 0, *NUMBERS]),
    ],
    "search_frames": [
        (lambda s, x: s.search_frames(x, containing=[b"x"]), IDS),
        (lambda s, x: s.search_frames("a", containing=x), [*SEQUENCES, [], [b""], ["x"], [5]]),
        (lambda s, x: s.search_frames("a", containing=[x]), [(), (b"",), ("x",), (b"x",) * 17]),
        (lambda s, x: s.search_frames("a", containing=[b"x" * x]), [1_025]),
        (lambda s, x: s.search_frames("a", containing=[b"x"], after=x), [None, *NUMBERS]),
        (lambda s, x: s.search_frames("a", containing=[b"x"], limit=x), [None, 0, *NUMBERS]),
        (lambda s, x: s.search_frames("a", containing=[], non_messages=x), [None, 1, "yes"]),
    ],
    "trim_frames": [
        (lambda s, x: s.trim_frames(x, up_to=1), IDS),
        (lambda s, x: s.trim_frames("a", up_to=x), [None, *NUMBERS]),
    ],
    "remove_frames": [
        (lambda s, x: s.remove_frames(x, [1]), IDS),
        (lambda s, x: s.remove_frames("a", x), [None, 5, "1", b"1", object()]),
        (lambda s, x: s.remove_frames("a", [1, x]), [None, 0, *NUMBERS]),
    ],
    "watch_frames": [
        (lambda s, x: anext(s.watch_frames(x)), IDS),
        (lambda s, x: anext(s.watch_frames("a", after=x)), [None, *NUMBERS]),
    ],
    "find_sessions": [
        (lambda s, x: s.find_sessions(x), [*THINGS, SessionQuery]),
        (lambda s, x: s.find_sessions(ALL, cursor=x), CURSORS),
        (lambda s, x: s.find_sessions(ALL, cursor=x), ["", "no cursor", "\ud800", "é" * 10_000]),
        (lambda s, x: s.find_sessions(ALL, limit=x), [None, 0, 1001, *NUMBERS]),
        (lambda s, x: s.find_sessions(ALL, order=x), [None, 5, b"created", "", "CREATED"]),
    ],
    "expire_sessions": [
        (lambda s, x: s.expire_sessions(idle=x), SECONDS),
        (lambda s, x: s.expire_sessions(age=x), SECONDS),
        (lambda s, x: s.expire_sessions(idle=0, limit=x), [None, 0, *NUMBERS]),
    ],
    "purge_sessions": [
        (lambda s, x: s.purge_sessions(ended_before=x), MOMENTS),
        (lambda s, x: s.purge_sessions(ended_for=x), [None, *SECONDS]),
        (lambda s, x: s.purge_sessions(ended_for=0, limit=x), [None, 0, *NUMBERS]),
    ],
    "subscribe": [(lambda s, x: s.subscribe(x), [None, 5, "f", object()])],
    "for_principal": [(lambda s, x: s.for_principal(x), [None, 5, b"a", "", "x" * 1025])],
}


async def refused(call: Call, store: SessionStore, wrong: object, method: str) -> None:
    """Make a wrong call; it must be reported as a mistake of the caller."""
    with pytest.raises((TypeError, ValueError)) as told:
        # Wrong use may be told by the call itself or by the step one awaits.
        await call(store, wrong)
        pytest.fail(f"{method} took {str(wrong)[:40]!r} without a word")
    assert len(str(told.value)) < 1_000, "an error shows no payload"


class ErrorsConformance(StoreKit):
    @pytest.mark.parametrize("method", TEN)
    async def test_wrong_arguments_are_refused_at_the_call(
        self, store: SessionStore, method: str
    ) -> None:
        """Wrong types are `TypeError`, ill-formed ids `ValueError`; the store lives on."""
        call, things = TEN[method]
        await store.create_session(new())
        await store.add_frame(note(1))
        before = await held(store)
        for wrong in things:
            await refused(call, store, wrong, method)
        assert await held(store) == before, "an error means: certainly no effect"
        assert await store.add_frame(note(2)) == 2

    async def test_an_ill_formed_id_is_not_just_unknown(self, store: SessionStore) -> None:
        """A bad id is refused (`InvalidSessionId`), never repaired, and never shown."""
        await store.create_session(new("secret"))
        for key in (" secret", "secret ", "secret\n", "secret\0", "sec ret"):
            for call in (store.get_session, store.delete_session, store.get_frames):
                with pytest.raises(InvalidSessionId) as told:
                    await call(key)
                assert "secret" not in str(told.value)
        assert await store.count_sessions() == 1

    async def test_one_except_clause_suffices(self, store: SessionStore) -> None:
        """`SessionError` is the root of all errors of a store."""
        ended = await store.create_session(new(state="closed", metadata={"token": "pa55word"}))
        for call in (
            partial(store.create_session, new(metadata={"token": "pa55word"})),
            partial(store.update_session, ended.model_copy(update={"revision": -1})),
            partial(store.update_session, ended.model_copy(update={"state": "active"})),
            partial(store.add_frame, note()),
            partial(store.get_session, "nobody"),
        ):
            with pytest.raises(SessionError) as told:
                await call()
            shown = f"{told.value} {told.value!r}"
            assert "pa55word" not in shown, "a payload appears in an error"
            assert "note" not in shown, "a message appears in an error"

    async def test_a_whole_id_is_not_shown(self, store: SessionStore) -> None:
        """An id may be a bearer secret: no error shows the whole of it."""
        key = "s3cr3t-" * 8
        for call in (store.get_session, store.get_frames, store.delete_session):
            with pytest.raises(SessionError) as told:
                await call(key)
            assert key not in f"{told.value} {told.value!r}"


class AtomicErrorsConformance(StoreKit):
    @pytest.mark.parametrize("method", MORE)
    async def test_wrong_use_of_the_other_methods_is_refused_at_the_call(
        self, store: AtomicSessionStore, method: str
    ) -> None:
        """Wrong types and wrong use are `TypeError`, `ValueError` at the call; no effect."""
        skip_what_is_refused(self, {method})
        await store.create_session(new())
        await store.add_frame(note(1))
        before = await held(store)
        for call, things in MORE[method]:
            for wrong in things:
                await refused(call, store, wrong, method)
        assert await held(store) == before, "an error means: certainly no effect"
        assert await store.add_frame(note(2)) == 2

    @needs("add_frames")
    async def test_a_batch_with_one_wrong_thing_changes_nothing(
        self, store: AtomicSessionStore
    ) -> None:
        """All or none: a value that is not an envelope is `TypeError`, and no frame is stored."""
        await store.create_session(new())
        before = await held(store)
        things: list[Any] = [None, 5, "a", object()]
        for wrong in things:
            with pytest.raises((TypeError, ValueError)):
                await store.add_frames("a", [wrong])
            with pytest.raises((TypeError, ValueError)):
                await store.add_frames("a", [note(), wrong, note()])
        assert await held(store) == before, "an error means: certainly no effect"
