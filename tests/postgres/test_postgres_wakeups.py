"""Notices of other processes wake watchers, whatever happens to the server; bare SQL writes."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import uvloop
from postgres_raw_log import RawLog, RawWriter
from postgres_server import PostgresServer
from sessionkeeper.backends.postgres.driver import StoreConnection
from sessionkeeper.backends.postgres.notice_connection import NoticeConnection
from sessionkeeper.backends.postgres.notice_listener import NoticeListener
from sessionkeeper.backends.postgres.schema import STORE_LOCK, lock_key
from sessionkeeper.backends.postgres.wakeups import PostgresWakeups


@pytest.fixture
def log(postgres_server: PostgresServer, postgres_url: str) -> RawLog:
    """Logs in the shared server."""
    return RawLog(postgres_server, postgres_url)


@pytest.fixture
def own_log(own_postgres_server: PostgresServer) -> RawLog:
    """Logs in a server of the test's own."""
    return RawLog(own_postgres_server, own_postgres_server.url_of("postgres", schema="s"))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that takes seconds takes tenths."""
    monkeypatch.setattr(NoticeConnection, "LOOK", 0.1)
    monkeypatch.setattr(NoticeConnection, "LOOK_ALONE", 0.05)
    monkeypatch.setattr(NoticeListener, "LINGER", 0.1)
    monkeypatch.setattr(NoticeConnection, "RETRY", 0.3)
    monkeypatch.setattr(NoticeConnection, "GRACE", 60.0)  # the server is not away then


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens by a look at the rows: what wakes is a notice."""
    monkeypatch.setattr(NoticeConnection, "LOOK", 3_600.0)


@asynccontextmanager
async def watching(
    log: RawLog,
    connect: Callable[[], Awaitable[StoreConnection]] | None = None,
) -> AsyncIterator[PostgresWakeups]:
    """The wake-ups of a store; afterwards nothing is left of them."""
    tasks, sockets = asyncio.all_tasks(), _sockets()
    wakeups = PostgresWakeups()
    own = random.getrandbits(63)
    wakeups.connect(connect or log.connect, lambda: own)
    try:
        yield wakeups
    finally:
        await wakeups.aclose()
        log.terminate()
        await eventually(lambda: _sockets() <= sockets, "its sockets are closed")
        assert asyncio.all_tasks() <= tasks | {asyncio.current_task()}


def _sockets() -> set[str]:
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(each)
        except FileNotFoundError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


async def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    for _ in range(6_000):
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never: {what}")


@pytest.mark.usefixtures("patient")
async def test_a_batch_of_another_process_wakes_the_watchers_of_its_sessions(log: RawLog) -> None:
    """By its notice, and only those of its sessions. How long it takes is printed."""
    writer, took = RawWriter(log), list[float]()
    async with watching(log) as wakeups:
        with wakeups.subscribe("a") as a, wakeups.subscribe("b") as b:
            await eventually(log.watchers, "it watches")
            await asyncio.wait_for(a.wait(), 60)
            for number in range(200):
                a.clear()
                b.clear()
                await writer.append(number, "a", "c")
                start = time.perf_counter()
                await asyncio.wait_for(a.wait(), 60)
                took.append(time.perf_counter() - start)
                assert not b.is_set()
    print(f"after the commit: {statistics.median(took) * 1e3:.2f} ms, {max(took) * 1e3:.2f} ms")


async def test_nothing_is_sent_or_kept_where_nobody_watches(log: RawLog, hasty: None) -> None:
    """No notice, no row, no connection; the same after the last watcher has gone."""
    writer, sent = RawWriter(log), list[object]()
    raw = await log.connect_as("raw")
    await raw.add_listener(log.channel, lambda *each: sent.append(each[-1]))
    async with watching(log) as wakeups:
        for session, number in (("a", 1), ("b", 2)):
            before = len(sent)
            await writer.append(10 * number, session)
            await raw.fetchval("SELECT 1")
            await asyncio.sleep(0.05)
            assert len(sent) == before
            assert (log.listeners(), log.watchers()) == (0, 0)
            with wakeups.subscribe(session):
                await eventually(log.watchers, "it watches")
                await writer.append(10 * number + 1, session)
                await eventually(lambda: len(sent) == before + 1, "a notice comes")  # noqa: B023
            await eventually(lambda: not log.listeners(), "its connection is closed")
            assert log.watchers() == 0


