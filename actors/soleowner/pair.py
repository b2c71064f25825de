"""Two owners that look like one: reads do not wait for writes.

Rules: once either of them accepts no more commands, neither does; code inside a command of the
writer can call neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from .actor import Actor
from .command import Command
from .envelope import Reply
from .errors import ActorError
from .observer import Observer
from .runner import Runner
from .statistics import ActorState, ActorStatistics, together

__all__ = ["ActorPair"]

S = TypeVar("S")
R = TypeVar("R")


class ReadingActor(Actor[S]):
    """The half that reads; the other half learns when it ends."""

    on_end: Callable[[Callable[[], Exception]], None]

    def _end(self, state: ActorState, refusal: Callable[[], Exception]) -> None:
        super()._end(state, refusal)
        self.on_end(refusal)


class ActorPair(Actor[S]):
    """An actor with a second owner for the commands that only read.

    Commands of one kind are applied in the order of the calls. Between the kinds only this
    order holds: a read sees every write that was answered before the read was called. This
    requires that the reader's runner reads the shared state after it has taken the command, and
    that the writer's runner publishes its changes before it answers.

    Each owner has a mailbox of `capacity` and `capacity_bytes`. The reader is opened after the
    writer's runner, so it finds what the writer created.
    """

    def __init__(
        self,
        writer: Runner[S],
        reader: Runner[S],
        *,
        reads: Callable[[Command[S, Any]], bool],
        name: str = "owner",
        capacity: int = 1024,
        capacity_bytes: int = 64 * 1024 * 1024,
        translate: Callable[[ActorError], Exception] = lambda error: error,
    ) -> None:
        self._reads = reads
        self._reader: ReadingActor[S] = ReadingActor(
            reader,
            name=f"{name} reading",
            capacity=capacity,
            capacity_bytes=capacity_bytes,
            translate=translate,
        )
        super().__init__(
            writer,
            name=name,
            capacity=capacity,
            capacity_bytes=capacity_bytes,
            translate=translate,
        )
        self._reader.on_end = self._follow

    def ask(self, command: Command[S, R], /) -> asyncio.Future[R]:
        """Queue a command with its owner, and return its reply. Raises as `Actor.ask`."""
        if not self._reads(command):
            return super().ask(command)
        self.check_here()
        return self._reader.ask(command)

    def ask_nowait(self, command: Command[S, R], /) -> asyncio.Future[R]:
        """Queue a command like `ask`, but raise `MailboxFull` if `ask` would have to wait."""
        if not self._reads(command):
            return super().ask_nowait(command)
        self.check_here()
        return self._reader.ask_nowait(command)

    def check_here(self) -> None:
        """Raise the error with which the writer would refuse a call now, if any.

        The reader would not refuse it: to the reader, the writer's thread is an ordinary thread.
        """
        if self._refusal is not None:
            raise self._refusal()
        self._check_here()

    def statistics(self) -> ActorStatistics:
        """One moment of both; counters are added up."""
        return together(super().statistics(), self._reader.statistics())

    def observe(self, observer: Observer | None) -> None:
        """Notify this observer of each batch of either owner; it replaces the previous one."""
        super().observe(observer)
        self._reader.observe(observer)

    async def _get_ready(self) -> None:
        await super()._get_ready()
        try:
            if self._state is ActorState.OPENING:  # else `aclose` came in between
                await self._reader.open()
        except BaseException:
            await self._runner.aclose()
            raise

    def _raise_fences(self) -> list[asyncio.Future[None]]:
        return super()._raise_fences() + self._reader._raise_fences()

    def _begin_closing(self) -> set[asyncio.Task[None]]:
        # The writer first: it knows whether the caller may close.
        return super()._begin_closing() | self._reader._begin_closing()

    def _give_up(self) -> None:
        super()._give_up()
        self._reader._give_up()

    def _follow(self, refusal: Callable[[], Exception]) -> None:
        self._refusal = self._refusal or refusal

    def _accept(self, command: Command[S, object], reply: Reply, /) -> None:
        accept = self._reader._accept if self._reads(command) else super()._accept
        accept(command, reply)
