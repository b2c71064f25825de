"""What one writes by hand in place of a store, or of a part of it."""

from __future__ import annotations

import asyncio

from .rates import Operation

__all__ = ["bare_hand_off"]


def bare_hand_off() -> Operation:
    """The least a round trip to another task can cost: a list of futures it resolves."""
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[None]] = []
    wake: asyncio.Future[None] | None = None

    async def resolver() -> None:
        nonlocal wake, waiting
        while True:
            wake = loop.create_future()
            await wake
            wake = None
            taken, waiting = waiting, []
            for future in taken:
                future.set_result(None)

    task = loop.create_task(resolver())

    async def hand_off(_: int) -> None:
        if task.done():
            raise RuntimeError("the task that resolves has ended")
        future = loop.create_future()
        waiting.append(future)
        if wake is not None and not wake.done():
            wake.set_result(None)
        await future

    return hand_off
