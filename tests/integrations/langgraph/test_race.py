"""Many tasks, and two processes, on one thread: LangGraph's own saver for files beside ours.

What becomes of theirs is printed (`pytest -rP`), not asserted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper.integrations.langgraph import SessionSaver

pytest.importorskip("langgraph.checkpoint.sqlite.aio")

from .race_worker import EACH, open_saver

WORKER = Path(__file__).with_name("race_worker.py")


def race(side: str, place: str, processes: int, tasks: int) -> tuple[list[str], dict[str, int]]:
    """Run processes at the same time; return all ids that were acknowledged, and the refusals."""
    running = [
        subprocess.Popen(
            (sys.executable, str(WORKER), side, place, f"p{number}", str(tasks)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    stored: list[str] = []
    refused: dict[str, int] = {}
    for process in running:
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        found = json.loads(output)
        stored += found["stored"]
        for kind, count in found["refused"].items():
            refused[kind] = refused.get(kind, 0) + count
    return stored, refused


async def kept(side: str, place: str) -> dict[str, int]:
    """Return the ids that the thread has now, with the number of their writes."""
    config: Any = {"configurable": {"thread_id": "t"}}
    async with open_saver(side, place) as saver:
        found = [each async for each in saver.alist(config)]
    return {each.checkpoint["id"]: len(each.pending_writes or []) for each in found}


@pytest.mark.parametrize(("processes", "tasks"), [(1, 64), (2, 32)])
async def test_ours_loses_nothing_and_refuses_nothing(
    shared_url: str, processes: int, tasks: int
) -> None:
    async with SessionSaver.from_url(shared_url):
        pass  # it is there before both of them open it
    stored, refused = race("ours", shared_url, processes, tasks)
    found = await kept("ours", shared_url)
    assert refused == {}
    assert sorted(stored) == sorted(found)
    assert len(found) == processes * tasks * EACH
    assert set(found.values()) == {2}
    async with SessionSaver.from_url(shared_url) as saver:
        latest = await saver.aget_tuple({"configurable": {"thread_id": "t"}})
    assert latest is not None
    assert latest.checkpoint["id"] == max(found)


@pytest.mark.parametrize(("processes", "tasks"), [(1, 64), (2, 32)])
async def test_what_becomes_of_theirs_is_reported(
    tmp_path: Path, processes: int, tasks: int
) -> None:
    path = str(tmp_path / "theirs.db")
    async with open_saver("theirs", path) as saver:
        await saver.aget_tuple({"configurable": {"thread_id": "t"}})  # makes the tables
    stored, refused = race("theirs", path, processes, tasks)
    found = await kept("theirs", path)
    lost = len(set(stored) - set(found))
    print(
        f"AsyncSqliteSaver, {processes} process(es) with {tasks} tasks: {len(stored)} of"
        f" {processes * tasks * EACH} acknowledged, {lost} of them lost, refused {refused}"
    )
