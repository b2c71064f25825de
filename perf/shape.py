"""Print the shape of `sessionkeeper`: rooms, floors and arrows at the top, and a frame's way.

A room is a module or package directly in `sessionkeeper`, an arrow an import between two of them,
and the floors are the rooms of the longest chain of imports. The way of a frame is the folders in
which functions are called for one recorded message, in the order of calling: in memory, then on a
Redis server of this run's own.

    python perf/shape.py
"""

from __future__ import annotations

import asyncio
import sys
from functools import cache
from itertools import groupby
from pathlib import Path
from types import FrameType

import grimp
from own_server import own_server
from sessionkeeper import MessageEnvelope, SessionManager, StorageFactory

PACKAGES = ("sessionkeeper", "soleowner")


def find_arrows() -> set[tuple[str, str]]:
    """Return which room imports which other one."""
    graph = grimp.build_graph("sessionkeeper")
    arrows: set[tuple[str, str]] = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            rooms = [name.split(".")[1] for name in (module, imported) if "." in name]
            if len(set(rooms)) == 2:
                arrows.add((rooms[0], rooms[1]))
    return arrows


def count_floors(arrows: set[tuple[str, str]]) -> int:
    """Return the length of the longest chain of rooms; a circle is a `RecursionError`."""

    @cache
    def height(room: str) -> int:
        return 1 + max((height(low) for high, low in arrows if high == room), default=0)

    return max(height(room) for room, _ in arrows)


async def follow_frame(url: str) -> list[str]:
    """Record one message in a store; return the folders of the functions called, in order."""
    calls: list[str] = []

    def profile(frame: FrameType, event: str, _: object) -> None:
        parts = Path(frame.f_code.co_filename).parts
        for package in PACKAGES if event == "call" else ():
            if package in parts:
                calls.append("/".join(parts[parts.index(package) : -1]))

    async with (
        await StorageFactory.create(url) as store,
        SessionManager.with_store(store) as manager,
    ):
        session = await manager.create_session(transport_type="stdio")
        message = {"jsonrpc": "2.0", "method": "notifications/progress"}
        envelope = MessageEnvelope.of(session.id, message, direction="client-to-server")
        await manager.record(envelope)  # what is built at its first use is built now
        sys.setprofile(profile)
        try:
            await manager.record(envelope)
        finally:
            sys.setprofile(None)
    return [folder for folder, _ in groupby(calls)]


def main() -> None:
    arrows = find_arrows()
    rooms = {room for arrow in arrows for room in arrow}
    print(f"{len(rooms)} rooms, {count_floors(arrows)} floors, {len(arrows)} arrows")
    show_way("in memory", "memory://")
    with own_server("redis") as server:
        show_way("on Redis", server.url)


def show_way(where: str, url: str) -> None:
    """Print the way of a frame in a store."""
    way = asyncio.run(follow_frame(url))
    moves = len(way) - 1
    print(f"{where}, a frame passes {len(set(way))} folders, with {moves} moves between them:")
    print(" > ".join(way))


if __name__ == "__main__":
    main()
