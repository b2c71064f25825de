"""A replica takes over: stores go on there, and lose nothing that it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from postgres_appending import add
from postgres_clients import Clients, explain, judge, merge, recording
from postgres_proxy import PostgresProxy, proxied
from postgres_replica import StreamingReplica, url_of_all
from postgres_server import PostgresServer
from postgres_trials import set_patience
from redis_operations import add_up, note, session
from sessionkeeper import LogReplaced, OutcomeUnknown, StoreUnavailable
from sessionkeeper.backends.postgres import commits, writer
from sessionkeeper.backends.postgres.connection import PostgresConnection
from sessionkeeper.backends.postgres.outcome import BatchId
from sessionkeeper.stores.postgres import PostgresSessionStore
from sessionlab import Verdict

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

STORES = 3


@pytest.fixture
def primary(own_postgres_server: PostgresServer) -> PostgresServer:
    """A server of the test's own."""
    return own_postgres_server


@pytest.fixture
def replica(request: pytest.FixtureRequest, primary: PostgresServer) -> Iterator[StreamingReplica]:
    """It streams; synchronous where the test says so."""
    is_synchronous = getattr(request, "param", "") == "synchronous"
    # A test counts its transactions.
    replica = StreamingReplica(primary, {"autovacuum": "off"}, synchronous=is_synchronous)
    replica.start()
    yield replica
    replica.close()


@pytest.fixture
async def name(primary: PostgresServer) -> AsyncIterator[PostgresProxy]:
    """It leads to the primary, until it is moved."""
    async with proxied(primary.port) as proxy:
        yield proxy


synchronous = pytest.mark.parametrize("replica", ["synchronous"], indirect=True)


async def _when_half_is_done(clients: Clients, trouble: Callable[[], Awaitable[object]]) -> None:
    await clients.come_to(0.5)
    await trouble()


@synchronous
@pytest.mark.parametrize("way", ["several hosts", "a name that moves"])
async def test_stores_go_on_with_a_synchronous_replica_and_nothing_is_lost(
    way: str, primary: PostgresServer, replica: StreamingReplica, name: PostgresProxy
) -> None:
    """Nor done twice: one order explains all that was answered before and after."""
    url = url_of_all(primary, replica)
    if way == "a name that moves":
        url = primary.url_of("postgres", port=name.port)
    stores = [recording(PostgresSessionStore(url, patience=20.0)) for _ in range(STORES)]

    async def fail_over() -> None:
        await asyncio.to_thread(primary.kill9)
        await asyncio.to_thread(replica.promote)
        name.server_port = replica.port

    clients = Clients(*stores)
    for store in stores:
        await store.open()
    await asyncio.gather(clients.run(), _when_half_is_done(clients, fail_over))
    for store in stores:
        await store.get_or_create_session(session("last"))
        await store.aclose()
    async with PostgresSessionStore(replica.url) as after:
        await add_up(after)
    judge(merge([store.history().operations for store in stores]))


async def test_the_check_notices_a_replica_that_lacks_what_was_acknowledged(
    primary: PostgresServer, replica: StreamingReplica
) -> None:
    """It receives nothing any more while clients are answered, and takes over."""
    url = url_of_all(primary, replica)
    stores = [recording(PostgresSessionStore(url, patience=20.0)) for _ in range(STORES)]
    for store in stores:
        await store.open()
    await stores[0].get_or_create_session(session("s0"))
    await asyncio.to_thread(replica.catch_up)
    await asyncio.to_thread(replica.detach)
    for _ in range(5):
        await stores[0].add_frame(note(1, "s0"))

    async def fail_over() -> None:
        await asyncio.to_thread(primary.kill9)
        await asyncio.to_thread(replica.promote)

    clients = Clients(*stores)
    await asyncio.gather(clients.run(), _when_half_is_done(clients, fail_over))
    for store in stores:
        await store.aclose()
    async with PostgresSessionStore(replica.url) as after:
        await add_up(after)  # nothing is half done, all the same
    operations = merge([store.history().operations for store in stores])
    assert explain(operations).verdict is Verdict.ILLEGAL


