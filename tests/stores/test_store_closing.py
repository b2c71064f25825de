"""Closed, crashed, or called from elsewhere: always answered, never hanging (Guarantees 13)."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Overloaded,
    PlainSessionStore,
    StoreClosed,
)
from sessionkeeper.stores.owner_backed import session_error
from soleowner import (
    ActorError,
    Command,
    MailboxClosed,
    MailboxFull,
    OwnerCrashed,
    Reentrant,
    WrongLoop,
)

from tests.support.sessions import new_session, note, numbers
from tests.support.stores import make_store

if TYPE_CHECKING:
    from tests.conftest import LoopFactory


def everything(store: AtomicSessionStore) -> list[Any]:
    """A call of every method, not yet awaited."""
    session = new_session("a")
    return [
        store.create_session(session),
        store.get_session("a"),
        store.update_session(session),
        store.delete_session("a"),
        store.list_sessions(),
        store.count_sessions(),
        store.add_frame(note()),
        store.get_frames("a"),
        store.delete_frames("a"),
        store.count_frames("a"),
        store.get_sessions_batch(["a"]),
        store.update_sessions_batch([session]),
        store.modify_session("a", lambda s: s),
        store.get_or_create_session(session),
        store.add_frames("a", [note()]),
        store.read_frames("a"),
        store.statistics(),
    ]


@pytest.fixture(params=["actor", "sqlite", "postgres", "owned"])
def owner(request: pytest.FixtureRequest) -> AtomicSessionStore:
    """A store with an owner, not yet open."""
    return make_store(request.param)


async def test_every_call_after_closing_is_refused(owner: AtomicSessionStore) -> None:
    """`aclose()`: refuses new commands; `StoreClosed`, for ours without a cause."""
    async with owner:
        await owner.create_session(new_session("a"))
    for call in everything(owner):
        with pytest.raises(StoreClosed) as closed:
            await call
        assert closed.value.__cause__ is None
    assert "closed" in repr(owner)
    await owner.aclose()
    with pytest.raises(RuntimeError):
        await owner.open()


async def test_the_inner_store_is_not_called_before_opening(owner: AtomicSessionStore) -> None:
    """Wrong use is `RuntimeError` at the call; opened twice too."""
    for call in everything(owner):
        with pytest.raises(RuntimeError):
            await call
    assert "new" in repr(owner)
    async with owner:
        assert await owner.count_sessions() == 0
        assert "open" in repr(owner)
        with pytest.raises(RuntimeError):
            await owner.open()


async def test_an_open_store_can_be_entered_as_a_context_manager(owner: AtomicSessionStore) -> None:
    """A store from a factory: `async with` closes it at the end, as always."""
    assert not owner.is_open
    assert await owner.open() is owner
    assert owner.is_open
    async with owner as entered:
        assert entered is owner
        await owner.create_session(new_session("a"))
    with pytest.raises(StoreClosed):
        await owner.count_sessions()
    assert PlainSessionStore().is_open


async def test_closing_finishes_what_is_queued(owner: AtomicSessionStore) -> None:
    """`aclose()`: finishes queued ones, stops."""
    await owner.open()
    await owner.create_session(new_session("a"))
    tasks = [asyncio.create_task(owner.add_frame(note(n))) for n in range(20)]
    await asyncio.sleep(0)
    closing = [asyncio.create_task(owner.aclose()) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await owner.count_sessions()
    assert await asyncio.gather(*tasks) == [*range(1, 21)]
    await asyncio.gather(*closing)


async def test_stores_without_an_owner_have_nothing_to_close() -> None:
    """Open and close are there on every store."""
    store = PlainSessionStore()
    assert await store.open() is store
    await store.create_session(new_session("a"))
    await store.aclose(timeout=1)
    assert (await store.statistics()).mailbox is None


async def test_after_a_crash_every_call_fails_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """If the owner dies, everything queued is answered with `StoreClosed`, and every later call."""
    async with ActorSessionStore() as store:
        await store.create_session(new_session("a"))
        tables = store._actor._runner._state  # type: ignore[attr-defined]  # broken on purpose
        tables._rows = None
        with caplog.at_level(logging.ERROR):
            tasks = [asyncio.ensure_future(call) for call in everything(store)]
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert len(results) == 17
        for error in results:
            assert isinstance(error, StoreClosed)
            assert isinstance(error.__cause__, OwnerCrashed)
            assert isinstance(error.__cause__.__cause__, AttributeError)
        for call in everything(store):
            with pytest.raises(StoreClosed) as told:
                await call
            assert isinstance(told.value.__cause__, OwnerCrashed)
        assert "crashed" in repr(store)
    assert caplog.messages == ["sessionkeeper owner crashed with AttributeError"]


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_another_loop_gets_an_error_that_names_the_facade(
    owner: AtomicSessionStore, loop_factory: LoopFactory
) -> None:
    """Used from another event loop: a clear error that names the thread-safe facade."""
    async with owner:
        caught: list[BaseException] = []

        async def ask() -> None:
            for call in everything(owner):
                try:
                    await call
                except RuntimeError as error:
                    caught.append(error)

        def elsewhere() -> None:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(ask())

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert len(caught) == len(everything(owner))
        assert all("thread-safe facade" in str(error) for error in caught)
        assert await owner.count_sessions() == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MailboxFull(1), Overloaded),
        (MailboxClosed(), StoreClosed),
        (OwnerCrashed(ValueError()), StoreClosed),
        (WrongLoop("x"), WrongLoop),
        (Reentrant(), Reentrant),
    ],
)
def test_engine_errors_are_translated_to_store_errors(
    error: ActorError, said: type[Exception]
) -> None:
    """`soleowner` has its own root of errors; the facade maps it, except for wrong use."""
    told = session_error(error)
    assert type(told) is said
    assert (told.__cause__ is error) is isinstance(error, OwnerCrashed)


async def test_a_full_mailbox_makes_callers_wait() -> None:
    """Guarantees 6.3: back-pressure, in order; by count, and by the bytes of messages."""
    for bounded in (ActorSessionStore(capacity=2), ActorSessionStore(capacity_bytes=60)):
        async with bounded as store:
            await store.create_session(new_session("a"))
            tasks = [asyncio.create_task(store.add_frame(note(n))) for n in range(20)]
            await asyncio.sleep(0)
            mailbox = (await asyncio.gather(*tasks, store.statistics()))[-1]
            assert numbers(await store.get_frames("a")) == [*range(20)]
            held = (await store.statistics()).mailbox
            assert held is not None
            assert held.largest_batch <= 2
            assert mailbox is not None


def test_the_repr_of_a_command_hides_its_fields() -> None:
    """No message body in a `repr`, not even of what travels inside."""
    from sessionkeeper import operations as commands

    classes = [getattr(commands, name) for name in commands.__all__]
    assert len(classes) == 30
    assert all(issubclass(each, Command) for each in classes)
    assert repr(commands.GetSession("secret-id")) == "<GetSession>"


def test_a_command_cannot_be_changed_and_is_not_tracked() -> None:
    """It lives for one turn, and several tasks may hold it."""
    from sessionkeeper import operations as commands

    for name in commands.__all__:
        config = getattr(commands, name).__struct_config__
        assert (config.frozen, config.gc) == (True, False), name
