"""One side of `perf/pythons.py`: what this interpreter takes for each line, asked line by line."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import uvloop
from checkouts_side import MEMORY, STORES, spent
from methods import NAMES, filled
from sessionkeeper import AtomicSessionStore
from sessionlab.bench.side_by_side.by_hand import begin_hand_off
from sessionlab.bench.side_by_side.measures import Nothing
from soleowner import Actor, LoopRunner

__all__ = ["LINES"]

CALLS = 4_096


async def walk(_: AtomicSessionStore) -> float:
    """The speed of the interpreter alone: a loop over a dict, for each of 64 entries."""
    held = {name: n for n, name in enumerate(NAMES)}

    async def look(_: int) -> None:
        total = 0
        for name in NAMES:
            total += held[name]

    return await spent(look, CALLS)


async def hand_off(_: AtomicSessionStore) -> float:
    """The least a round trip to another task can cost."""
    operation, task = begin_hand_off()
    try:
        return await spent(operation, CALLS)
    finally:
        task.cancel()


async def ask(_: AtomicSessionStore) -> float:
    """A trivial command through the owner."""
    nothing = Nothing()
    async with Actor(LoopRunner[None](None)) as actor:
        return await spent(lambda _: actor.ask(nothing), CALLS)


ALONE: dict[str, Callable[[AtomicSessionStore], Awaitable[float]]] = {
    "64 looks into a dict": walk,
    "bare hand-off": hand_off,
    "ask": ask,
}
LINES = {
    **{name: ("actor", measure) for name, measure in ALONE.items()},
    **{name: ("actor", measure) for name, measure in MEMORY.items()},
    **{
        f"without an owner: {name}": ("plain", MEMORY[name])
        for name in ("get_session", "add_frame")
    },
    **{f"in a file: {name}": ("sqlite", MEMORY[name]) for name in ("get_session", "add_frame")},
}
"""By name: the store, and what returns processor seconds an operation of 64 callers."""


async def main(folder: str) -> None:
    """Answer each line, the name of something measured, by a number."""
    stores: dict[str, AtomicSessionStore] = {}
    for line in iter(sys.stdin.readline, ""):
        name, measure = LINES[line.strip()]
        if name not in stores:
            stores[name] = await filled(STORES[name](folder, ""))
        print(repr(await measure(stores[name])), flush=True)
    for store in stores.values():
        await store.aclose()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
