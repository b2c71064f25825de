"""A manager's store: created, adopted, or given an owner (Guarantees 15.6)."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from pydantic import SecretStr
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    ManagerConfig,
    MemoryBackend,
    OwnedSessionStore,
    PlainSessionStore,
    PostgresBackend,
    PostgresSessionStore,
    RedisBackend,
    SessionManager,
    ShutdownReport,
    SQLiteBackend,
    SQLiteSessionStore,
    StorageFactory,
    StoreClosed,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from tests.manager.conftest import Wire


async def test_without_a_store_it_makes_one_in_memory() -> None:
    """`SessionManager()` makes the in-memory one, and closes it."""
    manager = SessionManager()
    assert repr(manager) == "<SessionManager on 'no store yet'>"
    async with manager as entered:
        assert entered is manager
        store = manager.store
        assert isinstance(store, ActorSessionStore)
        assert "ActorSessionStore open" in repr(manager)
        await manager.create_session(transport_type="stdio")
    with pytest.raises(StoreClosed):
        await store.count_sessions()
    with pytest.raises(StoreClosed):
        await manager.create_session(transport_type="stdio")
    await manager.aclose()


def test_errors_about_wrong_use_name_public_things() -> None:
    """A store in place of the configuration is the likely mistake: the error says what to write."""
    make: Any = SessionManager
    store = PlainSessionStore()
    for arguments, options in [
        ((store,), {}),
        ((store, ManagerConfig()), {}),
        ((), {"store": store}),
    ]:
        with pytest.raises(TypeError, match=r"SessionManager\.with_store\(store, …\)"):
            make(*arguments, **options)
    with pytest.raises(TypeError, match="SessionManager has no option 'sleeep'"):
        make(sleeep=asyncio.sleep)
    with pytest.raises(TypeError, match="SessionManager takes a ManagerConfig"):
        make(ManagerConfig(), ManagerConfig())


async def test_a_given_store_stays_open() -> None:
    """`SessionManager.with_store(store)`: its maker opens and closes it."""
    async with ActorSessionStore() as store:
        for n in range(2):
            async with SessionManager.with_store(store) as manager:
                assert manager.store is store
                await manager.create_session(transport_type="stdio")
                assert (await manager.statistics()).store.counters.created == n + 1
            assert await store.count_sessions() == n + 1
    with pytest.raises(RuntimeError):
        async with SessionManager.with_store(ActorSessionStore()) as manager:
            await manager.create_session(transport_type="stdio")


async def test_a_third_partys_store_is_given_an_owner(wire: Wire) -> None:
    """Given an owner, which is the manager's to close; the store is its maker's."""
    inner = wire.TenMethods()
    async with SessionManager.with_store(inner) as manager:
        store = manager.store
        assert isinstance(store, OwnedSessionStore)
        await manager.create_session(transport_type="stdio")
    with pytest.raises(StoreClosed):
        await store.count_sessions()
    assert await inner.count_sessions() == 1


@pytest.mark.parametrize("wrong", [None, 5, "memory://", object(), PlainSessionStore, {}])
def test_a_store_of_the_wrong_type_is_a_type_error(wrong: object) -> None:
    """`TypeError` when it is no store, and when a configuration is none."""
    with pytest.raises(TypeError, match="SessionStore"):
        SessionManager.with_store(wrong)  # type: ignore[arg-type]  # wrong on purpose
    if wrong is not None:
        with pytest.raises(TypeError, match="ManagerConfig"):
            SessionManager(wrong)  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(TypeError, match="ManagerConfig"):
            SessionManager.with_store(PlainSessionStore(), wrong)  # type: ignore[arg-type]  # wrong


async def test_a_manager_is_opened_once(wire: Wire) -> None:
    """`RuntimeError` when open already, and before it is open."""
    for manager in (
        SessionManager(),
        SessionManager.with_store(PlainSessionStore()),
        SessionManager.with_store(wire.TenMethods()),
    ):
        with pytest.raises(RuntimeError, match="not open"):
            manager.store  # noqa: B018 - reading it raises
        with pytest.raises(RuntimeError, match="not open"):
            await manager.create_session(transport_type="stdio")
        await manager.aclose()
        async with manager:
            with pytest.raises(RuntimeError, match="once"):
                await manager.open()
            assert (await manager.statistics()).store.counters.created == 0
        await manager.aclose()
        with pytest.raises(RuntimeError, match="once"):
            await manager.open()


async def test_a_manager_keeps_sessions_in_a_file(tmp_path: Path) -> None:
    """The store is the configuration's, and closed with the manager."""
    config = ManagerConfig(backend=SQLiteBackend(path=str(tmp_path / "store.db")))
    for _ in range(2):
        async with SessionManager(config) as manager:
            session, created = await manager.get_or_create_session(id="a", transport_type="stdio")
    assert (session.id, created) == ("a", False)


