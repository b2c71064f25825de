"""Reports a store to OpenTelemetry (extra `otel`).

The names follow the rules of the semantic conventions. No metric carries an id or a principal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from opentelemetry.metrics import (
    CallbackOptions,
    Histogram,
    MeterProvider,
    Observation,
    get_meter_provider,
)
from soleowner import ActorStatistics, Observer

from .interface.arguments import checked_seconds, checked_text
from .interface.atomic_store import AtomicSessionStore
from .values.errors import SessionError
from .values.statistics import StoreStatistics

__all__ = ["Telemetry"]

logger = logging.getLogger("sessionkeeper")

_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
_SECONDS = [0.00001, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]


class Telemetry:
    """Measures an open store while the block runs: `async with Telemetry(store): …`.

    Mailbox and batches are measured directly. Sessions, frames and refusals are read every
    `interval` seconds with one `statistics()`, because an exporter's thread cannot ask the owner. A
    store without a mailbox has no mailbox metrics. `name` distinguishes the stores of one program,
    in the attribute `sessionkeeper.store`.

    Raises `TypeError`; `ValueError` unless the interval is greater than 0.
    """

    def __init__(
        self,
        store: AtomicSessionStore,
        *,
        name: str = "store",
        meter_provider: MeterProvider | None = None,
        interval: float = 15.0,
    ) -> None:
        if not isinstance(store, AtomicSessionStore):
            raise TypeError(f"an AtomicSessionStore is expected, not {type(store).__name__}")
        if not checked_seconds("interval", interval):
            raise ValueError("interval must be greater than 0 seconds")
        self._store = store
        self._interval = interval
        self._read: StoreStatistics | None = None
        self._task: asyncio.Task[None] | None = None
        self._attributes = {"sessionkeeper.store": checked_text("name", name)}
        provider = get_meter_provider() if meter_provider is None else meter_provider
        # One scope per name, because a scope may contain an instrument only once.
        self._meter = provider.get_meter("sessionkeeper", attributes=self._attributes)
        self._make_instruments()

    async def refresh(self) -> None:
        """Read sessions, frames and refusals now. Raises what `statistics()` raises."""
        self._read = await self._store.statistics()

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("a Telemetry can be entered only once")
        await self.refresh()
        self._store.observe(self._batches)
        self._task = asyncio.create_task(self._keep_reading(), name="sessionkeeper telemetry")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.observe(None)
        self._read = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.refresh()
            except SessionError as error:
                # A store that is closed or unreachable has no numbers; it may return.
                self._read = None
                logger.warning("no statistics for telemetry: %s", type(error).__name__)

    def _make_instruments(self) -> None:
        meter = self._meter
        self._batches = _Batches(
            self._attributes,
            meter.create_histogram(
                "sessionkeeper.batch.size",
                unit="{command}",
                description="Commands that the owner took in one turn",
                explicit_bucket_boundaries_advisory=_SIZES,
            ),
            meter.create_histogram(
                "sessionkeeper.batch.wait",
                unit="s",
                description="Time that the first command of a batch was queued",
                explicit_bucket_boundaries_advisory=_SECONDS,
            ),
            meter.create_histogram(
                "sessionkeeper.batch.service",
                unit="s",
                description="Time that the owner took for a batch",
                explicit_bucket_boundaries_advisory=_SECONDS,
            ),
        )
        meter.create_observable_gauge(
            "sessionkeeper.mailbox.depth",
            [self._of_mailbox(lambda box: box.depth)],
            unit="{command}",
            description="Queued commands",
        )
        meter.create_observable_gauge(
            "sessionkeeper.mailbox.waiting",
            [self._of_mailbox(lambda box: box.waiting)],
            unit="{command}",
            description="Commands that wait for room in the mailbox",
        )
        meter.create_observable_gauge(
            "sessionkeeper.sessions",
            [self._of_store(_sessions)],
            unit="{session}",
            description="Sessions in the store, by state",
        )
        meter.create_observable_gauge(
            "sessionkeeper.frames",
            [self._of_store(lambda read: [Observation(read.frames)])],
            unit="{frame}",
            description="Frames in the store",
        )
        meter.create_observable_counter(
            "sessionkeeper.refusals",
            [self._of_store(_refusals)],
            unit="{operation}",
            description="Operations that ended with an error, by type",
        )

    def _of_mailbox(
        self, number: Callable[[ActorStatistics], int]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            mailbox = self._store.mailbox
            if mailbox is None or self._read is None:
                return []
            return [Observation(number(mailbox), self._attributes)]

        return observe

    def _of_store(
        self, numbers: Callable[[StoreStatistics], Iterable[Observation]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            read = self._read
            if read is None:
                return []
            return [
                Observation(each.value, {**self._attributes, **(each.attributes or {})})
                for each in numbers(read)
            ]

        return observe


class _Batches(Observer):
    def __init__(
        self, attributes: dict[str, str], size: Histogram, wait: Histogram, service: Histogram
    ) -> None:
        self._attributes = attributes
        self._size, self._wait, self._service = size, wait, service

    def batch(self, commands: int, waited: float, served: float, /) -> None:
        self._size.record(commands, self._attributes)
        self._wait.record(waited, self._attributes)
        self._service.record(served, self._attributes)


def _sessions(read: StoreStatistics) -> Iterable[Observation]:
    return [Observation(count, {"state": str(state)}) for state, count in read.sessions.items()]


def _refusals(read: StoreStatistics) -> Iterable[Observation]:
    return [Observation(count, {"error.type": kind}) for kind, count in read.refusals.items()]
