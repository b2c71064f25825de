"""`remove_frames(id, seqs)`: the content goes, the number stays (Guarantees 3.7)."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from sessionkeeper import AtomicSessionStore, MessageEnvelope, MessageKind, StoreLimits

from tests.support.sessions import new_session, note
from tests.support.stores import Design


async def test_it_answers_as_a_plain_list_would(store: AtomicSessionStore) -> None:
    """Random appends, removals, trims and reads, against a dict of what must be there."""
    dice = Random(15)
    await store.create_session(new_session("a"))
    held: dict[int, MessageEnvelope] = {}
    last = 0
    for _ in range(400):
        match dice.randrange(6):
            case 0 | 1:
                sent = [note(n, "a") for n in range(dice.randrange(1, 4))]
                await store.add_frames("a", sent)
                for envelope in sent:
                    last += 1
                    held[last] = envelope
            case 2 | 3:
                wanted = {dice.randrange(1, last + 1) for _ in range(4)} if last else set[int]()
                lost = [n for n in wanted & held.keys() if held[n].message]
                held |= {n: held[n].as_removed() for n in lost}
                assert await store.remove_frames("a", wanted) == len(lost)
            case 4 if dice.random() < 0.2:
                up_to = dice.randrange(last + 1)
                gone = [n for n in held if n <= up_to]
                assert await store.trim_frames("a", up_to=up_to) == len(gone)
                for n in gone:
                    del held[n]
            case _:
                after, before = sorted(dice.randrange(last + 2) for _ in range(2))
                limit = dice.randrange(1, 9)
                frames = await store.read_frames(
                    "a", after=after, before=before + 1, limit=limit, reverse=True
                )
                numbers = [n for n in held if after < n <= before][::-1][:limit]
                assert [(f.seq, f.envelope) for f in frames] == [(n, held[n]) for n in numbers]
        found = await store.statistics()
        sizes = sum(len(envelope.message) for envelope in held.values())
        assert (found.frames, found.bytes) == (len(held), sizes)
    assert await store.get_frames("a") == [*held.values()]
    assert any(not envelope.message for envelope in held.values())


async def test_the_counters_tell_how_many(design: Design) -> None:
    """`contents_removed`; what was removed before it is counted as removed only when it goes."""
    async with design() as store:
        await store.create_session(new_session("a"))
        await store.add_frames("a", [note(n, "a") for n in range(5)])
        await store.remove_frames("a", [1, 2])
        await store.remove_frames("a", [2, 3])
        counters = (await store.statistics()).counters
        assert (counters.contents_removed, counters.frames_removed) == (3, 0)
        await store.delete_session("a")
        counters = (await store.statistics()).counters
        assert (counters.contents_removed, counters.frames_removed) == (3, 5)


async def test_numbers_may_come_from_any_iterable(store: AtomicSessionStore) -> None:
    """Read once, at the call: what the caller changes later does not matter."""
    await store.create_session(new_session("a"))
    await store.add_frames("a", [note(n, "a") for n in range(6)])
    numbers = [1, 2]
    removing = asyncio.ensure_future(store.remove_frames("a", numbers))
    await asyncio.sleep(0)
    numbers.append(3)
    assert await removing == 2
    assert await store.remove_frames("a", (n for n in (3, 4))) == 2
    assert await store.remove_frames("a", dict.fromkeys((5,))) == 1


async def test_an_error_of_the_iterable_reaches_the_caller(store: AtomicSessionStore) -> None:
    """Nothing is removed then."""

    def failing() -> object:
        yield 1
        raise LookupError("no more")

    await store.create_session(new_session("a"))
    sent = [note(1, "a")]
    await store.add_frames("a", sent)
    with pytest.raises(LookupError):
        await store.remove_frames("a", failing())  # type: ignore[arg-type]  # it is one
    assert await store.get_frames("a") == sent


async def test_a_removed_frame_stays_in_its_stream(store: AtomicSessionStore) -> None:
    """Its stream is read, counted and watched with it, until it is trimmed."""
    await store.create_session(new_session("a"))
    sent = [note(n, "a") for n in range(6)]
    sent = [
        envelope.model_copy(
            update={"context": envelope.context.model_copy(update={"stream": "xy"[n % 2]})}
        )
        for n, envelope in enumerate(sent)
    ]
    await store.add_frames("a", sent)
    assert await store.remove_frames("a", [1, 2, 5]) == 3
    frames = await store.read_frames("a", stream="x", newest=True, limit=2)
    assert [frame.seq for frame in frames] == [3, 5]
    frames = await store.read_frames("a", stream="x", before=5, reverse=True)
    assert [frame.envelope for frame in frames] == [sent[2], sent[0].as_removed()]
    assert await store.count_frames("a", stream="x") == 3
    watcher = store.watch_frames("a", stream="y")
    assert [(await anext(watcher)).envelope for _ in range(2)] == [sent[1].as_removed(), sent[3]]
    await store.trim_frames("a", up_to=2)
    frames = await store.read_frames("a", stream="x")
    assert [frame.envelope for frame in frames] == [sent[2], sent[4].as_removed()]
    assert await store.count_frames("a", stream="y") == 2


async def test_many_frames_are_removed_at_once(design: Design) -> None:
    """As many as a batch may have, and no others."""
    async with design(limits=StoreLimits(max_frames_per_batch=2_500)) as store:
        await store.create_session(new_session("a"))
        for _ in range(2):
            await store.add_frames("a", [note(n, "a") for n in range(2_500)])
        odd = range(1, 5_000, 2)
        assert await store.remove_frames("a", odd) == 2_500
        kinds = [envelope.kind for envelope in await store.get_frames("a")]
        assert kinds[::2] == [MessageKind.REMOVED] * 2_500
        assert kinds[1::2] == [MessageKind.NOTIFICATION] * 2_500
