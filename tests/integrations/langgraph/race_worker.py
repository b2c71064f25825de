"""Puts and writes of many tasks on one thread; prints what was acknowledged and what was refused.

Arguments: `ours` and the URL of a store, or `theirs` and the path of a file; a name; the tasks.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from contextlib import AbstractAsyncContextManager
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointMetadata, empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from sessionkeeper.integrations.langgraph import SessionSaver

EACH = 5


def open_saver(side: str, place: str) -> AbstractAsyncContextManager[BaseCheckpointSaver[Any]]:
    """Open one of the two."""
    if side == "ours":
        return SessionSaver.from_url(place)
    return AsyncSqliteSaver.from_conn_string(place)


async def work(saver: BaseCheckpointSaver[Any], name: str, tasks: int) -> dict[str, Any]:
    """Let tasks put checkpoints and writes into one thread; report the ids that were stored."""
    stored: list[str] = []
    refused: Counter[str] = Counter()
    config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}

    async def one(task: int) -> None:
        for turn in range(EACH):
            checkpoint = empty_checkpoint()
            checkpoint["id"] += f"-{name}-{task}-{turn}"  # two processes could make one id
            metadata = CheckpointMetadata(source="loop", step=turn, parents={})
            try:
                place = await saver.aput(config, checkpoint, metadata, {})
                await saver.aput_writes(place, [("a", task), ("b", turn)], f"{name}-{task}")
            except Exception as error:
                refused[type(error).__name__] += 1
            else:
                stored.append(checkpoint["id"])

    await asyncio.gather(*(one(task) for task in range(tasks)))
    return {"stored": stored, "refused": dict(refused)}


async def main(side: str, place: str, name: str, tasks: str) -> None:
    async with open_saver(side, place) as saver:
        print(json.dumps(await work(saver, name, int(tasks))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
