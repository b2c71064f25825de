"""The facade for threads as a store that is awaited: each call blocks a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

from sessionkeeper import ActorSessionStore, AtomicSessionStore, ThreadSafeSessionStore

__all__ = ["ThreadedStore"]

APART = {"guarantees", "is_open", "close", "within", "for_principal", "watch_frames"}
"""What is no operation of the facade, and watching, which blocks a thread until a frame comes."""


class _Threaded(AtomicSessionStore):
    """Asks a store through its facade for threads. Watching and subscribing are refused.

    A caller that is cancelled waits for its thread: nothing goes on behind it.
    """

    guarantees = ActorSessionStore.guarantees

    def __init__(self, store: ActorSessionStore, principal: str | None = None) -> None:
        self._store = store
        self._principal = principal

    async def open(self) -> Self:
        if self._principal is None:
            await self._store.open()
        return self

    @property
    def is_open(self) -> bool:
        return self._store.is_open

    async def aclose(self, *, timeout: float | None = None) -> None:
        if self._principal is None:
            await self._store.aclose(timeout=timeout)

    def for_principal(self, principal: str, /) -> AtomicSessionStore:
        self._facade().for_principal(principal)  # raises what that raises
        view: AtomicSessionStore = ThreadedStore(self._store, principal)
        return view

    def _facade(self) -> ThreadSafeSessionStore:
        facade = ThreadSafeSessionStore(self._store)
        return facade if self._principal is None else facade.for_principal(self._principal)

    async def _call(self, method: str, *args: Any, **named: Any) -> Any:
        def call() -> tuple[Any, Exception | None]:
            try:
                return getattr(self._facade(), method)(*args, **named), None
            except Exception as error:  # raised below: a future would put another in its place
                return None, error

        if self._store._actor._runner.applying:  # a change runs on the owner's thread
            return getattr(self._facade(), method)(*args, **named)  # refused
        work = asyncio.ensure_future(asyncio.to_thread(call))
        try:
            value, error = await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait({work})
            raise
        if error is not None:
            raise error
        return value


def _operation(method: str) -> Callable[..., Awaitable[Any]]:
    async def call(self: _Threaded, *args: Any, **named: Any) -> Any:
        return await self._call(method, *args, **named)

    return call


_METHODS = {name for name in dir(ThreadSafeSessionStore) if not name.startswith("_")} - APART

ThreadedStore: Any = type(
    "ThreadedStore", (_Threaded,), {name: _operation(name) for name in _METHODS}
)
