"""Sessions opened and ended by a manager, and the numbers it keeps (Guarantees 15.1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import (
    InvalidTransition,
    LimitExceeded,
    ManagerConfig,
    MemoryBackend,
    SessionExists,
    SessionManager,
    SessionNotFound,
    SessionState,
    SessionStatus,
    StoreLimits,
)

if TYPE_CHECKING:
    from tests.manager.conftest import Wire


async def ends_of(manager: SessionManager) -> tuple[int, int]:
    """How many sessions were completed, and how many failed."""
    ends = (await manager.statistics()).store.counters.ended
    return ends[SessionState.CLOSED], ends[SessionState.FAILED]


async def test_create_takes_the_callers_fields(manager: SessionManager) -> None:
    """A fresh random id when none is given; the fields are those of `Session`."""
    created = await manager.create_session(transport_type="sse", tags=["t"], metadata={"a": [1]})
    assert len(created.id) == 43
    assert created.tags == {"t"}
    assert created.metadata == {"a": [1]}
    assert await manager.get_session(created.id) == created
    named = await manager.create_session(transport_type="stdio", id="a")
    with pytest.raises(SessionExists):
        await manager.create_session(transport_type="stdio", id="a")
    assert await manager.store.list_sessions() == [created, named]


async def test_get_or_create_has_one_creator(manager: SessionManager) -> None:
    """One of many callers does; never `SessionExists`."""
    got = await asyncio.gather(
        *(manager.get_or_create_session(transport_type="stdio", id="a") for _ in range(16))
    )
    assert [created for _, created in got].count(True) == 1
    assert len({session.revision for session, _ in got}) == 1
    assert (await manager.statistics()).store.counters.created == 1


async def test_modify_is_the_stores(manager: SessionManager) -> None:
    """See `AtomicSessionStore.modify_session`."""
    await manager.create_session(transport_type="stdio", id="a")
    stored = await manager.modify_session("a", lambda s: s.model_copy(update={"tags": {"t"}}))
    assert stored.tags == {"t"}
    assert await manager.get_session("a") == stored


@pytest.mark.parametrize("state", ["initializing", "active", "shutting-down"])
async def test_completing_is_ending_in_good_order(manager: SessionManager, state: str) -> None:
    """Ending one so twice changes nothing."""
    await manager.create_session(transport_type="stdio", id="a", state=state)
    ended = await manager.complete_session("a")
    assert (ended.state, ended.status) == (SessionState.CLOSED, SessionStatus.COMPLETED)
    assert ended.failure is None
    assert ended.ended_at is not None
    assert await manager.complete_session("a") == ended
    with pytest.raises(InvalidTransition):
        await manager.fail_session("a", "too late")
    assert await manager.get_session("a") == ended
    assert await ends_of(manager) == (1, 0)


@pytest.mark.parametrize("state", ["initializing", "active", "shutting-down"])
async def test_failing_keeps_the_first_reason(manager: SessionManager, state: str) -> None:
    """`reason` is 1 to 1,024 characters; failing twice changes nothing."""
    await manager.create_session(transport_type="stdio", id="a", state=state)
    ended = await manager.fail_session("a", "r" * 1024)
    assert (ended.state, ended.status) == (SessionState.FAILED, SessionStatus.FAILED)
    assert ended.failure == "r" * 1024
    assert await manager.fail_session("a", "another") == ended
    with pytest.raises(InvalidTransition):
        await manager.complete_session("a")
    assert await ends_of(manager) == (0, 1)


async def test_deleting_is_for_good(manager: SessionManager, wire: Wire) -> None:
    """A session and its frames; a second time it is not found."""
    await manager.create_session(transport_type="stdio", id="a")
    await manager.record(wire.ask(method="ping"))
    await manager.delete_session("a")
    for call in (
        manager.delete_session("a"),
        manager.get_session("a"),
        manager.complete_session("a"),
        manager.fail_session("a", "x"),
        manager.record(wire.ask(method="ping")),
        manager.modify_session("a", lambda s: s),
    ):
        with pytest.raises(SessionNotFound):
            await call
    numbers = (await manager.statistics()).store
    assert (numbers.counters.deleted, numbers.frames, numbers.counters.frames_removed) == (1, 0, 1)
    assert sum(numbers.sessions.values()) == 0


async def test_the_numbers_add_up(manager: SessionManager, wire: Wire) -> None:
    """`statistics()`, whose counters always add up: refused calls count for nothing."""
    for n in range(6):
        await manager.create_session(transport_type="stdio", id="abcdef"[n])
    with pytest.raises(SessionExists):
        await manager.create_session(transport_type="stdio", id="a")
    await manager.get_or_create_session(transport_type="stdio", id="a")
    await manager.get_or_create_session(transport_type="stdio", id="g")
    for envelope in (wire.initialize(), wire.ask(method="ping"), wire.answer({})):
        await manager.record(envelope)
    for _ in range(2):
        await manager.complete_session("a")
        await manager.complete_session("b")
        await manager.fail_session("c", "x")
    with pytest.raises(InvalidTransition):
        await manager.fail_session("a", "x")
    await manager.delete_session("d")
    with pytest.raises(SessionNotFound):
        await manager.delete_session("d")
    numbers = (await manager.statistics()).store
    counters = numbers.counters
    assert (counters.created, counters.deleted, counters.frames_added) == (7, 1, 3)
    assert sum(numbers.sessions.values()) == counters.created - counters.deleted
    assert numbers.sessions[SessionState.CLOSED] == counters.ended[SessionState.CLOSED] == 2
    assert numbers.sessions[SessionState.FAILED] == counters.ended[SessionState.FAILED] == 1
    assert numbers.frames == counters.frames_added - counters.frames_removed


async def test_many_recorders_share_one_log(manager: SessionManager, wire: Wire) -> None:
    """Handshakes among other messages, all at once: every frame once, numbers without a gap."""
    await manager.create_session(transport_type="stdio", id="a")
    messages = [wire.initialize(), *(wire.ask(method=f"m{n}") for n in range(30)), wire.modern()]
    numbers = await asyncio.gather(*(manager.record(message) for message in messages))
    assert sorted(numbers) == [*range(1, 33)]
    frames = await manager.store.read_frames("a")
    assert {frame.seq: frame.envelope for frame in frames} == dict(
        zip(numbers, messages, strict=True)
    )


async def test_watching_is_following_what_is_recorded(wire: Wire) -> None:
    """All that is there, then each new frame; it ends with the session."""
    async with SessionManager() as manager:
        await manager.create_session(transport_type="stdio", id="a")
        for n in range(3):
            await manager.record(wire.ask(method=f"m{n}"))
        watcher = manager.watch("a", after=1)
        assert [(await anext(watcher)).seq for _ in range(2)] == [2, 3]
        following = asyncio.ensure_future(anext(watcher))
        await asyncio.sleep(0)
        await manager.record(wire.ask(method="m4"))
        assert (await following).envelope.method == "m4"
        await manager.complete_session("a")
        assert [frame async for frame in watcher] == []


async def test_limits_of_the_configuration_are_the_stores(wire: Wire) -> None:
    """`LimitExceeded` reaches the caller; a record is whole or not at all."""
    limits = StoreLimits(max_sessions=1, max_frames_per_session=1)
    config = ManagerConfig(backend=MemoryBackend(limits=limits))
    async with SessionManager(config) as manager:
        created = await manager.create_session(transport_type="stdio", id="a")
        with pytest.raises(LimitExceeded, match="max_sessions"):
            await manager.create_session(transport_type="stdio")
        assert await manager.get_session("a") == created
        await manager.record(wire.ask(method="ping"))
        with pytest.raises(LimitExceeded, match="max_frames_per_session"):
            await manager.record(wire.initialize(client={"name": "x"}))
        session = await manager.get_session("a")
        assert (session.client_info, session.last_seq) == (None, 1)
        counters = (await manager.statistics()).store.counters
        assert (counters.created, counters.frames_added) == (1, 1)
