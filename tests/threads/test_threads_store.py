"""The facade for threads has the methods of a store, with its results and its errors."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LockedSessionStore,
    PlainSessionStore,
    SessionExists,
    SessionNotFound,
    SessionQuery,
    StoreClosed,
    ThreadSafeSessionStore,
)

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.support.thread_group import ThreadGroup
    from tests.threads.conftest import Service

LIFE = {"open", "aclose", "is_open", "guarantees", "mailbox", "observe", "subscribe"}


def operations() -> list[str]:
    """The public methods of an atomic store that are operations."""
    return [
        name for name in dir(AtomicSessionStore) if not name.startswith("_") and name not in LIFE
    ]


@pytest.mark.parametrize("name", operations())
def test_every_method_is_there_with_its_parameters(name: str) -> None:
    """The same names and signatures, not awaited."""
    theirs = inspect.signature(getattr(AtomicSessionStore, name))
    mine = inspect.signature(getattr(ThreadSafeSessionStore, name))
    assert mine.parameters == theirs.parameters
    assert not inspect.iscoroutinefunction(getattr(ThreadSafeSessionStore, name))
    if name not in ("watch_frames", "for_principal"):
        assert mine.return_annotation == theirs.return_annotation


def test_a_principal_view_works_across_threads(facade: ThreadSafeSessionStore) -> None:
    """What is somebody else's does not exist; the check is in the same step."""
    alice, bob = facade.for_principal("alice"), facade.for_principal("bob")
    assert alice.create_session(new_session()).principal == "alice"
    assert alice.add_frame(note(1)) == 1
    assert [frame.seq for frame in alice.read_frames("a")] == [1]
    with alice.watch_frames("a") as frames:
        assert next(frames).seq == 1
    for operation in (bob.get_session, bob.delete_session, bob.count_frames):
        with pytest.raises(SessionNotFound):
            operation("a")
    assert (alice.count_sessions(), bob.count_sessions()) == (1, 0)
    with pytest.raises(TypeError):
        facade.for_principal(5)  # type: ignore[arg-type]  # wrong on purpose


def test_every_method_answers_what_the_store_answers(
    facade: ThreadSafeSessionStore, service: Service
) -> None:
    """Each once, beside the store itself."""
    session = facade.create_session(new_session())
    assert facade.get_session("a") == session == service.run(service.store.get_session("a"))
    session = facade.update_session(session.model_copy(update={"tags": {"t"}}))
    assert facade.get_sessions_batch(["a"]) == [session] == facade.list_sessions()
    (session,) = facade.update_sessions_batch([session.model_copy(update={"tags": {"u"}})])
    assert facade.get_or_create_session(new_session()) == (session, False)
    assert facade.count_sessions() == 1
    active = facade.modify_session("a", lambda s: s.model_copy(update={"state": "active"}))
    assert active == facade.get_session("a")
    facade.touch_session("a")
    assert facade.add_frame(note(1)) == 1
    notes = [note(n) for n in (2, 3)]
    assert facade.add_frames("a", notes, expected_last_seq=1, change=lambda s: s) == range(2, 4)
    assert [each.message for each in facade.get_frames("a")[1:]] == [n.message for n in notes]
    assert [frame.seq for frame in facade.read_frames("a", after=1, limit=1)] == [2]
    assert facade.count_frames("a") == 3
    assert facade.trim_frames("a", up_to=1) == 1
    assert facade.find_sessions(SessionQuery(tags_any=frozenset({"u"}))).sessions[0].id == "a"
    assert facade.delete_frames("a") == 2
    assert [each.id for each in facade.expire_sessions(idle=0)] == ["a"]
    assert facade.statistics().frames == 0
    assert facade.purge_sessions(ended_before=datetime.now(UTC) + timedelta(1)) == 1
    facade.create_session(new_session("b"))
    facade.delete_session("b")
    assert facade.count_sessions() == 0
    assert facade.guarantees is ActorSessionStore.guarantees


def test_errors_are_the_stores(facade: ThreadSafeSessionStore) -> None:
    """Wrong arguments are refused in the calling thread, before anything is sent."""
    facade.create_session(new_session())
    with pytest.raises(SessionExists):
        facade.create_session(new_session())
    with pytest.raises(SessionNotFound):
        facade.get_session("b")
    commands = facade.statistics().mailbox.commands  # type: ignore[union-attr]  # it has one
    wrong: list[Callable[[Any], object]] = [
        facade.get_session,
        facade.add_frame,
        facade.create_session,
    ]
    for method in wrong:
        with pytest.raises((TypeError, ValueError)):
            method(b"\x00")
    with pytest.raises(ValueError, match="limit"):
        facade.read_frames("a", limit=0)
    assert facade.statistics().mailbox.commands == commands + 1  # type: ignore[union-attr]  # it has one