async def test_watching_again_at_once_uses_the_same_connection(log: RawLog) -> None:
    """A watcher leaves between two looks at its log."""
    async with watching(log) as wakeups:
        pids = set()
        for _ in range(5):
            with wakeups.subscribe("a"):
                await eventually(log.watchers, "it watches")
                pids.add(
                    log.server.psql(
                        "SELECT pid FROM pg_stat_activity WHERE application_name = $1", log.schema
                    )
                )
        assert len(pids) == 1


@pytest.mark.usefixtures("hasty")
async def test_a_notice_that_never_comes_costs_a_look(log: RawLog) -> None:
    """What was announced is compared with what arrived."""
    writer = RawWriter(log, notify=False)
    async with watching(log) as wakeups:
        following = asyncio.ensure_future(log.follow(wakeups, "a", 20))
        await eventually(log.watchers, "it watches")
        for number in range(1, 21):
            await writer.append(number, "a")
            await asyncio.sleep(random.uniform(0, 0.05))
        assert await asyncio.wait_for(following, 60) == [*range(1, 21)]


@pytest.mark.usefixtures("patient")
async def test_a_batch_under_way_when_watching_begins_is_not_missed(log: RawLog) -> None:
    """It saw no watcher, so it sends nothing; it is committed when the watcher has read."""
    connection = await log.connect_as("writer")
    batch = connection.transaction()
    await batch.start()
    await connection.execute(
        "SELECT pg_advisory_xact_lock_shared($1, $2)", STORE_LOCK, lock_key(log.schema)
    )
    await connection.execute("INSERT INTO numbers VALUES ('a', 1)")
    assert await connection.fetchval("SELECT count(*) FROM watchers") == 0
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
    async with watching(log) as wakeups:
        following = asyncio.ensure_future(log.follow(wakeups, "a", 1))
        await eventually(lambda: int(log.server.psql(waiting)) > 0 or log.watchers(), "it begins")
        await batch.commit()
        assert await asyncio.wait_for(following, 60) == [1]


@pytest.mark.usefixtures("hasty")
async def test_a_batch_that_never_ends_makes_the_watchers_poll(log: RawLog) -> None:
    """And once it has ended, notices are sent."""

    async def connect() -> StoreConnection:
        connection = await log.connect()
        await connection.execute("SET lock_timeout = '50ms'")
        return connection

    held = await log.connect_as("stuck")
    await held.execute("SELECT pg_advisory_lock_shared($1, $2)", STORE_LOCK, lock_key(log.schema))
    writer = RawWriter(log)
    async with watching(log, connect) as wakeups:
        following = asyncio.ensure_future(log.follow(wakeups, "a", 1))
        await eventually(log.listeners, "it is connected")
        await writer.append(1, "a")
        assert await asyncio.wait_for(following, 60) == [1]
        assert log.watchers() == 0
        with wakeups.subscribe("a"):
            await held.close()
            await eventually(log.watchers, "it is registered")


@pytest.mark.usefixtures("hasty")
async def test_a_role_that_may_only_read_polls(own_log: RawLog) -> None:
    """Nothing is announced to it, and it misses nothing."""
    schema = own_log.schema
    url = own_log.server.add_role(
        "reader",
        f"GRANT USAGE ON SCHEMA {schema} TO reader",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader",
    )
    settings = {"search_path": schema, "application_name": schema}
    writer = RawWriter(own_log)

    async def connect() -> StoreConnection:
        return await asyncpg.connect(
            connection_class=StoreConnection, dsn=url, timeout=60, server_settings=settings
        )

    async with watching(own_log, connect) as wakeups:
        following = asyncio.ensure_future(own_log.follow(wakeups, "a", 30))
        await eventually(own_log.listeners, "it is connected")
        for number in range(1, 31):
            await writer.append(number, "a")
            await asyncio.sleep(random.uniform(0, 0.03))
        assert await asyncio.wait_for(following, 60) == [*range(1, 31)]
        assert own_log.watchers() == 0


