"""The view of one principal on a manager: sessions of others do not exist in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from sessionkeeper import (
    ActorSessionStore,
    Clock,
    LimitExceeded,
    ManagerConfig,
    MessageEnvelope,
    PlainSessionStore,
    PrincipalManager,
    RateLimited,
    SessionExists,
    SessionManager,
    SessionNotFound,
    StoreClosed,
)

if TYPE_CHECKING:
    from tests.conftest import ReachableObjects
    from tests.manager.conftest import Make, Time, Wire

Call: TypeAlias = Callable[[PrincipalManager, "Wire"], Any]


def closed(session: Any) -> Any:
    """A change."""
    return session.model_copy(update={"state": "closed"})


REACHES: dict[str, Call] = {
    "get_session": lambda m, _: m.get_session("a"),
    "modify_session": lambda m, _: m.modify_session("a", closed),
    "record": lambda m, wire: m.record(wire.tell(method="note")),
    "record a request": lambda m, wire: m.record(wire.ask(method="ping")),
    "record a response": lambda m, wire: m.record(wire.answer({})),
    "record a change": lambda m, wire: m.record(wire.initialized()),
    "complete_session": lambda m, _: m.complete_session("a"),
    "fail_session": lambda m, _: m.fail_session("a", "reason"),
    "negotiate_version": lambda m, _: m.negotiate_version("a", "2025-11-25"),
    "watch": lambda m, _: anext(m.watch("a")),
    "delete_session": lambda m, _: m.delete_session("a"),
}
"""Every method that names a session; of another's they know nothing."""
ASKED: dict[str, Call] = {
    "pending_requests": lambda m, _: m.pending_requests("a"),
    "pending_requests of all": lambda m, _: m.pending_requests(),
    "match": lambda m, wire: m.match(wire.answer({})),
    "sessions_awaiting": lambda m, _: m.sessions_awaiting(0, direction="server-to-client"),
}
OTHERS = {"create_session", "get_or_create_session", "store"}
"""Tested on their own."""


async def told(call: Awaitable[object]) -> tuple[object, ...]:
    """All that an error tells."""
    with pytest.raises(Exception, match=r"\S") as error:
        await call
    seen = error.value
    return type(seen), str(seen), seen.args, vars(seen), seen.__cause__, seen.__context__


def test_every_method_is_in_a_table() -> None:
    """Whatever the view can do is tried on another's session here."""
    tried = {case.split()[0] for case in (*REACHES, *ASKED)}
    assert {name for name in dir(PrincipalManager) if not name.startswith("_")} == tried | OTHERS
    missing = {"aclose", "open", "statistics", "with_store", "for_principal", "record_many"}
    assert {n for n in dir(SessionManager) if not n.startswith("_")} - missing == tried | OTHERS


@pytest.mark.parametrize("owner", ["bob", None])
@pytest.mark.parametrize("call", REACHES)
async def test_another_principals_session_looks_missing(
    manager: SessionManager, wire: Wire, call: str, owner: str | None
) -> None:
    """The error is the same in every attribute; its log and its requests do not change."""
    alice = manager.for_principal("alice")
    missing = await told(REACHES[call](alice, wire))
    assert missing[0] is SessionNotFound
    fields: Any = {"transport_type": "stdio", "id": "a", "principal": owner}
    before = await manager.create_session(**fields)
    await manager.record(wire.ask(method="ping"))
    held = await manager.get_session("a")
    pending = manager.pending_requests()
    assert await told(REACHES[call](alice, wire)) == missing
    assert (await manager.get_session("a"), manager.pending_requests()) == (held, pending)
    assert await manager.record(wire.answer({})) == 2
    assert manager.pending_requests() == []
    assert (await manager.statistics()).requests.answered == 1
    assert before.principal == owner


