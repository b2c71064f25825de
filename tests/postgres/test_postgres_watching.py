"""Watching what other processes write: none missed, none twice, whatever happens to the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from postgres_appending import add
from postgres_proxy import proxied
from postgres_replica import StreamingReplica, url_of_all
from postgres_server import PostgresServer
from postgres_trials import set_patience
from redis_operations import note, session
from sessionkeeper import (
    AtomicSessionStore,
    LogReplaced,
    OutcomeUnknown,
    PostgresSessionStore,
    StoreClosed,
)
from sessionkeeper.backends.postgres.notice_connection import NoticeConnection
from sessionkeeper.backends.postgres.notice_listener import NoticeListener
from sessionkeeper.backends.postgres.notices import channel_name
from sessionkeeper.backends.postgres.schema import grants

from tests.support.worker_processes import WorkerProcesses

PATIENCE = 60.0


@pytest.fixture
def workers() -> Iterator[WorkerProcesses]:
    """Other processes on the same server."""
    processes = WorkerProcesses(Path(__file__).parent / "harness" / "postgres_watch_worker.py")
    yield processes
    processes.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens by a look at the rows: what wakes is a notice."""
    monkeypatch.setattr(NoticeConnection, "LOOK", 3_600.0)


async def followed(store: AtomicSessionStore, key: str, after: int = 0) -> list[int]:
    """The numbers of all frames until the session ends."""
    return [frame.seq async for frame in store.watch_frames(key, after=after)]


async def end(store: AtomicSessionStore, key: str) -> None:
    """End a session."""
    await store.modify_session(key, lambda each: each.model_copy(update={"state": "closed"}))


async def until_watched(server: PostgresServer, schema: str, count: int = 1) -> None:
    """Wait until so many processes have announced that they watch."""
    rows = f"SELECT count(*) FROM {schema}.watchers WHERE until > now()"
    while await asyncio.to_thread(server.psql, rows) != str(count):
        await asyncio.sleep(0.01)


def schema_of(url: str) -> str:
    """The schema that a URL of a test names."""
    return url.rpartition("=")[2]


@asynccontextmanager
async def two_stores(
    url: str, other: str | None = None
) -> AsyncIterator[tuple[PostgresSessionStore, PostgresSessionStore]]:
    """One that watches, and one that writes."""
    async with (
        PostgresSessionStore(url, patience=PATIENCE) as watching,
        PostgresSessionStore(other or url, patience=PATIENCE) as writing,
    ):
        yield watching, writing


@pytest.mark.usefixtures("patient")
async def test_frames_of_other_processes_are_seen_until_the_session_ends(
    postgres_server: PostgresServer, postgres_url: str, workers: WorkerProcesses
) -> None:
    """Each once and in order, from two of them, to the last one; here and in a third."""
    schema = schema_of(postgres_url)
    async with two_stores(postgres_url) as (store, other):
        await store.create_session(session("watched"))
        watching = asyncio.ensure_future(followed(store, "watched"))
        away = workers.start("follow", postgres_url, "watched", 40)
        await asyncio.to_thread(workers.hear, away, "ready")
        await until_watched(postgres_server, schema, 2)
        writers = [
            workers.start("append", postgres_url, name, 50, "watched") for name in ("x", "y")
        ]
        for writer in writers:
            await asyncio.to_thread(workers.hear, writer, "ready")
        for writer in writers:
            workers.tell(writer)
        for writer in writers:
            await asyncio.to_thread(workers.hear, writer, "done")
        await end(other, "watched")
        assert await watching == [*range(1, 101)]
        for seq in range(41, 101):
            assert await asyncio.to_thread(workers.hear, away, "seen", "done") == f"seen {seq}"
        assert await asyncio.to_thread(workers.hear, away, "seen", "done") == "done"


@pytest.mark.usefixtures("patient")
async def test_a_thousand_watchers_of_a_thousand_sessions_need_one_connection(
    postgres_server: PostgresServer, postgres_url: str, workers: WorkerProcesses
) -> None:
    """Each sees every frame of its session, which another process writes in large batches."""
    keys = [f"s{n}" for n in range(1_000)]
    # Those of other tests may still be ending.
    connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'thousand'"
    async with two_stores(f"{postgres_url}&application_name=thousand") as (store, other):
        await asyncio.gather(*(other.create_session(session(each)) for each in keys))
        before = int(postgres_server.psql(connected))
        watching = [asyncio.ensure_future(followed(store, each)) for each in keys]
        await until_watched(postgres_server, schema_of(postgres_url))
        assert int(postgres_server.psql(connected)) == before + 1
        writer = workers.start("append", postgres_url, "x", 4, ",".join(keys))
        await asyncio.to_thread(workers.hear, writer, "ready")
        workers.tell(writer)
        await asyncio.to_thread(workers.hear, writer, "done")
        await asyncio.gather(*(end(other, each) for each in keys))
        assert await asyncio.gather(*watching) == [[1, 2, 3, 4]] * 1_000


