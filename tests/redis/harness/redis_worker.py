"""One of several processes that use a store on a server and record the results."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from sessionkeeper import LogReplaced, MessageEnvelope, RedisSessionStore, Session, SessionError
from sessionlab import RecordingStore, write_history

__all__ = ["one_thing", "recording"]


def note(text: str, session_id: str) -> MessageEnvelope:
    """A notification that tells itself from others."""
    message = {"jsonrpc": "2.0", "method": "note", "params": [text]}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


def counted(session: Session) -> Session:
    """One more."""
    n: Any = session.metadata.get("n", 0)
    return session.model_copy(update={"metadata": {"n": n + 1}})


def recording(store: RedisSessionStore) -> RecordingStore:
    """Record calls and answers by the machine's clock, which all processes share."""
    recorder = RecordingStore(store)
    recorder._tick = time.monotonic_ns
    return recorder


async def one_thing(
    store: RecordingStore,
    dice: random.Random,
    text: str,
    *,
    keys: Sequence[str] = ("s0", "s1", "s2"),
    listing: bool = True,
) -> None:
    """Do one thing at random to one of some sessions."""
    key = dice.choice(keys)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.get_or_create_session(Session.new(transport_type="stdio", id=key)),
        lambda: store.put_session(Session.new(transport_type="stdio", id=key)),
        lambda: store.get_session(key),
        *[lambda: store.modify_session(key, counted)] * 2,
        *[lambda: store.add_frame(note(text, key))] * 2,
        lambda: store.add_frames(key, [note(f"{text}-{n}", key) for n in range(2)]),
        lambda: store.add_frames(key, [note(f"{text}+", key)], change=counted),
        lambda: store.get_frames(key),
        lambda: store.remove_frames(key, [1]),
        lambda: store.trim_frames(key, up_to=dice.randrange(6)),
        lambda: store.delete_session(key),
    ]
    if listing:
        calls += [store.list_sessions, store.count_sessions]
    with suppress(SessionError, ValueError):  # the answer is in the history
        await dice.choice(calls)()


async def record(url: str, prefix: str, history: str, name: str, rounds: int) -> None:
    """Run two clients, and record what they saw."""
    dice = random.Random(name)
    store = recording(RedisSessionStore(url, prefix=prefix))

    async def client(task: int) -> None:
        for n in range(rounds):
            await one_thing(store, dice, f"{name}-{task}-{n}")

    async with store:
        print("ready", flush=True)
        sys.stdin.readline()
        await asyncio.gather(client(0), client(1))
    write_history(store.history(), history)
    print("done", flush=True)


async def append(url: str, prefix: str, name: str, rounds: int) -> None:
    """Append to one session, and end it when a line says so."""
    async with RedisSessionStore(url, prefix=prefix) as store:
        for n in range(rounds):
            await store.add_frame(note(f"{name}-{n}", "watched"))
        print("ready", flush=True)
        if sys.stdin.readline().strip() == "end":
            await store.modify_session(
                "watched", lambda session: session.model_copy(update={"state": "closed"})
            )


async def watch(url: str, prefix: str) -> None:
    """Print what is read of one session, and how it ends."""
    async with RedisSessionStore(url, prefix=prefix) as store:
        try:
            async for frame in store.watch_frames("watched"):
                print("read", frame.seq, flush=True)
            print("ended", flush=True)
        except LogReplaced as error:
            print("LogReplaced after", error.after, flush=True)


async def resolve(url: str, prefix: str, operation_id: str) -> None:
    """Say what became of an operation."""
    async with RedisSessionStore(url, prefix=prefix) as store:
        print("ready", await store.resolve(operation_id), flush=True)


if __name__ == "__main__":
    command, where, named, *rest = sys.argv[1:]
    if command == "record":
        asyncio.run(record(where, named, rest[0], rest[1], int(rest[2])))
    elif command == "append":
        asyncio.run(append(where, named, rest[0], int(rest[1])))
    elif command == "watch":
        asyncio.run(watch(where, named))
    else:
        asyncio.run(resolve(where, named, rest[0]))