@pytest.mark.parametrize("call", ASKED)
async def test_anothers_requests_are_not_shown(
    manager: SessionManager, wire: Wire, call: str
) -> None:
    """The caller gets the answer for a session that does not exist."""
    alice, bob = manager.for_principal("alice"), manager.for_principal("bob")
    missing = ASKED[call](alice, wire)
    await bob.create_session(transport_type="stdio", id="a")
    await bob.record(wire.ask(method="ping"))
    assert ASKED[call](alice, wire) == missing
    assert not ASKED[call](alice, wire)
    assert ASKED[call](bob, wire) == ASKED[call](manager, wire)  # type: ignore[arg-type]  # both do
    assert ASKED[call](bob, wire)


async def test_a_view_uses_its_own_sessions_as_the_manager_does(
    manager: SessionManager, wire: Wire
) -> None:
    """Created, recorded into, negotiated and ended through the view alone."""
    alice = manager.for_principal("alice")
    session = await alice.create_session(transport_type="stdio", id="a")
    assert session.principal == "alice"
    again = await alice.get_or_create_session(transport_type="stdio", id="a")
    assert again == (session, False)
    made, created = await alice.get_or_create_session(transport_type="stdio", id="b")
    assert (made.principal, created) == ("alice", True)
    assert await alice.record(wire.initialize()) == 1
    assert [each.method for each in alice.pending_requests("a")] == ["initialize"]
    assert await alice.record(wire.initialized_result()) == 2
    assert alice.pending_requests() == []
    assert await alice.record(wire.initialized()) == 3
    assert (await alice.get_session("a")).state == "active"
    assert await alice.negotiate_version("a", wire.OLD) == wire.OLD
    assert [frame.seq async for frame in _until(alice, 3)] == [1, 2, 3]
    assert (await alice.complete_session("a")).state == "closed"
    assert (await alice.fail_session("b", "reason")).state == "failed"
    await alice.delete_session("b")
    assert await alice.store.count_sessions() == 1
    with pytest.raises(ValueError, match="belongs to that principal"):
        await alice.create_session(transport_type="stdio", principal="bob")
    with pytest.raises(ValueError, match="belongs to that principal"):
        await alice.modify_session("a", lambda s: s.model_copy(update={"principal": "bob"}))


async def _until(view: PrincipalManager, last: int) -> Any:
    async for frame in view.watch("a"):
        yield frame
        if frame.seq == last:
            return


@pytest.mark.parametrize("of", ["bob", None])
async def test_get_or_create_hands_nobody_anothers_session(
    manager: SessionManager, of: str | None
) -> None:
    """In a view and, with a principal, on the manager itself; the error shows a taken id."""
    held = await manager.create_session(transport_type="stdio", id="a", principal=of)
    alice = manager.for_principal("alice")
    fields: Any = {"transport_type": "sse", "id": "a"}
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: manager.get_or_create_session(principal="alice", **fields),
        lambda: alice.get_or_create_session(**fields),
        lambda: alice.get_or_create_session(principal="alice", **fields),
    ]
    for call in calls:
        with pytest.raises(SessionNotFound) as refused:
            await call()
        assert (refused.value.session_id, refused.value.__context__) == ("a", None)
    with pytest.raises(SessionExists):
        await alice.create_session(**fields)
    assert await manager.store.list_sessions() == [held]
    assert await manager.get_or_create_session(**fields) == (held, False)
    if of is not None:
        assert await manager.get_or_create_session(principal=of, **fields) == (held, False)


