"""Stores that are wrong on purpose: what looks for faults must report each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from sessionkeeper import Frame, MessageEnvelope, RedisSessionStore, SessionError
from sessionkeeper.backends.redis import opening
from sessionkeeper.backends.redis.client.pipeline import Pipeline
from sessionkeeper.backends.redis.delivery.request import OPEN
from sessionkeeper.backends.redis.delivery.writer_log import WriterLog

__all__ = ["FLAWS", "SQLITE_FLAWS", "flawed"]


class Blind(WriterLog):
    """What got no answer is sent again, as a client that retries does."""

    def resolve(self, request: Any) -> Any:
        super().resolve(request)
        return OPEN


class _Impatient(RedisSessionStore):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._asked: set[asyncio.Future[int]] = set()
        self._last = 0

    async def _soon(self, operation: Coroutine[Any, Any, int], other: int) -> int:
        """Its answer, or another one if it has none soon."""
        asked = asyncio.ensure_future(operation)
        self._asked.add(asked)
        asked.add_done_callback(self._forget)
        done, _ = await asyncio.wait({asked}, timeout=0.1)
        return asked.result() if done else other

    def _forget(self, asked: asyncio.Future[int]) -> None:
        self._asked.discard(asked)
        if not asked.cancelled():
            asked.exception()


class Early(_Impatient):
    """What is not answered soon is acknowledged all the same."""

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        self._last = await self._soon(super().add_frame(envelope), self._last + 1)
        return self._last


class Forgetful(_Impatient):
    """A removal that is not answered soon is acknowledged all the same."""

    async def remove_frames(self, session_id: str, seqs: Iterable[int], /, **options: Any) -> int:
        return await self._soon(super().remove_frames(session_id, seqs, **options), 1)


class Streamless(RedisSessionStore):
    """The last frame of a stream is not found in it."""

    async def read_frames(self, session_id: str, /, **options: Any) -> list[Frame]:
        found = await super().read_frames(session_id, **options)
        return found[:-1] if options.get("stream") else found


class Mute(RedisSessionStore):
    """A caller whose answer was lost never hears of it."""

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        try:
            return await super().add_frame(envelope)
        except SessionError:
            await asyncio.Event().wait()
            raise


class Liar(RedisSessionStore):
    """It says the opposite of what became of an operation."""

    async def resolve(self, operation_id: str, /) -> bool:
        return not await super().resolve(operation_id)


def _mixed(own_answers: Callable[[Pipeline], list[Any]]) -> Callable[[Pipeline], list[Any]]:
    """Give the answers to two neighbours that asked the same kind of thing to each other."""

    def mixed(self: Pipeline) -> list[Any]:
        answers = own_answers(self)
        calls = self.calls[self.loads :]
        for place in range(len(answers) - 1):
            one, two = calls[place], calls[place + 1]
            if one.script is not None and one.script is two.script and one.reads and two.reads:
                answers[place : place + 2] = answers[place + 1], answers[place]
        return answers

    return mixed


FLAWS: dict[str, type[RedisSessionStore]] = {
    "blind": RedisSessionStore,
    "early": Early,
    "forgetful": Forgetful,
    "streamless": Streamless,
    "mixed": RedisSessionStore,
    "mute": Mute,
    "liar": Liar,
}
"""Which store has it, by name: two of them are below the store."""
SQLITE_FLAWS = ("late", "stale")
"""Those of a file: it is committed when the next batch begins, after the answer; rows of earlier
batches are used although others wrote."""


@contextmanager
def flawed(flaw: str | None) -> Iterator[type[RedisSessionStore]]:
    """Have that flaw; the store to use."""
    if flaw == "blind":
        with mock.patch.object(opening, "WriterLog", Blind):
            yield RedisSessionStore
    elif flaw == "mixed":
        with mock.patch.object(Pipeline, "own_answers", _mixed(Pipeline.own_answers)):
            yield RedisSessionStore
    else:
        yield FLAWS.get(flaw or "", RedisSessionStore)
