"""The designs of the lab that need a server: the right one holds, each wrong one is named."""

from __future__ import annotations

import asyncio
import math
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from redis_server import RedisServer, until
from sessionkeeper.cli.app import run
from sessionlab.anomalies.kinds import AnomalyKind
from sessionlab.designs import (
    ON_REDIS,
    WORKLOADS,
    CellVerdict,
    Design,
    cells,
    designs_on,
    stress_cell,
)

LOOPS = {"asyncio": asyncio.new_event_loop}
once = pytest.mark.parametrize("engine", ["valkey"], indirect=True)
PRECIOUS = "{compare-not-ours:0}:meta"


@pytest.fixture
def used(server: RedisServer) -> Iterator[RedisServer]:
    """A server on which somebody has something, and has it afterwards."""
    server.say("SET", PRECIOUS, "precious")
    yield server
    assert server.say("KEYS", "*compare-*") == [PRECIOUS]
    server.say("DEL", PRECIOUS)


def design(name: str, server: RedisServer) -> Design:
    """One of them."""
    return dict(zip(ON_REDIS, designs_on(server.url), strict=True))[name]


def _take_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no call of a busy machine for one that hangs."""
    monkeypatch.setattr(cells, "_STRESS_TIMEOUT", 300.0)


@pytest.mark.any_loop
@pytest.mark.parametrize("name", ON_REDIS[1:])
def test_each_wrong_design_on_a_server_is_detected(
    name: str, used: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within 200 runs; and nothing is left on the server."""
    wrong = design(name, used)
    assert wrong.flaw is not None
    workload = WORKLOADS[wrong.flaw.shown_in]
    if wrong.flaw.anomaly != AnomalyKind.HANG:
        _take_time(monkeypatch)
    cell = stress_cell(wrong, workload, runs=200, loops=LOOPS, seconds=math.inf)
    assert cell.verdict is CellVerdict.BROKEN
    assert cell.picture is not None
    assert cell.picture.anomaly == wrong.flaw.anomaly


@pytest.mark.any_loop
@once
@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_actor_on_a_server_keeps_every_promise_behind_the_faulty_proxy(
    workload: str, used: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its requests come in pieces, and one of its answers does not come."""
    _take_time(monkeypatch)
    right = design("redis", used)
    assert right.right
    cell = stress_cell(right, WORKLOADS[workload], runs=5, loops=LOOPS, seconds=0)
    assert (cell.verdict, cell.how) == (CellVerdict.HOLDS, "stress")


@pytest.mark.any_loop
@once
def test_designs_on_a_server_are_compared_if_a_server_is_named(
    used: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """They run beside the others, and each has an expected result."""
    quick = ["--seeds", "20", "--loop", "asyncio"]
    assert run(["compare", "get-then-set", "--redis", used.url, *quick]) == 0
    shown = capsys.readouterr().out
    assert "get-then-set, updates: lost update after" in shown
    assert "everything is as expected" in shown


@pytest.mark.any_loop
@once
def test_an_interrupted_comparison_leaves_no_key(used: RedisServer) -> None:
    """In the middle of a run."""
    program = [sys.executable, "-m", "sessionkeeper", "compare", "redis", "--redis", used.url]
    with subprocess.Popen([*program, "--seeds", "100000"]) as running:
        until(lambda: used.say("KEYS", "{compare-*:s:a"), "a run has begun")
        running.send_signal(signal.SIGINT)
        assert running.wait(300) == 130


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["redis"], "redis needs a server: name one with --redis"),
        (["--redis", "redis://u:canary@127.0.0.1:1"], "127.0.0.1:1: it cannot be reached"),
        (["--redis", "rediss://u:canary@h"], "on a single server"),
        (["--redis", "redis+cluster://u:canary@h"], "on a single server"),
        (["--redis", "redis://u:canary#@h"], "not a URL"),
        (["--redis", "canary"], "a URL of redis"),
    ],
)
def test_a_wrong_server_is_reported_in_one_line(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is compared; exit code 2, and no password."""
    assert run(["compare", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert "canary" not in said.err
