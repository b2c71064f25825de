"""Waiting for a condition, without a promise about time."""

from __future__ import annotations

import time
from collections.abc import Iterator

__all__ = ["until"]


def until(what: str, seconds: float = 300.0) -> Iterator[None]:
    """Yield until the caller leaves the loop; fail with `never {what}` when that takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
    raise AssertionError(f"never {what}")
