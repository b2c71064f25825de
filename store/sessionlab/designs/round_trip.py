"""The await in the middle of an operation, as in a store on a network or a disk."""

from __future__ import annotations

import asyncio

__all__ = ["round_trip"]


async def round_trip() -> None:
    """Wait as for a server; other tasks run meanwhile."""
    await asyncio.sleep(0)
