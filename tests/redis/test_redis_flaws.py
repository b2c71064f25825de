"""Ways of keeping sessions on a server that go wrong, each caught by the checker and named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_operations import note, session
from redis_proxy import FaultProxy
from redis_server import RedisServer
from sessionkeeper import (
    AtomicSessionStore,
    MessageEnvelope,
    PlainSessionStore,
    RedisSessionStore,
    Session,
    SessionError,
)
from sessionkeeper.backends.redis import opening
from sessionkeeper.backends.redis.delivery.request import OPEN, Request
from sessionkeeper.backends.redis.delivery.writer_log import WriterLog
from sessionkeeper.interface.atomic_store import Change
from sessionlab import (
    AnomalyKind,
    RecordingStore,
    SessionStoreModel,
    Verdict,
    check,
    find_anomalies,
)

pytestmark = pytest.mark.parametrize("engine", ["redis"], indirect=True)

SEEDS = 200
Workload = Callable[[AtomicSessionStore, Random], Awaitable[object]]


def counted(session: Session) -> Session:
    """One more."""
    n: Any = session.metadata.get("n", 0)
    return session.model_copy(update={"metadata": {"n": n + 1}})


class GetThenSet(RedisSessionStore):
    """Lost update: a session is got, changed here, and set, whatever is there by then."""

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        changed = change(await self.get_session(session_id))
        while True:
            current = await self.get_session(session_id)
            try:
                revision = {"revision": current.revision}
                return await self.update_session(changed.model_copy(update=revision))
            except SessionError:
                continue


class PipelineWithoutScript(PlainSessionStore):
    """Torn batch: a pipeline saves round trips, and lets readers in between its commands.

    Sessions are kept here, their logs on the server.
    """

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix
        self._client: Any = Redis.from_url(url, retry=Retry(NoBackoff(), 0))

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        pipeline = self._client.pipeline(transaction=False)
        for envelope in envelopes:
            pipeline.rpush(f"{self._prefix}{session_id}", envelope.message)
        lengths = await pipeline.execute()
        return range(lengths[0], lengths[0] + len(envelopes))

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        messages = await self._client.lrange(f"{self._prefix}{session_id}", 0, -1)
        direction: Any = "client-to-server"
        return [MessageEnvelope.of(session_id, each, direction=direction) for each in messages]

    async def aclose(self, *, timeout: float | None = None) -> None:
        await self._client.aclose()
        await super().aclose(timeout=timeout)


class Blind(WriterLog):
    """Duplicate: what got no answer is sent again, as clients do that retry."""

    def resolve(self, request: Request) -> Any:
        super().resolve(request)
        return OPEN


async def changes(store: AtomicSessionStore, dice: Random) -> None:
    """Three callers, each adding to one counter."""

    async def caller() -> None:
        for _ in range(3):
            await asyncio.sleep(dice.randrange(3) / 1000)
            await store.modify_session("a", counted)

    await asyncio.gather(*(caller() for _ in range(3)))
    await store.get_session("a")


async def batches(store: AtomicSessionStore, dice: Random) -> None:
    """One caller appends batches of three, another reads."""

    async def writes() -> None:
        for n in range(4):
            await store.add_frames("a", [note(f"{n}-{k}") for k in range(3)])

    async def reads() -> None:
        for _ in range(8):
            await store.get_frames("a")
            await asyncio.sleep(dice.randrange(3) / 1000)

    await asyncio.gather(writes(), reads())


async def appends(store: AtomicSessionStore, dice: Random) -> None:
    """Two callers with one message after the other."""

    async def caller(number: int) -> None:
        for n in range(3):
            await store.add_frame(note(f"{number}-{n}"))

    await asyncio.gather(caller(0), caller(1))
    await store.get_frames("a")


async def caught(
    make: Callable[[str], AtomicSessionStore],
    work: Workload,
    prefix: str,
    break_: Callable[[Random], object],
    wanted: AnomalyKind,
) -> bool:
    """Run seed after seed until the checker names the anomaly; whether it did."""
    async for kinds in found(make, work, prefix, break_, SEEDS):
        if wanted in kinds:
            return True
    return False


async def found(
    make: Callable[[str], AtomicSessionStore],
    work: Workload,
    prefix: str,
    break_: Callable[[Random], object],
    seeds: int,
) -> AsyncIterator[set[AnomalyKind]]:
    """What the checker finds with one seed after the other."""
    for seed in range(seeds):
        dice = Random(seed)
        async with make(f"{prefix[:-1]}-{seed}") as inner:
            store = RecordingStore(inner)
            await store.create_session(session("a"))
            break_(dice)
            await work(store, dice)
        model, history = SessionStoreModel(), store.history()
        result = check(history, model, timeout=600)
        assert result.verdict is not Verdict.UNKNOWN
        yield {each.kind for each in find_anomalies(result, model, history)}


async def right(
    make: Callable[[str], AtomicSessionStore],
    work: Workload,
    prefix: str,
    break_: Callable[[Random], object],
) -> bool:
    """Whether nothing is found with the first seeds."""
    prefix = f"{prefix[:-1]}-right:"
    return not any([kinds async for kinds in found(make, work, prefix, break_, 10)])


def nothing(_: Random) -> None:
    """All is well."""


async def test_get_then_set_loses_an_update(server: RedisServer, key_prefix: str) -> None:
    """The store itself does not, under the same load."""

    def wrong(prefix: str) -> AtomicSessionStore:
        return GetThenSet(server.url, prefix=prefix)

    def make(prefix: str) -> AtomicSessionStore:
        return RedisSessionStore(server.url, prefix=prefix)

    assert await caught(wrong, changes, key_prefix, nothing, AnomalyKind.LOST_UPDATE)
    assert await right(make, changes, key_prefix, nothing)


async def test_a_pipeline_without_a_script_tears_a_batch(
    proxy: FaultProxy, key_prefix: str
) -> None:
    """A reader comes between its packets; a script is one step however it arrives."""

    def split(dice: Random) -> None:
        proxy.requests.clear()
        proxy.requests.split(every=dice.randrange(5, 50))

    def wrong(prefix: str) -> AtomicSessionStore:
        return PipelineWithoutScript(proxy.url, prefix)

    def make(prefix: str) -> AtomicSessionStore:
        return RedisSessionStore(proxy.url, prefix=prefix)

    assert await caught(wrong, batches, key_prefix, split, AnomalyKind.TORN_BATCH)
    assert await right(make, batches, key_prefix, split)


async def test_a_client_that_retries_doubles_an_append(
    proxy: FaultProxy, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a lost reply; a store that looks up the outcome does not."""

    def cut(dice: Random) -> None:
        proxy.replies.clear()
        proxy.replies.cut("EVALSHA", at=0, skip=dice.randrange(3))

    def make(prefix: str) -> AtomicSessionStore:
        return RedisSessionStore(proxy.url, prefix=prefix)

    assert await right(make, appends, key_prefix, cut)
    monkeypatch.setattr(opening, "WriterLog", Blind)
    assert await caught(make, appends, key_prefix, cut, AnomalyKind.DUPLICATE)
