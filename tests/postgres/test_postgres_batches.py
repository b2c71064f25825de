"""A batch is one transaction: what it locks and waits for, and how many statements it takes."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from postgres_schemas import own_schema
from postgres_server import PostgresServer, until
from sessionkeeper import (
    PostgresSessionStore,
    Session,
    SessionNotFound,
    StoreLimits,
    StoreUnavailable,
)

from tests.support.sessions import new_session, note


class Held:
    """A `change` that stops in the middle of its batch, until it is let go."""

    def __init__(self) -> None:
        self.runs = threading.Event()
        self.ends = threading.Event()

    def __call__(self, session: Session) -> Session:
        self.runs.set()
        assert self.ends.wait(60)
        return session.model_copy(update={"tags": {"changed"}})

    async def started(self) -> None:
        """Wait until a batch is in its middle."""
        assert await asyncio.to_thread(self.runs.wait, 60)


@contextmanager
def holding() -> Iterator[Held]:
    """Let it go in every case."""
    held = Held()
    try:
        yield held
    finally:
        held.ends.set()


def tagged(session: Session) -> Session:
    """The session with one more tag."""
    return session.model_copy(update={"tags": {*session.tags, str(len(session.tags))}})


async def warm(store: PostgresSessionStore, session_id: str) -> None:
    """Write once: the first batch of a store locks all of it."""
    await store.create_session(new_session(session_id))


async def test_batches_of_other_sessions_do_not_wait(postgres_url: str) -> None:
    """Two processes change different sessions at the same time; the same session is waited for."""
    async with (
        PostgresSessionStore(postgres_url, patience=60.0) as one,
        PostgresSessionStore(postgres_url, patience=60.0) as two,
    ):
        await warm(one, "a")
        await warm(two, "b")
        with holding() as held:
            change = asyncio.ensure_future(one.modify_session("a", held))
            await held.started()
            assert await two.add_frame(note(1, "b")) == 1
            assert (await two.get_session("a")).tags == frozenset()
            append = asyncio.ensure_future(two.add_frame(note(1, "a")))
            done, _ = await asyncio.wait({append}, timeout=0.3)
            assert not done, "it wrote to a session whose row another batch holds"
        assert (await change).tags == {"changed"}
        assert await append == 1
        assert (await one.get_session("a")).last_seq == 1


async def test_sessions_are_created_in_the_order_of_their_commits(postgres_url: str) -> None:
    """So a page that ends with a number has not passed over one that is committed later."""
    async with (
        PostgresSessionStore(postgres_url, patience=60.0) as one,
        PostgresSessionStore(postgres_url, patience=60.0) as two,
    ):
        await warm(one, "a")
        await warm(two, "b")
        with holding() as held:
            change = asyncio.ensure_future(one.modify_session("a", held))
            await held.started()
            creation = asyncio.ensure_future(two.create_session(new_session("c")))
            done, _ = await asyncio.wait({creation}, timeout=0.3)
            assert not done, "it created a session beside a batch that may do so, too"
        await asyncio.gather(change, creation)
        assert [each.id for each in await one.list_sessions()] == ["a", "b", "c"]


async def test_batches_of_the_same_sessions_never_block_each_other_for_good(
    own_postgres_server: PostgresServer,
) -> None:
    """Rows are locked in one order, whatever order the callers name them in."""
    server, ids = own_postgres_server, [f"s{n}" for n in range(16)]
    url = server.url_of("postgres", schema="s")

    async def change(store: PostgresSessionStore, order: list[str]) -> None:
        for _ in range(25):
            await asyncio.gather(*(store.modify_session(each, tagged) for each in order))

    async with (
        PostgresSessionStore(url, patience=60.0) as one,
        PostgresSessionStore(url, patience=60.0) as two,
    ):
        for each in ids:
            await warm(one, each)
        await asyncio.gather(change(one, ids), change(two, ids[::-1]), change(one, ids[::-1]))
        for session in await two.list_sessions():
            assert len(session.tags) == 75
    # A process that ends has reported what it met.
    ours = "SELECT FROM pg_stat_activity WHERE application_name = 'sessionkeeper'"
    await asyncio.to_thread(until, lambda: not server.rows(ours), "the stores have gone")
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"
    assert server.rows(deadlocks) == [(0,)]


async def test_a_kept_row_is_not_used_when_another_process_wrote_it(postgres_url: str) -> None:
    """Fields and counters: each store sees what the other one did last."""
    async with PostgresSessionStore(postgres_url) as one, PostgresSessionStore(postgres_url) as two:
        await warm(one, "a")
        for n in range(1, 9):
            store = (one, two)[n % 2]
            assert await store.add_frame(note(n, "a")) == n
            session = await store.modify_session("a", tagged)
            assert (len(session.tags), session.last_seq) == (n, n)


async def test_frames_with_a_change_are_written_with_all_that_it_changed(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    """Also in a session whose row is kept; otherwise sweeps would find it among the live ones."""
    schema = postgres_url.rpartition("schema=")[2]
    sql = (
        f"SELECT logs.revision = sessions.revision, ended, ended_at IS NOT NULL"
        f" FROM {schema}.logs JOIN {schema}.sessions ON session = number"
    )
    async with PostgresSessionStore(postgres_url) as store:
        await warm(store, "a")
        await store.add_frame(note(1, "a"))
        await store.add_frame(note(2, "a"))
        await store.add_frames(
            "a", [note(3, "a")], change=lambda now: now.model_copy(update={"state": "closed"})
        )
        assert postgres_server.rows(sql) == [(True, True, True)]
        assert await store.expire_sessions(idle=0) == []


async def test_revisions_grow_over_all_processes(postgres_url: str) -> None:
    """Of one session, and of what was done one after the other."""
    async with PostgresSessionStore(postgres_url) as one, PostgresSessionStore(postgres_url) as two:
        await warm(one, "a")
        await warm(two, "b")
        found = []
        for n in range(12):
            store = (one, two)[n % 2]
            found.append((await store.modify_session("ab"[n // 2 % 2], tagged)).revision)
        assert found == sorted(set(found))


@pytest.mark.parametrize("appends", [1, 64])
async def test_a_batch_of_appends_takes_three_round_trips(
    postgres_url: str, appends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's lock, during which rules are applied, what is written, and the commit."""
    async with PostgresSessionStore(postgres_url) as store:
        for n in range(appends):
            await warm(store, f"s{n}")
        await asyncio.gather(*(store.add_frame(note(1, f"s{n}")) for n in range(appends)))
        clock = store._writer._clock
        assert clock is not None
        clock._measured_at = math.inf  # now and then it would be asked for the time
        connection: Any = store._writer._connection
        run, send_ahead, asked = connection.run, connection.send_ahead, []

        def count(work: Any, **options: Any) -> Any:
            asked.append(work.__qualname__)
            return run(work, **options)

        def count_ahead(script: str) -> None:
            asked.append("ahead")
            send_ahead(script)

        monkeypatch.setattr(connection, "run", count)
        monkeypatch.setattr(connection, "send_ahead", count_ahead)
        await asyncio.gather(*(store.add_frame(note(2, f"s{n}")) for n in range(appends)))
        assert len(asked) == 3, asked
        assert asked[0] == "ahead"


