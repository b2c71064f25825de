"""Another process that uses a store's file and reports acknowledged writes."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from sessionkeeper import (
    LimitExceeded,
    MessageEnvelope,
    Session,
    SessionError,
    SessionExists,
    SQLiteSessionStore,
    StoreLimits,
)
from sessionkeeper.backends.sqlite.row_cache import RowCache
from sessionlab import RecordingStore, write_history


def note(text: str, session_id: str = "a") -> MessageEnvelope:
    return MessageEnvelope.of(
        session_id,
        {"jsonrpc": "2.0", "method": "note", "params": [text]},
        direction="client-to-server",
    )


def counted(session: Session) -> Session:
    count = session.metadata.get("count", 0)
    assert isinstance(count, int)
    return session.model_copy(update={"metadata": {"count": count + 1}})


async def race(path: str, name: str, rounds: int) -> None:
    """Increments, appends and creations, from several tasks; prints the answers."""
    limits = StoreLimits(max_sessions=40, max_frames_per_session=200)
    async with SQLiteSessionStore(path, limits=limits, lock_timeout=60) as store:
        _, created = await store.get_or_create_session(Session.new(transport_type="stdio", id="a"))
        print("created" if created else "found", flush=True)
        print("ready", flush=True)
        sys.stdin.readline()

        async def work(task: int) -> None:
            for n in range(rounds):
                await store.modify_session("a", counted)
                try:
                    seq = await store.add_frame(note(f"{name}-{task}-{n}"))
                    print(f"seq {seq} {name}-{task}-{n}", flush=True)
                except LimitExceeded:
                    print("full", flush=True)
                try:
                    await store.create_session(
                        Session.new(transport_type="stdio", id=f"s{task}-{n}")
                    )
                    print(f"made s{task}-{n}", flush=True)
                except (SessionExists, LimitExceeded) as refused:
                    print(f"not {type(refused).__name__}", flush=True)

        await asyncio.gather(*(work(task) for task in range(4)))


async def bring_in(path: str) -> None:
    """Make a checkpoint and append, twice; says what became of each."""
    async with SQLiteSessionStore(path, lock_timeout=0.3) as store:
        for _ in range(2):
            for name, work in (
                ("checkpoint", store.checkpoint),
                ("write", lambda: store.add_frame(note("after"))),
            ):
                try:
                    print(f"{name} {await work()}", flush=True)
                except SessionError:
                    print(f"refused {name}", flush=True)
            sys.stdin.readline()


async def append(path: str, durability: str) -> None:
    """Append batches of three and single frames forever; print what was acknowledged."""
    async with SQLiteSessionStore(path, durability=durability) as store:
        await store.get_or_create_session(Session.new(transport_type="stdio", id="a"))
        print("ready", flush=True)

        async def singles() -> None:
            while True:
                seq = await store.add_frame(note("single"))
                print(f"seq {seq}", flush=True)

        async def batches() -> None:
            while True:
                seqs = await store.add_frames("a", [note(f"batch-{n}") for n in range(3)])
                print(f"batch {seqs[0]}", flush=True)

        await asyncio.gather(singles(), singles(), batches())


async def write(path: str, count: int) -> None:
    """Append on each line of input; say when the last of them stands."""
    async with SQLiteSessionStore(path) as store:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.startswith("end"):
                await store.modify_session("a", lambda s: s.model_copy(update={"state": "closed"}))
            elif line.startswith("delete"):
                await store.delete_session("a")
            else:
                for n in range(count):
                    await store.add_frame(note(str(n)))
            print("done", flush=True)


async def one_thing(store: RecordingStore, dice: random.Random, text: str) -> None:
    """Do one thing at random to one of three sessions."""
    key = f"s{dice.randrange(3)}"
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.get_or_create_session(Session.new(transport_type="stdio", id=key)),
        lambda: store.put_session(Session.new(transport_type="stdio", id=key)),
        lambda: store.get_session(key),
        *[lambda: store.modify_session(key, counted)] * 2,
        *[lambda: store.add_frame(note(text, key))] * 2,
        lambda: store.add_frames(key, [note(f"{text}-{n}", key) for n in range(2)]),
        lambda: store.get_frames(key),
        lambda: store.remove_frames(key, [1]),
        lambda: store.trim_frames(key, up_to=dice.randrange(6)),
        lambda: store.delete_session(key),
        store.list_sessions,
        store.count_sessions,
    ]
    with suppress(SessionError, ValueError):  # the answer is in the history
        await dice.choice(calls)()


async def record(path: str, history: str, name: str, rounds: int) -> None:
    """Run two clients, and record what they saw."""
    dice = random.Random(name)
    store = RecordingStore(SQLiteSessionStore(path, durability="os", lock_timeout=60))
    # One clock for all processes of the machine, so that their histories are one.
    store._tick = time.monotonic_ns

    async def client(task: int) -> None:
        for n in range(rounds):
            await one_thing(store, dice, f"{name}-{task}-{n}")

    async with store:
        print("ready", flush=True)
        sys.stdin.readline()
        await asyncio.gather(client(0), client(1))
    write_history(store.history(), history)
    print("done", flush=True)


def hold(path: str) -> None:
    """Hold the file's write lock until a line comes."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("ready", flush=True)
    sys.stdin.readline()
    connection.execute("ROLLBACK")
    print("let go", flush=True)


async def leave(path: str) -> None:
    """Write, and end the interpreter without closing the store."""
    store = await SQLiteSessionStore(path).open()
    await store.create_session(Session.new(transport_type="stdio", id="a"))
    print(f"seq {await store.add_frame(note('last'))}", flush=True)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # on purpose


def abandoned(path: str) -> None:
    """Run `leave` on a loop that is closed under the store, without cancelling anybody."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave(path))
    loop.close()


if __name__ == "__main__":
    command, file, *rest = sys.argv[1:]
    if command == "race":
        asyncio.run(race(file, rest[0], int(rest[1])))
    elif command == "append":
        asyncio.run(append(file, rest[0]))
    elif command == "write":
        asyncio.run(write(file, int(rest[0])))
    elif command == "record":
        if "unaware" in rest[3:]:  # wrong on purpose: rows are kept though others wrote
            setattr(RowCache, "begin", lambda cache, witness: None)  # noqa: B010
        asyncio.run(record(file, rest[0], rest[1], int(rest[2])))
    elif command == "checkpoint":
        asyncio.run(bring_in(file))
    elif command == "leave":
        abandoned(file)
    else:
        hold(file)
