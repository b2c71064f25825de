"""Actors to test: commands, a runner with a gate, and a list of errors that surface."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import pytest
from soleowner import (
    Actor,
    ActorError,
    Batch,
    Command,
    LoopRunner,
    Post,
    Runner,
    ThreadRunner,
    Transactions,
)

State: TypeAlias = list[object]
R = TypeVar("R")


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Note(Command[State, int]):
    """Append a value; the reply is the number of values."""

    value: object
    weight: int = 0

    def apply(self, state: State, /) -> int:
        state.append(self.value)
        return len(state)


@dataclass(frozen=True, slots=True)
class Do(Command[State, object]):
    """Call a function of the test as the owner."""

    action: Callable[[], object]

    def apply(self, _: State, /) -> object:
        return self.action()


class GatedRunner(LoopRunner[State]):
    """Expects `ValueError`; waits before a batch, or before it closes, while its gate is closed."""

    def __init__(self, state: State) -> None:
        super().__init__(state, expected=(ValueError,))
        self.events: list[str] = []
        self.gate, self.at_gate = asyncio.Event(), asyncio.Event()
        self.exit, self.at_exit = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.exit.set()

    async def open(self) -> None:
        self.events.append("open")

    async def run(self, batch: Batch[State], /) -> None:
        if not self.gate.is_set():
            self.at_gate.set()
            await self.gate.wait()
        await super().run(batch)

    async def aclose(self) -> None:
        self.events.append("closing")
        self.at_exit.set()
        await self.exit.wait()
        self.events.append("closed")


class ActorFactory:
    """Makes actors on one state, and closes them when the test is over."""

    def __init__(self) -> None:
        self.state: State = []
        self.runner = GatedRunner(self.state)
        self.surfaced: list[str] = []
        self._actors: list[Actor[State]] = []

    def actor(
        self,
        runner: Runner[State] | None = None,
        *,
        capacity: int = 1024,
        capacity_bytes: int = 1024,
        translate: Callable[[ActorError], Exception] = lambda error: error,
    ) -> Actor[State]:
        """Make an actor, not yet open, by default on the gated runner."""
        actor = Actor(
            self.runner if runner is None else runner,
            capacity=capacity,
            capacity_bytes=capacity_bytes,
            translate=translate,
        )
        self._actors.append(actor)
        return actor

    async def open(self, *, capacity: int = 1024, capacity_bytes: int = 1024) -> Actor[State]:
        """Make an actor on the gated runner and open it."""
        actor = self.actor(capacity=capacity, capacity_bytes=capacity_bytes)
        await actor.open()
        return actor

    async def hold(self, actor: Actor[State]) -> asyncio.Future[int]:
        """Close the gate and wait until the owner waits there with the note "held"."""
        self.runner.gate.clear()
        self.runner.at_gate.clear()
        held = actor.ask(Note("held"))
        await self.runner.at_gate.wait()
        return held

    def release(self) -> None:
        """Open the gate."""
        self.runner.gate.set()

    def note(self, value: object, weight: int = 0) -> Note:
        """Append a value; the reply is the number of values."""
        return Note(value, weight)

    def do(self, action: Callable[[], object]) -> Do:
        """Call a function as the owner; reply with its result."""
        return Do(action)

    def fail(self, error: BaseException) -> Do:
        """Raise an error as the owner; only `ValueError` is expected."""

        def action() -> object:
            raise error

        return Do(action)

    def owner(self) -> asyncio.Task[Any]:
        """The owner task; there must be one only."""
        (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "owner")
        return task

    async def aclose(self) -> None:
        """Open every gate and close every actor that was opened."""
        self.runner.gate.set()
        self.runner.exit.set()
        async with asyncio.timeout(300):  # after a failed test pytest-timeout no longer watches
            for actor in self._actors:
                await actor.aclose()


@pytest.fixture
async def actors() -> AsyncIterator[ActorFactory]:
    """A factory of actors; afterwards no owner may be left, and no error may have surfaced."""
    actors = ActorFactory()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: actors.surfaced.append(f"{context['message']}: {context}")
    )
    yield actors
    await actors.aclose()
    assert "owner" not in {task.get_name() for task in asyncio.all_tasks()}
    assert actors.surfaced == []


@pytest.fixture
def actors_class() -> type[ActorFactory]:
    """The class, for tests that run their own loop."""
    return ActorFactory


@pytest.fixture
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads that wait count on being woken: none looks for itself, however long it takes."""
    monkeypatch.setattr("soleowner.threads._LOOK", 3600.0)


class StorageError(Exception):
    """The error with which the storage fails."""


class Refused(Exception):
    """The error that callers get for it."""


class ListStorage(Transactions[State]):
    """A list with transactions that records its calls and fails where the test says."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.kept: list[object] = []
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.tries = 0
        """How often a failed batch is applied again."""
        self.before_repeating: Callable[[], None] = lambda: None
        self.hold = threading.Event()
        self.hold.set()
        self.hold_commit = threading.Event()
        self.hold_commit.set()
        self.hold_close = threading.Event()
        self.hold_close.set()
        self.threads: set[int] = set()
        self.interrupted = threading.Event()
        self.pauses: list[float | None] = []
        self.post: Post | None = None

    def _note(self, name: str) -> None:
        self.calls.append(name)
        self.threads.add(threading.get_ident())
        if name in self.fails:
            raise StorageError(name)

    def open(self, post: Post, /) -> None:
        self.post = post
        assert self.hold.wait(1800)
        self._note("open")

    def begin(self, commands: Sequence[Command[State, Any]], /) -> None:
        self._note("begin")
        assert self.hold.wait(1800)

    def apply(self, command: Command[State, R], /) -> R:
        return command.apply(self.state)

    def commit(self) -> Callable[[], None] | None:
        self._note("commit")
        assert self.hold_commit.wait(1800)
        self.kept = [*self.state]
        return lambda: self.calls.append("after")

    def rollback(self) -> None:
        self._note("rollback")
        self.state[:] = self.kept

    def repeats(self, error: Exception, /) -> bool:
        if not self.tries or not isinstance(error, StorageError):
            return False
        self.tries -= 1
        if not self.tries:
            self.fails = set()
        self.before_repeating()
        return True

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        return Refused if isinstance(error, StorageError) else None

    def tidy(self) -> float | None:
        self._note("tidy")
        return self.pauses.pop(0) if self.pauses else None

    def close(self) -> None:
        self._note("close")
        assert self.hold_close.wait(1800)

    def interrupt(self) -> None:
        self.interrupted.set()

    def lost(self) -> Exception:
        return LookupError("lost")


class ThreadedActor:
    """An actor on a thread with a storage, and the errors of both."""

    StorageError, Refused = StorageError, Refused

    def __init__(self, actors: ActorFactory, *, grace: float = 300.0) -> None:
        self.storage = ListStorage(actors.state)
        self.runner = ThreadRunner(self.storage, expected=(ValueError,), grace=grace)
        self.actor: Actor[State] = actors.actor(self.runner)


@pytest.fixture
def threaded(actors: ActorFactory) -> ThreadedActor:
    """An actor, not yet open."""
    return ThreadedActor(actors)


@pytest.fixture
def threaded_class() -> type[ThreadedActor]:
    """The class, for tests that make it themselves."""
    return ThreadedActor
