"""Runs LangGraph's conformance kit on a saver, in a process of its own; prints what became of it.

Arguments: `ours` and the URL of a store, or `theirs` and the path of a file.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from sessionkeeper.integrations.langgraph import SessionSaver


async def run(side: str, place: str) -> None:
    """Run it and print one line of JSON: passed and failed tests by capability."""

    @checkpointer_test(name=side)
    async def make() -> AsyncGenerator[BaseCheckpointSaver[Any]]:
        if side == "ours":
            async with SessionSaver.from_url(place) as saver:
                yield saver
        else:
            async with AsyncSqliteSaver.from_conn_string(place) as theirs:
                yield theirs

    report = await validate(make)
    results = {
        name: {"passed": result.tests_passed, "failed": result.failures}
        for name, result in report.results.items()
        if result.detected
    }
    print(json.dumps(results))


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
