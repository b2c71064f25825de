"""Stores what LangGraph gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    Checkpoint,
    CheckpointMetadata,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from .config import checked_text, config_of, read_address
from .records import CheckpointRecord, WritesRecord
from .threads import ThreadLogs

__all__ = ["put_checkpoint", "put_writes"]


async def put_checkpoint(
    logs: ThreadLogs,
    serde: SerializerProtocol,
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
) -> RunnableConfig:
    """Store a checkpoint whose parent is what `config` names; return its configuration.

    Raises `TypeError`, `ValueError` for a bad configuration or id, and what the store raises.
    """
    thread_id, namespace, parent_id = read_address(config)
    checkpoint_id = checked_text("the id of a checkpoint", checkpoint["id"])
    if not checkpoint_id:
        raise ValueError("the id of a checkpoint is not empty")
    about = get_checkpoint_metadata(config, metadata)
    record = CheckpointRecord(
        checkpoint_id, parent_id, serde.dumps_typed(checkpoint), serde.dumps_typed(about)
    )
    run_id = about.get("run_id")
    await logs.put(thread_id, namespace, record, None if run_id is None else str(run_id))
    return config_of(thread_id, namespace, checkpoint_id)


async def put_writes(
    logs: ThreadLogs,
    serde: SerializerProtocol,
    config: RunnableConfig,
    writes: Sequence[tuple[str, Any]],
    *,
    task_id: str,
    task_path: str,
) -> None:
    """Store what a task wrote. Raises as `put_checkpoint`."""
    thread_id, namespace, checkpoint_id = read_address(config)
    if checkpoint_id is None:
        raise ValueError("config['configurable'] has no checkpoint_id")
    if not writes:
        return
    record = WritesRecord(
        checked_text("task_id", task_id),
        checked_text("task_path", task_path),
        [
            (
                WRITES_IDX_MAP.get(channel, place),
                checked_text("channel", channel),
                *serde.dumps_typed(value),
            )
            for place, (channel, value) in enumerate(writes)
        ],
    )
    await logs.put_writes(thread_id, namespace, checkpoint_id, record)
