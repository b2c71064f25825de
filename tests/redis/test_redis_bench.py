"""A load on a server that others use: a place of its own, looked at afterwards, and then gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis_cluster import SharedClusters
from redis_fleet import SharedServers
from redis_server import RedisServer, until
from sessionkeeper.cli.app import run
from sessionlab.bench import parse_target
from sessionlab.bench.filled_subject import FilledSubject
from sessionlab.bench.targets import make_subject

QUICK = ["--seconds", "0.5", "--warmup", "0", "--rounds", "1", "--sessions", "20"]
OURS = "{bench-*"


@pytest.fixture
def used(shared_servers: SharedServers) -> Iterator[RedisServer]:
    """A server on which somebody has something."""
    server = shared_servers.server("valkey")
    server.say("SET", "{sessionkeeper:0}:meta", "precious")
    yield server
    server.say("DEL", "{sessionkeeper:0}:meta")


def keys(server: RedisServer, pattern: str = "*") -> set[str]:
    """All that are there."""
    return set(server.say("KEYS", pattern))


def measured_in(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Each subject under its one load."""
    return [subject["measured"][0] for subject in told["subjects"]]


@pytest.mark.any_loop
def test_a_load_leaves_a_server_as_it_was(
    used: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes on one place that is neither the prefix of the URL nor the usual one; what
    they were told is there; a peer beside it; and the memory of the server."""
    before = keys(used)
    url = f"{used.url}?prefix=sessionkeeper"
    asked = ["--store", url, "--workers", "2", "--mix", "hot", "--callers", "8"]
    assert run(["bench", *asked, *QUICK, "--frames-each", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    [measured] = measured_in(told)
    assert told["subjects"][0]["name"] == f"redis://127.0.0.1:{used.port}"
    assert measured["stored"]["checked"]
    assert measured["stored"]["messages"] > 0
    assert (measured["stored"]["lost_messages"], measured["stored"]["extra_messages"]) == (0, 0)
    assert measured["server_mb"] is not None
    assert keys(used) == before


@pytest.mark.any_loop
def test_a_load_leaves_a_cluster_and_another_librarys_server_as_they_were(
    used: RedisServer, shared_clusters: SharedClusters, capsys: pytest.CaptureFixture[str]
) -> None:
    """The memory of all primaries is read, and their data deleted."""
    cluster = shared_clusters.cluster("valkey")
    before = keys(used), [keys(node) for node in cluster.nodes]
    stores = ["--store", f"redis+cluster://127.0.0.1:{cluster.nodes[0].port}"]
    stores += ["--store", f"cashews-redis={used.url}", "--callers", "8"]
    assert run(["bench", *stores, *QUICK, "--json"]) in (0, 1)  # the peer may lose updates
    ours, peer = measured_in(json.loads(capsys.readouterr().out))
    assert ours["stored"]["messages"] > 0
    assert ours["stored"]["lost_messages"] == ours["stored"]["lost_updates"] == 0
    assert ours["server_mb"] is not None
    assert peer["latency"]["count"] > 0
    assert (keys(used), [keys(node) for node in cluster.nodes]) == before


@pytest.mark.any_loop
@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_load_that_is_ended_leaves_neither_keys_nor_a_folder(
    ended_by: signal.Signals, used: RedisServer, tmp_path: Path
) -> None:
    """The remaining processes clean up: after Ctrl-C all, after a kill the workers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sessionkeeper", "bench", "--store", used.url, "--seconds", "3600"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: keys(used, f"{OURS}:s:*"), "it has begun")
        assert list(tmp_path.iterdir())
        process.send_signal(ended_by)
        until(lambda: not keys(used, OURS), "its keys are gone")
        assert process.wait(1800) == (130 if ended_by is signal.SIGINT else -ended_by)
        until(lambda: not list(tmp_path.iterdir()), "its folder is gone")
    finally:
        process.kill()
        process.wait()


async def test_growth_on_a_server_is_measured_there(used: RedisServer, tmp_path: Path) -> None:
    """Bytes are those of the server, and none of them stay."""
    subject = make_subject(parse_target(used.url), tmp_path, place="grown")
    before = keys(used)
    async with FilledSubject(subject, small=False) as filled:
        empty = await filled.memory_used()
        await filled.create(2_000)
        assert 200 * 2_000 < await filled.memory_used() - empty < 5_000 * 2_000
        assert len(keys(used)) > 2_000
    assert keys(used) == before


def test_an_unreachable_server_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its name, without the password."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert run(["bench", "--store", "redis://user:secret@127.0.0.1:1", *QUICK]) == 2
    said = capsys.readouterr().err
    assert "redis://127.0.0.1:1: " in said
    assert "secret" not in said
    assert len(said.splitlines()) == 1
