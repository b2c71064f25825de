"""Whatever is lost between a store and its server: each operation is applied exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest
from postgres_proxy import ByteFault, PostgresProxy, proxied
from postgres_server import PostgresServer
from postgres_trials import (
    BEGIN,
    COMMIT,
    FAULTS,
    applied_once,
    histories,
    own,
    through,
    told_the_truth,
    undisturbed,
)
from redis_operations import WRITES, add_up, note, session
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = [pytest.mark.any_loop, pytest.mark.usefixtures("soon_silent")]

WRITERS = 4
AT_ONCE = 6


@pytest.fixture
async def expected(postgres_url: str) -> dict[str, object]:
    """What each write answers and leaves when nothing goes wrong."""
    free = asyncio.Semaphore(AT_ONCE)

    async def right(name: str) -> object:
        async with free:
            return await undisturbed(own(f"{postgres_url}_right", name), WRITES[name])

    return dict(zip(WRITES, await asyncio.gather(*map(right, WRITES)), strict=True))


@pytest.mark.parametrize("what", FAULTS)
async def test_a_write_is_applied_once_whatever_is_lost(
    what: str, postgres_server: PostgresServer, postgres_url: str, expected: dict[str, object]
) -> None:
    """The caller gets the first result, listeners hear of it once, and all numbers add up."""
    is_silent = "nothing" in what  # then they mostly wait
    free = asyncio.Semaphore(len(WRITES) if is_silent else AT_ONCE)
    silence = 1.0 if is_silent else None

    async def apply(name: str) -> None:
        async with free:
            await applied_once(
                postgres_server,
                postgres_url,
                name,
                FAULTS[what],
                expected[name],
                silence=silence,
            )

    await asyncio.gather(*map(apply, WRITES))


@pytest.mark.parametrize("step", [41, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("way", ["request", "answer"])
async def test_an_append_cut_at_any_byte_is_applied_once(
    way: str, step: int, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """From the first byte of its transaction to the answer to its commit."""

    async def writer(first: int) -> int:
        key, at, length, told = f"writer-{first}", first * step, 0, 0
        async with (
            proxied(postgres_server.port) as proxy,
            PostgresSessionStore(through(proxy, postgres_url), patience=60.0) as store,
        ):
            await store.create_session(session(key))
            while at <= length or not told:
                # After a cut, the first one prepares the statements of a batch that locks its rows,
                # and the second one those of a batch that trusts them.
                for _ in range(3):
                    before = proxy.asked if way == "request" else proxy.answered
                    told += 1
                    assert await store.add_frame(note(told, key)) == told
                    length = (proxy.asked if way == "request" else proxy.answered) - before
                cut = proxy.cut_request if way == "request" else proxy.cut_answer
                fault = cut(at, BEGIN, reset=bool(at % 3))
                told += 1
                assert await store.add_frame(note(told, key)) == told
                assert at >= length - len(BEGIN) or fault.happened.is_set()
                proxy.clear()
                at += WRITERS * step
            log = await store.get_frames(key)
            assert [each.message for each in log] == [note(n + 1).message for n in range(told)]
        return length

    lengths = await asyncio.gather(*map(writer, range(WRITERS)))
    assert min(lengths) > 100
    async with PostgresSessionStore(postgres_url) as store:
        await add_up(store)


@pytest.mark.parametrize("step", [499, pytest.param(31, marks=pytest.mark.long)])
@pytest.mark.parametrize("way", ["request", "answer"])
async def test_a_connection_that_is_made_anew_may_be_cut_at_any_byte(
    way: str, step: int, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """While a store connects again and asks what became of its commit."""
    async with (
        proxied(postgres_server.port) as proxy,
        PostgresSessionStore(through(proxy, postgres_url), patience=60.0) as store,
    ):
        await store.create_session(session("a"))
        told = at = 0
        happened = True
        while happened:
            proxy.cut_answer(0, COMMIT)
            cut = proxy.cut_request if way == "request" else proxy.cut_answer
            fault = cut(at, connection=proxy.accepted + 1)
            told += 1
            assert await store.add_frame(note(told)) == told
            happened = fault.happened.is_set()
            proxy.clear()
            at += step
        assert at > step
        log = await store.get_frames("a")
        assert [each.message for each in log] == [note(n + 1).message for n in range(told)]
        await add_up(store)


@pytest.mark.parametrize("step", [67, pytest.param(5, marks=pytest.mark.long)])
async def test_a_store_that_gives_up_tells_the_truth(
    step: int, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Acknowledged: it is there once. Refused: it is not. Unknown: `resolve` knows."""
    free = asyncio.Semaphore(AT_ONCE)
    answers: Counter[str] = Counter()

    async def ask(way: str, at: int, marker: bytes) -> None:
        def break_(proxy: PostgresProxy) -> ByteFault:
            fault: ByteFault = getattr(proxy, way)(at, marker)
            return fault

        # One that is silent in its transaction holds up all others in its schema.
        url = f"{postgres_url}_{way}_{at}_{len(marker)}"
        async with free:
            answers[await told_the_truth(postgres_server, url, break_)] += 1

    faults = [
        *(("cut_request", at, COMMIT) for at in range(len(COMMIT) + 1)),
        *(("cut_answer", at, COMMIT) for at in range(0, 20, 3)),
        *(("cut_request", at, BEGIN) for at in range(0, 1000, step)),
        *(("cut_answer", at, BEGIN) for at in range(0, 700, step)),
        *(
            (way, 0, marker)
            for way in ("stall_request", "stall_answer")
            for marker in (BEGIN, COMMIT)
        ),
    ]
    await asyncio.gather(*(ask(*each) for each in faults))
    assert answers.keys() == {"int", "StoreUnavailable", "OutcomeUnknown"}


async def test_clients_whose_connections_are_cut_at_random_are_one_history(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """At any byte of requests and answers, again and again."""

    async def cut_at_random(server: PostgresServer, proxy: PostgresProxy) -> None:
        dice = Random(11)
        for _ in range(30):
            cut = dice.choice((proxy.cut_request, proxy.cut_answer))
            marker = dice.choice((b"", BEGIN, COMMIT, COMMIT))
            after = dice.randrange(20) if marker == COMMIT else dice.randrange(900)
            fault = cut(after, marker, reset=dice.random() < 0.5)
            try:
                async with asyncio.timeout(0.2):
                    await fault.reached()
            except TimeoutError:
                proxy.clear()

    assert await histories(postgres_server, postgres_url, cut_at_random) > 150