@pytest.mark.usefixtures("soon_silent")
async def test_a_silent_primary_does_not_hide_the_host_behind_it(
    primary: PostgresServer, replica: StreamingReplica
) -> None:
    """It accepts connections and says nothing, as a machine that is gone says nothing."""
    async with PostgresSessionStore(url_of_all(primary, replica), patience=5.0) as store:
        await store.create_session(session("a"))
        await asyncio.to_thread(replica.catch_up)
        await asyncio.to_thread(primary.freeze)
        await asyncio.to_thread(replica.promote)
        assert await add(store, 1) == 1
        assert await store.count_frames("a") == 1
        async with PostgresSessionStore(url_of_all(primary, replica), patience=10.0) as other:
            assert await other.count_frames("a") == 1
    await asyncio.to_thread(primary.kill9)


async def test_several_hosts_of_the_environment_are_tried_as_those_of_a_url(
    primary: PostgresServer, replica: StreamingReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standby that comes first does not hide the primary."""
    monkeypatch.setenv("PGHOST", "127.0.0.1,127.0.0.1")
    monkeypatch.setenv("PGPORT", f"{replica.port},{primary.port}")
    async with PostgresSessionStore("postgresql://postgres@/postgres") as store:
        await store.create_session(session("a"))
        assert await store.add_frame(note(1)) == 1
        await add_up(store)


async def test_a_primary_that_was_replaced_is_not_used_again(
    primary: PostgresServer, replica: StreamingReplica, name: PostgresProxy
) -> None:
    """It comes back without knowing, and the name leads to it again: nothing is read or written."""
    url = primary.url_of("postgres", port=name.port)
    async with PostgresSessionStore(url, patience=1.0) as store:
        await store.create_session(session("a"))
        await asyncio.to_thread(replica.catch_up)
        await asyncio.to_thread(replica.promote)
        name.server_port = replica.port
        await name.cut()
        assert await add(store, 1) == 1
        name.server_port = primary.port
        await name.cut()
        for call in (store.add_frame(note(2)), store.get_session("a")):
            with pytest.raises(StoreUnavailable, match="was replaced by another one"):
                await call
        set_patience(store, 60.0)
        name.server_port = replica.port
        assert await add(store, 2) == 2
        assert await store.count_frames("a") == 2
    assert primary.psql("SELECT count(*) FROM sessionkeeper.frames") == "0"


async def _move_the_writer(
    store: PostgresSessionStore,
    primary: PostgresServer,
    replica: StreamingReplica,
    name: PostgresProxy,
) -> None:
    """Let only the writing connection end, when the name has moved; the reading one stays."""
    await store.create_session(session("a"))
    assert await store.count_frames("a") == 0
    await asyncio.to_thread(replica.catch_up)
    await asyncio.to_thread(replica.promote)
    name.server_port = replica.port
    process = store._writer._connection.protocol.get_server_pid()
    await asyncio.to_thread(primary.psql, "SELECT pg_terminate_backend($1::int)", process)
    assert await add(store, 1) == 1


async def test_reads_follow_when_the_writer_has_found_another_server(
    primary: PostgresServer, replica: StreamingReplica, name: PostgresProxy
) -> None:
    """The old one still answers on the connection that reads, and knows nothing of the write."""
    url = primary.url_of("postgres", port=name.port)
    async with PostgresSessionStore(url, patience=20.0) as store:
        await _move_the_writer(store, primary, replica, name)
        assert await store.count_frames("a") == 1


async def test_the_tests_notice_reads_that_stay_behind(
    primary: PostgresServer,
    replica: StreamingReplica,
    name: PostgresProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader that does not look where the writer is answers what was true before."""
    fixed = property(lambda _: 1, lambda _, value: None)
    monkeypatch.setattr(writer.PostgresWriter, "generation", fixed, raising=False)
    url = primary.url_of("postgres", port=name.port)
    async with PostgresSessionStore(url, patience=20.0) as store:
        await _move_the_writer(store, primary, replica, name)
        assert await store.count_frames("a") == 0


async def test_an_asynchronous_replica_may_lack_the_last_writes_and_watchers_learn_it(
    primary: PostgresServer, replica: StreamingReplica
) -> None:
    """The store goes on with what there is; numbers are given again, to other frames."""
    url = url_of_all(primary, replica)
    async with PostgresSessionStore(url, patience=20.0) as store:
        await store.create_session(session("a"))
        assert await store.add_frame(note(1)) == 1
        await asyncio.to_thread(replica.catch_up)
        await asyncio.to_thread(replica.detach)
        assert await store.add_frame(note("lost")) == 2
        async with store.watch_frames("a") as watcher:
            assert [(await anext(watcher)).seq for _ in range(2)] == [1, 2]
            await asyncio.to_thread(primary.kill9)
            await asyncio.to_thread(replica.promote)
            assert await add(store, "kept") == 2
            with pytest.raises(LogReplaced):
                await anext(watcher)
        frames = await store.read_frames("a")
        assert [frame.envelope.message for frame in frames] == [
            note(1).message,
            note("kept").message,
        ]
        await add_up(store)


async def _lose(
    store: PostgresSessionStore,
    primary: PostgresServer,
    replica: StreamingReplica,
    name: PostgresProxy,
) -> asyncio.Task[int]:
    """Append while the replica receives nothing, lose the answer, and give the number again.

    The transaction of somebody else has it on the new primary, and was committed.
    """
    await store.create_session(session("a"))
    assert await store.add_frame(note(1)) == 1
    await asyncio.to_thread(replica.catch_up)
    await asyncio.to_thread(replica.detach)
    name.refuse()
    fault = name.cut_answer(0, b"COMMIT\0")
    adding = asyncio.create_task(store.add_frame(note("lost")))
    await fault.reached()
    [[lost]] = await asyncio.to_thread(
        primary.rows, "SELECT max(xid::bigint) FROM sessionkeeper.writers"
    )
    await asyncio.to_thread(primary.kill9)
    await asyncio.to_thread(replica.promote)
    given = 0
    while given < lost:
        [[given]] = await asyncio.to_thread(
            replica.rows, "SELECT pg_current_xact_id()::text::bigint"
        )
    assert given == lost
    assert _status(replica, lost) == "committed"
    name.server_port = replica.port
    return adding


def _status(server: PostgresServer, xid: int) -> str:
    return server.psql("SELECT pg_xact_status($1::text::xid8)", str(xid))


async def test_a_lost_commit_is_not_taken_for_another_one_with_its_number(
    primary: PostgresServer, replica: StreamingReplica, name: PostgresProxy
) -> None:
    """The row of the writer says that it is not there: it is applied again, once."""
    url = primary.url_of("postgres", port=name.port)
    async with PostgresSessionStore(url, patience=60.0) as store:
        adding = await _lose(store, primary, replica, name)
        await name.listen()
        assert await adding == 2
        assert await store.count_frames("a") == 2
        assert await store.add_frame(note(3)) == 3
        await add_up(store)


async def test_a_lost_commit_can_be_resolved_on_the_server_that_took_over(
    primary: PostgresServer, replica: StreamingReplica, name: PostgresProxy
) -> None:
    """It is not there, and never will be."""
    url = primary.url_of("postgres", port=name.port)
    async with PostgresSessionStore(url, patience=1.0) as store:
        adding = await _lose(store, primary, replica, name)
        with pytest.raises(OutcomeUnknown) as unknown:
            await adding
        set_patience(store, 60.0)
        await name.listen()
        assert await store.resolve(unknown.value.operation_id) is False
        async with PostgresSessionStore(replica.url) as other:
            assert await other.resolve(unknown.value.operation_id) is False
        assert await store.count_frames("a") == 1
        assert await store.add_frame(note(2)) == 2
        await add_up(store)


async def test_the_tests_notice_a_store_that_believes_the_number_of_a_transaction(
    primary: PostgresServer,
    replica: StreamingReplica,
    name: PostgresProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It acknowledges what the new primary never had."""

    def believes(connection: PostgresConnection, batch: BatchId, **_: object) -> bool:
        return _status(replica, batch.xid) == "committed"

    monkeypatch.setattr(commits, "was_committed", believes)
    monkeypatch.setattr(commits, "confirm", lambda *_: True)
    url = primary.url_of("postgres", port=name.port)
    async with PostgresSessionStore(url, patience=60.0) as store:
        adding = await _lose(store, primary, replica, name)
        await name.listen()
        assert await adding == 2
        assert await store.count_frames("a") == 1
