"""`resolve`: whether an operation was applied whose answer was lost, asked by any process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import asyncpg
import pytest
from postgres_proxy import ByteFault, PostgresProxy
from postgres_schemas import own_schema
from postgres_server import PostgresServer
from postgres_trials import set_patience
from redis_operations import add_up, note, session
from sessionkeeper import OutcomeUnknown
from sessionkeeper.backends.postgres import writer_rows
from sessionkeeper.backends.postgres.outcome import BatchId
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = [pytest.mark.any_loop, pytest.mark.usefixtures("soon_silent")]

Cut = Callable[[PostgresProxy], ByteFault]

KINDS: dict[str, tuple[Cut, bool]] = {
    "the answer is lost": (lambda proxy: proxy.cut_answer(0, b"COMMIT\0"), True),
    "the request is lost": (lambda proxy: proxy.cut_request(0, b"COMMIT\0"), False),
    "the request is late": (lambda proxy: proxy.stall_request(0, b"COMMIT\0"), False),
}


@pytest.fixture
async def store(
    postgres_proxy: PostgresProxy, postgres_server: PostgresServer, postgres_url: str
) -> AsyncIterator[PostgresSessionStore]:
    """One that reaches the server through a proxy."""
    url = postgres_url.replace(f":{postgres_server.port}/", f":{postgres_proxy.port}/")
    async with PostgresSessionStore(url, patience=60.0) as store:
        await store.create_session(session("a"))
        yield store


@pytest.fixture
async def other(
    store: PostgresSessionStore, postgres_url: str
) -> AsyncIterator[PostgresSessionStore]:
    """Another process on the same store, which has written before."""
    async with PostgresSessionStore(postgres_url, patience=60.0) as other:
        await other.touch_session("a")
        yield other


async def lose(
    store: PostgresSessionStore, proxy: PostgresProxy, cut: Cut, *, first: bool = False
) -> str:
    """Append a frame whose outcome stays unknown; the id of the operation."""
    if not first:
        await store.touch_session("a")
    set_patience(store, 0.5)
    proxy.refuse()
    fault = cut(proxy)
    with pytest.raises(OutcomeUnknown) as unknown:
        await store.add_frame(note("lost"))
    assert fault.happened.is_set()
    await proxy.listen()
    set_patience(store, 60.0)
    return unknown.value.operation_id


@pytest.mark.parametrize("kind", KINDS)
async def test_it_tells_whether_an_operation_was_applied(
    kind: str,
    store: PostgresSessionStore,
    other: PostgresSessionStore,
    postgres_proxy: PostgresProxy,
) -> None:
    """The same in the process itself and in another one; what was not applied never will be."""
    cut, applied = KINDS[kind]
    operation = await lose(store, postgres_proxy, cut)
    assert await other.resolve(operation) is applied
    assert await store.resolve(operation) is applied
    postgres_proxy.clear()
    assert await store.count_frames("a") == await other.count_frames("a") == int(applied)
    assert await store.add_frame(note(2)) == 1 + int(applied)
    assert await other.resolve(operation) is applied
    await add_up(other)


@pytest.mark.parametrize("garbage", [b"?", b"R", b"E", b"C\0\0\0\x0bCOMMIX", b"C\0\0\0\x0b\xff"])
async def test_an_answer_to_a_commit_that_makes_no_sense_is_looked_up(
    garbage: bytes, store: PostgresSessionStore, postgres_proxy: PostgresProxy
) -> None:
    """As one that was lost: the frame is there, once, and the store goes on."""
    await store.add_frame(note(1))
    fault = postgres_proxy.garble_answer(garbage, 0, b"COMMIT\0")
    assert await store.add_frame(note(2)) == 2
    assert fault.happened.is_set()
    assert await store.add_frame(note(3)) == 3
    await add_up(store)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_first_batch_of_a_writer_is_no_exception(
    kind: str,
    postgres_proxy: PostgresProxy,
    postgres_server: PostgresServer,
    postgres_url: str,
) -> None:
    """It has no row before it, and none after it if it was not applied."""
    cut, applied = KINDS[kind]
    url = postgres_url.replace(f":{postgres_server.port}/", f":{postgres_proxy.port}/")
    async with PostgresSessionStore(postgres_url, patience=60.0) as other:
        await other.create_session(session("a"))
        async with PostgresSessionStore(url, patience=60.0) as store:
            operation = await lose(store, postgres_proxy, cut, first=True)
            assert await other.resolve(operation) is applied
            postgres_proxy.clear()
            assert await store.resolve(operation) is applied
        await add_up(other)


async def test_an_operation_in_progress_is_not_known_yet(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Then it is; a transaction that runs something is left alone."""
    async with PostgresSessionStore(postgres_url) as store:
        # Of somebody else, who is not ended: only its number is the same.
        connection = await asyncpg.connect(postgres_server.url)
        try:
            await connection.execute("BEGIN")
            xid = int(await connection.fetchval("SELECT pg_current_xact_id()::text"))
            operation = str(BatchId(7, 1, xid))
            with pytest.raises(OutcomeUnknown) as unknown:
                await store.resolve(operation)
            assert unknown.value.operation_id == operation
            await connection.execute("ROLLBACK")
            assert await store.resolve(operation) is False
        finally:
            connection.terminate()


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "a", "-", "1-1-1", "0" * 16, f"{1:016x}-1-", f"{1:016x}-1-1-1", f"{1:016X}-1-G"),
        *(f"{2**63:016x}-1-1", f"{1:016x}-{2**63:x}-1", f"{1:016x}-1-{2**63:x}", f" {1:016x}-1-1"),
        *(f"{1:016x}-1-1\n", f"{1:016x}-1-1'; --", f"{1:016x}-\u0661-1", "\0", "x" * 10**6),
    ],
    ids=lambda text: repr(text)[:24],
)
async def test_an_id_that_no_store_gave_is_refused(wrong: str, postgres_url: str) -> None:
    """Without asking the server, and without showing it."""
    async with PostgresSessionStore(postgres_url) as store:
        with pytest.raises(ValueError, match="no store has given this id") as refused:
            await store.resolve(wrong)
        assert len(str(refused.value)) < 100
        with pytest.raises(TypeError):
            await store.resolve(7)  # type: ignore[arg-type]


