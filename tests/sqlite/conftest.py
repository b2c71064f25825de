"""A file for each test, and other processes that use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.worker_processes import WorkerProcesses


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "store.db"


@pytest.fixture
def other_processes(file: Path) -> Iterator[WorkerProcesses]:
    """Other processes on the test's file."""
    processes = WorkerProcesses(Path(__file__).with_name("sqlite_worker.py"), file)
    yield processes
    processes.close()
