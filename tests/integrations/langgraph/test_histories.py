"""Histories of calls on one thread, recorded through savers, are linearizable."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from sessionkeeper import ActorSessionStore, AtomicSessionStore
from sessionkeeper.integrations.langgraph import SessionSaver
from sessionlab import Operation, Verdict, check

from .histories import ThreadModel, record


@pytest.mark.parametrize("seed", range(6))
async def test_every_history_has_an_order(store: AtomicSessionStore, seed: int) -> None:
    # Two savers, as two processes would have them: neither knows what the other does.
    history = await record([SessionSaver(store), SessionSaver(store)], seed=seed)
    result = check(history, ThreadModel(), timeout=120)
    assert result.verdict is Verdict.OK, result.counterexample


class LastStored(SessionSaver):
    """Takes what was stored last for the latest, whatever its id."""

    async def aput(self, config: RunnableConfig, checkpoint: Any, *rest: Any) -> RunnableConfig:
        place = await super().aput(config, checkpoint, *rest)
        self.last = place
        return place

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        last = getattr(self, "last", config)
        return await super().aget_tuple(
            config if "checkpoint_id" in config["configurable"] else last
        )


class TwoSteps(SessionSaver):
    """Reads the latest in two steps: its id, and then what there is of it."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = await super().aget_tuple(config)
        for _ in range(10):
            await asyncio.sleep(0)
        return None if found is None else await super().aget_tuple(found.config)


@pytest.mark.parametrize("saver", [LastStored, TwoSteps])
async def test_a_saver_that_is_wrong_is_found(saver: type[SessionSaver]) -> None:
    for seed in range(200):
        # In memory the order of the tasks follows from the seed alone.
        async with ActorSessionStore() as store:
            history: list[Operation] = await record([saver(store)], seed=seed)
        if check(history, ThreadModel(), timeout=120).verdict is Verdict.ILLEGAL:
            return
    pytest.fail("no history shows it")
