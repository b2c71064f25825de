"""Rounds on one target: load with faults in it, then peace, in which everything is compared."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from random import Random

from faulted_checks import STREAMS, Findings, Operation, Outcome, SessionRecord, read_count
from faulted_load import GRACE, Caller, FaultLog
from faulted_servers import PREFIX, Clusters, Cuts, Target
from sessionkeeper import (
    AtomicSessionStore,
    OutcomeUnknown,
    RedisSessionStore,
    Session,
    StoreUnavailable,
)

__all__ = ["ServerLane", "LaneCounters", "compare"]

PATIENCES = (0.4, 2.0, 5.0)
"""Seconds, of each store: faults take longer than the first and less than the last."""
SESSIONS = 12
CALLERS = 60
"""Of each store."""
_ATTEMPTS = 20


@dataclass
class LaneCounters:
    """How much was done, and how it ended."""

    operations: int = 0
    faulted: int = 0
    """Operations that a fault met between their call and their answer."""
    rounds: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    latest: float = 0.0
    """By how many seconds a call returned after its deadline, at most."""

    def count(self, outcome: Outcome, *, met: bool, late: float = 0.0) -> None:
        """Note one operation."""
        self.operations += 1
        self.faulted += met
        self.outcomes[outcome.value] += 1
        self.latest = max(self.latest, late)


class ServerLane:
    """Several stores on one target, used by many callers at once."""

    def __init__(
        self,
        name: str,
        target: Target,
        *,
        random: Random,
        make: type[RedisSessionStore] = RedisSessionStore,
        grace: float = GRACE,
    ) -> None:
        self.name = name
        self.findings = Findings()
        self.counters = LaneCounters()
        self._target, self._random, self._make, self._grace = target, random, make, grace
        keys = [f"s{number}" for number in range(SESSIONS)]
        self._records = {key: SessionRecord(key, self.findings) for key in keys}
        if isinstance(target, Clusters):
            target.sessions = keys

    async def run(self, goes_on: Callable[[], bool]) -> None:
        """Make rounds until that is no longer so, one at least."""
        target = self._target
        try:
            *urls, direct = await target.start(len(PATIENCES))
            async with AsyncExitStack() as stack:
                control = await stack.enter_async_context(await self._opened(direct, 60))
                for key in self._records:
                    await control.create_session(Session.new(transport_type="stdio", id=key))
                stores = [
                    await stack.enter_async_context(await self._opened(url, patience))
                    for url, patience in zip(urls, PATIENCES, strict=True)
                ]
                await self._rounds(stores, control, goes_on)
        finally:
            await target.close()

    async def _opened(self, url: str, patience: float) -> RedisSessionStore:
        """Open a store; on a machine as busy as this one it may take more than one attempt."""
        options = self._target.options
        for _ in range(_ATTEMPTS):
            with suppress(StoreUnavailable):
                return await self._make(url, prefix=PREFIX, patience=patience, **options).open()
        raise StoreUnavailable("it could not be opened before any fault")

    async def _rounds(
        self,
        stores: Sequence[RedisSessionStore],
        control: RedisSessionStore,
        goes_on: Callable[[], bool],
    ) -> None:
        callers = [
            self._caller(f"{place}.{number}", store, PATIENCES[place], self._target.logs[place])
            for place, store in enumerate(stores)
            for number in range(CALLERS)
        ]
        while True:
            await self._disturb(callers)
            await self._target.settle()
            await self._resolve(control)
            await self._target.settle()
            for record in self._records.values():
                await compare(control, record)
            for log in self._target.logs:
                log.clear()
            self.counters.rounds += 1
            if not goes_on():
                return

    async def _disturb(self, callers: Sequence[Caller]) -> None:
        faults = 20 if isinstance(self._target, Cuts) else 2
        begun = True
        async with asyncio.TaskGroup() as tasks:
            for caller in callers:
                tasks.create_task(caller.run(lambda: begun))
            try:
                for _ in range(faults):
                    fault = await self._target.fault(self._random)
                    # A cut may find nothing to cut: all may wait for another connection.
                    self.counters.faults[fault] += fault != "none"
            finally:
                begun = False

    def _caller(
        self, name: str, store: AtomicSessionStore, patience: float, faults: FaultLog
    ) -> Caller:
        # Waiting for replicas comes on top of patience.
        deadline = patience + ("wait_replicas" in self._target.options)

        def on_call(key: str, begun: float, ended: float, outcome: Outcome) -> None:
            met = faults.met(key, begun, ended)
            self.counters.count(outcome, met=met, late=ended - begun - deadline)

        return Caller(
            name,
            store,
            records=self._records,
            on_call=on_call,
            findings=self.findings,
            deadline=deadline,
            grace=self._grace,
            random=Random(self._random.random()),
        )

    async def _resolve(self, control: RedisSessionStore) -> None:
        """Ask what became of each operation whose outcome was not known, several at a time."""
        waiting = [each for record in self._records.values() for each in record.unresolved()]

        async def ask() -> None:
            while waiting:
                operation = waiting.pop()
                operation.resolved = await self._read_outcome(control, operation)

        await asyncio.gather(*(ask() for _ in range(8)))

    async def _read_outcome(self, control: RedisSessionStore, operation: Operation) -> bool | None:
        for _ in range(5):
            try:
                found = await control.resolve(operation.operation_id)
            except StoreUnavailable:
                continue
            except OutcomeUnknown:
                # With WAIT it may be the question that was not replicated in time: ask again.
                if self._target.options:
                    continue
                break
            self.counters.outcomes[f"resolved: {'applied' if found else 'not applied'}"] += 1
            return found
        self.counters.outcomes["resolved: nobody can tell"] += 1
        return None


async def compare(store: AtomicSessionStore, record: SessionRecord) -> None:
    """Read what one session holds, compare it, and make room for more."""
    key = record.session_id
    frames = await store.read_frames(key, after=record.checked, limit=1_000_000)
    for stream in STREAMS:
        found = await store.read_frames(key, after=record.checked, limit=1_000_000, stream=stream)
        record.check_stream(stream, frames, found)
    session = await store.get_session(key)
    record.check(frames, read_count(session.metadata))
    with suppress(OutcomeUnknown):
        await store.trim_frames(key, up_to=max(record.checked - 10, 0))
