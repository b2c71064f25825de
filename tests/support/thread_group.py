"""Threads of a test."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

__all__ = ["ThreadGroup"]


class ThreadGroup:
    """Threads that each do something, while the loop of the test runs."""

    async def do(self, *actions: Callable[[], Any]) -> list[Any]:
        """Do each action in its own thread; return the values and errors, in order."""
        with ThreadPoolExecutor(len(actions)) as pool:
            loop = asyncio.get_running_loop()
            work = [loop.run_in_executor(pool, action) for action in actions]
            return await asyncio.gather(*work, return_exceptions=True)

    def begin(self, action: Callable[[], Any]) -> Future[Any]:
        """Do an action in a daemon thread."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(action())
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future

    def until(self, condition: Callable[[], object]) -> None:
        """Block this thread until a condition is true."""
        give_up = time.monotonic() + 300
        while not condition():
            assert time.monotonic() < give_up, "the condition never became true"
            time.sleep(0.0005)