async def test_exactly_one_of_racing_principals_gets_the_session(manager: SessionManager) -> None:
    """The others get `SessionNotFound`, and none gets the session."""
    fields: Any = {"transport_type": "stdio", "id": "a"}
    who = [f"user-{n % 4}" for n in range(32)]
    calls = [
        manager.for_principal(name).get_or_create_session(**fields)
        if n % 2
        else manager.get_or_create_session(principal=name, **fields)
        for n, name in enumerate(who)
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    owner = (await manager.get_session("a")).principal
    for name, answer in zip(who, answers, strict=True):
        if name == owner:
            assert not isinstance(answer, BaseException)
            assert answer[0].principal == name
        else:
            assert isinstance(answer, SessionNotFound)
    made = [a for a in answers if not isinstance(a, BaseException) and a[1]]
    assert len(made) == 1


async def test_anothers_messages_take_nothing_of_a_sessions_rate(
    make: Make, wire: Wire, time: Time
) -> None:
    """Nor do they give it back: whoever sends to it is not limited by it, and does not reset it."""
    clock = Clock(steady=time)
    async with make(ManagerConfig(rate_limit=1, rate_burst=3), clock=clock) as manager:
        alice, bob = manager.for_principal("alice"), manager.for_principal("bob")
        await bob.create_session(transport_type="stdio", id="a")
        for _ in range(2):
            for _ in range(9):
                with pytest.raises(SessionNotFound):
                    await alice.record(wire.tell(method="note"))
            await bob.record(wire.tell(method="note"))
        await bob.record(wire.tell(method="note"))
        with pytest.raises(RateLimited):
            await bob.record(wire.tell(method="note"))
        with pytest.raises(SessionNotFound):
            await alice.record(wire.tell(method="note"))
        with pytest.raises(RateLimited):
            await bob.record(wire.tell(method="note"))


async def test_anothers_messages_on_their_way_are_no_part_of_a_sessions_requests(
    make: Make, wire: Wire
) -> None:
    """They take none of its places, answer none of its requests and cancel none."""
    config = ManagerConfig(max_pending_per_session=2)
    async with make(config) as manager:
        alice, bob = manager.for_principal("alice"), manager.for_principal("bob")
        await bob.create_session(transport_type="stdio", id="a")
        assert await bob.record(wire.ask(method="ping")) == 1
        cancel = wire.tell(method="notifications/cancelled", params={"requestId": 0})
        sent = [wire.answer({}), cancel, *[wire.ask(method="ping") for _ in range(5)]]
        tasks = [asyncio.ensure_future(alice.record(each)) for each in sent]
        answer = asyncio.ensure_future(bob.record(wire.answer({})))
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in results] == [SessionNotFound] * len(sent)
        assert await answer == 2
        numbers = (await manager.statistics()).requests
        assert (numbers.started, numbers.answered, numbers.unmatched) == (1, 1, 0)


async def test_a_view_does_not_show_the_pending_requests_of_all(make: Make, wire: Wire) -> None:
    """At `max_pending`, `current` is None; at the session's own limit it is given."""
    async with make(ManagerConfig(max_pending=2, max_pending_per_session=1)) as manager:
        alice, bob = manager.for_principal("alice"), manager.for_principal("bob")
        await bob.create_session(transport_type="stdio", id="b")
        await alice.create_session(transport_type="stdio", id="a")
        await alice.record(wire.ask(method="ping"))
        with pytest.raises(LimitExceeded) as full:
            await alice.record(wire.ask(method="ping"))
        assert (full.value.limit, full.value.current) == ("max_pending_per_session", 1)
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        await bob.record(MessageEnvelope.of("b", ping, direction="client-to-server"))
        with pytest.raises(LimitExceeded) as full:
            await alice.record(wire.ask(method="ping"))
        assert (full.value.limit, full.value.current) == ("max_pending", None)
        assert str(full.value) == "max_pending exceeded: limit 2"


async def test_requests_of_a_session_created_elsewhere_are_matched_too(wire: Wire) -> None:
    """Though whose it is, the manager learns only when the store has taken its first message."""
    async with ActorSessionStore() as store:
        async with SessionManager.with_store(store) as other:
            await other.create_session(transport_type="stdio", id="a", principal="alice")
        config = ManagerConfig(rate_limit=1, rate_burst=2)
        async with SessionManager.with_store(
            store, config, clock=Clock(steady=lambda: 0)
        ) as manager:
            alice, bob = manager.for_principal("alice"), manager.for_principal("bob")
            assert await alice.record(wire.ask(method="ping")) == 1
            assert [each.method for each in alice.pending_requests()] == ["ping"]
            assert bob.pending_requests() == []
            assert await alice.record(wire.answer({})) == 2
            assert alice.pending_requests() == []
            assert (await manager.statistics()).requests.answered == 1
            with pytest.raises(RateLimited):
                await alice.record(wire.ask(method="ping"))


