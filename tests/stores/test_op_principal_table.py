"""Every method of a store in a principal's view: on one's own session, and on another's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    MessageEnvelope,
    Session,
    SessionExists,
    SessionNotFound,
    SessionQuery,
)
from sessionkeeper import operations as all_commands
from sessionkeeper.operations.command import StoreCommand

from tests.support.events import EventLog
from tests.support.sessions import FakeClock, new_session, without_incarnations
from tests.support.stores import Design

if TYPE_CHECKING:
    from sessionkeeper.operations.tables import Tables


Call: TypeAlias = Callable[[AtomicSessionStore, Session], Awaitable[object]]


@cache
def note(n: int, id: str = "a") -> MessageEnvelope:
    """The same message, with the same time, for every store."""
    message = {"jsonrpc": "2.0", "method": "note", "params": [n]}
    return MessageEnvelope.of(id, message, direction="client-to-server")


def tagged(session: Session) -> Session:
    """A change."""
    return session.model_copy(update={"tags": {"changed"}})


# By session "a", which is given as it is stored.
ON_ONE: dict[str, Call] = {
    "get_session": lambda s, _: s.get_session("a"),
    "get_sessions_batch": lambda s, _: s.get_sessions_batch(["mine", "a"]),
    "update_session": lambda s, held: s.update_session(tagged(held)),
    "update_sessions_batch": lambda s, held: s.update_sessions_batch([tagged(held)]),
    "modify_session": lambda s, _: s.modify_session("a", tagged),
    "get_or_create_session": lambda s, _: s.get_or_create_session(new_session("a")),
    "touch_session": lambda s, _: s.touch_session("a"),
    "delete_session": lambda s, _: s.delete_session("a"),
    "add_frame": lambda s, _: s.add_frame(note(7)),
    "add_frames": lambda s, _: s.add_frames("a", [note(7)] * 2, change=tagged),
    "get_frames": lambda s, _: s.get_frames("a"),
    "read_frames": lambda s, _: s.read_frames("a", after=1),
    "search_frames": lambda s, _: s.search_frames("a", containing=[b"note"], after=1),
    "count_frames": lambda s, _: s.count_frames("a"),
    "delete_frames": lambda s, _: s.delete_frames("a"),
    "trim_frames": lambda s, _: s.trim_frames("a", up_to=2),
    "remove_frames": lambda s, _: s.remove_frames("a", [1, 3]),
    "watch_frames": lambda s, _: anext(s.watch_frames("a", after=1)),
}
ON_MANY: dict[str, Call] = {
    "list_sessions": lambda s, _: s.list_sessions(),
    "count_sessions": lambda s, _: s.count_sessions(),
    "find_sessions": lambda s, _: s.find_sessions(SessionQuery()),
    "create_session": lambda s, _: s.create_session(new_session("new", principal="alice")),
    "put_session": lambda s, _: s.put_session(new_session("a", principal="alice")),
}
STORE_WIDE: dict[str, Call] = {
    "archive_session": lambda s, held: s.archive_session(held, expected_last_seq=3),
    "expire_sessions": lambda s, _: s.expire_sessions(idle=0),
    "purge_sessions": lambda s, _: s.purge_sessions(ended_for=0),
    "statistics": lambda s, _: s.statistics(),
}
OTHERS = {"open", "aclose", "is_open", "subscribe", "for_principal", "mailbox", "observe"}
"""Tested on their own."""


async def filled(store: AtomicSessionStore, owner: str) -> Session:
    """A session `mine` of alice, and `a` of the owner, with three frames each; `a` as stored."""
    await store.create_session(new_session("mine", principal="alice"))
    await store.create_session(new_session("a", principal=owner))
    for key in ("mine", "a"):
        await store.add_frames(key, [note(n, key) for n in range(3)])
    return await store.get_session("a")


async def dump(store: AtomicSessionStore) -> list[object]:
    """All a store holds."""
    stored = await store.list_sessions()
    return [stored, [await store.get_frames(session.id) for session in stored]]


def test_every_method_is_in_a_table() -> None:
    """A new method of the interface needs an entry for its behaviour in a view."""
    public = {name for name in dir(AtomicSessionStore) if not name.startswith("_")}
    assert public == ON_ONE.keys() | ON_MANY.keys() | STORE_WIDE.keys() | OTHERS


@pytest.mark.parametrize("method", [*ON_ONE, *ON_MANY])
async def test_a_views_own_session_is_the_same_as_in_the_store(design: Design, method: str) -> None:
    """Same answer, same effect, where everything is alice's."""
    call = (ON_ONE | ON_MANY)[method]
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as one, design(clock=clock.as_clock()) as other:
        held = [await filled(store, "alice") for store in (one, other)]
        clock.advance(1)
        seen = await call(one.for_principal("alice"), held[0])
        assert without_incarnations(seen) == without_incarnations(await call(other, held[1]))
        dumps = [without_incarnations(await dump(store)) for store in (one, other)]
        assert dumps[0] == dumps[1]


