"""A session with a store of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sessionkeeper import AtomicSessionStore, StorageFactory, ThreadedSessionStore, threaded

if TYPE_CHECKING:
    from .session import StoreSession

__all__ = ["OpenedSession"]


class OpenedSession:
    """Opens the store of a URL, makes a session on it, and closes it: `async with` or `with`.

    For one block. Raises what opening the store raises.
    """

    def __init__(self, url: str, make: Callable[[AtomicSessionStore], StoreSession]) -> None:
        self._url = url
        self._make = make
        self._store: AtomicSessionStore
        self._threaded: ThreadedSessionStore

    async def __aenter__(self) -> StoreSession:
        self._store = await StorageFactory.create(self._url)
        try:
            return self._make(self._store)
        except BaseException:
            await self._store.aclose()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._store.aclose()

    def __enter__(self) -> StoreSession:
        self._threaded = threaded(self._url).start()
        try:
            return self._make(self._threaded)
        except BaseException:
            self._threaded.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._threaded.close()
