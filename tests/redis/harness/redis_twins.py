"""The same operations on stores of one server and on tables in memory, compared.

Operations that are sent at once may take effect in any order: one is looked for in which memory
answers the same, tells its listeners the same, and then holds the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from sessionkeeper import (
    AtomicSessionStore,
    Frame,
    MessageEnvelope,
    PlainSessionStore,
    RedisSessionStore,
    Session,
    SessionEvent,
    SessionPage,
    StoreLimits,
    StoreStatistics,
)
from sessionkeeper.backends.memory import MemoryTables
from sessionkeeper.values.clock import Clock

__all__ = ["Call", "Memory", "Operation", "Time", "Twins"]

Call: TypeAlias = Callable[[AtomicSessionStore], Awaitable[object]]
Heard: TypeAlias = "Counter[object]"


class Time:
    """Both clocks of all stores of a test; it goes on between operations only."""

    def __init__(self) -> None:
        self.milliseconds = 1_764_000_000_000

    def clock(self) -> Clock:
        """The clock as a store needs it."""
        return Clock(wall=self._seconds, steady=self._seconds)

    def _seconds(self) -> float:
        return self.milliseconds / 1000


@dataclass(frozen=True)
class Operation:
    """One call that can be made of any store, in the view of a principal if it has one."""

    text: str
    call: Call
    principal: str | None = None

    def __repr__(self) -> str:
        return self.text if self.principal is None else f"{self.principal}'s {self.text}"

    async def on(self, store: AtomicSessionStore) -> object:
        """Make the call; return the answer or the error as plain values."""
        view = store if self.principal is None else store.for_principal(self.principal)
        try:
            return _plain(await self.call(view))
        except Exception as error:
            return type(error).__name__, sorted(vars(error).items())


def _plain(value: Any) -> object:
    """Make values of an answer that can be compared and read."""
    match value:
        case Session():
            held = value.model_dump(mode="json", exclude_defaults=True, exclude={"incarnation"})
            return held | {"tags": sorted(value.tags)}
        case Frame():
            return value.seq, value.envelope.message
        case MessageEnvelope():
            return value.message
        case SessionPage():
            return _plain(value.sessions), value.cursor
        case StoreStatistics():
            return value.sessions, value.frames, value.bytes, value.counters
        case list() | tuple():
            values: list[Any] = [*value]
            return [_plain(each) for each in values]
        case _:
            return value


async def _picture(store: AtomicSessionStore) -> object:
    """Look at all that a store tells."""
    sessions = await store.list_sessions()
    logs = [_plain(await store.read_frames(each.id)) for each in sessions]
    own = [await store.for_principal(each).count_sessions() for each in ("alice", "bob")]
    return _plain(sessions), logs, own, _plain(await store.statistics())


def _listener(heard: Heard) -> Callable[[SessionEvent, Context], None]:
    def listen(event: SessionEvent, _: Context) -> None:
        heard[event.kind, event.session.id, event.session.revision, event.before] += 1

    return listen


class Memory:
    """The expected store: the rules on tables in memory, which can be copied."""

    def __init__(self, tables: MemoryTables, heard: Heard) -> None:
        self.heard = heard
        self.store = PlainSessionStore()
        self.store._tables = tables
        self.store._listeners.add(_listener(heard))
        tables.connect(lambda _: None, self.store._listeners)

    @classmethod
    def empty(cls, limits: StoreLimits, time: Time) -> Memory:
        """One without sessions."""
        return cls(MemoryTables(limits, time.clock()), Counter())

    def after(self, operation: Operation) -> tuple[object, Memory]:
        """Apply an operation to a copy; its answer, and the copy."""
        tables = self.store._tables
        kept: list[object] = [tables.clock, tables.limits, tables._notify, tables._listeners]
        kept += [row.session for row in tables.rows()]
        copy = Memory(deepcopy(tables, {id(each): each for each in kept}), self.heard.copy())
        return _at_once(operation.on(copy.store)), copy

    def picture(self) -> object:
        """Look at all there is."""
        return _at_once(_picture(self.store))

    def sessions(self) -> list[Session]:
        """All there are."""
        return [row.snapshot() for row in self.store._tables.rows()]


def _at_once(never_waits: Coroutine[Any, Any, object]) -> object:
    try:
        never_waits.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("memory waited")


class Twins:
    """Stores on one server, and memory beside them.

    `looker` is a store through which everything is looked at that the others did.
    """

    def __init__(
        self, stores: Sequence[RedisSessionStore], looker: RedisSessionStore, memory: Memory
    ) -> None:
        self.memory = memory
        self._stores = stores
        self._looker = looker
        self._heard: Heard = Counter()
        for store in stores:
            store.subscribe(_listener(self._heard))

    async def do(
        self, operations: Sequence[Operation], dice: Random, meanwhile: Awaitable[object]
    ) -> None:
        """Do them at once, each by one of the stores. AssertionError if no order explains it."""
        calls = [each.on(dice.choice(self._stores)) for each in operations]
        answers = (await asyncio.gather(*calls, meanwhile))[:-1]
        left = [*zip(operations, answers, strict=True)]
        there = await _picture(self._looker)
        found = self._explained(self.memory, left, there)
        if found is None:
            alone = [self.memory.after(each)[0] for each in operations]
            raise AssertionError(
                f"no order explains {left}\nin memory, each alone: {alone}\n"
                f"before: {self.memory.picture()}\nafter: {there}\n"
                f"heard: {self._heard - self.memory.heard}"
            )
        self.memory = found

    def _explained(
        self, memory: Memory, left: list[tuple[Operation, object]], there: object
    ) -> Memory | None:
        if not left:
            same = memory.heard == self._heard and memory.picture() == there
            return memory if same else None
        for place, (operation, answer) in enumerate(left):
            told, after = memory.after(operation)
            if told == answer:
                found = self._explained(after, left[:place] + left[place + 1 :], there)
                if found is not None:
                    return found
        return None
