"""Metrics of a real store, read by the real SDK."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sessionkeeper import (
    ActorSessionStore,
    MessageEnvelope,
    PlainSessionStore,
    Session,
    SessionNotFound,
    SessionState,
)
from sessionkeeper.otel import Telemetry

NOTE = MessageEnvelope.of(
    "a", {"jsonrpc": "2.0", "method": "secret-method"}, direction="client-to-server"
)
STORE = {"sessionkeeper.store": "store"}


class Export:
    """What an exporter would send."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])

    def points(self, name: str) -> list[Any]:
        """The data points of a metric of that name."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"sessionkeeper.{name}"
            for point in metric.data.data_points
        ]

    def by(self, name: str, attribute: str) -> dict[object, object]:
        """The values of a metric by one of its attributes."""
        return {point.attributes[attribute]: point.value for point in self.points(name)}


@pytest.fixture
def export() -> Export:
    """An exporter of its own for each test."""
    return Export()


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until something holds; pytest's timeout ends it otherwise."""
    while not holds():
        await asyncio.sleep(0.001)


async def test_sessions_by_state_frames_and_refusals_are_read_from_the_owner(
    export: Export,
) -> None:
    """As `statistics()` says: all six states, and every error that was an answer."""
    async with (
        ActorSessionStore() as store,
        Telemetry(store, meter_provider=export.provider) as telemetry,
    ):
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        await store.add_frame(NOTE)
        for _ in range(3):
            with pytest.raises(SessionNotFound):
                await store.get_session("b")
        assert export.by("sessions", "state") == dict.fromkeys(SessionState, 0)
        await telemetry.refresh()
        assert export.by("sessions", "state")["initializing"] == 1
        assert [point.value for point in export.points("frames")] == [1]
        assert export.by("refusals", "error.type") == {"SessionNotFound": 3}


async def test_batches_and_the_mailbox_are_measured_as_they_are(export: Export) -> None:
    """Every batch has a size, a wait and a time of service."""
    async with (
        ActorSessionStore() as store,
        Telemetry(store, meter_provider=export.provider),
    ):
        before = store.mailbox.batches if store.mailbox else 0
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        calls = [asyncio.ensure_future(store.add_frame(NOTE)) for _ in range(10)]
        await asyncio.sleep(0)
        assert [point.value for point in export.points("mailbox.depth")] == [10]
        assert [point.value for point in export.points("mailbox.waiting")] == [0]
        await asyncio.gather(*calls)
        mailbox = store.mailbox
        assert mailbox is not None
        [size] = export.points("batch.size")
        assert (size.count, size.sum) == (mailbox.batches - before, 11)
        for name in ("batch.wait", "batch.service"):
            [point] = export.points(name)
            assert point.count == size.count
            assert point.min >= 0


async def test_it_reads_again_after_each_interval(export: Export) -> None:
    """Without being asked to."""
    async with (
        ActorSessionStore() as store,
        Telemetry(store, meter_provider=export.provider, interval=0.01),
    ):
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        await until(lambda: export.by("sessions", "state")["initializing"] == 1)


async def test_after_its_end_nothing_is_measured(export: Export) -> None:
    """And no task is left."""
    async with ActorSessionStore() as store:
        async with Telemetry(store, meter_provider=export.provider) as telemetry:
            pass
        [size] = export.points("batch.size") or [None]
        await store.count_sessions()
        assert export.points("sessions") == export.points("mailbox.depth") == []
        assert (export.points("batch.size") or [None]) == [size]
        assert asyncio.all_tasks() == {asyncio.current_task(), store._actor._task}
        with pytest.raises(RuntimeError, match="once"):
            async with telemetry:
                pass


async def test_a_closed_store_has_no_numbers_and_kills_nothing(
    export: Export, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported by the type of the error; what was read before is not told as if it held."""
    store = await ActorSessionStore().open()
    with caplog.at_level(logging.WARNING, "sessionkeeper"):
        async with Telemetry(store, meter_provider=export.provider, interval=0.01):
            await store.aclose()
            await until(lambda: bool(caplog.messages))
            assert export.points("sessions") == []
    assert "StoreClosed" in caplog.messages[0]


async def test_stores_are_told_apart_by_name(
    export: Export, caplog: pytest.LogCaptureFixture
) -> None:
    """One program, two stores, and no warning of the SDK."""
    async with (
        ActorSessionStore() as one,
        ActorSessionStore() as two,
        Telemetry(one, name="one", meter_provider=export.provider),
        Telemetry(two, name="two", meter_provider=export.provider) as second,
    ):
        await two.create_session(Session.new(transport_type="stdio", id="a"))
        await second.refresh()
        active = [
            (point.attributes["sessionkeeper.store"], point.value)
            for point in export.points("sessions")
            if point.attributes["state"] == "initializing"
        ]
        assert sorted(active) == [("one", 0), ("two", 1)]
    assert caplog.messages == []


async def test_nothing_measured_names_a_session_or_a_message(export: Export) -> None:
    """Neither ids nor principals nor methods."""
    async with (
        ActorSessionStore() as store,
        Telemetry(store, meter_provider=export.provider) as telemetry,
    ):
        await store.create_session(
            Session.new(transport_type="stdio", id="secret-id", principal="secret-user")
        )
        with pytest.raises(SessionNotFound):
            await store.add_frame(NOTE)
        await telemetry.refresh()
        data = export.reader.get_metrics_data()
        assert data is not None
        assert "secret" not in data.to_json()


async def test_a_store_without_a_mailbox_is_measured_without_one(export: Export) -> None:
    """Sessions, frames and refusals all the same."""
    store = PlainSessionStore()
    with pytest.raises(SessionNotFound):
        await store.get_session("b")
    async with Telemetry(store, meter_provider=export.provider):
        assert export.by("refusals", "error.type") == {"SessionNotFound": 1}
        assert export.points("mailbox.depth") == []


@pytest.mark.parametrize(
    "wrong", [{"interval": 0}, {"interval": -1}, {"interval": "x"}, {"name": ""}, {"name": 5}]
)
def test_a_wrong_configuration_is_refused_at_once(wrong: dict[str, Any]) -> None:
    """`TypeError` or `ValueError`."""
    with pytest.raises((TypeError, ValueError)):
        Telemetry(PlainSessionStore(), **wrong)
    with pytest.raises(TypeError, match="AtomicSessionStore"):
        Telemetry(object())  # type: ignore[arg-type]  # wrong on purpose