async def test_a_session_with_a_new_principal_belongs_to_that_principal(
    manager: SessionManager, wire: Wire
) -> None:
    """Its old owner is told what he would be told if it were gone; so it is with its requests."""
    alice, bob = manager.for_principal("alice"), manager.for_principal("bob")
    await alice.create_session(transport_type="stdio", id="a")
    await alice.record(wire.ask(method="ping"))
    await manager.modify_session("a", lambda s: s.model_copy(update={"principal": "bob"}))
    assert alice.pending_requests() == []
    assert len(bob.pending_requests()) == 1
    with pytest.raises(SessionNotFound):
        await alice.record(wire.answer({}))
    assert await bob.record(wire.answer({})) == 2
    assert bob.pending_requests() == manager.pending_requests() == []


async def test_a_view_is_refused_what_its_manager_refuses(make: Make, wire: Wire) -> None:
    """From `aclose` on, in the step that would send it; before opening there is no view."""
    with pytest.raises(RuntimeError, match="not open"):
        SessionManager().for_principal("alice")
    async with make() as manager:
        alice = manager.for_principal("alice")
        await alice.create_session(transport_type="stdio", id="a")
        await manager.aclose()
        for call in (
            lambda: alice.create_session(transport_type="stdio"),
            lambda: alice.get_or_create_session(transport_type="stdio", id="a"),
            lambda: alice.record(wire.ask(method="ping")),
            lambda: alice.record(wire.tell(method="note")),
            lambda: alice.complete_session("a"),
            lambda: alice.delete_session("a"),
        ):
            with pytest.raises(StoreClosed):
                await call()


@pytest.mark.parametrize("call", [*REACHES, "record a handshake's result"])
async def test_the_error_of_a_closed_manager_does_not_depend_on_other_callers(
    make: Make, wire: Wire, call: str
) -> None:
    """Not even by what is looked at first: whether it is closed, or whether a session is there."""
    reach: Call = REACHES.get(call, lambda m, wire: m.record(wire.initialized_result()))
    said: list[object] = []
    for taken in (False, True):
        async with make() as manager:
            alice, bob = manager.for_principal("alice"), manager.for_principal("bob")
            if taken:
                await bob.create_session(transport_type="stdio", id="a")
                await bob.record(wire.initialize())
            await manager.aclose()
            said.append(await told(reach(alice, wire)))
    assert said[0] == said[1]


async def test_anothers_messages_hold_nothing_up(only_ten: Any, wire: Wire) -> None:
    """A result sent to another's session waits for its own look into the log alone."""
    relay = only_ten(PlainSessionStore())
    async with SessionManager.with_store(relay) as first:
        await first.create_session(transport_type="stdio", id="a", principal="bob")
    async with SessionManager.with_store(relay) as manager:
        alice, bob = manager.for_principal("alice"), manager.for_principal("bob")
        await bob.get_session("a")
        result = asyncio.ensure_future(alice.record(wire.initialized_result()))
        await asyncio.sleep(0)
        assert not manager._services.handshakes.is_looking_up("a")
        assert await bob.record(wire.tell(method="note")) == 1
        with pytest.raises(SessionNotFound):
            await result


async def test_no_attribute_of_a_view_leads_to_its_manager(
    manager: SessionManager, reachable_objects: ReachableObjects
) -> None:
    """Nor to its store, its requests or its rates; and its `repr` shows nobody's name."""
    alice = manager.for_principal("alice")
    reached = reachable_objects(alice)
    services = manager._services
    for hidden in (manager, manager.store, services, services.requests, services.owners):
        assert not any(each is hidden for each in reached)
    assert any(each is services.owners for each in reachable_objects(manager)), (
        "it finds what is there"
    )
    assert repr(alice) == "<PrincipalManager open>"
