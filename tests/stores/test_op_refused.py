"""A store that cannot keep a promise refuses the method; it never weakens it in silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    OwnedSessionStore,
    SessionQuery,
    SessionStore,
    StoreClosed,
)

from tests.support.stores import wakeups_of

METHODS: dict[str, Callable[[AtomicSessionStore], Any]] = {
    "trim_frames": lambda store: store.trim_frames("a", up_to=1),
    "remove_frames": lambda store: store.remove_frames("a", [1]),
    "find_sessions": lambda store: store.find_sessions(SessionQuery()),
    "expire_sessions": lambda store: store.expire_sessions(idle=1),
    "purge_sessions": lambda store: store.purge_sessions(ended_before=datetime.now(UTC)),
    "watch_frames": lambda store: anext(store.watch_frames("a")),
}


async def test_a_store_on_ten_methods_refuses_by_name() -> None:
    """`NotImplementedError` names the method and the store; the inner store is not called."""
    inner = type("Inner", (SessionStore,), dict.fromkeys(SessionStore.__abstractmethods__))()
    async with OwnedSessionStore(inner) as store:
        for asked in (store, store.for_principal("alice")):
            with pytest.raises(NotImplementedError, match="trim_frames") as refused:
                await asked.trim_frames("a", up_to=1)
            assert type(asked).__name__ in str(refused.value)


@pytest.mark.parametrize("method", METHODS)
async def test_an_unopened_store_refuses_these_operations(method: str) -> None:
    """Before opening `RuntimeError`, after closing `StoreClosed`, as for every other method."""
    store = ActorSessionStore()
    with pytest.raises(RuntimeError):
        await METHODS[method](store)
    async with store:
        pass
    with pytest.raises(StoreClosed):
        await METHODS[method](store)
    assert len(wakeups_of(store)) == 0
