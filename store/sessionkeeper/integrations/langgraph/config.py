"""What LangGraph's configurations say about a checkpoint."""

from __future__ import annotations

from typing import NamedTuple

from langchain_core.runnables import RunnableConfig

__all__ = ["Address", "checked_text", "config_of", "read_address"]


class Address(NamedTuple):
    """Where a checkpoint is."""

    thread_id: str
    namespace: str
    checkpoint_id: str | None
    """None for the latest."""


def read_address(config: RunnableConfig) -> Address:
    """Return the address that a configuration names; without a namespace it is the root's.

    Raises `ValueError` without a thread, and for what is no Unicode text; `TypeError` for a
    namespace or a checkpoint that is no string.
    """
    configurable = config.get("configurable") or {}
    if configurable.get("thread_id") is None:
        raise ValueError("config['configurable'] has no thread_id")
    # LangGraph takes numbers and UUIDs for threads.
    thread_id = checked_text("thread_id", str(configurable["thread_id"]))
    namespace = checked_text("checkpoint_ns", configurable.get("checkpoint_ns") or "")
    checkpoint_id = configurable.get("checkpoint_id") or None
    if checkpoint_id is not None:
        checkpoint_id = checked_text("checkpoint_id", checkpoint_id)
    return Address(thread_id, namespace, checkpoint_id)


def checked_text(name: str, value: object) -> str:
    """Return a text as a plain `str`. Raises `TypeError`, `ValueError`; the text is not shown."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {type(value).__name__}")
    value = str.__str__(value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is no Unicode text: it has a lone surrogate") from None
    return value


def config_of(thread_id: str, namespace: str, checkpoint_id: str) -> RunnableConfig:
    """Make the configuration that names a checkpoint."""
    return {
        "configurable": {
            "thread_id": thread_id,
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint_id,
        }
    }
