"""Checkpoints of LangGraph in a file, ours beside its own saver for files: 64 callers, in turn.

Each caller has a thread of its own. `pip install -e '.[perf,integrations]'`, then
`python perf/integrations_langgraph.py`. The target is for `aput`; the rest is told.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop
from harness import Operation, Ratio, compare, options
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointMetadata, empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from sessionkeeper.integrations.langgraph import SessionSaver

CALLERS = 64
TARGET = 3.0
TEXT = "x" * 1_000
METADATA = CheckpointMetadata(source="loop", step=1, parents={})


class Run:
    """What the callers of one saver do."""

    def __init__(self, saver: BaseCheckpointSaver[Any], side: str) -> None:
        self._saver = saver
        self._threads = [f"{side}-{number}" for number in range(CALLERS)]
        self._places: dict[int, Any] = {}

    def _root(self, number: int) -> Any:
        return {"configurable": {"thread_id": self._threads[number], "checkpoint_ns": ""}}

    async def put(self, number: int) -> None:
        """Store the next checkpoint of a caller's thread."""
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = {"messages": TEXT}
        parent = self._places.get(number) or self._root(number)
        self._places[number] = await self._saver.aput(parent, checkpoint, METADATA, {})

    async def put_writes(self, number: int) -> None:
        """Store a task's two writes at the latest checkpoint of a caller's thread."""
        writes = [("messages", TEXT), ("branch:to:next", None)]
        checkpoint = empty_checkpoint()["id"]  # each call another task
        await self._saver.aput_writes(self._places[number], writes, checkpoint, "~__pregel_pull")

    async def get_latest(self, number: int) -> None:
        """Read the latest checkpoint of a caller's thread."""
        assert await self._saver.aget_tuple(self._root(number)) is not None


async def measure() -> list[tuple[str, Ratio]]:
    """Measure each of the three, on files of the disk."""
    with tempfile.TemporaryDirectory(prefix="perf-") as place:
        async with (
            SessionSaver.from_url(f"sqlite:///{Path(place) / 'ours.db'}") as mine,
            AsyncSqliteSaver.from_conn_string(str(Path(place) / "theirs.db")) as peer,
        ):
            ours, theirs = Run(mine, "ours"), Run(peer, "theirs")
            pairs: list[tuple[str, Operation, Operation]] = [
                ("aput", ours.put, theirs.put),
                ("aget_tuple of the latest", ours.get_latest, theirs.get_latest),
                ("aput_writes", ours.put_writes, theirs.put_writes),
            ]
            found = []
            for name, first, second in pairs:
                ratio = await compare(first, second, total=640, ours_total=1_920)
                found.append((name, ratio))
            return found


def main() -> int:
    """Measure; 0 when `aput` reaches the target."""
    options(__doc__).parse_args()
    print(
        f"langgraph-checkpoint-sqlite {version('langgraph-checkpoint-sqlite')}, {CALLERS} callers"
    )
    found = uvloop.run(measure())
    for name, ratio in found:
        print(f"{name:26} {ratio}")
    reached = found[0][1].ratio >= TARGET
    print(f"aput >= {TARGET}: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
