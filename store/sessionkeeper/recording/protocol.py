"""What a proxy needs of a recorder: the protocol, and what is passed through it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

from ..values.gap import Gap
from ..values.kinds import MessageKind
from .origin import DEFAULT_ORIGIN, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ..values.states import Direction

__all__ = ["Captured", "ManyRecorder", "Recorded", "Recorder", "record_all"]


class Captured(NamedTuple):
    """The exact bytes of one message, or what is known of those that were not kept."""

    direction: Direction
    message: bytes | Gap
    timestamp: datetime
    origin: Origin = DEFAULT_ORIGIN


Recorded: TypeAlias = "MessageKind | BaseException | None"
"""What `Recorder.record` returned for a message, and `GAP` for a gap; or what it raised."""


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

    async def record_many(self, messages: Sequence[Captured], /) -> list[Recorded]:
        """Record messages in their order, and return what became of each.

        What is raised is what became of all.
        """
        ...


async def record_all(recorder: Recorder, messages: Sequence[Captured]) -> list[Recorded]:
    """Record messages in their order, together if the recorder can.

    Raises what is no `Exception`, and a cancellation of the calling task.
    """
    if not isinstance(recorder, ManyRecorder):
        return [await _record_one(recorder, each) for each in messages]
    try:
        return await recorder.record_many(messages)
    except asyncio.CancelledError as cancelled:
        _raise_own(cancelled)
        return [cancelled] * len(messages)
    except Exception as error:
        return [error] * len(messages)


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
