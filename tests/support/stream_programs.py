"""Random programs that fill, read and shorten the streams of two logs, the same for every store."""

from __future__ import annotations

import random

from sessionkeeper import AtomicSessionStore, MessageEnvelope

from tests.support.sessions import new_session, note

__all__ = ["IDS", "framed", "left_in_streams", "step"]

IDS = ("a", "b")
STREAMS = ("x", "y", "xy", None)


def framed(n: int, stream: str | None, id: str = "a") -> MessageEnvelope:
    """A numbered message of a stream."""
    context = note(n, id).context.model_copy(update={"stream": stream})
    return note(n, id).model_copy(update={"context": context})


async def step(store: AtomicSessionStore, seed: int) -> object:
    """One step of a program that adds, reads and removes; the same for the same seed."""
    chance = random.Random(seed)
    id_, stream = chance.choice(IDS), chance.choice(STREAMS[:-1])
    kind = chance.random()
    if kind < 0.5:
        frames = [
            framed(seed * 100 + n, chance.choice(STREAMS), id_) for n in range(chance.randrange(9))
        ]
        return await store.add_frames(id_, frames)
    if kind < 0.6:
        last = (await store.get_session(id_)).last_seq
        return await store.remove_frames(
            id_, [chance.randrange(last) + 1 for _ in range(min(last, 6))]
        )
    if kind < 0.83:
        found = await store.read_frames(
            id_,
            after=chance.randrange(60),
            limit=chance.randrange(1, 20),
            newest=chance.random() < 0.5,
            stream=stream,
        )
        count = await store.count_frames(id_, stream=stream)
        return count, [(each.seq, each.envelope.message) for each in found]
    if kind < 0.93:
        last = (await store.get_session(id_)).last_seq
        return await store.trim_frames(id_, up_to=max(0, last - chance.randrange(30)))
    if kind < 0.97:
        return await store.delete_frames(id_)
    await store.delete_session(id_)
    return (await store.create_session(new_session(id_))).frame_count


async def left_in_streams(store: AtomicSessionStore) -> int:
    """How many frames of both logs have a stream."""
    logs = [await store.read_frames(id_) for id_ in IDS]
    return sum(frame.envelope.context.stream is not None for log in logs for frame in log)
