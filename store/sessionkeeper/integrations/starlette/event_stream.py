"""The frames of a session as server-sent events, which a client can resume after any of them."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Self

import msgspec

from sessionkeeper import (
    AtomicSessionStore,
    Frame,
    FrameWatcher,
    LogReplaced,
    SessionError,
    SessionNotFound,
)

from .problems import InvalidEventId, problem_of

__all__ = ["EventId", "event_stream", "find_start"]

_EVENT_ID = re.compile(r"([0-9a-f]{16})-([1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventId:
    """Names an event: its session, told by the incarnation, and the number of its frame."""

    incarnation: str
    seq: int

    def __str__(self) -> str:
        return f"{self.incarnation}-{self.seq}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `str` wrote. Raises `InvalidEventId`."""
        found = _EVENT_ID.fullmatch(text)
        if found is None:
            raise InvalidEventId
        return cls(found[1], int(found[2]))


@dataclass(frozen=True, slots=True)
class Start:
    """Where a stream of events begins."""

    incarnation: str
    after: int
    over: bool
    """Whether the session has ended, and the client has all of it."""


async def find_start(store: AtomicSessionStore, session_id: str, last: str | None) -> Start:
    """Find where to begin, by the `Last-Event-ID` of a request or None.

    Raises `SessionNotFound`, also for the id of an event of an earlier session; `InvalidEventId`;
    `LogReplaced` for a number that the log has not reached.
    """
    session = await store.get_session(session_id)
    ended = session.ended_at is not None
    if last is None:
        return Start(session.incarnation, 0, over=False)
    event_id = EventId.read(last)
    if event_id.incarnation != session.incarnation:
        raise SessionNotFound(session_id)
    if event_id.seq > session.last_seq:
        raise LogReplaced(session_id, after=event_id.seq)
    return Start(session.incarnation, event_id.seq, over=ended and event_id.seq == session.last_seq)


async def event_stream(
    watcher: FrameWatcher, incarnation: str, heartbeat: float
) -> AsyncIterator[bytes]:
    """Yield an event for each frame, and a comment after each `heartbeat` seconds without one.

    The last event is `end` when no more frames will come, or `problem`.
    """
    async with watcher:
        while True:
            try:
                async with asyncio.timeout(heartbeat):
                    frame = await anext(watcher)
            except TimeoutError:
                yield b":\n\n"  # a client that is gone is noticed by it
            except StopAsyncIteration:
                yield _event({}, "event: end\n")
                return
            except SessionError as error:
                yield _event(problem_of(error), "event: problem\n")
                return
            else:
                yield _event(_data(frame), f"id: {EventId(incarnation, frame.seq)}\n")


def _event(data: Mapping[str, object], head: str) -> bytes:
    # JSON of one line: the text of a message cannot begin a field of its own.
    return b"%sdata: %s\n\n" % (head.encode(), msgspec.json.encode(data))


def _data(frame: Frame) -> dict[str, object]:
    envelope = frame.envelope
    data: dict[str, object] = {
        "seq": frame.seq,
        "direction": envelope.context.direction.value,
        "timestamp": envelope.context.timestamp,
        "media_type": envelope.media_type,
    }
    if envelope.context.stream is not None:
        data["stream"] = envelope.context.stream
    try:
        return {**data, "message": envelope.message.decode()}
    except UnicodeDecodeError:
        return {**data, "message_base64": b64encode(envelope.message).decode()}
