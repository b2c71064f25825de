"""Tasks that run their first step at once (cpython#155338)."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["start_eagerly"]


def start_eagerly(
    loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
) -> asyncio.Task[Any]:
    """Make a task as `asyncio.eager_task_factory` does; Python 3.12 or newer.

    It takes what uvloop hands it on any 3.12 and 3.13 as well.
    """
    return asyncio.Task(coroutine, loop=loop, **{**options, "eager_start": True})
