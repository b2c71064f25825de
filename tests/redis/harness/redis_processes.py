"""Other processes that use a store on the same server."""

from __future__ import annotations

from pathlib import Path

from tests.support.worker_processes import WorkerProcesses

__all__ = ["redis_workers"]


def redis_workers() -> WorkerProcesses:
    """Make workers; the test closes them."""
    return WorkerProcesses(Path(__file__).with_name("redis_worker.py"))
