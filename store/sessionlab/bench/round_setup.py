"""What a round begins and ends with: sessions are made, looked at and deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress

from sessionkeeper.values.errors import SessionNotFound

from .load import Load, message_of
from .protocol import Checked
from .subject import Kept, Subject, Work

__all__ = ["end", "fill", "filled_with", "found_in"]

_AT_ONCE = 64


def filled_with(subject: Subject, load: Load, /) -> int:
    """Return how many messages each session holds before it is asked for anything."""
    return load.frames if Work.APPEND in subject.offers else 0


async def fill(
    subject: Subject, load: Load, keys: Sequence[str], /, *, stopped: Callable[[], bool]
) -> None:
    """Make the sessions, with the messages that are to be there before; until `stopped` says so."""
    messages = [message_of(load.sizes[0])] * filled_with(subject, load)

    async def make(key: str) -> None:
        await subject.create(key)
        if messages:
            await subject.append_many(key, messages)

    await _each(make, keys, stopped)


async def found_in(
    subject: Subject, keys: Sequence[str], /, *, before: int, stopped: Callable[[], bool]
) -> Checked:
    """Look at each session, which held so many messages `before`; until `stopped` says so.

    A session that is not there any more holds nothing.
    """

    async def kept_of(key: str) -> Kept:
        try:
            return await subject.kept(key)
        except (LookupError, SessionNotFound):
            return Kept(0, 0)

    kept: list[Kept] = []
    for some in _some_at_a_time(keys):
        if stopped():
            return Checked([], [], before, whole=False)
        kept += await asyncio.gather(*map(kept_of, some))
    return Checked([each.appended for each in kept], [each.counter for each in kept], before)


async def end(subject: Subject, keys: Sequence[str], /, *, tidy: bool, last: bool) -> None:
    """Close it. With `tidy` its sessions go before that, or afterwards all of a place apart."""

    async def delete(key: str) -> None:
        with suppress(SessionNotFound):
            await subject.delete(key)

    if tidy and not subject.apart:
        await _each(delete, keys)
    await subject.aclose()
    if tidy and subject.apart and last:
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