async def test_nothing_is_sent_where_nobody_else_watches(
    postgres_server: PostgresServer, postgres_url: str, patient: None
) -> None:
    """Neither to nobody, nor by a store to itself. Who watches is told of each batch once."""
    schema, sent = schema_of(postgres_url), list[object]()
    async with two_stores(postgres_url) as (store, other):
        await other.create_session(session("a"))
        raw = await asyncpg.connect(postgres_server.url)
        await raw.add_listener(channel_name(schema), lambda *each: sent.append(each[-1]))
        await other.add_frame(note(1))
        assert postgres_server.psql(f"SELECT count(*) FROM {schema}.watchers") == "0"
        watching = asyncio.ensure_future(followed(store, "a"))
        await until_watched(postgres_server, schema)
        await store.add_frame(note(2))
        await raw.fetchval("SELECT 1")
        assert sent == []
        await other.add_frame(note(3))
        await end(other, "a")
        assert await watching == [1, 2, 3]
        await raw.fetchval("SELECT 1")
        assert len(sent) == 2
        await raw.close()


@pytest.mark.parametrize(
    "trouble",
    [
        *("cut", "frozen", "terminated", "kill9"),
        *(pytest.param(each, marks=pytest.mark.long) for each in ("reset", "fast", "immediate")),
    ],
)
async def test_a_watcher_misses_nothing_while_its_server_comes_and_goes(
    trouble: str, own_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on from the last number, and notices the end; nothing is written twice."""
    monkeypatch.setattr(NoticeConnection, "PATIENCE", 1.0)
    server = own_postgres_server
    async with proxied(server.port) as proxy:
        url = server.url_of("postgres", port=proxy.port)

        async def disturb() -> None:
            if trouble in ("cut", "reset"):
                await proxy.cut(reset=trouble == "reset")
            elif trouble == "frozen":
                server.freeze()
                await asyncio.sleep(1.5)
                server.thaw()
            elif trouble == "terminated":
                await asyncio.to_thread(server.terminate_clients)
            else:
                await asyncio.to_thread(server.restart, trouble)  # type: ignore[arg-type]

        async with two_stores(url) as (store, other):
            await other.create_session(session("a"))
            watching = [asyncio.ensure_future(followed(store, "a", after)) for after in (0, 7)]
            await until_watched(server, "sessionkeeper")
            for n in range(3):
                disturbing = asyncio.ensure_future(disturb())
                for k in range(20):
                    writer = (store, other)[k % 2]
                    assert await add(writer, 20 * n + k) == 20 * n + k + 1
                await disturbing
            await end(other, "a")
            seen = await asyncio.wait_for(asyncio.gather(*watching), 120)
            assert seen == [[*range(1, 61)], [*range(8, 61)]]


@pytest.fixture
def replica(
    request: pytest.FixtureRequest, own_postgres_server: PostgresServer
) -> Iterator[StreamingReplica]:
    """It streams; synchronous where the test says so."""
    synchronous = getattr(request, "param", "") == "synchronous"
    replica = StreamingReplica(own_postgres_server, synchronous=synchronous)
    replica.start()
    yield replica
    replica.close()


@pytest.mark.parametrize("replica", ["synchronous"], indirect=True)
async def test_a_watcher_goes_on_with_a_synchronous_replica(
    own_postgres_server: PostgresServer, replica: StreamingReplica
) -> None:
    """From the last number, without a gap: the replica has all that was acknowledged."""
    async with two_stores(url_of_all(own_postgres_server, replica)) as (store, other):
        await other.create_session(session("a"))
        watching = asyncio.ensure_future(followed(store, "a"))
        await until_watched(own_postgres_server, "sessionkeeper")

        async def fail_over() -> None:
            await asyncio.to_thread(own_postgres_server.kill9)
            await asyncio.to_thread(replica.promote)

        failing = None
        for n in range(40):
            if n == 10:
                failing = asyncio.ensure_future(fail_over())
            assert await add(other, n) == n + 1
        assert failing is not None
        await failing
        await until_watched(replica, "sessionkeeper")
        assert await add(other, 40) == 41
        await end(other, "a")
        assert await asyncio.wait_for(watching, 120) == [*range(1, 42)]


async def test_a_watcher_of_what_a_replica_does_not_have_is_told(
    own_postgres_server: PostgresServer, replica: StreamingReplica
) -> None:
    """It read frames that were lost; others have their numbers now."""
    async with two_stores(url_of_all(own_postgres_server, replica)) as (store, other):
        await other.create_session(session("a"))
        await add(other, 1)
        await asyncio.to_thread(replica.catch_up)
        await asyncio.to_thread(replica.detach)
        await add(other, 2)
        watcher = store.watch_frames("a")
        assert [(await anext(watcher)).seq, (await anext(watcher)).seq] == [1, 2]
        watching = asyncio.ensure_future(anext(watcher))
        await until_watched(own_postgres_server, "sessionkeeper")
        await asyncio.to_thread(own_postgres_server.kill9)
        await asyncio.to_thread(replica.promote)
        assert await add(other, "other") == 2
        with pytest.raises(LogReplaced):
            await asyncio.wait_for(watching, 120)


async def test_watchers_end_with_the_session_or_the_store(
    postgres_server: PostgresServer, postgres_url: str, patient: None
) -> None:
    """After a deletion elsewhere they end; after closing here they get an error."""
    async with PostgresSessionStore(postgres_url) as other:
        async with PostgresSessionStore(postgres_url) as store:
            for key in ("gone", "expired", "stays"):
                await other.create_session(session(key))
                await other.add_frame(note(0, key))
            gone, expired, stays = (
                asyncio.ensure_future(followed(store, key)) for key in ("gone", "expired", "stays")
            )
            await until_watched(postgres_server, schema_of(postgres_url))
            await other.delete_session("gone")
            assert await asyncio.wait_for(gone, 60) in ([1], [])  # it may go before it was read
            await other.touch_session("stays")
            assert [each.id for each in await other.expire_sessions(idle=0, limit=1)] == ["expired"]
            assert await asyncio.wait_for(expired, 60) == [1]
        with pytest.raises(StoreClosed):
            await stays
        await until_watched(postgres_server, schema_of(postgres_url), 0)


async def test_a_role_with_the_documented_rights_can_watch(
    own_postgres_server: PostgresServer, patient: None
) -> None:
    """No others are needed: to listen and to notify needs none."""
    server = own_postgres_server
    async with PostgresSessionStore(server.url) as other:
        await other.create_session(session("a"))
        url = server.add_role("keeper", *grants("sessionkeeper", "keeper"))
        async with PostgresSessionStore(url) as store:
            watching = asyncio.ensure_future(followed(store, "a"))
            await until_watched(server, "sessionkeeper")
            await other.add_frame(note(1))
            await end(other, "a")
            assert await asyncio.wait_for(watching, 60) == [1]


async def test_a_role_that_has_no_connection_left_to_watch_is_told(
    own_postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Its store works, and does not see what others write until there is a connection."""
    server = own_postgres_server
    url = server.add_role("keeper", "GRANT CREATE ON DATABASE postgres TO keeper")
    server.psql("ALTER ROLE keeper CONNECTION LIMIT 2")
    async with PostgresSessionStore(url) as store, PostgresSessionStore(server.url) as other:
        await store.create_session(session("a"))
        watching = asyncio.ensure_future(followed(store, "a"))
        async with asyncio.timeout(60):
            while "too many connections" not in caplog.text:
                await asyncio.sleep(0.01)
        assert len(caplog.records) == 1
        await other.add_frame(note(1))
        await end(other, "a")
        server.psql("ALTER ROLE keeper CONNECTION LIMIT 3")
        assert await asyncio.wait_for(watching, 60) == [1]


@pytest.mark.usefixtures("soon_silent")
async def test_watchers_of_the_store_itself_see_a_frame_whose_outcome_was_unknown(
    own_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody was told that it is there, and it is."""
    monkeypatch.setattr(NoticeConnection, "LOOK", 0.1)
    server = own_postgres_server
    async with proxied(server.port) as proxy:
        url = server.url_of("postgres", port=proxy.port)
        async with PostgresSessionStore(url, patience=60.0) as store:
            await store.create_session(session("a"))
            watcher = store.watch_frames("a")
            watching = asyncio.ensure_future(anext(watcher))
            await until_watched(server, "sessionkeeper")
            set_patience(store, 1.0)
            fault = proxy.stall_answer(0, b"COMMIT\0")
            adding = asyncio.ensure_future(store.add_frame(note(1)))
            await fault.reached()
            proxy.refuse()
            with pytest.raises(OutcomeUnknown):
                await adding
            proxy.clear()
            set_patience(store, 60.0)
            await proxy.listen()
            assert (await asyncio.wait_for(watching, 60)).seq == 1


async def test_a_store_that_does_not_listen_would_be_noticed(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watcher sees nothing of what others write."""
    monkeypatch.setattr(NoticeListener, "watch", lambda _: None)
    monkeypatch.setattr(NoticeListener, "release", lambda _: None)
    async with two_stores(postgres_url) as (store, other):
        await other.create_session(session("a"))
        watching = asyncio.ensure_future(anext(store.watch_frames("a")))
        await asyncio.sleep(0.1)
        await other.add_frame(note(1))
        await asyncio.wait({watching}, timeout=0.5)
        assert not watching.done()
        watching.cancel()
        await asyncio.wait({watching})
