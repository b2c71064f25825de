"""How a facade works away from its loop: its methods stop at the command, which alone is sent.

Checking arguments, packing and unpacking stay with the calling thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Coroutine, Generator
from types import coroutine
from typing import Any, Protocol, TypeVar, cast

from soleowner import Command, ThreadPort

from ...interface.atomic_store import AtomicSessionStore

__all__ = ["Ask", "ThreadBridge", "run_coroutine", "suspend_at"]

S_co = TypeVar("S_co", covariant=True)
R = TypeVar("R")


class Ask(Protocol[S_co]):
    """How a facade sends a command and gets the reply."""

    def __call__(self, command: Command[S_co, R], /) -> Awaitable[R]:
        """Send a command."""
        ...


class ThreadBridge(ABC):
    """A store with an owner, which other threads can ask through a port."""

    @abstractmethod
    def bridge(self) -> tuple[AtomicSessionStore, ThreadPort[Any]]:
        """Return a copy of the facade that asks through `suspend_at`, and a port to its owner.

        Raises what the store raises while it is not open.
        """

    @abstractmethod
    async def settle(self) -> None:
        """Wait until all commands before this call have ended, even those of cancelled callers.

        An answered read does not show that: on some stores it overtakes waiting writes.
        """


@coroutine
def suspend_at(command: Command[Any, R], /) -> Generator[Command[Any, R], R, R]:
    """Hand a command to who drives the facade's coroutine, and wait for the reply."""
    return (yield command)


def run_coroutine(
    steps: Coroutine[Any, Any, R], port: ThreadPort[Any], *, timeout: float | None
) -> R:
    """Run a facade's coroutine in this thread, its commands sent through the port.

    Raises what the coroutine raises, and through it what `ThreadPort.ask` raises.
    """
    try:
        command = steps.send(None)
        while True:
            if command is None:  # a pause, which only a loop needs
                command = steps.send(None)
                continue
            try:
                reply = port.ask(command, timeout=timeout)
            except BaseException as error:
                command = steps.throw(error)
            else:
                command = steps.send(reply)
    except StopIteration as end:
        return cast("R", end.value)
