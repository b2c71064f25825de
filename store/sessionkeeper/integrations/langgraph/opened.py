"""A saver with a store of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from sessionkeeper import AtomicSessionStore, StorageFactory, ThreadedSessionStore, threaded

__all__ = ["OpenedSaver"]

S = TypeVar("S")


class OpenedSaver(Generic[S]):
    """Opens the store of a URL, makes a saver of it, and closes it: `async with` or `with`.

    A plain `with` opens the store in a thread of its own; then the saver's methods may also be
    awaited on any event loop. Raises what opening the store raises. For one block.
    """

    def __init__(self, url: str, make: Callable[[AtomicSessionStore], S]) -> None:
        self._url = url
        self._make = make
        self._store: AtomicSessionStore
        self._threaded: ThreadedSessionStore

    async def __aenter__(self) -> S:
        self._store = await StorageFactory.create(self._url)
        try:
            return self._make(self._store)
        except BaseException:
            await self._store.aclose()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._store.aclose()

    def __enter__(self) -> S:
        self._threaded = threaded(self._url).start()
        try:
            return self._make(self._threaded)
        except BaseException:
            self._threaded.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._threaded.close()
