"""A `change` that misbehaves harms its caller and nobody else (Guarantees 2.5 and 4.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeAlias

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    InvalidMessage,
    PlainSessionStore,
    Session,
    SessionNotFound,
)
from sessionkeeper.stores.third_party.bookkeeping import Bookkeeping
from sessionkeeper.stores.third_party.runner import AsyncRunner

from tests.support.sessions import new_session, note
from tests.support.stores import ThirdPartyStore, make_store

Changing: TypeAlias = Callable[..., Any]
whose: ContextVar[str] = ContextVar("whose", default="nobody's")


class Furious(BaseException):
    """An error that no sensible code raises."""


ERRORS = [
    ValueError("v"),
    KeyError("k"),
    asyncio.CancelledError("c"),
    GeneratorExit("g"),
    Furious("f"),
    TimeoutError("t"),
    RecursionError("r"),
    SessionNotFound("not this one"),
    InvalidMessage("nor this"),
]


@pytest.fixture(params=["modify", "add"])
def changing(request: pytest.FixtureRequest) -> Changing:
    """Run a change by either of the methods that take one."""

    async def run(store: AtomicSessionStore, change: Any) -> object:
        if request.param == "modify":
            return await store.modify_session("a", change)
        return await store.add_frames("a", [note()], change=change)

    return run


async def intact(store: AtomicSessionStore, before: Session) -> bool:
    """Check that the store works and its content is unchanged."""
    return await store.list_sessions() == [before] and await store.get_frames("a") == []


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_the_error_of_a_change_reaches_its_caller(
    any_store: AtomicSessionStore, changing: Changing, error: BaseException
) -> None:
    """Nothing is stored if it raises: its exception reaches the caller; the owner lives on."""
    before = await any_store.create_session(new_session("a"))

    def change(_: Session) -> Session:
        raise error

    others = [asyncio.ensure_future(any_store.get_session("a")) for _ in range(3)]
    caught: BaseException | None = None
    try:
        await changing(any_store, change)
    except BaseException as raised:
        caught = raised
    assert type(caught) is type(error)
    assert caught.args == error.args
    assert await asyncio.gather(*others) == [before] * 3
    assert await intact(any_store, before)


async def test_stop_iteration_becomes_a_runtime_error(
    any_store: AtomicSessionStore, changing: Changing
) -> None:
    """A coroutine cannot raise one (PEP 479); the cause says what it was."""
    before = await any_store.create_session(new_session("a"))
    with pytest.raises(RuntimeError) as raised:
        await changing(any_store, lambda _: next(iter(())))
    assert isinstance(raised.value.__cause__, StopIteration)
    assert await intact(any_store, before)


@pytest.mark.parametrize("change", [5, "f", object()], ids=["number", "text", "object"])
async def test_a_change_that_is_not_callable_is_a_type_error(
    any_store: AtomicSessionStore, changing: Changing, change: object
) -> None:
    """Wrong types are `TypeError`."""
    before = await any_store.create_session(new_session("a"))
    with pytest.raises(TypeError):
        await changing(any_store, change)
    assert await intact(any_store, before)


async def test_a_change_cannot_call_the_store(
    any_store: AtomicSessionStore, changing: Changing
) -> None:
    """Calling the store from inside a `change` raises (`Reentrant`), it does not hang."""
    before = await any_store.create_session(new_session("a"))

    def change(session: Session) -> Session:
        for call in (
            any_store.get_session("a"),
            any_store.delete_session("a"),
            any_store.add_frame(note()),
            any_store.modify_session("a", lambda s: s),
        ):
            with pytest.raises(RuntimeError) as refused:
                call.send(None)
            assert str(refused.value)
        return session

    await changing(any_store, change)
    assert (await any_store.get_session("a")).revision == before.revision
    assert await any_store.count_sessions() == 1


@pytest.mark.parametrize("name", ["actor", "sqlite", "postgres", "owned"])
async def test_a_change_cannot_close_the_store(name: str, changing: Changing) -> None:
    """It cannot wait for the end of its own owner, either."""

    def change(session: Session) -> Session:
        with pytest.raises(RuntimeError):
            store.aclose().send(None)
        return session

    async with make_store(name) as store:
        await store.create_session(new_session("a"))
        await changing(store, change)
        assert await store.count_sessions() == 1


async def test_a_refused_call_leaves_the_owner_open_for_the_next(
    any_store: AtomicSessionStore, changing: Changing
) -> None:
    """The error of a call inside may be what the change raises."""
    await any_store.create_session(new_session("a"))
    with pytest.raises(RuntimeError):
        await changing(any_store, lambda _: any_store.get_session("a").send(None))
    assert await any_store.count_sessions() == 1
    assert await any_store.add_frame(note()) == 1


async def test_a_change_runs_in_its_callers_context(
    any_store: AtomicSessionStore, changing: Changing
) -> None:
    """A change sees its caller's context variables, and its settings stay there (15)."""
    await any_store.create_session(new_session("a"))
    seen: list[str] = []

    def change(session: Session) -> Session:
        seen.append(whose.get())
        whose.set("changed")
        return session

    async def caller(name: str) -> None:
        whose.set(name)
        await changing(any_store, change)
        assert whose.get() == name

    await asyncio.gather(*(caller(f"caller {n}") for n in range(5)))
    assert sorted(seen) == [f"caller {n}" for n in range(5)]
    assert whose.get() == "nobody's"


async def test_a_change_that_returns_a_subclass_is_refused(
    any_store: AtomicSessionStore, changing: Changing
) -> None:
    """The stored value is a `Session`, not an object that pretends to be one."""
    before = await any_store.create_session(new_session("a"))

    class Pretending(Session):
        def __eq__(self, _: object) -> bool:
            return True

    with pytest.raises(TypeError):
        await changing(any_store, lambda s: Pretending.model_validate(s.model_dump()))
    assert await intact(any_store, before)


async def test_an_interrupt_in_a_change_stops_the_program() -> None:
    """`KeyboardInterrupt` and `SystemExit` stop the program: nobody is answered with them."""

    def interrupt(_: Session) -> Session:
        raise KeyboardInterrupt

    async with PlainSessionStore() as store:
        created = await store.create_session(new_session("a"))
        with pytest.raises(KeyboardInterrupt):
            await store.modify_session("a", interrupt)
        assert await intact(store, created)
    apply = AsyncRunner(ThirdPartyStore(), Bookkeeping(Clock())).applier(interrupt)
    with pytest.raises(KeyboardInterrupt):
        apply(created)
