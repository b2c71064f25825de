"""Makes a method of the kit a test. Its docstring is the promise that a failure quotes."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Collection, Coroutine
from inspect import cleandoc
from pathlib import Path
from typing import ClassVar, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.guarantees import Atomicity, Durability, Guarantees, Scope

__all__ = [
    "Kit",
    "Level",
    "Test",
    "declared",
    "demand",
    "held_to_its_promise",
    "needs",
    "skip_what_is_refused",
]

P = ParamSpec("P")
Level: TypeAlias = Literal["operation", "batch", "listing"]


class Kit:
    """What a test may read from the class that runs it."""

    refuses: ClassVar[Collection[str]] = frozenset()
    patience: ClassVar[float] = 20.0


K = TypeVar("K", bound=Kit)
Test: TypeAlias = Callable[Concatenate[K, P], Awaitable[None]]

_NEEDS = "sessionkeeper_needs"

# What `SessionStore` promises of its ten methods, for a store that says nothing of its own.
_TEN_METHODS = Guarantees(
    operation=Atomicity.LINEARIZABLE,
    batch=Atomicity.NONE,
    listing=Atomicity.LINEARIZABLE,
    durability=Durability.MEMORY,
    scope=Scope.PROCESS,
)


def declared(store: SessionStore) -> Guarantees:
    """The store's `guarantees`; without them, the promises of the ten methods."""
    if isinstance(store, AtomicSessionStore):
        return store.guarantees
    found = getattr(store, "guarantees", _TEN_METHODS)
    assert isinstance(found, Guarantees), "`guarantees` is an instance of Guarantees"
    return found


def demand(store: SessionStore, level: Level) -> None:
    """Continue if the store declares this promise; skip the test if it declares `none`."""
    if getattr(declared(store), level) is Atomicity.NONE:
        pytest.skip(f"{type(store).__name__}.guarantees.{level} is none, so nothing is promised")


def skip_what_is_refused(kit: Kit, wanted: Collection[str]) -> None:
    """Continue unless the test needs something that the store declares as refused."""
    if refused := {*wanted}.intersection(kit.refuses):
        pytest.skip(f"the store declares that it refuses {', '.join(sorted(refused))}")


def needs(*methods: str) -> Callable[[Test[K, P]], Test[K, P]]:
    """Skip a test for a store that declares one of these as refused."""

    def note(test: Test[K, P]) -> Test[K, P]:
        setattr(test, _NEEDS, frozenset(methods))
        return test

    return note


def held_to_its_promise(
    test: Test[K, P], needed: Collection[str], level: Level | None
) -> Callable[Concatenate[K, P], Coroutine[object, object, None]]:
    """Return the test as pytest runs it.

    It is skipped, with the reason, where the store declares a refusal; it ends after the kit's
    patience; a failure quotes the promise.
    """
    wanted = {*needed, *getattr(test, _NEEDS, ())}
    promise = " ".join(cleandoc(test.__doc__ or "").split())

    @pytest.mark.asyncio(loop_scope="function")
    @functools.wraps(test)
    async def run(self: K, /, *args: P.args, **kwargs: P.kwargs) -> None:
        __tracebackhide__ = True
        skip_what_is_refused(self, wanted)
        store = kwargs.get("store")
        if level is not None and isinstance(store, SessionStore):
            demand(store, level)
        patience = asyncio.timeout(self.patience)
        try:
            async with patience:
                await test(self, *args, **kwargs)
        except (Exception, pytest.fail.Exception) as error:
            if isinstance(error, NotImplementedError):
                error.add_note(
                    "Refusing is allowed where a store cannot keep the promise, and must be "
                    "declared: name the method in the `refuses` of the test class."
                )
            elif isinstance(error, TimeoutError) and patience.expired():
                error.add_note(f"Somebody still waits after {self.patience} s (`patience`).")
            error.add_note(f"The contract says: {promise}")
            await _leave_nobody_behind()
            raise

    return run


async def _leave_nobody_behind() -> None:
    """Cancel the callers of a failed test: they may wait forever."""
    callers = [task for task in asyncio.all_tasks() if _is_of_the_kit(task)]
    for task in callers:
        task.cancel()
    if callers:
        await asyncio.wait(callers, timeout=1)


def _is_of_the_kit(task: asyncio.Task[object]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)  # none of a coroutine that is not Python's
    file = "" if code is None else code.co_filename
    return task is not asyncio.current_task() and Path(file).parent == Path(__file__).parent