@pytest.mark.parametrize("method", ON_ONE)
async def test_another_principals_session_looks_missing(design: Design, method: str) -> None:
    """It raises an identical `SessionNotFound`, and nothing changes, not even a time."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store, design(clock=clock.as_clock()) as empty:
        held = await filled(store, "bob")
        held = held.model_copy(update={"principal": "alice"})
        await empty.create_session(new_session("mine", principal="alice"))
        before = await dump(store)
        log = EventLog(store)
        clock.advance(1)
        with pytest.raises(SessionNotFound) as refused:
            await ON_ONE[method](store.for_principal("alice"), held)
        error = refused.value
        assert (type(error), error.session_id) == (SessionNotFound, "a")
        assert error.__cause__ is None
        assert (await dump(store), log.take()) == (before, [])
        if method != "get_or_create_session":
            with pytest.raises(SessionNotFound) as missing:
                await ON_ONE[method](empty.for_principal("alice"), held)
            told = missing.value
            assert (str(error), error.args, vars(error)) == (str(told), told.args, vars(told))


@pytest.mark.parametrize("method", ON_ONE)
async def test_a_session_without_principal_belongs_to_no_view(
    store: AtomicSessionStore, method: str
) -> None:
    """Without a principal it is in no view."""
    await store.create_session(new_session("mine", principal="alice"))
    held = await store.create_session(new_session("a"))
    held = held.model_copy(update={"principal": "alice"})
    with pytest.raises(SessionNotFound):
        await ON_ONE[method](store.for_principal("alice"), held)


@pytest.mark.parametrize("method", STORE_WIDE)
async def test_a_view_refuses_operations_on_the_whole_store(
    store: AtomicSessionStore, method: str
) -> None:
    """`NotImplementedError`, and nothing happens."""
    held = await filled(store, "alice")
    before = await dump(store)
    with pytest.raises(NotImplementedError, match="whole store"):
        await STORE_WIDE[method](store.for_principal("alice"), held)
    assert await dump(store) == before


async def test_subscribing_through_a_view_is_refused(store: AtomicSessionStore) -> None:
    """Others' sessions would be heard."""
    with pytest.raises(NotImplementedError, match="whole store"):
        store.for_principal("alice").subscribe(lambda _, __: None)


async def test_lists_and_counts_show_only_the_principals_sessions(
    store: AtomicSessionStore,
) -> None:
    """In order of creation; what another has cannot even be counted or looked for."""
    for n in range(12):
        who = ("alice", "bob", None)[n % 3]
        await store.create_session(new_session(f"s{n}", principal=who))
    alice = store.for_principal("alice")
    assert [s.id for s in await alice.list_sessions()] == ["s0", "s3", "s6", "s9"]
    assert await alice.count_sessions() == 4
    assert await store.for_principal("carol").list_sessions() == []
    assert await store.for_principal("carol").count_sessions() == 0
    page = await alice.find_sessions(SessionQuery(), limit=3)
    assert [s.id for s in page.sessions] == ["s0", "s3", "s6"]
    page = await alice.find_sessions(SessionQuery(), cursor=page.cursor, limit=3)
    assert [s.id for s in page.sessions] == ["s9"]
    for limit in (1, 100):
        page = await alice.find_sessions(SessionQuery(principal="bob"), limit=limit)
        assert (page.sessions, page.cursor) == ((), None)


async def test_a_taken_id_reveals_nothing_else_about_its_session(store: AtomicSessionStore) -> None:
    """The one thing a view tells of another's session: `create_session` cannot have that id."""
    await store.create_session(new_session("a", principal="bob"))
    with pytest.raises(SessionExists):
        await store.for_principal("alice").create_session(new_session("a"))
    assert (await store.get_session("a")).principal == "bob"


class Silent(StoreCommand[int], frozen=True, gc=False):
    """A command that does not say which sessions it touches."""

    def apply(self, tables: Tables, /) -> int:
        raise AssertionError("applied")


async def test_a_command_that_does_not_say_what_it_touches_is_refused(
    store: AtomicSessionStore,
) -> None:
    """Then a new command cannot be left unchecked by mistake."""
    view: Any = store.for_principal("alice")
    with pytest.raises(NotImplementedError, match="Silent"):
        await view._run(Silent())


def test_which_commands_are_refused_in_a_view() -> None:
    """Those of the whole store; each other one has said which sessions it touches."""
    classes = [getattr(all_commands, name) for name in all_commands.__all__]
    silent = {each.__name__ for each in classes if each.touches is StoreCommand.touches}
    assert silent == {
        *("CountSessions", "ListSessions", "ReadStatistics", "ExpireSessions", "PurgeSessions"),
        "Scoped",
    }
