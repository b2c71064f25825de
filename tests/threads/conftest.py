"""A store behind its facade for threads, on a loop in another thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sessionkeeper import ActorSessionStore, ThreadSafeSessionStore

R = TypeVar("R")


class Service:
    """A program whose loop runs in a thread of its own, with a store."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._thread = threading.Thread(target=loop.run_forever)
        self._thread.start()
        self.store = ActorSessionStore()
        self.run(self.store.open())

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Do something on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(300)

    def stop(self) -> None:
        """Stop the loop under everybody's feet."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def end(self) -> None:
        """Leave nothing."""
        if self._thread.is_alive():
            self.run(self.store.aclose())
            self.stop()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new store in memory, in a file, and in a schema of a server."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/sessions.db"


@pytest.fixture
def service(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[Service]:
    """A service, and this thread is not its loop's."""
    service = Service(loop_factory())
    yield service
    service.end()


@pytest.fixture
def facade(service: Service) -> ThreadSafeSessionStore:
    """The facade of the service's store."""
    return ThreadSafeSessionStore(service.store)


@pytest.fixture
async def store() -> AsyncIterator[ActorSessionStore]:
    """A store on the loop of the test."""
    async with ActorSessionStore() as store:
        yield store
