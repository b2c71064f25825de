"""Calls by method and tool: how many, how they ended, and how long they took."""

from __future__ import annotations

import math
import random
from datetime import timedelta

import pytest
from sessionkeeper import ActorSessionStore, Direction, SessionState
from sessionkeeper.recording import MethodStatistics, calls, measure, statistics
from sessionkeeper.recording.analysis.quantiles import EXACT_UP_TO, RELATIVE_ERROR, Quantiles
from sessionkeeper.recording.analysis.statistics import MAX_NAMES

from tests.support.recorded_logs import DOWN, UP, RecordedLog


async def counted(log: RecordedLog) -> list[MethodStatistics]:
    async with ActorSessionStore() as store:
        await log.put_into(store)
        rows = await statistics(calls(store, log.session_id))
        assert list((await measure(store)).methods) == rows  # in one pass with the context
        return rows


async def test_calls_are_counted_by_direction_method_and_tool() -> None:
    """Resources are counted together: their URIs have no end."""
    log = RecordedLog()
    for number in range(3):
        log.call(number, "add", after=number + 1)
    log.call(3, "add", {"isError": True, "content": []}, after=9)
    log.ask(4, "tools/call", name="add")
    log.ask(5, "tools/call", name="sub")
    log.fail(5, -32602, "no")
    log.ask(6, "resources/read", uri="file:///a")
    log.answer(6)
    log.ask(7, "resources/read", uri="file:///b")
    log.answer(7)
    log.ask(8, "resources/read", uri="file:///c")
    log.notify("notifications/cancelled", of=UP, requestId=8)
    log.ask(1, "roots/list", of=DOWN)
    log.answer(1, {"roots": []}, of=DOWN)
    add, read, sub, roots = await counted(log)
    assert (add.method, add.name, add.count, add.errors) == ("tools/call", "add", 5, 1)
    assert add.unanswered == 1
    assert (add.p50, add.p99, add.longest) == (
        timedelta(seconds=2),
        timedelta(seconds=9),
        timedelta(seconds=9),
    )
    assert (read.method, read.name, read.count) == ("resources/read", None, 3)
    assert (read.unanswered, read.p99) == (0, timedelta(seconds=1))
    assert (sub.name, sub.errors) == ("sub", 1)
    assert (roots.direction, roots.method) == (Direction.SERVER_TO_CLIENT, "roots/list")
    assert roots.response_bytes == len(log.envelopes[-1].message)
    assert all(row.is_exact for row in (add, read, sub, roots))


async def test_many_names_are_counted_together() -> None:
    """A hostile client may name a new tool in every call; nothing is lost from the sum."""
    log = RecordedLog()
    for number in range(MAX_NAMES + 50):
        log.call(number, f"tool-{number}")
    log.call("again", "tool-1")
    rows = await counted(log)
    assert len(rows) == MAX_NAMES + 1
    assert sum(row.count for row in rows) == MAX_NAMES + 51
    assert (rows[0].method, rows[0].name, rows[0].count) == ("others", None, 50)


async def test_no_calls_have_no_statistics() -> None:
    async with ActorSessionStore() as store:
        await RecordedLog().put_into(store, state=SessionState.ACTIVE)
        measured = await measure(store)
    assert measured.methods == ()
    assert measured.contexts[0].tools == ()


def test_quantiles_of_few_numbers_are_some_of_them() -> None:
    """The smallest number that at least that share of all do not exceed."""
    quantiles = Quantiles()
    assert quantiles.at(0.5) is None
    for number in (3.0, 1.0, 2.0, 4.0):
        quantiles.add(number)
    assert [quantiles.at(share) for share in (0, 0.25, 0.5, 0.51, 1)] == [1, 1, 2, 3, 4]
    assert quantiles.is_exact


@pytest.mark.parametrize("seed", range(3))
def test_quantiles_of_many_numbers_have_a_bounded_error(seed: int) -> None:
    """Also of zeros, and over ten orders of magnitude; in bounded memory."""
    rng = random.Random(seed)
    numbers = [0.0] * 100 + [rng.lognormvariate(-5, 4) for _ in range(5 * EXACT_UP_TO)]
    rng.shuffle(numbers)
    quantiles = Quantiles()
    for number in numbers:
        quantiles.add(number)
    numbers.sort()
    assert not quantiles.is_exact
    assert len(quantiles._buckets) < 2_000
    assert not quantiles._kept
    for share in (0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1):
        exact = numbers[math.ceil(share * len(numbers)) - 1]
        found = quantiles.at(share)
        assert found == pytest.approx(exact, rel=RELATIVE_ERROR * 1.000001, abs=1e-6)
