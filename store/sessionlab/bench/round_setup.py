"""Setup and teardown of a round: create sessions, count what is stored, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress

from sessionkeeper.values.errors import SessionNotFound

from .load import Load, make_message
from .protocol import StoredReport
from .subject import StoredContent, Subject, Work

__all__ = ["end_round", "fill", "initial_messages", "count_all_stored"]

_AT_ONCE = 64


def initial_messages(subject: Subject, load: Load, /) -> int:
    """Return the messages in each session before the load."""
    return load.frames if Work.APPEND in subject.offers else 0


async def fill(
    subject: Subject, load: Load, keys: Sequence[str], /, *, stopped: Callable[[], bool]
) -> None:
    """Create the sessions with their initial messages, until `stopped` returns True."""
    messages = [make_message(load.sizes[0])] * initial_messages(subject, load)

    async def make(key: str) -> None:
        await subject.create(key)
        if messages:
            await subject.append_many(key, messages)

    await _each(make, keys, stopped)


async def count_all_stored(
    subject: Subject, keys: Sequence[str], /, *, before: int, stopped: Callable[[], bool]
) -> StoredReport:
    """Count the content of each session, until `stopped` returns True.

    `before` is the number of initial messages. A missing session counts as empty.
    """

    async def stored_or_nothing(key: str) -> StoredContent:
        try:
            return await subject.count_stored(key)
        except (LookupError, SessionNotFound):
            return StoredContent(0, 0)

    found: list[StoredContent] = []
    for some in _some_at_a_time(keys):
        if stopped():
            return StoredReport([], [], before, whole=False)
        found += await asyncio.gather(*map(stored_or_nothing, some))
    return StoredReport([each.appended for each in found], [each.counter for each in found], before)


async def end_round(subject: Subject, keys: Sequence[str], /, *, cleanup: bool, last: bool) -> None:
    """Close the subject. With `cleanup`, delete its sessions before, or a whole isolated place
    afterwards."""

    async def delete(key: str) -> None:
        with suppress(SessionNotFound):
            await subject.delete(key)

    if cleanup and not subject.is_isolated:
        await _each(delete, keys)
    await subject.aclose()
    if cleanup and subject.is_isolated and last:
        await subject.clear()


async def _each(
    do: Callable[[str], Awaitable[object]],
    keys: Sequence[str],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    for some in _some_at_a_time(keys):
        if stopped():
            return
        await asyncio.gather(*map(do, some))


def _some_at_a_time(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(keys), _AT_ONCE):
        yield keys[first : first + _AT_ONCE]
