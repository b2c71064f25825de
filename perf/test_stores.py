"""Each method of the store on each design, 64 callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from concrete import concrete_store, manager_over
from harness import Operation, throughput
from pytest_benchmark.fixture import BenchmarkFixture
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LockedSessionStore,
    MessageEnvelope,
    PlainSessionStore,
    Session,
)

CALLERS = 64
TOTAL = 3_200
NAMES = [str(number) for number in range(CALLERS)]
DESIGNS = (PlainSessionStore, LockedSessionStore, ActorSessionStore)
MESSAGE = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"x":"%s"}}' % (b"x" * 956)
SESSIONS = [Session.new(transport_type="stdio", id=name) for name in NAMES]
FRAMES = [MessageEnvelope.of(name, MESSAGE, direction="client-to-server") for name in NAMES]


def tagged(session: Session) -> Session:
    """A change a user might make."""
    return session.model_copy(update={"tags": {"tagged"}})


async def create_and_delete(store: AtomicSessionStore, i: int) -> None:
    """One of each, so that the store does not grow."""
    session = await store.create_session(Session.new(transport_type="stdio"))
    await store.delete_session(session.id)


async def get_and_update(store: AtomicSessionStore, i: int) -> None:
    """One of each: an update needs a fresh snapshot."""
    await store.update_session(await store.get_session(NAMES[i]))


METHODS: dict[str, Callable[[AtomicSessionStore], Operation]] = {
    "create_session+delete_session": lambda s: lambda i: create_and_delete(s, i),
    "get_session": lambda s: lambda i: s.get_session(NAMES[i]),
    "get_session+update_session": lambda s: lambda i: get_and_update(s, i),
    "get_or_create_session": lambda s: lambda i: s.get_or_create_session(SESSIONS[i]),
    "modify_session": lambda s: lambda i: s.modify_session(NAMES[i], tagged),
    "touch_session": lambda s: lambda i: s.touch_session(NAMES[i]),
    "list_sessions": lambda s: lambda _: s.list_sessions(),
    "count_sessions": lambda s: lambda _: s.count_sessions(),
    "get_sessions_batch of 64": lambda s: lambda _: s.get_sessions_batch(NAMES),
    "add_frame": lambda s: lambda i: s.add_frame(FRAMES[i]),
    "add_frames of 64": lambda s: lambda i: s.add_frames(NAMES[i], [FRAMES[i]] * 64),
    "read_frames of 100": lambda s: lambda i: s.read_frames(NAMES[i], limit=100),
    "count_frames": lambda s: lambda i: s.count_frames(NAMES[i]),
}


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("method", METHODS)
def test_method(
    benchmark: BenchmarkFixture,
    runner: asyncio.Runner,
    method: str,
    design: type[AtomicSessionStore],
) -> None:
    benchmark.group = method
    store = runner.run(filled(design()))
    operation = METHODS[method](store)
    total = TOTAL if " of " not in method and not method.startswith("list") else TOTAL // 10
    benchmark.extra_info["operations"] = total
    benchmark.pedantic(
        lambda: runner.run(throughput(operation, CALLERS, total)), rounds=5, warmup_rounds=1
    )
    runner.run(store.aclose())


@pytest.mark.parametrize("make", [PlainSessionStore, concrete_store])
def test_manager(
    benchmark: BenchmarkFixture,
    runner: asyncio.Runner,
    make: Callable[[], AtomicSessionStore],
) -> None:
    benchmark.group = "manager over the interface, over a concrete class"
    manager = manager_over(make())
    runner.run(manager.store.create_session(SESSIONS[0]))
    benchmark.pedantic(
        lambda: runner.run(throughput(lambda _: manager.get_session(NAMES[0]), CALLERS, TOTAL)),
        rounds=20,
        warmup_rounds=1,
    )


async def filled(store: AtomicSessionStore) -> AtomicSessionStore:
    """Open a store with 64 sessions of 100 frames."""
    await store.open()
    for session, frame in zip(SESSIONS, FRAMES, strict=True):
        await store.create_session(session)
        await store.add_frames(session.id, [frame] * 100)
    return store
