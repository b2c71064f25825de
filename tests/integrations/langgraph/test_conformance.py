"""LangGraph's own conformance kit, in a process of its own, on each backend."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langgraph.checkpoint.conformance")

WORKER = Path(__file__).with_name("conformance_worker.py")


def run_kit(side: str, place: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        (sys.executable, str(WORKER), side, place), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def test_all_eight_capabilities_conform(store_url: str) -> None:
    found = run_kit("ours", store_url)
    assert {name: result["failed"] for name, result in found.items() if result["failed"]} == {}
    assert len(found) == 8
    assert sum(result["passed"] for result in found.values()) == 81
