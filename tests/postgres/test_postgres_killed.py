"""The server is killed in the middle of checked histories: nothing is lost, nothing is twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Literal, TypeAlias

import pytest
from postgres_folders import ServerFolders
from postgres_proxy import PostgresProxy
from postgres_server import PostgresServer
from postgres_trials import Trouble, histories
from sessionkeeper import MessageEnvelope, PostgresSessionStore, Session

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

KILLS = 10
HISTORIES, PARTS = 20, 4

End: TypeAlias = Literal["fast", "immediate", "kill9"]


def ended(ways: Sequence[End], dice: Random) -> Trouble:
    """End the server in one of these ways, again and again, after it has worked for a moment."""

    async def trouble(server: PostgresServer, proxy: PostgresProxy) -> None:
        for _ in range(KILLS):
            await asyncio.sleep(0.05 + dice.random() / 3)
            await asyncio.to_thread(server.restart, dice.choice(ways))

    return trouble


async def test_a_server_that_is_ended_ten_times(own_postgres_server: PostgresServer) -> None:
    """One order explains all that was acknowledged, before and after."""
    url = own_postgres_server.url_of("postgres", schema="kills")
    trouble = ended(("kill9", "kill9", "immediate", "fast"), Random(1))
    assert await histories(own_postgres_server, url, trouble, stores=2, rounds=20) >= 80


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
async def test_a_server_that_is_killed_two_hundred_times(
    part: int, postgres_folders: ServerFolders
) -> None:
    """In twenty histories of ten kills each, five in each part."""
    # The operating system is not killed; without its syncs the server starts sooner.
    server = PostgresServer(postgres_folders, {"fsync": "off"})
    await asyncio.to_thread(server.start)
    try:
        seen = 0
        for n in range(HISTORIES // PARTS):
            url = server.url_of("postgres", schema=f"kills_{n}")
            trouble = ended(("kill9", "immediate"), Random(10 * part + n))
            seen += await histories(server, url, trouble, stores=2, rounds=5, seed=part)
        assert seen > HISTORIES // PARTS * KILLS
    finally:
        server.close()


async def test_a_kill_loses_what_was_acknowledged_only_where_commits_do_not_wait(
    postgres_folders: ServerFolders,
) -> None:
    """With `synchronous_commit = off`, as its warning says; as usual, nothing is lost."""
    server = PostgresServer(postgres_folders, {"wal_writer_delay": "10s"})
    await asyncio.to_thread(server.start)
    try:
        assert not any([await lost_in_a_kill(server, f"kept-{n}") for n in range(3)])
        server.configure(synchronous_commit="off")
        # The server may write by itself at any moment, so one kill is not enough.
        for n in range(20):
            if await lost_in_a_kill(server, f"lost-{n}"):
                break
        else:
            raise AssertionError("nothing was lost")
    finally:
        await asyncio.to_thread(server.close)


async def lost_in_a_kill(server: PostgresServer, session_id: str) -> int:
    """Append frames to a session that is on the disk, kill, and count them."""
    async with PostgresSessionStore(server.url) as store:
        await store.create_session(Session.new(transport_type="stdio", id=session_id))
        await asyncio.to_thread(server.psql, "CHECKPOINT")
        frame = MessageEnvelope.of(session_id, b"{}", direction="client-to-server")
        acknowledged = [await store.add_frame(frame) for _ in range(10)]
        await asyncio.to_thread(server.restart, "kill9")
    async with PostgresSessionStore(server.url) as store:
        return len(acknowledged) - await store.count_frames(session_id)
