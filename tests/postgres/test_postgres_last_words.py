"""A connection that the server has ended is lost, though its end is not here yet."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg
import pytest
from postgres_server import PostgresServer
from sessionkeeper.backends.postgres.errors import is_lost

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop


async def test_a_connection_that_was_ended_is_lost_before_the_stream_ends(
    own_postgres_server: PostgresServer,
) -> None:
    """asyncpg calls it an internal error; the next connection works."""
    server, ended, closed = own_postgres_server, asyncio.Event(), asyncio.Event()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass everything on but the end of the server's stream."""
        there, to_server = await asyncio.open_connection("127.0.0.1", server.port)
        asked = asyncio.ensure_future(forward(reader, to_server))
        await forward(there, writer)
        ended.set()
        with suppress(ConnectionError):
            await asked
        for each in (to_server, writer):
            each.close()
            with suppress(ConnectionError):
                await each.wait_closed()
        closed.set()

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as between:
        url = server.url_of("postgres", port=between.sockets[0].getsockname()[1])
        connection = await asyncpg.connect(url)
        await asyncio.to_thread(server.terminate_clients)
        await ended.wait()
        await asyncio.sleep(0.05)
        with pytest.raises(asyncpg.InternalClientError) as caught:
            await connection.fetchval("SELECT 1")
        assert is_lost(caught.value)
        connection.terminate()
        await closed.wait()
