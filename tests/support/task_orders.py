"""A scenario whose outcome is the order in which its tasks ran."""

from __future__ import annotations

import asyncio

__all__ = ["Orders"]


class Orders:
    """A scenario of some tasks with some steps each, and the orders it was run in."""

    def __init__(self, tasks: int, steps: int, wrong: str = "") -> None:
        self.tasks, self.steps, self.wrong = tasks, steps, wrong
        self.seen: list[str] = []

    async def __call__(self) -> None:
        log: list[str] = []

        async def work(name: str) -> None:
            for _ in range(self.steps - 1):
                log.append(name)
                await asyncio.sleep(0)
            log.append(name)

        await asyncio.gather(*(work(name) for name in "abcdefghij"[: self.tasks]))
        self.seen.append("".join(log))
        assert self.seen[-1] != self.wrong