async def test_a_batch_whose_rows_others_changed_locks_them_first(postgres_url: str) -> None:
    """Numbers go on where the other process stopped; a session that is gone takes nothing."""
    async with PostgresSessionStore(postgres_url) as one, PostgresSessionStore(postgres_url) as two:
        for each in "abc":
            await warm(one, each)
            await one.add_frame(note(1, each))
        assert one._writer._locking == 0
        await two.add_frame(note(2, "a"))
        await two.modify_session("b", tagged)
        await two.delete_session("c")
        told = await asyncio.gather(
            *(one.add_frame(note(3, each)) for each in "abc"), return_exceptions=True
        )
        assert told[:2] == [3, 2]
        assert isinstance(told[2], SessionNotFound)
        assert one._writer._locking > 0
        assert [each.seq for each in await two.read_frames("a")] == [1, 2, 3]
        assert len((await one.get_session("b")).tags) == 1


async def test_an_append_counts_on_from_what_others_left(postgres_url: str) -> None:
    """Also where no frame stands in its way: the log was emptied meanwhile."""
    async with PostgresSessionStore(postgres_url) as one, PostgresSessionStore(postgres_url) as two:
        await warm(one, "a")
        for n in (1, 2, 3):
            await one.add_frame(note(n, "a"))
        await two.delete_frames("a")
        assert await one.add_frame(note(4, "a")) == 4
        assert await two.count_frames("a") == 1
        assert [each.seq for each in await two.read_frames("a")] == [4]


