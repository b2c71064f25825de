"""A killed primary shows nobody what its synchronous standby lacks."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress

import asyncpg
import pytest
from postgres_processes import is_gone
from postgres_replica import StreamingReplica
from postgres_server import PostgresServer, until

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@pytest.fixture
def replica(own_postgres_server: PostgresServer) -> Iterator[StreamingReplica]:
    """Its primary waits for it, and has a table."""
    own_postgres_server.psql("CREATE TABLE things (n int)")
    replica = StreamingReplica(own_postgres_server, synchronous=True)
    replica.start()
    yield replica
    replica.close()


async def _read_while_it_is_killed(
    replica: StreamingReplica, kill: Callable[[int, int], None]
) -> object:
    """What somebody is told who asks while a commit waits, and whose process has no turn.

    `kill` gets the ids of the processes that commit and read. The standby takes over without what
    was committed.
    """
    primary = replica.primary
    writer, reader = [await asyncpg.connect(primary.url) for _ in range(2)]
    [[sender]] = await asyncio.to_thread(primary.rows, "SELECT pid FROM pg_stat_replication")
    os.kill(sender, signal.SIGSTOP)  # nothing is sent to the standby any more
    adding = asyncio.ensure_future(writer.execute("INSERT INTO things VALUES (1)"))
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    await asyncio.to_thread(until, lambda: primary.rows(waiting), "the commit waits")
    os.kill(reader.get_server_pid(), signal.SIGSTOP)
    reading = asyncio.ensure_future(reader.execute("SELECT n FROM things"))
    for _ in range(3):
        await asyncio.sleep(0)  # until it has asked, which is one packet
    try:
        await asyncio.to_thread(kill, writer.get_server_pid(), reader.get_server_pid())
    finally:
        with suppress(ProcessLookupError):  # it stands still, and would outlive its server
            os.kill(sender, signal.SIGKILL)
    told, acknowledged = await asyncio.gather(reading, adding, return_exceptions=True)
    assert isinstance(acknowledged, _LOST)
    for each in (writer, reader):
        each.terminate()
    await asyncio.to_thread(replica.promote)
    assert replica.psql("SELECT count(*) FROM things") == "0"
    return told


async def test_who_asks_while_the_primary_is_killed_is_told_nothing(
    replica: StreamingReplica,
) -> None:
    """All of its processes stand still before one is gone."""
    told = await _read_while_it_is_killed(replica, lambda *_: replica.primary.kill9())
    assert isinstance(told, _LOST)


async def test_a_server_whose_first_process_goes_first_shows_what_only_it_has(
    replica: StreamingReplica,
) -> None:
    """So the order matters: the others give up waiting, and answer what was asked before."""

    def kill(committing: int, reading: int) -> None:
        os.kill(replica.primary.pid, signal.SIGKILL)
        until(lambda: is_gone(committing), "it gives up")
        os.kill(reading, signal.SIGCONT)
        until(lambda: is_gone(reading), "it answers, and ends")

    assert await _read_while_it_is_killed(replica, kill) == "SELECT 1"
