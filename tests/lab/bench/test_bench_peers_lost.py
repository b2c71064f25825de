"""The check of what was really kept finds what is lost, and nothing where nothing is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sessionkeeper.cli.app import run
from sessionlab.bench.peers import PeerStorage, find_peer, peer_names

TASKS, EACH = 64, 10
ASKED = TASKS * EACH
LOSING = {"aiocache", "cashews", "py-key-value", "fastmcp", "google-adk", "langgraph"}
KEEPING = {"pykka"}


def installed(names: set[str]) -> list[str]:
    """Those of them that are installed, in order."""
    return [name for name in peer_names() if name in names and find_peer(name).installed]


async def counted(name: str) -> int:
    """Race 64 tasks, ten changes each, on one session; what the counter says then."""
    subject = find_peer(name).make()
    await subject.open()
    try:
        await subject.create("raced")

        async def task() -> None:
            for _ in range(EACH):
                await subject.modify("raced")

        await asyncio.gather(*(task() for _ in range(TASKS)))
        return (await subject.count_stored("raced")).counter
    finally:
        await subject.aclose()


@pytest.mark.parametrize("name", installed(LOSING))
async def test_racing_changes_are_lost_where_a_change_is_a_read_and_a_write(name: str) -> None:
    """One await in between, and of 640 changes one in 64 is left."""
    assert await counted(name) == EACH
    assert any("no atomic change" in lack for lack in find_peer(name).subject_class().limitations)


@pytest.mark.parametrize("name", installed({"langgraph-graph"}) or [None])
async def test_messages_of_runs_side_by_side_are_lost_where_each_run_saves_all(
    name: str | None,
) -> None:
    """The same check of what is kept, for messages; what is not installed says so elsewhere."""
    if name is None:
        assert not find_peer("langgraph-graph").installed
        return
    subject = find_peer(name).make()
    await subject.open()
    await subject.create("raced")
    await asyncio.gather(*(subject.append("raced", b"{}") for _ in range(8)))
    assert (await subject.count_stored("raced")).appended == 1


@pytest.mark.parametrize("name", installed(KEEPING))
async def test_racing_changes_are_all_kept_where_one_actor_makes_them(name: str) -> None:
    """The same race on an actor: the check finds nothing where nothing is lost."""
    assert await counted(name) == ASKED


@pytest.mark.parametrize("name", installed(LOSING | KEEPING))
def test_a_peer_says_that_what_it_holds_in_memory_is_gone_with_it(name: str) -> None:
    """No peer in memory is taken for one that keeps anything."""
    assert find_peer(name).place is PeerStorage.MEMORY
    assert any("no durability" in lack for lack in find_peer(name).subject_class().limitations)


def test_two_peers_that_lose_and_one_that_keeps_are_always_there_to_prove_the_check() -> None:
    """They are in the test extra, so that the parametrized tests above are never empty."""
    assert {"aiocache", "cashews"} <= set(installed(LOSING))
    assert installed(KEEPING) == ["pykka"]


@pytest.mark.any_loop
def test_the_command_tells_what_a_peer_lost_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`sessionkeeper bench` compares what was acknowledged with what is there."""
    numbers = tmp_path / "bench.json"
    asked = ["--store", "cashews", "--mix", "hot", "--callers", "64", "--sessions", "4"]
    quick = ["--seconds", "0.5", "--warmup", "0", "--rounds", "1", "--output", str(numbers)]
    assert run(["bench", *asked, *quick]) == 1
    told = capsys.readouterr().out
    assert "updates" in told
    assert any(line.startswith("cashews: ") for line in told.splitlines()), "what it lacks"
    assert '"name": "cashews"' in numbers.read_text("utf-8")
