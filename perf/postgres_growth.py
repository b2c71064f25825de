"""What the disk holds beyond the payload, as the server counts it, indexes included."""

from __future__ import annotations

from typing import Any

from harness import Number, throughput
from postgres_sides import connected, opened
from ratios import MESSAGE

__all__ = ["bytes_a_frame"]

FRAMES = 204_800
SESSIONS = 64

SIZES = (
    "SELECT relname, pg_total_relation_size(pg_class.oid) AS size FROM pg_class"
    " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relkind = 'r'"
)


async def bytes_a_frame(url: str) -> list[Number]:
    """64 sessions that grow side by side, each frame an append of its own."""
    async with opened(url, SESSIONS) as scene, connected(url, scene.schema) as connection:
        before = await sizes(connection, scene.schema)
        await throughput(scene.add, SESSIONS, FRAMES)
        after = await sizes(connection, scene.schema)
    grown = {name: (after[name] - before[name]) / FRAMES for name in after}
    over = sum(grown.values()) - len(MESSAGE)
    parts = ", ".join(
        f"{name} {size - len(MESSAGE) * (name == 'frames'):.0f}"
        for name, size in grown.items()
        if size >= 0.5
    )
    what = f"bytes a frame over payload, {FRAMES:,} frames of {len(MESSAGE):,}"
    return [Number(what, "<= 200", f"{over:6.0f}  ({parts})", over <= 200)]


async def sizes(connection: Any, schema: str) -> dict[str, int]:
    """Bytes of each table, with its indexes and what lies beside it."""
    return {row["relname"]: row["size"] for row in await connection.fetch(SIZES, schema)}
