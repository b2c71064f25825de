"""The await that a store on a network or a disk has in the middle of its work."""

from __future__ import annotations

import asyncio

__all__ = ["round_trip"]


async def round_trip() -> None:
    """Wait as if for a server: others run meanwhile."""
    await asyncio.sleep(0)