async def _disturb_while_watching(log: RawLog, disturb: Callable[[], object]) -> None:
    writers = [RawWriter(log), RawWriter(log)]
    async with watching(log) as wakeups:
        sessions = ("a", "b")
        following = [
            asyncio.ensure_future(log.follow(wakeups, session, 60))
            for session in sessions
            for _ in range(2)
        ]
        await eventually(log.watchers, "it watches")
        for start in (1, 21, 41):
            disturbing = asyncio.ensure_future(asyncio.to_thread(disturb))
            for number in range(start, start + 20):
                await writers[number % 2].append(number, *sessions)
                await asyncio.sleep(0.005)
            await disturbing
        assert await asyncio.wait_for(asyncio.gather(*following), 120) == [[*range(1, 61)]] * 4


async def test_a_watcher_goes_on_when_its_connection_is_ended(log: RawLog) -> None:
    """From its last number: nothing is left out, nothing comes twice."""
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
    await _disturb_while_watching(log, lambda: log.server.psql(kill, log.schema))


@pytest.mark.parametrize("mode", ["fast", "kill9"])
async def test_a_watcher_goes_on_when_the_server_was_restarted(mode: str, own_log: RawLog) -> None:
    """However it ended."""
    await _disturb_while_watching(
        own_log,
        lambda: own_log.server.restart(mode),  # type: ignore[arg-type]  # one of them
    )


async def test_a_silent_server_costs_the_connection_and_no_number(
    own_log: RawLog, monkeypatch: pytest.MonkeyPatch, hasty: None
) -> None:
    """A connection whose questions are not answered is given up."""
    server = own_log.server
    writer = RawWriter(own_log)
    async with watching(own_log) as wakeups:
        following = asyncio.ensure_future(own_log.follow(wakeups, "a", 2))
        await eventually(own_log.watchers, "it watches")
        await writer.append(1, "a")
        listener = wakeups._listener
        assert listener is not None
        first = listener._connection
        monkeypatch.setattr(NoticeConnection, "PATIENCE", 0.2)
        server.freeze()
        try:
            await eventually(lambda: listener._connection is not first, "it is given up")
        finally:
            server.thaw()
        await writer.append(2, "a")
        assert await asyncio.wait_for(following, 60) == [1, 2]


