"""Many callers at once: as if one after the other (Guarantees 6.1)."""

from __future__ import annotations

import asyncio
import contextlib
import random

from sessionkeeper import (
    AtomicSessionStore,
    Session,
    SessionNotFound,
)

from tests.support.sessions import new_session

TASKS, TIMES = 64, 10


def count_on(session: Session) -> Session:
    """Add one to a number in the metadata."""
    n = session.metadata.get("n", 0)
    assert isinstance(n, int)
    return session.model_copy(update={"metadata": {"n": n + 1}})


async def test_creating_and_deleting_race_to_one_outcome(any_store: AtomicSessionStore) -> None:
    """Every step succeeds or raises a known error; the content agrees with the counts."""

    async def worker(seed: int) -> int:
        rng, balance = random.Random(seed), 0
        for _ in range(20):
            key = rng.choice("abcd")
            if rng.random() < 0.5:
                balance += (await any_store.get_or_create_session(new_session(key)))[1]
            else:
                with contextlib.suppress(SessionNotFound):
                    await any_store.delete_session(key)
                    balance -= 1
        return balance

    balances = await asyncio.gather(*(worker(seed) for seed in range(16)))
    listed = await any_store.list_sessions()
    assert sum(balances) == len(listed) == await any_store.count_sessions()
    assert sum((await any_store.statistics()).sessions.values()) == len(listed)
