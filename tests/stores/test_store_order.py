"""The order of calls: in memory, a file and a database, and before a third party's store."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from redis_order import begin, make_program, same_order
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LockedSessionStore,
    OwnedSessionStore,
    PlainSessionStore,
    SQLiteSessionStore,
)

from tests.support.stores import DatabaseStore

PROGRAMS = 40
REFUSED = {"owned": ("add_frames", "touch_session", "trim_frames", "remove_frames")}
"""What ten methods of a third party's store cannot do in one step."""


def make_store(kind: str, file: Path) -> AtomicSessionStore:
    """Make an empty store."""
    if kind == "sqlite":
        return SQLiteSessionStore(file)
    if kind == "postgres":
        return DatabaseStore()
    if kind == "owned":
        return OwnedSessionStore(PlainSessionStore())
    return ActorSessionStore() if kind == "memory" else LockedSessionStore()


@pytest.mark.parametrize("kind", ["memory", "locked", "sqlite", "postgres", "owned"])
async def test_concurrent_commands_are_applied_in_the_order_of_asking(
    kind: str, tmp_path: Path
) -> None:
    """Writes and reads; in a file or a database, reads and writes each in theirs."""
    for seed in range(PROGRAMS):
        async with make_store(kind, tmp_path / f"{seed}.db") as store:
            await begin(store)
            program = make_program(Random(seed), without=REFUSED.get(kind, ()))
            await same_order(store, program, reads=kind not in ("sqlite", "postgres"))
