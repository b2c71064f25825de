"""Watchers and writers of several stores while the server is killed: one log, which all have seen.

Each message is another. What was acknowledged is in the log once and under its number; what was
cancelled is there once or never; and every watcher has read exactly the log.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import pytest
from postgres_proxy import PostgresProxy, proxied
from postgres_replica import StreamingReplica, url_of_all
from postgres_server import PostgresServer
from redis_operations import note, session
from sessionkeeper import MessageEnvelope, OutcomeUnknown, PostgresSessionStore, StoreUnavailable
from sessionkeeper.backends.postgres.notice_connection import NoticeConnection

KEYS = ("a", "b", "c")
STORES = 3
CALLERS = 4
EACH = 25


class Scene:
    """Stores that write and watch, and what their callers know."""

    def __init__(self, url: str) -> None:
        self.stores = [PostgresSessionStore(url, patience=60.0) for _ in range(STORES)]
        self.acknowledged: dict[str, dict[str, int]] = {key: {} for key in KEYS}
        self.refused: set[str] = set()
        self.done = 0

    async def run(self, trouble: Callable[[], Awaitable[object]], seed: object) -> None:
        """Write and watch everywhere while there is trouble, and compare what all know."""
        dice = Random(str(seed))
        for store in self.stores:
            await store.open()
        for key in KEYS:
            await self.stores[0].create_session(session(key))
        watching = {
            (n, key, again): asyncio.ensure_future(self._watch(store, key, dice.random(), again))
            for n, store in enumerate(self.stores)
            for key in KEYS
            for again in (False, True)
        }
        writing = asyncio.gather(
            *(
                self._write(store, f"{n}-{caller}", Random(f"{seed}-{n}-{caller}"))
                for n, store in enumerate(self.stores)
                for caller in range(CALLERS)
            )
        )
        troubling = asyncio.ensure_future(self._trouble(trouble, writing))
        await writing
        await troubling
        assert sum(map(len, self.acknowledged.values())) > CALLERS * EACH
        for key in KEYS:
            await self.stores[1].modify_session(
                key, lambda each: each.model_copy(update={"state": "closed"})
            )
        logs = {
            key: [
                (seq, _text(envelope))
                for seq, envelope in enumerate(await self.stores[2].get_frames(key), 1)
            ]
            for key in KEYS
        }
        for (n, key, again), watcher in watching.items():
            seen = await asyncio.wait_for(watcher, 120)
            assert seen == logs[key], f"store {n} watched {key}, {again=}"
        for key, log in logs.items():
            times = Counter(text for _, text in log)
            assert max(times.values()) == 1
            for text, seq in self.acknowledged[key].items():
                assert log[seq - 1] == (seq, text)
            assert not self.refused & times.keys()
        for store in self.stores:
            await store.aclose()

    async def _trouble(
        self, trouble: Callable[[], Awaitable[object]], writing: asyncio.Future[list[None]]
    ) -> None:
        while not writing.done():
            await trouble()
            await asyncio.sleep(0.05)

    async def _write(self, store: PostgresSessionStore, name: str, dice: Random) -> None:
        for n in range(EACH):
            key, text = dice.choice(KEYS), f"{name}-{n}"
            adding = asyncio.ensure_future(store.add_frame(note(text, key)))
            if dice.random() < 0.2:
                await asyncio.sleep(dice.choice((0, 0.001, 0.005, 0.05)))
                adding.cancel()
            await asyncio.wait({adding})
            if adding.cancelled():
                continue
            error = adding.exception()
            if error is None:
                self.acknowledged[key][text] = adding.result()
            elif isinstance(error, OutcomeUnknown):
                with suppress(OutcomeUnknown):
                    if not await store.resolve(error.operation_id):
                        self.refused.add(text)
            elif isinstance(error, StoreUnavailable):
                self.refused.add(text)
            else:
                raise error

    async def _watch(
        self, store: PostgresSessionStore, key: str, pause: float, again: bool
    ) -> list[tuple[int, str]]:
        """Read all; with `again`, by watchers of which each goes on where one was cancelled."""
        seen: list[tuple[int, str]] = []
        watcher = store.watch_frames(key)
        patience = 0.02 * pause
        while True:
            step = asyncio.ensure_future(anext(watcher, None))
            await asyncio.wait({step}, timeout=patience if again else None)
            if not step.done():
                step.cancel()
                await asyncio.wait({step})
                watcher = store.watch_frames(key, after=seen[-1][0] if seen else 0)
            if step.cancelled():
                patience *= 1.1  # a machine that is busy may never be so quick
                continue
            patience = 0.02 * pause
            frame = step.result()
            if frame is None:
                return seen
            seen.append((frame.seq, _text(frame.envelope)))


def _text(envelope: MessageEnvelope) -> str:
    return str(json.loads(envelope.message)["params"][0])


@pytest.mark.parametrize(
    "mode", ["terminated", pytest.param("immediate", marks=pytest.mark.long), "kill9"]
)
async def test_all_watchers_see_the_log_while_the_server_is_killed(
    mode: str, own_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Again and again, in the middle of everything."""
    monkeypatch.setattr(NoticeConnection, "LOOK", 0.2)
    server = own_postgres_server

    async def trouble() -> None:
        if mode == "terminated":
            await asyncio.to_thread(server.terminate_clients)
        else:
            await asyncio.to_thread(server.restart, mode)  # type: ignore[arg-type]
        await asyncio.sleep(1.0)

    await Scene(server.url).run(trouble, mode)


async def test_all_watchers_see_the_log_while_connections_are_cut(
    own_postgres_server: PostgresServer,
) -> None:
    """After some bytes, in either direction: of answers to commits, and of notices."""
    dice = Random("cut")

    async def trouble(proxy: PostgresProxy) -> None:
        if all(each.happened.is_set() for each in proxy.faults()):
            marker = dice.choice((b"COMMIT\0", b"LISTEN", b"watchers", b"FROM writers", b"frames"))
            cut = dice.choice((proxy.cut_answer, proxy.cut_request))
            cut(dice.randrange(60), marker, reset=dice.random() < 0.5)
        await asyncio.sleep(dice.uniform(0, 0.3))

    async with proxied(own_postgres_server.port) as proxy:
        url = own_postgres_server.url_of("postgres", port=proxy.port)
        await Scene(url).run(lambda: trouble(proxy), "cut")


async def test_all_watchers_see_the_log_of_a_synchronous_replica(
    own_postgres_server: PostgresServer,
) -> None:
    """It takes over in the middle of everything, once."""
    replica = StreamingReplica(own_postgres_server, synchronous=True)
    replica.start()
    over = False

    async def trouble() -> None:
        nonlocal over
        await asyncio.sleep(0.3)
        if not over:
            over = True
            await asyncio.to_thread(own_postgres_server.kill9)
            await asyncio.to_thread(replica.promote)

    try:
        await Scene(url_of_all(own_postgres_server, replica)).run(trouble, "failover")
    finally:
        replica.close()
