"""The load generator of one round: callers that wait for replies, or arrivals at a fixed rate.

In an open loop, latency counts from the scheduled time of a call. If a store stalls for a second,
every call that arrives meanwhile shows the wait. Callers of a closed loop would have called once.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter_ns
from typing import Any, NamedTuple

from .load import MAX_ROUND_BYTES, Load
from .load_steps import LoadStep
from .subject import Subject, Work

__all__ = ["READ_LIMIT", "LoadGenerator"]

READ_LIMIT = 20
"""How many of the newest messages a `read` requests."""
_BACKLOG = 10_000
"""Maximum number of pending calls in an open loop; further calls wait, and their latency counts."""
_GRACE = 5.0
"""Seconds that pending calls have to finish at the end of a round."""
_TURNS = 8
"""A caller whose calls never wait yields after this many, as a program would."""
_SPIN = 2_000_000
"""Nanoseconds before an arrival when timers are too coarse: those of uvloop count milliseconds."""


class _Call(NamedTuple):
    """A step with everything looked up before the clock starts."""

    work: Work
    method: Callable[..., Awaitable[Any]]
    arguments: tuple[Any, ...]
    place: int
    weight: int


class LoadGenerator:
    """Runs a load on one subject, in one event loop, and counts what happened."""

    def __init__(
        self,
        subject: Subject,
        load: Load,
        keys: Sequence[str],
        steps: Sequence[LoadStep],
        *,
        own: str,
    ) -> None:
        self._subject, self._load, self._keys, self._own = subject, load, keys, own
        self._calls = [self._call(step) for step in steps]
        self.created: deque[str] = deque()
        """Sessions created in this round and not yet deleted."""
        self._number = 0
        self._until = 0
        self._stopped = False
        self._left = MAX_ROUND_BYTES
        self.samples: dict[Work, array[int]] = {}
        """Nanoseconds of each call since `measure` began."""
        self.acknowledged = {work: [0] * len(keys) for work in (Work.APPEND, Work.MODIFY)}
        """By number of the session, warm-up included."""
        self.unknown = {work: [0] * len(keys) for work in (Work.APPEND, Work.MODIFY)}
        """Calls that raised or were cancelled: they may be stored or not."""
        self.errors: Counter[str] = Counter()
        self.late = 0
        """Arrivals that were never started, since `measure` began."""
        self.completed = 0
        """Successful calls since `measure` began."""

    def __repr__(self) -> str:
        return f"<LoadGenerator {self._load.title} of {type(self._subject).__name__}>"

    @property
    def ended_early(self) -> bool:
        """Whether the maximum bytes of a round were reached."""
        return self._left <= 0

    def stop(self) -> None:
        """End the round now; pending calls may still finish."""
        self._stopped = True
        self._until = min(self._until, perf_counter_ns())

    async def measure(self, seconds: float) -> float:
        """Run the load for `seconds`; return the seconds it took. May be called again."""
        self.samples = {work: array("q") for work in Work}
        self.late = self.completed = 0
        begun = perf_counter_ns()
        over = self._stopped or self.ended_early
        self._until = begun if over else begun + int(seconds * 1e9)
        if self._load.rate is None:
            work = [asyncio.ensure_future(self._caller(n)) for n in range(self._load.callers)]
            await self._end(set(work))
        else:
            await self._arrive(begun, 1e9 / self._load.rate)
        return (perf_counter_ns() - begun) / 1e9

    async def _caller(self, number: int) -> None:
        calls = self._calls
        place = number * (len(calls) // self._load.callers or 1)
        turns = 0
        while (begun := perf_counter_ns()) < self._until:
            await self._do(calls[place % len(calls)], begun)
            place += 1
            turns += 1
            if turns % _TURNS == 0:
                await asyncio.sleep(0)

    async def _arrive(self, begun: int, interval: float) -> None:
        under_way: set[asyncio.Task[None]] = set()
        calls, count = self._calls, 0
        due = begun
        end = self._until

        def begin(until: int) -> None:
            nonlocal count, due
            while due <= until and len(under_way) < _BACKLOG:
                task = asyncio.ensure_future(self._do(calls[count % len(calls)], due))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                count += 1
                due = begun + int(count * interval)

        while (now := perf_counter_ns()) < self._until:
            begin(now)
            ahead = due - perf_counter_ns()
            await asyncio.sleep((ahead - _SPIN) / 1e9 if ahead > 2 * _SPIN else 0)
        if not self.ended_early:
            begin(min(self._until, now) - 1)  # arrivals in the last turn of the loop
        while due < min(end, now):
            self.samples[calls[count % len(calls)].work].append(now - due)
            self.late += 1
            count += 1
            due = begun + int(count * interval)
        await self._end(under_way)

    async def _end(self, under_way: set[asyncio.Task[None]]) -> None:
        """Wait for all calls; cancel those that do not finish in time."""
        work = set(under_way)
        while work:
            left = (self._until - perf_counter_ns()) / 1e9 + _GRACE
            if left <= 0:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                return
            _, work = await asyncio.wait(work, timeout=left)

    async def _do(self, call: _Call, begun: int) -> None:
        work, method, arguments, place, weight = call
        try:
            await method(*arguments)
        except BaseException as error:
            if work in self.unknown:
                self.unknown[work][place] += 1
            self.errors[type(error).__name__] += 1
            if not isinstance(error, Exception):
                raise
        else:
            self.completed += 1
            if weight:
                self.acknowledged[work][place] += 1
                self._left -= weight
                if self._left <= 0:
                    self._until = min(self._until, perf_counter_ns())
        finally:
            self.samples[work].append(perf_counter_ns() - begun)

    def _call(self, step: LoadStep) -> _Call:
        subject, key = self._subject, self._keys[step.place]
        method: Callable[..., Awaitable[Any]]
        arguments: tuple[Any, ...] = (key,)
        weight = 0
        if step.work is Work.APPEND:
            method, arguments = subject.append, (key, step.payload)
            weight = len(step.payload)
        elif step.work is Work.SET:
            method, arguments = subject.set, (key, step.payload)
        elif step.work is Work.READ:
            method, arguments = subject.read, (key, READ_LIMIT)
        elif step.work is Work.CREATE:
            method, arguments = self._create, ()
        elif step.work is Work.DELETE:
            method, arguments = self._delete, ()
        elif step.work is Work.LIST:
            method, arguments = subject.list, ()
        elif step.work is Work.MODIFY:
            method, weight = subject.modify, 1
        else:
            method = subject.get if step.work is Work.GET else subject.touch
        return _Call(step.work, method, arguments, step.place, weight)

    async def _create(self) -> None:
        self._number += 1
        key = f"{self._own}-{self._number}"
        await self._subject.create(key)
        self.created.append(key)

    async def _delete(self) -> None:
        """Delete the oldest session created in this round; the others are in use."""
        if not self.created:
            await self._create()
        if self.created:
            await self._subject.delete(self.created.popleft())
