"""Every method of a manager with everything wrong: told at the call, nothing done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from sessionkeeper import Session, SessionManager

if TYPE_CHECKING:
    from tests.manager.conftest import Wire

Call: TypeAlias = Callable[[SessionManager, Any], Any]

IDS = [
    *(5, b"a", ["a"], {"a": 1}, object(), True, Session),
    *("", "x" * 129, "a b", "a\n", "é", "\ud800"),
]
THINGS = [None, 5, "a", b"a", {}, object(), Session, Session.new(transport_type="stdio", id="a")]

CASES: dict[str, tuple[Call, list[Any]]] = {
    "create_session id": (lambda m, x: m.create_session(transport_type="stdio", id=x), IDS),
    "create_session transport": (
        lambda m, x: m.create_session(transport_type=x),
        [None, 5, "", "pigeon", object(), []],
    ),
    "create_session field": (
        lambda m, x: m.create_session(transport_type="stdio", **x),
        [{name: 1} for name in ("revision", "ended_at", "status", "colour", "tags", "metadata")],
    ),
    "get_session": (lambda m, x: m.get_session(x), [None, *IDS]),
    "get_or_create_session id": (
        lambda m, x: m.get_or_create_session(transport_type="stdio", id=x),
        [None, *IDS],
    ),
    "get_or_create_session transport": (
        lambda m, x: m.get_or_create_session(transport_type=x, id="new"),
        [None, 5, "", "pigeon"],
    ),
    "modify_session id": (lambda m, x: m.modify_session(x, lambda s: s), [None, *IDS]),
    "modify_session change": (lambda m, x: m.modify_session("a", x), [None, 5, "f", object()]),
    "record": (lambda m, x: m.record(x), THINGS),
    "record_many id": (lambda m, x: m.record_many(x, []), [None, *IDS]),
    "record_many": (lambda m, x: m.record_many("a", x), [None, 5, "a", object(), *map(list, "ab")]),
    "complete_session": (lambda m, x: m.complete_session(x), [None, *IDS]),
    "fail_session id": (lambda m, x: m.fail_session(x, "reason"), [None, *IDS]),
    "fail_session reason": (
        lambda m, x: m.fail_session("a", x),
        [None, 5, b"x", ["x"], object(), "", "x" * 1025, "\ud800"],
    ),
    "negotiate_version id": (lambda m, x: m.negotiate_version(x, "2025-11-25"), [None, *IDS]),
    "negotiate_version": (
        lambda m, x: m.negotiate_version("a", x),
        [None, 5, b"2025-11-25", ["2025-11-25"], object(), "", "x" * 65, "\ud800"],
    ),
    "watch id": (lambda m, x: m.watch(x).__anext__(), [None, *IDS]),
    "watch after": (lambda m, x: m.watch("a", after=x), [None, -1, "1", 1.0, True]),
    "pending_requests": (lambda m, x: m.pending_requests(x), IDS),
    "match": (lambda m, x: m.match(x), THINGS),
    "sessions_awaiting id": (
        lambda m, x: m.sessions_awaiting(x, direction="client-to-server"),
        [None, 1.0, True, b"1", ["1"], object()],
    ),
    "sessions_awaiting direction": (
        lambda m, x: m.sessions_awaiting(1, direction=x),
        [None, 5, "", "sideways", object()],
    ),
    "aclose": (lambda m, x: m.aclose(drain=x), [None, -1, float("nan"), "1", True, object()]),
    "for_principal": (lambda m, x: m.for_principal(x), [None, 5, b"a", ["a"], "", "x" * 1025]),
    "delete_session": (lambda m, x: m.delete_session(x), [None, *IDS]),
}


@pytest.mark.parametrize("case", CASES)
async def test_wrong_arguments_are_refused_at_the_call(
    manager: SessionManager, wire: Wire, case: str
) -> None:
    """`TypeError` or `ValueError`; sessions and numbers as before, the store alive."""
    call, wrong = CASES[case]
    await manager.create_session(transport_type="stdio", id="a")
    listed = await manager.store.list_sessions()
    numbers = (await manager.statistics()).store.counters
    for thing in wrong:
        with pytest.raises((TypeError, ValueError)):
            await call(manager, thing)
    after = await manager.statistics()
    assert after.store.counters == numbers
    assert (after.requests.started, manager.pending_requests()) == (0, [])
    assert await manager.store.list_sessions() == listed
    assert await manager.record(wire.ask(method="ping")) == 1


def test_the_table_names_every_method_with_an_argument() -> None:
    """A new method of the manager must be added here."""
    tried = {case.split()[0] for case in CASES}
    without = {"open", "statistics", "store", "with_store"}
    assert {name for name in dir(SessionManager) if not name.startswith("_")} - without == tried