def test_what_a_change_raises_reaches_its_thread(facade: ThreadSafeSessionStore) -> None:
    """And nothing is stored; the owner lives on."""
    facade.create_session(new_session())
    mine = KeyError("mine")

    def change(_: Any) -> Any:
        raise mine

    with pytest.raises(KeyError) as caught:
        facade.modify_session("a", change)
    assert caught.value is mine
    assert facade.get_session("a").revision == 1


@pytest.mark.parametrize("threads", [16, 64])
async def test_no_modification_of_racing_threads_is_lost(
    store: ActorSessionStore, thread_group: ThreadGroup, threads: int
) -> None:
    """`modify_session` never conflicts, whoever calls it, tasks of the loop included."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session(metadata={"n": 0}))

    def more(session: Any) -> Any:
        return session.model_copy(update={"metadata": {"n": session.metadata["n"] + 1}})

    def work() -> None:
        for _ in range(10):
            facade.modify_session("a", more)

    async def beside() -> None:
        for _ in range(50):
            await store.modify_session("a", more)

    got, _ = await asyncio.gather(thread_group.do(*[work] * threads), beside())
    assert got == [None] * threads
    assert (await store.get_session("a")).metadata == {"n": 10 * threads + 50}


async def test_frames_of_racing_threads_have_no_gap(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """Each thread sees its numbers grow; together they are all the numbers."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())
    got = await thread_group.do(
        *[lambda: [facade.add_frame(note(n)) for n in range(20)] for _ in range(16)]
    )
    assert all(numbers == sorted(numbers) for numbers in got)
    assert sorted(n for numbers in got for n in numbers) == [*range(1, 321)]


async def test_exactly_one_of_many_threads_creates(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """`get_or_create_session`, from threads."""
    facade = ThreadSafeSessionStore(store)
    got = await thread_group.do(*[lambda: facade.get_or_create_session(new_session())[1]] * 16)
    assert sorted(got) == [False] * 15 + [True]


async def test_threads_that_wait_together_are_one_batch(
    store: ActorSessionStore, thread_group: ThreadGroup
) -> None:
    """One wake-up of the loop, one batch of the owner."""
    facade = ThreadSafeSessionStore(store)
    await store.create_session(new_session())
    before = store.mailbox.batches
    asked = [thread_group.begin(lambda: facade.get_session("a")) for _ in range(32)]
    thread_group.until(lambda: len(facade._port._calls) == 32)  # the loop stands still meanwhile
    await asyncio.gather(*map(asyncio.wrap_future, asked))
    assert store.mailbox.batches == before + 1


@pytest.mark.parametrize(
    "thing", [PlainSessionStore(), LockedSessionStore(), ActorSessionStore, None]
)
def test_a_store_without_an_owner_is_a_type_error(thing: Any) -> None:
    """There is nobody to send to."""
    with pytest.raises(TypeError, match="with an owner"):
        ThreadSafeSessionStore(thing)


def test_closing_the_facade_leaves_the_store_open(
    facade: ThreadSafeSessionStore, service: Service
) -> None:
    """The store is its maker's to close."""
    with facade as entered:
        assert entered.is_open
    assert not facade.is_open
    with pytest.raises(StoreClosed):
        facade.count_sessions()
    assert service.run(service.store.count_sessions()) == 0
    assert ThreadSafeSessionStore(service.store).count_sessions() == 0
    assert "closed" in repr(facade)


def test_a_facade_has_a_timeout_and_so_have_its_copies(
    service: Service, thread_group: ThreadGroup
) -> None:
    """The command still queued has no effect; `within` shares the port."""
    patient = ThreadSafeSessionStore(service.store)
    facade = patient.within(0.01)

    async def standing_still() -> None:
        asked = thread_group.begin(lambda: facade.create_session(new_session()))
        thread_group.until(asked.done)
        assert isinstance(asked.exception(), TimeoutError)

    service.run(standing_still())
    assert patient.count_sessions() == 0
    with pytest.raises(ValueError, match="not negative"):
        ThreadSafeSessionStore(service.store, timeout=-1).count_sessions()
    facade.close()
    with pytest.raises(StoreClosed):
        patient.count_sessions()
