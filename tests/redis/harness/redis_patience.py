"""The patience of an open store: a busy machine needs more of it to open and to fill one."""

from __future__ import annotations

from typing import Any

from sessionkeeper import RedisSessionStore

__all__ = ["AMPLE", "set_patience"]

AMPLE = 60.0
"""Seconds for what is to succeed, however busy the machine is."""


def set_patience(store: RedisSessionStore, seconds: float) -> None:
    """For all calls from now on; with 0 each is tried once."""
    runner: Any = store._runner
    queues = [] if runner._queues is None else runner._queues._all()
    for lane in (runner._lane, *(each.lane for each in queues)):
        lane.delivery._patience._seconds = seconds
