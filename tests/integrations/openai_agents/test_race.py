"""Many tasks, and two processes, in one conversation: the SDK's own sessions beside ours.

What becomes of theirs is printed (`pytest -rP`), not asserted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from redis_engines import find_engine
from redis_fleet import SharedServers
from sessionkeeper import StorageFactory

pytest.importorskip("agents.extensions.memory.redis_session")

from tests.integrations.openai_agents.items import said
from tests.integrations.openai_agents.race_worker import EACH, open_sessions

_DATABASES = count(1)
WORKER = Path(__file__).with_name("race_worker.py")
FIELDS = [(1, 64, 1), (2, 32, 1), (1, 64, 64)]
"""Processes, tasks in each, and conversations."""


@dataclass
class Race:
    """What all processes were told."""

    added: list[str] = field(default_factory=list)
    popped: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def race(side: str, place: str, processes: int, tasks: int, conversations: int) -> Race:
    """Run processes at the same time."""
    running = [
        subprocess.Popen(
            (
                *(sys.executable, str(WORKER), side, place),
                *(f"p{number}", str(tasks), str(conversations)),
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    race = Race()
    for process in running:
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        found = json.loads(output.splitlines()[-1])
        race.added += found["added"]
        race.popped += found["popped"]
        race.refused.update(found["refused"])
    return race


async def kept(side: str, place: str, conversations: int) -> list[str]:
    """What the conversations hold now."""
    names = [f"shared-{number}" for number in range(conversations)]
    async with open_sessions(side, place, names) as sessions:
        return [text for each in sessions for text in said(await each.get_items())]


def parted(texts: Sequence[str]) -> list[str]:
    """The questions whose answer is there, and does not come next."""
    places = {text: place for place, text in enumerate(texts)}
    questions = [each for each in texts if each.endswith("-question")]
    answers = {each: each.replace("-question", "-answer") for each in questions}
    return [
        question
        for question, answer in answers.items()
        if answer in places and places[answer] != places[question] + 1
    ]


fields = pytest.mark.parametrize(("processes", "tasks", "conversations"), FIELDS)


@fields
async def test_ours_loses_nothing_and_refuses_nothing(
    shared_url: str, processes: int, tasks: int, conversations: int
) -> None:
    async with await StorageFactory.create(shared_url):
        pass  # it is there before both of them open it
    told = race("ours", shared_url, processes, tasks, conversations)
    found = await kept("ours", shared_url, conversations)
    assert told.refused == {}
    assert len(told.added) == 2 * processes * tasks * (EACH + 1)
    assert sorted(told.added) == sorted(found + told.popped)
    assert not parted(found)


@pytest.mark.parametrize(
    ("processes", "tasks", "conversations"),
    [FIELDS[0], *(pytest.param(*each, marks=pytest.mark.long) for each in FIELDS[1:])],
)
@pytest.mark.parametrize("side", ["SQLiteSession", "AsyncSQLiteSession", "RedisSession"])
async def test_what_becomes_of_theirs_is_reported(
    tmp_path: Path,
    shared_servers: SharedServers,
    side: str,
    processes: int,
    tasks: int,
    conversations: int,
) -> None:
    place = str(tmp_path / "theirs.db")
    if side == "RedisSession":
        server = shared_servers.server(find_engine("valkey").name)
        place = f"{server.url}/{next(_DATABASES)}"
    await kept(side, place, 1)  # makes the tables
    told = race(side, place, processes, tasks, conversations)
    found = await kept(side, place, conversations)
    lost = Counter(told.added) - Counter(found + told.popped)
    twice = len(told.popped) - len(set(told.popped))
    print(
        f"{side}, {processes} process(es) with {tasks} tasks, {conversations} conversation(s):"
        f" {len(told.added)} of {2 * processes * tasks * (EACH + 1)} items acknowledged,"
        f" {lost.total()} of them lost, {twice} popped twice, {len(parted(found))} of"
        f" {processes * tasks} turns mixed with others, refused {dict(told.refused)}"
    )
