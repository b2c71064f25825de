"""Clients that do this and that at random, recorded and judged by the checker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random

import msgspec
from redis_operations import counted, note, session
from sessionkeeper import AtomicSessionStore, Session, SessionError, SessionQuery, StoreUnavailable
from sessionkeeper.stores.postgres import PostgresSessionStore
from sessionlab import (
    CheckResult,
    Operation,
    RecordingStore,
    SessionStoreModel,
    Verdict,
    check,
)
from sessionlab.linearizability.checker.invariants import find_stamp_contradictions

__all__ = ["Clients", "closed", "explain", "judge", "merge", "one_thing", "recording"]

KEYS = ("s0", "s1", "s2", "s3")


def recording(store: AtomicSessionStore) -> RecordingStore:
    """Record calls and answers by the machine's clock, which all processes share."""
    recorder = RecordingStore(store)
    recorder._tick = time.monotonic_ns
    return recorder


def closed(session: Session) -> Session:
    """It ends."""
    return session.model_copy(update={"state": "closed"})


async def _update(store: RecordingStore, key: str, other: str) -> object:
    both = await store.get_sessions_batch(sorted({key, other}))
    return await store.update_sessions_batch([counted(each) for each in both])


async def _append_at(store: RecordingStore, key: str, text: str) -> object:
    last_seq = (await store.get_session(key)).last_seq
    return await store.add_frames(key, [note(text, key)], expected_last_seq=last_seq)


async def one_thing(
    store: RecordingStore, dice: Random, text: str, *, keys: Sequence[str] = KEYS
) -> None:
    """Do one thing at random to one of some sessions. Raises `StoreUnavailable` alone."""
    key, other = dice.choice(keys), dice.choice(keys)
    new = session(key, principal=dice.choice(("alice", "bob", None)), tags={text})
    often: list[Callable[[], Awaitable[object]]] = [
        *[lambda: store.get_or_create_session(new)] * 2,
        lambda: store.get_session(key),
        *[lambda: store.modify_session(key, counted)] * 2,
        *[lambda: store.add_frame(note(text, key))] * 3,
        lambda: store.add_frames(key, [note(f"{text}-{n}", key) for n in range(2)]),
        lambda: store.add_frames(key, [note(f"{text}+", key)], change=counted),
        *[lambda: _append_at(store, key, text)] * 2,
        lambda: _update(store, key, other),
        lambda: store.touch_session(key),
        lambda: store.get_frames(key),
        lambda: store.read_frames(key, after=dice.randrange(3), limit=3),
        lambda: store.count_frames(key),
        lambda: store.remove_frames(key, [1, 2]),
        lambda: store.trim_frames(key, up_to=dice.randrange(6)),
        store.list_sessions,
        store.count_sessions,
        lambda: store.find_sessions(SessionQuery(principal="alice")),
    ]
    seldom: list[Callable[[], Awaitable[object]]] = [
        lambda: store.create_session(new),
        lambda: store.put_session(new),
        lambda: store.modify_session(key, closed),
        lambda: store.delete_frames(key),
        lambda: store.delete_session(key),
        lambda: store.expire_sessions(idle=0, limit=1),
        lambda: store.purge_sessions(ended_for=0, limit=1),
    ]
    calls = often if dice.random() < 0.85 else seldom
    try:
        await dice.choice(calls)()
    except StoreUnavailable:
        raise  # there is patience enough
    except (SessionError, ValueError):
        pass  # the answer is in the history


class Clients:
    """So many at a time, each on one of some recording stores, until all rounds are done.

    With `until`, they go on to that event.
    """

    def __init__(
        self,
        *stores: RecordingStore,
        count: int = 8,
        rounds: int = 30,
        cancelled: float = 0.05,
        until: asyncio.Event | None = None,
    ) -> None:
        self._stores = stores
        self._count = count
        self._rounds = rounds
        self._cancelled = cancelled
        self._until = until
        self._done = 0
        self._arrived: list[tuple[int, asyncio.Event]] = []
        self.over = asyncio.Event()
        """Set when all rounds are done."""

    async def run(self, seed: object = "") -> None:
        """Do all rounds. An error that is none of the store's ends it."""
        async with asyncio.TaskGroup() as group:
            for n in range(self._count):
                group.create_task(self._client(n, Random(f"{seed}-{n}")))
        self.over.set()

    async def come_to(self, part: float) -> None:
        """Wait until that part of all rounds is done."""
        there = asyncio.Event()
        self._arrived.append((round(part * self._count * self._rounds), there))
        self._look()
        await there.wait()

    async def _client(self, number: int, dice: Random) -> None:
        store = self._stores[number % len(self._stores)]
        n = 0
        while n < self._rounds or not (self._until is None or self._until.is_set()):
            n += 1
            task = asyncio.ensure_future(one_thing(store, dice, f"{number}-{n}"))
            if dice.random() < self._cancelled:
                await asyncio.sleep(dice.choice((0, 0, 0.001, 0.004)))
                task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()
            self._done += 1
            self._look()

    def _look(self) -> None:
        for count, there in self._arrived:
            if self._done >= count:
                there.set()


def merge(histories: Iterable[Sequence[Operation]]) -> list[Operation]:
    """Make one history of those of several stores; each client stays one of its own."""
    together: list[Operation] = [
        msgspec.structs.replace(each, client=1000 * n + each.client)
        for n, operations in enumerate(histories)
        for each in operations
    ]
    return sorted(together, key=lambda each: each.call)


def judge(operations: Sequence[Operation]) -> None:
    """See that one order explains all that was answered, and that revisions never go back.

    What begins after an answer gets a higher one, of whatever session: more than the model asks.
    """
    result = explain(operations)
    assert result.verdict is Verdict.OK, result
    assert find_stamp_contradictions(SessionStoreModel(), operations) == []


def explain(operations: Sequence[Operation]) -> CheckResult:
    """Look for an order that explains all that was answered, as the store promises it."""
    model = SessionStoreModel(one_counter=PostgresSessionStore.guarantees.one_counter)
    return check(operations, model, timeout=600)