async def test_a_refusal_is_of_the_row_as_it_is(postgres_url: str) -> None:
    """What a kept row would refuse, but the row that is there takes, is taken."""
    async with PostgresSessionStore(postgres_url) as one, PostgresSessionStore(postgres_url) as two:
        await warm(one, "a")
        await one.add_frame(note(1, "a"))
        await two.add_frame(note(2, "a"))
        found = await one.add_frames("a", [note(3, "a")], expected_last_seq=2)
        assert found == range(3, 4)
        assert one._writer._locking > 0


async def test_the_limit_on_all_bytes_is_exact_near_its_end(postgres_url: str) -> None:
    """Far from it, batches of several processes do not wait for each other to know the sum."""
    size = len(note(1, "a").message)
    limits = StoreLimits(max_total_bytes=10 * size)
    async with (
        PostgresSessionStore(postgres_url, limits=limits, patience=60.0) as one,
        PostgresSessionStore(postgres_url, limits=limits, patience=60.0) as two,
    ):
        await warm(one, "a")
        await warm(two, "b")
        told = await asyncio.gather(
            *(store.add_frame(note(1, each)) for store in (one, two) for each in "ab" * 5),
            return_exceptions=True,
        )
        assert sum(isinstance(each, int) for each in told) == 10
        assert (await one.statistics()).bytes == 10 * size


async def test_writers_that_are_gone_leave_one_row(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    """What they counted is still counted."""
    for n in range(5):
        async with PostgresSessionStore(postgres_url) as store:
            await store.create_session(new_session(f"s{n}"))
            await store.add_frame(note(1, f"s{n}"))
    schema = postgres_url.rpartition("schema=")[2]
    assert postgres_server.rows(f"SELECT id FROM {schema}.writers") == [(0,)]
    async with PostgresSessionStore(postgres_url) as store:
        statistics = await store.statistics()
        assert (sum(statistics.sessions.values()), statistics.frames) == (5, 5)


async def test_a_refusal_of_the_role_is_told_at_once_after_a_lost_connection(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not pass, whatever the batch that lost its connection had trusted."""
    with own_schema(postgres_server) as schema:
        role = f"{schema}_shut_out"
        url = postgres_server.add_role(
            role, f"GRANT CREATE ON DATABASE postgres TO {role}", schema=schema
        )
        async with PostgresSessionStore(url, patience=2.0) as store:
            await warm(store, "a")
            await store.add_frame(note(1, "a"))
            connection: Any = store._writer._connection
            connect, tried = connection.connect, []

            def count() -> None:
                tried.append("connect")
                connect()

            monkeypatch.setattr(connection, "connect", count)
            process = connection.protocol.get_server_pid()
            await asyncio.to_thread(postgres_server.psql, f"ALTER ROLE {role} NOLOGIN")
            await asyncio.to_thread(postgres_server.psql, f"SELECT pg_terminate_backend({process})")
            with pytest.raises(StoreUnavailable, match="refuses the role"):
                await store.add_frame(note(2, "a"))
            assert tried == ["connect"]
            await asyncio.to_thread(postgres_server.psql, f"ALTER ROLE {role} LOGIN")
            assert await store.add_frame(note(3, "a")) == 2
        postgres_server.psql(f"DROP OWNED BY {role}; DROP ROLE {role}")
