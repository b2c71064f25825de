"""A caller that is cancelled leaves whole operations only (Guarantees 5.2 and 5.3)."""

from __future__ import annotations

import asyncio
import random

import pytest
from sessionkeeper import AtomicSessionStore, Session

from tests.support.sessions import new_session, note, numbers, turns
from tests.support.stores import make_store


def count_on(session: Session) -> Session:
    """Add one to a number in the metadata, and say so in the tags."""
    n = len(session.tags)
    return session.model_copy(update={"metadata": {"n": n + 1}, "tags": {*session.tags, f"{n:04}"}})


@pytest.mark.parametrize("seed", range(3))
async def test_callers_cancelled_at_random_leave_whole_operations(
    store: AtomicSessionStore, seed: int
) -> None:
    """After the owner has taken it: whole or not at all, never half."""
    rng = random.Random(seed)
    await store.create_session(new_session("a"))
    done = attempts = 0

    async def caller(w: int) -> None:
        nonlocal done
        added = await store.add_frames("a", [note(w * 10 + i) for i in range(3)], change=count_on)
        done += len(added)

    for _ in range(40):
        tasks = [asyncio.create_task(caller(attempts + n)) for n in range(4)]
        attempts += len(tasks)
        await turns(rng.randrange(4))
        for task in rng.sample(tasks, 2):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    session = await store.get_session("a")
    kept = numbers(await store.get_frames("a"))
    triples = [kept[i : i + 3] for i in range(0, len(kept), 3)]
    assert all(c == b + 1 == a + 2 and a % 10 == 0 for a, b, c in triples)
    assert len({triple[0] for triple in triples}) == len(triples)
    assert session.last_seq == session.frame_count == len(kept) >= done
    assert session.metadata == {"n": len(triples)}
    assert len(session.tags) == len(triples)


@pytest.mark.parametrize("seed", range(3))
async def test_single_steps_cancelled_at_random(any_store: AtomicSessionStore, seed: int) -> None:
    """Around an awaiting store too: an operation that has begun goes on to its end."""
    rng = random.Random(seed)
    await any_store.create_session(new_session("a"))
    tasks: list[asyncio.Task[object]] = []
    for n in range(60):
        step = rng.randrange(3)
        if step == 0:
            tasks.append(asyncio.create_task(any_store.modify_session("a", count_on)))
        elif step == 1:
            tasks.append(asyncio.create_task(any_store.add_frame(note(n))))
        else:
            tasks.append(asyncio.create_task(any_store.get_or_create_session(new_session(f"s{n}"))))
        await turns(rng.randrange(3))
        if rng.random() < 0.4:
            rng.choice(tasks).cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(r) for r in results} <= {Session, int, tuple, asyncio.CancelledError}

    session = await any_store.get_session("a")
    assert session.metadata.get("n", 0) == len(session.tags)
    assert session.last_seq == len(await any_store.get_frames("a")) == session.frame_count
    numbers = [frame.seq for frame in await any_store.read_frames("a")]
    assert numbers == [*range(1, len(numbers) + 1)]
    assert await any_store.count_sessions() == len(await any_store.list_sessions())


@pytest.mark.parametrize("name", ["actor", "sqlite", "postgres", "owned"])
async def test_a_caller_cancelled_while_queued_has_no_effect(name: str) -> None:
    """Still queued: certainly no effect; a deadline has the same meaning."""
    async with make_store(name) as store:
        tasks = [asyncio.create_task(store.create_session(new_session(key))) for key in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await store.create_session(new_session("late"))
        assert [session.id for session in await store.list_sessions()] == ["a", "c"]


async def test_the_store_goes_on_after_a_cancelled_waiter(any_store: AtomicSessionStore) -> None:
    """The owner never dies of a cancelled future or of a reply nobody awaits."""
    await any_store.create_session(new_session("a"))
    for _ in range(20):
        task = asyncio.create_task(any_store.add_frame(note()))
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task])
    last = (await any_store.get_session("a")).last_seq
    assert await any_store.add_frame(note()) == last + 1
