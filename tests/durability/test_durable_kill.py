"""kill -9 at any moment: what was acknowledged is there, no batch is torn, and the file opens."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from sessionkeeper import SQLiteSessionStore

CYCLES = int(os.environ.get("SESSIONKEEPER_KILLS", "6"))
"""Kills for each durability; 200 before a release."""
SAID = re.compile(r"(\d+) (\S+)\.\n")


def killed(path: Path, durability: str, name: str, lines: int) -> dict[int, str]:
    """Start a writer and kill it when it has said so much; return what it acknowledged."""
    writer = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("durable_writer.py")),
            *(str(path), durability, name),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writer.stdout is not None
    try:
        said = [writer.stdout.readline() for _ in range(lines)]
    finally:
        writer.kill()
        rest, _ = writer.communicate()
    assert writer.returncode == -9
    said += rest.splitlines(keepends=True)
    # A line cut short was not said; all others were.
    found = [SAID.fullmatch(line) for line in said]
    assert all(found[:-1])
    return {int(each[1]): each[2] for each in found if each and each[2] != "opening"}


async def stored(path: Path, after: int) -> dict[int, str]:
    """What a store finds there."""
    async with SQLiteSessionStore(path) as store:
        assert await store.check() == []
        if not await store.list_sessions():
            return {}
        frames = await store.read_frames("a", after=after, limit=1_000_000)
        count = await store.count_frames("a")
    assert count == after + len(frames)
    return {each.seq: each.envelope.message.split(b'"')[-2].decode() for each in frames}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("durability", ["disk", "os"])
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, durability: str) -> None:
    """Looked at after every kill; what an earlier look found is not looked at again."""
    path, random, last, total = tmp_path / "store.db", Random(durability), 0, 0
    for cycle in range(CYCLES):
        said = killed(path, durability, str(cycle), random.choice((1, 2, random.randrange(2, 400))))
        found = asyncio.run(stored(path, last))
        assert list(found) == list(range(last + 1, last + 1 + len(found)))
        assert said.items() <= found.items()
        for seq, text in found.items():
            batch, _, part = text.rpartition("-")
            if "batch" in batch:
                whole = [found.get(seq - int(part) + each) for each in range(3)]
                assert whole == [f"{batch}-{each}" for each in range(3)]
        last += len(found)
        total += len(said)
    assert total > 20 * CYCLES