async def test_a_missing_backend_is_reported() -> None:
    """The error of opening the store; no server listens on port 1."""
    backend = RedisBackend(url=SecretStr("redis://127.0.0.1:1"))
    manager = SessionManager(ManagerConfig(backend=backend))
    with pytest.raises(StoreUnavailable):
        await manager.open()
    await manager.aclose()
    with pytest.raises(RuntimeError, match="not open"):
        manager.store  # noqa: B018 - reading it raises


def test_a_configuration_is_validated() -> None:
    """The store to make, and how long closing may take."""
    assert ManagerConfig().backend == MemoryBackend()
    assert ManagerConfig(close_timeout=None).close_timeout is None
    for wrong in (
        {"close_timeout": 0},
        {"close_timeout": -1},
        {"close_timeout": "soon"},
        {"backend": "memory://"},
        {"backend": {"kind": "tape"}},
        {"backend": None},
        {"colour": "red"},
    ):
        with pytest.raises(ValueError, match="validation error"):
            ManagerConfig.model_validate(wrong)
    made = ManagerConfig.model_validate({"backend": {"kind": "memory", "capacity": 5}})
    assert made.backend == MemoryBackend(capacity=5)


async def test_closing_does_not_wait_forever(wire: Wire) -> None:
    """Close what the manager opened, within `close_timeout`."""

    class Hanging(wire.TenMethods):  # type: ignore[name-defined,misc]  # a class from a fixture
        async def count_sessions(self) -> int:
            entered.set()
            await asyncio.Event().wait()
            return 0

    entered = asyncio.Event()
    async with SessionManager.with_store(Hanging(), ManagerConfig(close_timeout=0.001)) as manager:
        hanging = asyncio.create_task(manager.store.count_sessions())
        await entered.wait()
    with pytest.raises(Exception, match="outcome"):
        await hanging


async def test_the_second_of_two_concurrent_opens_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No second store, no second sweeper, however long the opening takes."""
    create = StorageFactory.create

    async def slowly(backend: MemoryBackend) -> AtomicSessionStore:
        await asyncio.sleep(0)
        return await create(backend)

    monkeypatch.setattr(StorageFactory, "create", slowly)
    manager = SessionManager()
    results = await asyncio.gather(manager.open(), manager.open(), return_exceptions=True)
    assert [type(result) for result in results] == [SessionManager, RuntimeError]
    await manager.aclose()


async def test_an_opening_that_fails_leaves_nothing_open(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store that the manager opened is closed again."""

    def refuse(self: object, listener: object) -> None:
        raise OSError

    monkeypatch.setattr(OwnedSessionStore, "subscribe", refuse)
    before = asyncio.all_tasks()
    manager = SessionManager.with_store(wire.TenMethods())
    with pytest.raises(OSError):  # noqa: PT011 - there is nothing more to match
        await manager.open()
    assert asyncio.all_tasks() == before


async def _close_after(manager: SessionManager, turns: int) -> tuple[object, ShutdownReport]:
    opening = asyncio.create_task(manager.open())
    for _ in range(turns):
        await asyncio.sleep(0)
    report = await manager.aclose()
    [opened] = await asyncio.gather(opening, return_exceptions=True)
    return opened, report


