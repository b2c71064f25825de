"""Lets one transaction be overtaken: a program that pauses between two statements."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress

__all__ = ["Overtaking"]

_TIMES = 8
_SHORTEST, _LONGEST = 0.015, 0.1
_PATIENCE = 4
_LOOKS, _QUIET = 66, 3


class Overtaking:
    """Holds the first call that pauses beside another one, and no later one.

    It is held until another transaction has ended, and then as long as eight transactions take on
    this server, so that others see what is done meanwhile. If all others wait for its locks, it is
    let go after four times that.
    """

    def __init__(self) -> None:
        self._running = 0
        self._done = False
        self._overtaken = asyncio.Event()
        self._seconds = _SHORTEST

    def measure(self, seconds: float) -> None:
        """Say how long a transaction takes, in seconds."""
        self._seconds = min(max(_SHORTEST, _TIMES * seconds), _LONGEST)

    @contextmanager
    def call(self, *, writes: bool = False) -> Generator[None]:
        """Count a call while it runs; one that `writes` is a transaction."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            if writes and self._done:
                self._overtaken.set()

    async def pause(self) -> None:
        """Wait, if this is the call that is held."""
        if self._running > 1 and not self._done:
            self._done = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._overtaken.wait(), _PATIENCE * self._seconds)
            await asyncio.sleep(self._seconds)

    async def let_all_pass(self) -> None:
        """Wait until no call has run for a moment, or for a second."""
        quiet = 0
        for _ in range(_LOOKS):
            await asyncio.sleep(_SHORTEST)
            quiet = 0 if self._running else quiet + 1
            if quiet == _QUIET:
                return
