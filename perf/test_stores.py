"""Each method of the store on each design and in a file, 64 callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from concrete import concrete_store, manager_over
from harness import throughput
from methods import CALLERS, METHODS, NAMES, SESSIONS, filled
from pytest_benchmark.fixture import BenchmarkFixture
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    LockedSessionStore,
    PlainSessionStore,
    SQLiteSessionStore,
)

TOTAL = 1_280
STORES: dict[str, Callable[[Path], AtomicSessionStore]] = {
    "plain": lambda _: PlainSessionStore(),
    "locked": lambda _: LockedSessionStore(),
    "actor": lambda _: ActorSessionStore(),
    "sqlite-os": lambda folder: SQLiteSessionStore(folder / "store.db", durability="os"),
    "sqlite-disk": lambda folder: SQLiteSessionStore(folder / "store.db", durability="disk"),
}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("method", METHODS)
def test_method(
    benchmark: BenchmarkFixture, runner: asyncio.Runner, method: str, store: str, tmp_path: Path
) -> None:
    benchmark.group = method
    opened = runner.run(filled(STORES[store](tmp_path)))
    operation = METHODS[method](opened)
    # The same for all stores, so that the lines of a method can be read beside each other.
    total = 2 * CALLERS if " of " in method or method.startswith(("list", "stat")) else TOTAL
    benchmark.extra_info["operations"] = total
    benchmark.pedantic(
        lambda: runner.run(throughput(operation, CALLERS, total)), rounds=5, warmup_rounds=1
    )
    runner.run(opened.aclose())


@pytest.mark.parametrize("make", [PlainSessionStore, concrete_store])
def test_manager(
    benchmark: BenchmarkFixture,
    runner: asyncio.Runner,
    make: Callable[[], AtomicSessionStore],
) -> None:
    benchmark.group = "manager over the interface, over a concrete class"
    manager = manager_over(make())
    runner.run(manager.store.create_session(SESSIONS[0]))
    benchmark.pedantic(
        lambda: runner.run(throughput(lambda _: manager.get_session(NAMES[0]), CALLERS, TOTAL)),
        rounds=20,
        warmup_rounds=1,
    )
