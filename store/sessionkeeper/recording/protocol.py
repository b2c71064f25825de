"""What a proxy needs of a recorder: the protocol, and what is passed through it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

from ..values.gap import Gap
from ..values.kinds import MessageKind
from .origin import DEFAULT_ORIGIN, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ..values.states import Direction

__all__ = ["Captured", "ManyRecorder", "Recorded", "Recorder", "Tell", "record_all"]


class Captured(NamedTuple):
    """The exact bytes of one message, or what is known of those that were not kept."""

    direction: Direction
    message: bytes | Gap
    timestamp: datetime
    origin: Origin = DEFAULT_ORIGIN


Recorded: TypeAlias = "MessageKind | BaseException | None"
"""What `Recorder.record` returned for a message, and `GAP` for a gap; or what it raised."""


Tell: TypeAlias = "Callable[[Sequence[Recorded]], None]"
"""Receives what became of the next messages, in their order."""


class Recorder(Protocol):
    """Records the messages of a proxy. The proxy never calls it concurrently.

    One that is a `ManyRecorder`, too, is given the messages that wait together.
    """

    def started(self, pid: int, /) -> None:
        """Receive the process id of the server; called once, before the first message."""
        ...

    async def record(
        self,
        direction: Direction,
        message: bytes,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> MessageKind | None:
        """Record the exact bytes of one message, whatever they are; of a line, without its newline.

        Returns `ODD` or `GAP` if that is what was recorded. Raises `InvalidMessage` for what it
        does not record, or another `SessionError`.
        """
        ...

    async def record_gap(
        self,
        direction: Direction,
        gap: Gap,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> None:
        """Record what is known of messages that were too large, or came too fast."""
        ...

    async def complete(self) -> None:
        """End the session in order."""
        ...

    async def fail(self, reason: str, /) -> None:
        """End the session as failed."""
        ...


@runtime_checkable
class ManyRecorder(Protocol):
    """A recorder that takes the messages that wait in one step, which costs less than one each."""

    async def record_many(self, messages: Sequence[Captured], tell: Tell, /) -> None:
        """Record messages in their order, and tell what became of each as soon as it is known.

        A proxy that waits sees by it that the recorder works. What is raised is what became of all
        those of which nothing was told.
        """
        ...


async def record_all(recorder: Recorder, messages: Sequence[Captured], tell: Tell) -> None:
    """Record messages in their order, together if the recorder can, and tell of every one.

    Raises what `tell` raises, what is no `Exception`, and a cancellation of the calling task.
    """
    if not isinstance(recorder, ManyRecorder):
        for each in messages:
            tell([await _record_one(recorder, each)])
        return
    left = len(messages)

    def tell_some(recorded: Sequence[Recorded]) -> None:
        nonlocal left
        left -= len(recorded)
        tell(recorded)

    wrong: BaseException = RuntimeError("the recorder told nothing of a message")
    try:
        await recorder.record_many(messages, tell_some)
    except asyncio.CancelledError as cancelled:
        _raise_own(cancelled)
        wrong = cancelled
    except Exception as error:
        wrong = error
    if left:
        tell([wrong] * left)


async def _record_one(recorder: Recorder, captured: Captured) -> Recorded:
    direction, message, timestamp, origin = captured
    try:
        if not isinstance(message, Gap):
            return await recorder.record(direction, message, timestamp, origin=origin)
        await recorder.record_gap(direction, message, timestamp, origin=origin)
        return MessageKind.GAP
    except asyncio.CancelledError as cancelled:
        _raise_own(cancelled)
        return cancelled
    except Exception as error:
        return error


def _raise_own(cancelled: asyncio.CancelledError) -> None:
    """Raise it if the calling task is cancelled; a recorder may raise it, too."""
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise cancelled