async def test_a_transaction_that_this_server_never_had_is_unknown_and_harms_nobody(
    postgres_url: str,
) -> None:
    """In the same batch others are answered, as after a failover that went back."""
    async with PostgresSessionStore(postgres_url) as store:
        await store.create_session(session("a"))
        told = await asyncio.gather(
            store.add_frame(note(1)),
            store.resolve(str(BatchId(7, 1, 2**50))),
            store.resolve(str(BatchId(7, 1, 0))),
            store.add_frame(note(2)),
            return_exceptions=True,
        )
        assert (told[0], told[3]) == (1, 2)
        assert all(isinstance(each, OutcomeUnknown) for each in told[1:3])
        await add_up(store)


@pytest.fixture
def elsewhere(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of another schema on the same server."""
    with own_schema(postgres_server) as schema:
        yield postgres_server.url_of("postgres", schema=schema)


async def test_another_store_does_not_know_what_was_applied_here(
    store: PostgresSessionStore, postgres_proxy: PostgresProxy, elsewhere: str
) -> None:
    """It never says that it was applied, nor that it was not; what the server undid is undone."""
    applied = await lose(store, postgres_proxy, KINDS["the answer is lost"][0])
    undone = await lose(store, postgres_proxy, KINDS["the request is lost"][0])
    async with PostgresSessionStore(elsewhere) as other:
        with pytest.raises(OutcomeUnknown):
            await other.resolve(applied)
        assert await other.resolve(undone) is False
    assert await store.resolve(applied) is True


async def test_a_row_that_was_added_up_answers_no_more(
    store: PostgresSessionStore,
    postgres_proxy: PostgresProxy,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the window of an hour it is unknown; what was undone is still known."""
    applied = await lose(store, postgres_proxy, KINDS["the answer is lost"][0])
    undone = await lose(store, postgres_proxy, KINDS["the request is lost"][0])
    assert await store.resolve(applied) is True
    monkeypatch.setattr(writer_rows, "WINDOW", -1.0)
    async with PostgresSessionStore(postgres_url) as other:
        monkeypatch.undo()
        with pytest.raises(OutcomeUnknown):
            await other.resolve(applied)
        assert await other.resolve(undone) is False
        assert await other.count_frames("a") == 1
        await add_up(other)
    # Its own row was added up as well, and it begins another one.
    assert await store.add_frame(note(2)) == 2
    await add_up(store)