@pytest.mark.parametrize("backend", ["memory", "sqlite", "postgres", "third party"])
async def test_closing_while_it_opens_ends_the_opening(
    wire: Wire, tmp_path: Path, backend: str, request: pytest.FixtureRequest
) -> None:
    """At whichever step: `open` raises `StoreClosed`, or it was open; and then all is closed."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    cut_short = 0
    for turns in range(1, 30):
        if backend == "third party":
            manager = SessionManager.with_store(wire.TenMethods())
        elif backend == "sqlite":
            path = str(tmp_path / f"{turns}.db")
            sqlite = SQLiteBackend(path=path)
            manager = SessionManager(ManagerConfig(backend=sqlite, close_timeout=200.0))
        elif backend == "postgres":
            url: str = request.getfixturevalue("postgres_url")
            postgres = PostgresBackend(url=SecretStr(url))
            manager = SessionManager(ManagerConfig(backend=postgres, close_timeout=200.0))
        else:
            manager = SessionManager()
        async with asyncio.timeout(300):
            opened, report = await _close_after(manager, turns)
        assert opened is manager or isinstance(opened, StoreClosed), (turns, opened)
        cut_short += opened is not manager
        assert report == ShutdownReport(0, 0, 0, deadline_missed=False)
        with pytest.raises(StoreClosed):
            await manager.create_session(transport_type="stdio")
        with pytest.raises(StoreClosed):
            await manager.statistics()
        with pytest.raises(RuntimeError, match="once"):
            await manager.open()
        assert await manager.aclose() == report
        assert asyncio.all_tasks() == tasks
    assert cut_short
    for thread in set(threading.enumerate()) - threads:
        thread.join(300)
        assert not thread.is_alive()


async def test_closing_ends_an_opening_that_hangs(wire: Wire) -> None:
    """It waits for nothing that the opening waits for."""

    class Hanging(OwnedSessionStore):
        async def open(self) -> Self:
            await asyncio.Event().wait()
            return self

    manager = SessionManager()
    manager._given = Hanging(wire.TenMethods())
    async with asyncio.timeout(300):
        opened, report = await _close_after(manager, 3)
    assert isinstance(opened, StoreClosed)
    assert report == ShutdownReport(0, 0, 0, deadline_missed=False)


async def test_an_opening_that_ignores_cancellation_is_reported(wire: Wire) -> None:
    """Closing takes no longer than `close_timeout`; whatever opens later is closed again."""
    gate = asyncio.Event()

    class Stubborn(OwnedSessionStore):
        async def open(self) -> Self:
            while not gate.is_set():
                with suppress(asyncio.CancelledError):
                    await gate.wait()
            return await super().open()

    manager = SessionManager(ManagerConfig(close_timeout=0.01))
    manager._given = store = Stubborn(wire.TenMethods())
    opening = asyncio.create_task(manager.open())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    async with asyncio.timeout(300):
        assert (await manager.aclose()).deadline_missed
    gate.set()
    with pytest.raises(StoreClosed):
        await opening
    assert not store.is_open


@pytest.mark.parametrize("turns", range(12))
async def test_an_opening_whose_caller_is_cancelled_leaves_nothing_open(turns: int) -> None:
    """At whichever step, the last one included; the manager can be opened afterwards."""
    before = asyncio.all_tasks()
    manager = SessionManager()
    opening = asyncio.create_task(manager.open())
    for _ in range(turns):
        await asyncio.sleep(0)
    opening.cancel()
    [opened] = await asyncio.gather(opening, return_exceptions=True)
    if opened is not manager:
        assert isinstance(opened, asyncio.CancelledError)
        assert asyncio.all_tasks() == before
        await manager.open()
    await manager.aclose()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres", "third party"])
async def test_a_store_that_is_closed_while_it_opens_stays_closed(
    wire: Wire, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """The store by itself: closing wins, at whichever step."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    for turns in range(20):
        store: AtomicSessionStore = ActorSessionStore()
        if kind == "sqlite":
            store = SQLiteSessionStore(tmp_path / f"{turns}.db")
        elif kind == "postgres":
            store = PostgresSessionStore(request.getfixturevalue("postgres_url"))
        elif kind == "third party":
            store = OwnedSessionStore(wire.TenMethods())
        opening = asyncio.create_task(store.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        await store.aclose()
        [opened] = await asyncio.gather(opening, return_exceptions=True)
        assert opened is store or isinstance(opened, StoreClosed | RuntimeError)
        assert not store.is_open
        with pytest.raises(StoreClosed):
            await store.count_sessions()
    assert asyncio.all_tasks() == tasks
    for thread in set(threading.enumerate()) - threads:
        thread.join(300)
        assert not thread.is_alive()
