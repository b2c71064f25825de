"""Random clients with every call recorded: one order must explain all answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any, TypeAlias

import pytest
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.errors import SessionError
from sessionkeeper.values.guarantees import Atomicity
from sessionkeeper.values.query import SessionOrder, SessionQuery
from sessionkeeper.values.session import Session
from sessionkeeper.values.states import SessionState

from .. import RecordingStore, SessionStoreModel, Verdict, check, find_anomalies
from .kit import SEVERAL, StoreKit
from .promise import declared
from .samples import archived, become, new, note, turns

__all__ = ["AtomicHistoriesConformance", "HistoriesConformance"]

SEEDS = range(8)
CLIENTS, CALLS, KEYS = 6, 40, 2
SECONDS = 15.0
STREAMS = (None, "x", "y")

Call: TypeAlias = Callable[[], Coroutine[Any, Any, object]]


class Client:
    """One of several clients of the same few sessions, with the snapshots it has read."""

    def __init__(self, store: RecordingStore, random: Random, left_out: set[str]) -> None:
        self.store, self.random, self.left_out = store, random, left_out
        self.read: dict[str, Session] = {}

    def ten(self, key: str) -> dict[str, Call]:
        """Calls of the ten methods; frequent ones are listed twice."""
        store, random = self.store, self.random

        async def read() -> None:
            self.read[key] = await store.get_session(key)

        async def update() -> None:
            if key in self.read:
                await store.update_session(self.marked(self.read[key]))
            await read()

        async def update_all() -> None:
            read = [await store.get_session(each) for each in ("s0", "s1")]
            await store.update_sessions_batch([self.marked(each) for each in read])

        return {
            "create_session": lambda: store.create_session(new(key)),
            "create_session again": lambda: store.create_session(new(key)),
            "get_session": read,
            "update_session": update,
            "update_session again": update,
            "delete_session": lambda: store.delete_session(key),
            "list_sessions": store.list_sessions,
            "count_sessions": store.count_sessions,
            "add_frame": lambda: store.add_frame(note(random.randrange(10**9), key)),
            "add_frame again": lambda: store.add_frame(note(random.randrange(10**9), key)),
            "get_frames": lambda: store.get_frames(key),
            "get_frames again": lambda: store.get_frames(key),
            "delete_frames": lambda: store.delete_frames(key),
            "count_frames": lambda: store.count_frames(key),
            "get_sessions_batch": lambda: store.get_sessions_batch(["s1", "s0"]),
            "update_sessions_batch": update_all,
        }

    def more(self, key: str) -> dict[str, Call]:
        """Calls of the other methods."""
        store, random = self.store, self.random
        state = random.choice([*SessionState])
        change = random.choice((None, self.marked))
        maximum = 1 if SEVERAL in self.left_out else 3
        notes = [
            note(random.randrange(10**9), key, stream=random.choice(STREAMS))
            for _ in range(random.randint(0, maximum))
        ]
        live = SessionQuery(states=frozenset({SessionState.INITIALIZING, SessionState.ACTIVE}))
        return {
            "modify_session": lambda: store.modify_session(key, self.marked),
            "modify_session again": lambda: store.modify_session(key, become(state)),
            "get_or_create_session": lambda: store.get_or_create_session(new(key)),
            "put_session": lambda: store.put_session(new(key, state=state)),
            "add_frames": lambda: store.add_frames(key, notes, change=change),
            "add_frames again": lambda: store.add_frames(
                key, notes, expected_last_seq=random.randrange(4)
            ),
            "read_frames": lambda: store.read_frames(key, after=random.randrange(4), limit=3),
            "read_frames again": lambda: store.read_frames(
                key,
                before=random.choice((None, random.randrange(1, 6))),
                limit=random.randrange(1, 4),
                newest=random.random() < 0.5,
                reverse=random.random() < 0.5,
                stream=random.choice(STREAMS),
            ),
            "count_frames": lambda: store.count_frames(key, stream=random.choice(STREAMS)),
            "trim_frames": lambda: store.trim_frames(key, up_to=random.randrange(6)),
            "remove_frames": lambda: self.remove(key, random.randrange(1, 4)),
            "touch_session": lambda: store.touch_session(key),
            "archive_session": lambda: self.archive(key, state),
            "find_sessions": lambda: store.find_sessions(
                live, order=random.choice([*SessionOrder]), limit=2
            ),
            "expire_sessions": lambda: store.expire_sessions(idle=0, limit=1),
        }

    async def archive(self, key: str, state: SessionState) -> Session:
        """Archive a session as it was read, with a time of creation that no other client gives."""
        session = await self.store.get_session(key)
        session = archived(session, state=state, days=self.random.randrange(1, 1_000))
        return await self.store.archive_session(session, expected_last_seq=session.last_seq)

    async def remove(self, key: str, number: int) -> None:
        """Remove the content of a frame, if the log has had one of that number."""
        with suppress(ValueError):
            await self.store.remove_frames(key, [number])

    def marked(self, session: Session) -> Session:
        """A change that no other client makes."""
        return session.model_copy(update={"metadata": {"n": self.random.randrange(10**9)}})

    async def work(self, *, whole: bool) -> None:
        """Make random calls; sometimes cancel one before its answer."""
        for _ in range(CALLS):
            key = f"s{self.random.randrange(KEYS)}"
            calls = self.ten(key) | (self.more(key) if whole else {})
            names = [name for name in calls if name.removesuffix(" again") not in self.left_out]
            name = self.random.choice(names)
            if name == "delete_session" and self.random.random() < 0.6:
                continue  # or there would be little to race for
            task = asyncio.ensure_future(calls[name]())
            await turns(self.random.randrange(2))
            if self.random.random() < 0.05:
                task.cancel()
            await asyncio.wait({task})
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, SessionError):
                raise error


async def explained(store: SessionStore, refuses: set[str], seed: int, *, whole: bool) -> None:
    """Let clients work on a few sessions, and search for an order of their calls."""
    says = declared(store)
    left_out = {*refuses}
    if says.listing is Atomicity.NONE:
        left_out.add("list_sessions")
    if says.batch is Atomicity.NONE:
        left_out.add(SEVERAL)
    recording = RecordingStore(store, seed=seed)
    random = Random(seed)  # noqa: S311  # a seed, not a secret
    clients = [Client(recording, random, left_out) for _ in range(CLIENTS)]
    await asyncio.gather(*(client.work(whole=whole) for client in clients))
    history, model = recording.history(), SessionStoreModel()
    assert len(history.operations) > CLIENTS * CALLS // 2
    result = check(history, model, timeout=SECONDS)
    if result.verdict is Verdict.UNKNOWN:
        pytest.fail(f"seed {seed}: not decided ({result.reason}); what is not shown has failed")
    named = [f"{each.kind}: {each.text}" for each in find_anomalies(result, model, history)]
    if result.verdict is Verdict.ILLEGAL:
        pytest.fail(
            f"seed {seed}: no order of {result.operations} calls explains what everyone was told\n"
            + "\n".join(named)
        )


class HistoriesConformance(StoreKit, level="operation"):
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_one_order_explains_all_replies(self, store: SessionStore, seed: int) -> None:
        """Linearizable: each operation appears to happen at one instant between call and return."""
        await explained(store, {*self.refuses}, seed, whole=False)


class AtomicHistoriesConformance(StoreKit, level="operation"):
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_one_order_explains_all_operations(self, store: SessionStore, seed: int) -> None:
        """Every method is one linearizable operation, also together with all others."""
        await explained(store, {*self.refuses}, seed, whole=True)