async def test_what_others_send_on_the_channel_does_no_harm(
    log: RawLog, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage wakes nobody, forged notices wake in vain, and true ones still come."""
    hostile = await log.connect_as("hostile")
    payloads = ["", "x" * 7_999, "[" * 7_999, "{}", '["1",2]', '["x",1,"a"]', '["1",1,["a"]]']
    payloads += [f'["{"9" * 7_900}",1,"a"]', '["1",1e999,"a"]', '["1",1,"a\\ud800"]', "null"]
    forged = ['["1",9223372036854775807,"a"]', '["1",1,null]', '["2",0,"no such session","a"]']
    writer = RawWriter(log)
    async with watching(log) as wakeups:
        with wakeups.subscribe("a") as a:
            await eventually(log.watchers, "it watches")
            await asyncio.wait_for(a.wait(), 60)
            a.clear()
            for payload in payloads:
                await hostile.execute("SELECT pg_notify($1, $2)", log.channel, payload)
            await asyncio.sleep(0.1)
            assert not a.is_set()
            for payload in forged:
                a.clear()
                await hostile.execute("SELECT pg_notify($1, $2)", log.channel, payload)
                await asyncio.wait_for(a.wait(), 60)
            for n in range(2_000):
                await hostile.execute("SELECT pg_notify($1, $2)", log.channel, f'["{n}",{n},"{n}"]')
        following = asyncio.ensure_future(log.follow(wakeups, "a", 3))
        for number in (1, 2, 3):
            await writer.append(number, "a")
            forged_now = f'["{writer.id}",9223372036854775807,"b"]'
            await hostile.execute("SELECT pg_notify($1, $2)", log.channel, forged_now)
        assert await asyncio.wait_for(following, 60) == [1, 2, 3]
    assert not caplog.records


async def test_own_notices_wake_nobody(log: RawLog, patient: None) -> None:
    """The store wakes its watchers itself, before the notice comes."""
    async with watching(log) as wakeups:
        listener = wakeups._listener
        assert listener is not None
        raw = await log.connect_as("raw")
        with wakeups.subscribe("a") as a:
            await eventually(log.watchers, "it watches")
            await asyncio.wait_for(a.wait(), 60)
            a.clear()
            own = f'["{listener._writer_id()}",1,"a"]'
            await raw.execute("SELECT pg_notify($1, $2)", log.channel, own)
            await raw.execute("SELECT pg_notify($1, $2)", log.channel, '["1",1,"b"]')
            await asyncio.sleep(0.1)
            assert not a.is_set()
            await raw.execute("SELECT pg_notify($1, $2)", log.channel, '["1",1,"a"]')
            await asyncio.wait_for(a.wait(), 60)


async def test_a_listener_does_not_fill_the_servers_queue(own_log: RawLog, hasty: None) -> None:
    """It is never in a transaction. One that is keeps all notices of all databases."""
    server, raw = own_log.server, await own_log.connect_as("raw")
    usage = "SELECT pg_notification_queue_usage()"

    async def send() -> None:
        for _ in range(20):
            await raw.execute(
                "SELECT pg_notify($1, $2 || n) FROM generate_series(1, 200) AS n",
                own_log.channel,
                "x" * 7_000,
            )

    async with watching(own_log) as wakeups:
        with wakeups.subscribe("a"):
            await eventually(own_log.watchers, "it watches")
            await send()
            await eventually(lambda: float(server.psql(usage)) == 0, "the queue is empty")
            for _ in range(50):
                states = server.psql(
                    "SELECT state FROM pg_stat_activity WHERE application_name = $1",
                    own_log.schema,
                )
                assert "in transaction" not in states
            stuck = await own_log.connect_as("stuck")
            await stuck.execute('LISTEN "x"')
            await stuck.execute("BEGIN; SELECT 1")
            await send()
            await asyncio.sleep(0.2)
            assert float(server.psql(usage)) > 0
            await stuck.close()


async def test_a_thousand_watchers_of_a_thousand_sessions_need_one_connection(log: RawLog) -> None:
    """Each sees all numbers of its session, though a notice does not hold them all."""
    sessions = [f"s{n:03}".ljust(100, "x") for n in range(1_000)]
    writer = RawWriter(log)
    async with watching(log) as wakeups:
        following = [asyncio.ensure_future(log.follow(wakeups, each, 6)) for each in sessions]
        await eventually(log.watchers, "it watches")
        await writer.append(1, *sessions)
        for number in (2, 3, 4, 5):
            for at in range(0, 1_000, 250):
                await writer.append(number, *sessions[at : at + 250])
        assert log.listeners() == 1
        for each in sessions[:10]:
            await writer.append(6, each)
        await writer.append(6, *sessions[10:])
        seen = await asyncio.wait_for(asyncio.gather(*following), 300)
        assert seen == [[1, 2, 3, 4, 5, 6]] * 1_000


async def test_rows_of_dead_processes_are_removed_by_who_registers(log: RawLog) -> None:
    """Those that just ended may still be made valid again."""
    for n, seconds in ((1, -61), (2, -1), (3, 60)):
        log.server.psql(
            f"INSERT INTO {log.schema}.watchers VALUES ($1, now() + make_interval(secs => $2))",
            n,
            seconds,
        )
    async with watching(log) as wakeups:
        with wakeups.subscribe("a"):
            ids = f"SELECT id FROM {log.schema}.watchers WHERE id < 9 ORDER BY id"
            await eventually(lambda: log.server.psql(ids) == "2\n3", "it is removed")
            assert log.watchers() == 3


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "change", ["DELETE FROM {0}.watchers", "UPDATE {0}.watchers SET until = now() - interval '1 s'"]
)
async def test_a_row_that_was_lost_is_written_again_and_nothing_is_missed(
    change: str, log: RawLog
) -> None:
    """An administrator removed it, or the server's clock went on."""
    writer = RawWriter(log)
    valid = f"SELECT count(*) FROM {log.schema}.watchers WHERE until > now() + interval '40 s'"
    async with watching(log) as wakeups:
        following = asyncio.ensure_future(log.follow(wakeups, "a", 1))
        await eventually(log.watchers, "it watches")
        log.server.psql(change.format(log.schema))
        await writer.append(1, "a")  # it announces nothing, unless the row is back already
        assert await asyncio.wait_for(following, 60) == [1]
        with wakeups.subscribe("a"):
            await eventually(lambda: log.server.psql(valid) == "1", "the row is back")


@pytest.mark.usefixtures("hasty")
async def test_a_row_that_has_ended_is_not_made_valid_again(
    log: RawLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process had stopped for long. A writer that announced nothing and has gone is missed."""
    monkeypatch.setattr(NoticeConnection, "REFRESH", 0.0)  # with each look
    async with watching(log) as wakeups:
        following = asyncio.ensure_future(log.follow(wakeups, "a", 1))
        await eventually(log.watchers, "it watches")
        await asyncio.sleep(0.5)  # it has looked
        log.server.psql(
            f"UPDATE {log.schema}.watchers SET until = now() - interval '1 s';"
            f" INSERT INTO {log.schema}.numbers VALUES ('a', 1)"
        )
        assert await asyncio.wait_for(following, 60) == [1]


@pytest.mark.usefixtures("hasty")
async def test_the_row_stays_valid(log: RawLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made valid again before it ends."""
    monkeypatch.setattr(NoticeConnection, "REFRESH", 0.2)
    until = f"SELECT until FROM {log.schema}.watchers"
    async with watching(log) as wakeups:
        with wakeups.subscribe("a"):
            await eventually(log.watchers, "it watches")
            first = log.server.psql(until)
            await eventually(lambda: log.server.psql(until) > first, "it is valid for longer")
            assert log.watchers() == 1


@pytest.mark.usefixtures("hasty")
async def test_a_store_that_writes_under_another_id_is_registered_under_it(log: RawLog) -> None:
    """And its watchers look: it gave up waiting for a batch that may have been committed."""
    ids = [5]
    wakeups = PostgresWakeups()
    wakeups.connect(log.connect, lambda: ids[-1])
    with wakeups.subscribe("a") as a:
        await eventually(log.watchers, "it watches")
        await asyncio.wait_for(a.wait(), 60)
        a.clear()
        ids.append(6)
        await asyncio.wait_for(a.wait(), 60)
        registered = f"SELECT id FROM {log.schema}.watchers"
        await eventually(lambda: log.server.psql(registered) == "6", "it has the other id")
    await wakeups.aclose()


async def test_closing_removes_the_row_and_wakes_the_watchers(
    log: RawLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice is once; a closed one listens no more."""
    _close_at_leisure(monkeypatch)
    async with watching(log) as wakeups:
        with wakeups.subscribe("a") as a:
            await eventually(log.watchers, "it watches")
            await asyncio.wait_for(a.wait(), 60)
            a.clear()
            await asyncio.gather(wakeups.aclose(), wakeups.aclose())
            assert a.is_set()
            assert log.watchers() == 0
        with wakeups.subscribe("a"):
            await asyncio.sleep(0.05)
            assert log.watchers() == 0
        await eventually(lambda: not log.listeners(), "its connection is closed")


def _close_at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is said at the end take its time, as on a machine that is busy."""
    for each in (NoticeConnection, NoticeListener):
        monkeypatch.setattr(each, "GRACE", 60.0)


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("when", [0.0, 0.001, 0.003, 0.01, 0.1])
async def test_closing_while_connecting_leaves_nothing(
    log: RawLog, when: float, cancelled: bool
) -> None:
    """At any moment, also when closing is cancelled: what `watching` checks."""
    async with watching(log) as wakeups:
        with wakeups.subscribe("a") as a:
            await asyncio.sleep(when)
            closing = asyncio.ensure_future(wakeups.aclose())
            if cancelled:
                await asyncio.sleep(0)
                closing.cancel()
            await asyncio.wait({closing})
            assert a.is_set()
    await eventually(lambda: not log.listeners(), "its connection is closed")


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_while_a_server_accepts_and_keeps_silent_leaves_nothing(
    log: RawLog, cancelled: bool
) -> None:
    """The connection is never made."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        async def connect() -> StoreConnection:
            return await asyncpg.connect(
                connection_class=StoreConnection,
                dsn=f"postgresql://x@127.0.0.1:{port}/x?sslmode=disable",
            )

        async with watching(log, connect) as wakeups:
            with wakeups.subscribe("a"):
                await asyncio.sleep(0.05)
                if cancelled:
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(wakeups.aclose(), 0.0)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_does_not_wait_for_a_frozen_server(
    own_log: RawLog, cancelled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row it leaves ends by itself."""
    if cancelled:
        _close_at_leisure(monkeypatch)  # so it is certainly at it when it is cancelled
    async with watching(own_log) as wakeups:
        with wakeups.subscribe("a"):
            await eventually(own_log.watchers, "it watches")
            own_log.server.freeze()
            try:
                closing = asyncio.ensure_future(wakeups.aclose())
                await asyncio.sleep(0.05)
                if cancelled:
                    closing.cancel()
                await asyncio.wait({closing})
                assert closing.cancelled() is cancelled
            finally:
                own_log.server.thaw()


async def test_a_server_that_is_not_there_disturbs_nobody(
    log: RawLog, caplog: pytest.LogCaptureFixture
) -> None:
    """No watcher gets an error; what is wrong for other reasons is one line, without a secret."""

    async def refuse() -> StoreConnection:
        return await asyncpg.connect(
            connection_class=StoreConnection, dsn="postgresql://me:secret@127.0.0.1:1/x"
        )

    async def fail() -> StoreConnection:
        raise KeyError("secret")

    for connect, lines in ((refuse, 0), (fail, 1)):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="sessionkeeper"):
            async with watching(log, connect) as wakeups:
                with wakeups.subscribe("a"):
                    await asyncio.sleep(0.5)
        assert len(caplog.records) == lines
        assert "secret" not in caplog.text


def test_it_works_on_uvloop(log: RawLog) -> None:
    """The same, with its transports."""

    async def main() -> None:
        writer = RawWriter(log)
        async with watching(log) as wakeups:
            following = asyncio.ensure_future(log.follow(wakeups, "a", 40))
            await eventually(log.watchers, "it watches")
            kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            for number in range(1, 41):
                if number % 10 == 0:
                    await asyncio.to_thread(
                        log.server.psql, f"{kill} WHERE application_name = $1", log.schema
                    )
                await writer.append(number, "a")
            assert await asyncio.wait_for(following, 60) == [*range(1, 41)]
        await test_closing_while_connecting_leaves_nothing(log, 0.001, False)
        await test_closing_while_connecting_leaves_nothing(log, 0.001, True)
        await test_closing_while_a_server_accepts_and_keeps_silent_leaves_nothing(log, True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
