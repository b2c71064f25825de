"""A thread never hangs: not on its own loop, not after the store or the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    OutcomeUnknown,
    OwnedSessionStore,
    PlainSessionStore,
    SessionNotFound,
    StoreClosed,
    ThreadSafeSessionStore,
)
from soleowner import Command, OwnerCrashed, Reentrant, WouldBlock, WrongLoop

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.support.thread_group import ThreadGroup
    from tests.threads.conftest import Service


class Bug(Command[Any, None]):
    """A command with a bug in it."""

    __slots__ = ()

    def apply(self, state: Any, /) -> None:
        raise ZeroDivisionError


class ByTwo(ActorSessionStore):
    """A user's own store, with a method that overrides one of ours."""

    async def count_sessions(self) -> int:
        return 2 * await super().count_sessions()

    async def count_frames(self, session_id: str, /, **options: Any) -> int:
        try:
            return await super().count_frames(session_id, **options)
        except SessionNotFound:
            return await self.count_sessions()


async def test_on_the_loops_own_thread_every_call_raises(store: ActorSessionStore) -> None:
    """It would block the loop for ever; the error says what to do instead."""
    facade = ThreadSafeSessionStore(store)
    calls: list[Callable[[], object]] = [
        facade.count_sessions,
        lambda: facade.create_session(new_session()),
        lambda: facade.watch_frames("a"),
        facade.statistics,
    ]
    for call in calls:
        with pytest.raises(WouldBlock, match="await the store itself"):
            call()
    assert await store.count_sessions() == 0


async def test_elsewhere_the_store_names_the_facade(store: ActorSessionStore) -> None:
    """Guarantees 14.1."""

    def ask() -> None:
        with pytest.raises(WrongLoop, match="ThreadSafeSessionStore"):
            store.count_sessions().send(None)

    await asyncio.to_thread(ask)


async def test_inside_a_change_the_facade_raises(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """Guarantees 14.2: the owner would wait for itself."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())

    def change(session: Any) -> Any:
        facade.count_sessions()

    (got,) = await thread_group.do(lambda: facade.modify_session("a", change))
    assert isinstance(got, Reentrant)
    with pytest.raises(Reentrant):
        await store.modify_session("a", change)
    assert await thread_group.do(facade.count_sessions) == [1]


class Inner(PlainSessionStore):
    """An inner store that asks its own owner, by way of a thread."""

    facade: ThreadSafeSessionStore

    async def count_sessions(self) -> int:
        return await asyncio.to_thread(self.facade.count_sessions)


async def test_an_inner_store_cannot_ask_its_owner_from_a_thread(thread_group: ThreadGroup) -> None:
    """Hazard 19, in a thread the operation started: the context tells."""
    inner = Inner()
    async with OwnedSessionStore(inner) as store:
        inner.facade = ThreadSafeSessionStore(store)
        with pytest.raises(Reentrant):
            await store.count_sessions()
        assert await thread_group.do(inner.facade.list_sessions) == [[]]


async def test_a_third_partys_store_behind_its_owner(thread_group: ThreadGroup) -> None:
    """`OwnedSessionStore` has a facade as well, with its refusals."""
    async with OwnedSessionStore(PlainSessionStore()) as store:
        facade = ThreadSafeSessionStore(store)

        def work() -> int:
            facade.create_session(new_session())
            facade.modify_session("a", lambda s: s.model_copy(update={"state": "active"}))
            with pytest.raises(SessionNotFound):
                facade.get_session("b")
            for refused in (
                lambda: facade.touch_session("a"),
                lambda: facade.trim_frames("a", up_to=1),
            ):
                with pytest.raises(NotImplementedError):
                    refused()
            return facade.add_frame(note()) + facade.statistics().frames

        assert await thread_group.do(work) == [2]
        assert (await store.get_session("a")).state == "active"


async def test_methods_of_a_users_subclass_exist_on_the_facade(thread_group: ThreadGroup) -> None:
    """The facade is the store's, its overrides included."""
    async with ByTwo() as store:
        await store.create_session(new_session())
        facade = ThreadSafeSessionStore(store)
        assert await thread_group.do(facade.count_sessions) == [2]
        assert await thread_group.do(lambda: facade.count_frames("b")) == [2]  # it caught the error


async def test_a_store_that_is_not_open_says_so(store: ActorSessionStore) -> None:
    """When the facade is made, and at every later call."""
    facade = ThreadSafeSessionStore(store)
    with pytest.raises(RuntimeError, match="not open"):
        ThreadSafeSessionStore(ActorSessionStore())
    await store.aclose()
    assert not facade.is_open
    with pytest.raises(StoreClosed):
        await asyncio.to_thread(facade.count_sessions)
    with pytest.raises(StoreClosed):
        ThreadSafeSessionStore(store)


async def test_an_owner_crash_reaches_every_thread(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """`StoreClosed`, with the crash as its cause."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())

    crash = store._actor.ask(Bug())
    asked = [thread_group.begin(lambda: facade.get_session("a")) for _ in range(8)]
    thread_group.until(lambda: len(facade._port._calls) == 8)
    with pytest.raises(StoreClosed):
        await crash
    errors = await asyncio.gather(*map(asyncio.wrap_future, asked), return_exceptions=True)
    assert {type(error) for error in errors} == {StoreClosed}
    (late,) = await thread_group.do(facade.count_sessions)
    assert isinstance(late.__cause__, OwnerCrashed)


def test_a_stopped_loop_ends_all_waiting(
    facade: ThreadSafeSessionStore, service: Service, thread_group: ThreadGroup
) -> None:
    """Within about a second: `StoreClosed`, and the command has no effect."""
    facade.create_session(new_session())
    service.stop()
    asked = [thread_group.begin(lambda: facade.delete_session("a")) for _ in range(16)]
    assert {type(each.exception(timeout=300)) for each in asked} == {StoreClosed}
    commands = service.store.mailbox.commands
    service.loop.run_until_complete(asyncio.sleep(0.01))  # even if it goes on later
    assert service.store.mailbox.commands == commands


def test_stopping_the_loop_leaves_a_running_operation_unknown(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], thread_group: ThreadGroup
) -> None:
    """Guarantees 4.1: `OutcomeUnknown` where the owner had begun, and only there."""
    loop = loop_factory()
    entered = asyncio.Event()

    class Slow(PlainSessionStore):
        async def count_sessions(self) -> int:
            entered.set()
            await asyncio.Event().wait()
            return 0

    store: AtomicSessionStore = loop.run_until_complete(OwnedSessionStore(Slow()).open())
    facade = ThreadSafeSessionStore(store)
    asked = thread_group.begin(facade.count_sessions)
    loop.run_until_complete(entered.wait())
    assert type(asked.exception(timeout=300)) is OutcomeUnknown
    loop.run_until_complete(store.aclose(timeout=0))
    loop.close()
