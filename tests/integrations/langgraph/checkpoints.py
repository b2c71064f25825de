"""Checkpoints to store, and what a saver shows of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointMetadata

__all__ = ["at", "checkpoint", "ids", "put", "put_all"]


def at(thread_id: str = "t", namespace: str = "", checkpoint_id: str | None = None) -> Any:
    """Make the configuration of a place."""
    place = {"thread_id": thread_id, "checkpoint_ns": namespace}
    return {
        "configurable": place | ({} if checkpoint_id is None else {"checkpoint_id": checkpoint_id})
    }


def checkpoint(checkpoint_id: str, **values: object) -> Checkpoint:
    """Make a checkpoint with values of channels."""
    return Checkpoint(
        v=4,
        id=checkpoint_id,
        ts="2026-11-30T00:00:00+00:00",
        channel_values=dict(values),
        channel_versions=dict.fromkeys(values, "1"),
        versions_seen={},
        updated_channels=None,
    )


async def put(
    saver: BaseCheckpointSaver[str],
    checkpoint_id: str,
    *,
    to: RunnableConfig | None = None,
    run_id: str | None = None,
    **values: object,
) -> RunnableConfig:
    """Store a checkpoint and return its configuration."""
    metadata = CheckpointMetadata(source="loop", step=1, parents={})
    if run_id is not None:
        metadata["run_id"] = run_id
    return await saver.aput(
        at() if to is None else to, checkpoint(checkpoint_id, **values), metadata, {}
    )


async def put_all(saver: BaseCheckpointSaver[str], checkpoint_ids: Iterable[str]) -> None:
    """Store checkpoints one after the other, each of them a root."""
    for checkpoint_id in checkpoint_ids:
        await put(saver, checkpoint_id)


async def ids(saver: BaseCheckpointSaver[str], config: RunnableConfig | None = None) -> list[str]:
    """Return the ids of the checkpoints that the saver lists."""
    return [each.checkpoint["id"] async for each in saver.alist(at() if config is None else config)]
