"""The faults that the proxy applies to commands or replies."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypedDict, Unpack

from redis_units import Unit

__all__ = ["Fault", "Faults"]


class Which(TypedDict, total=False):
    """Which of the units it happens to, of those that fit."""

    skip: int
    """How many go by first; 0 without it."""
    times: int | None
    """To how many it happens; None: to all from then on."""
    connection: int | None
    """Only on this one; None, as without it: on any."""


@dataclass(eq=False, slots=True)
class Fault:
    """One thing that happens to some units of one direction."""

    command: str | None
    skip: int = 0
    times: int | None = 1
    connection: int | None = None
    delay: float = 0.0
    drop: bool = False
    cut_at: int | None = None
    reset: bool = False
    split: tuple[int, ...] = ()
    step: int = 0
    gate: asyncio.Event | None = None
    units: list[Unit] = field(default_factory=list)
    """Those it happened to, the last one perhaps still held."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def takes(self, unit: Unit) -> bool:
        """Whether it happens to this one, which counts."""
        if self.command not in (None, unit.command):
            return False
        if self.connection not in (None, unit.connection):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and len(self.units) >= self.times:
            return False
        self.units.append(unit)
        self._changed.set()
        return True

    async def reached(self, times: int = 1) -> None:
        """Wait until it has happened so often; a held unit counts when it begins to be held."""
        while len(self.units) < times:
            self._changed.clear()
            await self._changed.wait()

    def release(self) -> None:
        """Let those pass that are held, and all that come."""
        assert self.gate is not None
        self.gate.set()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The parts that are sent as separate packets."""
        steps = range(self.step, len(data), self.step) if self.step else ()
        at = sorted({0, len(data), *steps, *(cut for cut in self.split if cut < len(data))})
        for start, end in pairwise(at):
            yield data[start:end]


class Faults:
    """What happens in one direction; without any, everything passes unchanged.

    Each method adds one fault and returns it. It applies to whole commands or replies, first to
    last on their connection, also on connections that are open already; several may hit the same.
    By default a fault happens once, to the next unit that fits.
    """

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        """How many arrived at the proxy, by the name of the command."""
        self._faults: list[Fault] = []

    def drop(self, command: str | None = None, **which: Unpack[Which]) -> Fault:
        """Take it from the wire, and leave the connection as it is.

        A reply: the server has done it, the client never hears. A command: swallowed.
        """
        return self._add(Fault(command, drop=True, **which))

    def cut(
        self,
        command: str | None = None,
        *,
        at: int | None = None,
        reset: bool = False,
        **which: Unpack[Which],
    ) -> Fault:
        """Pass on its first `at` bytes (0: nothing; None: all of it), then end the connection.

        The client sees the end of the stream, with `reset` a reset. The server sees the end.
        """
        cut_at = sys.maxsize if at is None else at
        return self._add(Fault(command, cut_at=cut_at, reset=reset, **which))

    def delay(self, seconds: float, command: str | None = None, **which: Unpack[Which]) -> Fault:
        """Pass it on later, and what follows on its connection after it; every time."""
        which.setdefault("times", None)
        return self._add(Fault(command, delay=seconds, **which))

    def hold(self, command: str | None = None, **which: Unpack[Which]) -> Fault:
        """Keep it, and what follows on its connection, until `release()`."""
        return self._add(Fault(command, gate=asyncio.Event(), **which))

    def split(
        self, *at: int, every: int = 0, command: str | None = None, **which: Unpack[Which]
    ) -> Fault:
        """Pass it on in packets that begin at these bytes, or every so many bytes; every time."""
        which.setdefault("times", None)
        return self._add(Fault(command, split=at, step=every, **which))

    def lift(self, fault: Fault) -> None:
        """Remove the fault; held units pass."""
        self._faults.remove(fault)
        if fault.gate is not None:
            fault.gate.set()

    def clear(self) -> None:
        """Lift all."""
        for fault in list(self._faults):
            self.lift(fault)

    def on(self, unit: Unit) -> list[Fault]:
        """Count this one; what happens to it."""
        self.counted[unit.command] += 1
        return [fault for fault in self._faults if fault.takes(unit)]

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault
