"""A saver or a session with a store of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from sessionkeeper import AtomicSessionStore, StorageFactory, ThreadedSessionStore, threaded

__all__ = ["Opened"]

S = TypeVar("S")


class Opened(Generic[S]):
    """Opens the store of a URL, makes `S` on it, and closes it: `async with` or `with`.

    A plain `with` opens the store in a thread of its own; then the methods of `S` may also be
    awaited on any event loop. For one block at a time: within it, another one raises
    `RuntimeError`. Raises what opening the store raises.
    """

    def __init__(self, url: str, make: Callable[[AtomicSessionStore], S]) -> None:
        self._url = url
        self._make = make
        self._is_entered = False
        self._store: AtomicSessionStore
        self._threaded: ThreadedSessionStore

    async def __aenter__(self) -> S:
        self._enter()
        try:
            self._store = await StorageFactory.create(self._url)
            try:
                return self._make(self._store)
            except BaseException:
                await self._store.aclose()
                raise
        except BaseException:
            self._is_entered = False
            raise

    async def __aexit__(self, *_: object) -> None:
        self._is_entered = False
        await self._store.aclose()

    def __enter__(self) -> S:
        self._enter()
        try:
            self._threaded = threaded(self._url).start()
            try:
                return self._make(self._threaded)
            except BaseException:
                self._threaded.close()
                raise
        except BaseException:
            self._is_entered = False
            raise

    def __exit__(self, *_: object) -> None:
        self._is_entered = False
        self._threaded.close()

    def _enter(self) -> None:
        if self._is_entered:  # the store that is open would be forgotten, and stay open
            raise RuntimeError("its block runs already: it opens one store at a time")
        self._is_entered = True
