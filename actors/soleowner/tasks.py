"""An owner's task: it begins at once, belongs to nobody's context, and is not lost."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine

__all__ = ["start"]

# The loop holds tasks only weakly; an owner without a reference would vanish (cpython#117379).
_owners: set[asyncio.Task[None]] = set()


def start(owner: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
    """Run the owner on the running loop; its first await must be a bare `sleep(0)`."""
    # Into its `try`, by hand: a task cancelled before its first step would never get there.
    owner.send(None)
    # An empty context: no context variable of the task that opened the actor leaks into its work.
    # An eager task factory runs the first step right here, so all is ready (cpython#155338).
    task = asyncio.get_running_loop().create_task(owner, name=name, context=contextvars.Context())
    _owners.add(task)
    task.add_done_callback(_owners.discard)
    return task
