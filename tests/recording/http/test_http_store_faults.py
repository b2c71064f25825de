"""A store that is away, a full disk, a killed recorder: the traffic goes on, or ends as ever."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from sessionkeeper import MessageEnvelope, Session, SessionState, SQLiteSessionStore
from sessionkeeper.leases import end_gone_sessions

from tests.recording.http.conftest import Client, plain, read_body, read_head
from tests.recording.servers.http_run import recorder

SIZE = 200_000
CALLS = 40
LARGEST_FILE = 4096
"""KiB: less than all the answers."""
SESSION = "Mcp-Session-Id: 0123456789abcdef"


def request(number: int) -> bytes:
    """One call."""
    method = "initialize" if number == 0 else "tools/call"
    params = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "faults", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(message).encode()


def result(number: int, size: int) -> bytes:
    """Its answer."""
    text = '{"jsonrpc":"2.0","id":%d,"result":{"text":"%s"}}'
    return (text % (number, "x" * size)).encode()


@asynccontextmanager
async def serving(size: int) -> AsyncIterator[int]:
    """Answer each call with a text of this size."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await read_head(reader)
                await read_body(reader, head, to_end=False)
                writer.write(plain(result(json.loads(head.body)["id"], size), SESSION))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


@asynccontextmanager
async def recorded(store: Path, size: int, *, limit: int = 0) -> AsyncIterator[tuple[Client, Any]]:
    """Connect to a server through a recorder process; its files may grow to `limit` KiB."""
    async with serving(size) as behind:
        url = f"http://127.0.0.1:{behind}/mcp"
        # The log of the recorder would share the limit, which it does not come near.
        async with recorder(url, store, "--json", limit=limit) as (port, process):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            yield Client(reader, writer, port), process
            writer.close()


async def call(client: Client, number: int, size: int) -> None:
    """Call, and compare the answer with what was sent. Raises `ConnectionError` if it is cut."""
    await client.send(request(number), *([SESSION] if number else []))
    answer = await client.answer()
    if answer.is_cut:  # a recorder that is killed may have sent the head alone
        raise ConnectionError
    assert (answer.status, answer.body) == (200, result(number, size))


def summary(store: Path) -> dict[str, Any]:
    """What the recorder said at its end."""
    lines = store.with_suffix(".log").read_text().splitlines()
    return dict(json.loads([line for line in lines if line.startswith("{")][-1]))


async def read(store: Path) -> tuple[list[Session], list[MessageEnvelope]]:
    """The sessions of a store, and the frames of all."""
    async with SQLiteSessionStore(str(store)) as opened:
        await end_gone_sessions(opened)
        sessions = await opened.list_sessions()
        return sessions, [f for each in sessions for f in await opened.get_frames(each.id)]


async def until_recorded(store: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait for so many frames: at its end a recorder waits for a slow store for a second only."""
    while not store.exists() or len((await read(store))[1]) < count:
        assert process.poll() is None, "the recorder ended"
        await asyncio.sleep(0.05)


async def test_a_store_that_is_away_costs_nothing_but_time(tmp_path: Path) -> None:
    """Calls are answered while the store cannot be opened; when it can, all are recorded."""
    store = tmp_path / "tape.db"
    store.write_bytes(b"this is no database" * 100)
    async with recorded(store, 100) as (client, process):
        for number in range(3):
            await call(client, number, 100)
        store.unlink()
        await until_recorded(store, 6, process)
    said = summary(store)
    assert "cannot record yet" in said["troubles"][0]
    sessions, frames = await read(store)
    assert len(sessions) == 1
    assert [f.message for f in frames] == [
        message for number in range(3) for message in (request(number), result(number, 100))
    ]
    assert said["not_recorded"] == 0


async def test_a_store_that_never_opens_is_told(tmp_path: Path) -> None:
    """Calls are answered, and the recorder says that nothing was recorded, and why."""
    store = tmp_path / "tape.db"
    store.write_bytes(b"this is no database" * 100)
    async with recorded(store, 100) as (client, _):
        for number in range(3):
            await call(client, number, 100)
    said = summary(store)
    assert said["not_recorded"] == 6
    assert str(store) in said["troubles"][0]


async def test_a_full_disk_costs_what_did_not_fit(tmp_path: Path) -> None:
    """All calls are answered; what is stored is exact, and what is lost is counted and told."""
    store = tmp_path / "tape.db"
    async with recorded(store, SIZE, limit=LARGEST_FILE) as (client, _):
        for number in range(CALLS):
            await call(client, number, SIZE)
    said = summary(store)
    assert said["not_recorded"] > 0
    assert said["troubles"]
    (session,), frames = await read(store)
    sent = {request(n) for n in range(CALLS)} | {result(n, SIZE) for n in range(CALLS)}
    whole = [frame for frame in frames if frame.is_message]
    assert 0 < len(whole) < 2 * CALLS
    assert {frame.message for frame in whole} <= sent
    assert len(whole) + said["not_recorded"] == 2 * CALLS
    assert session.state.is_terminal


async def test_a_killed_recorder_loses_nothing_that_was_stored(tmp_path: Path) -> None:
    """Its client sees the connection end. The record has no hole, and is ended as failed."""
    store = tmp_path / "tape.db"
    number = 0
    async with recorded(store, 100) as (client, process):
        await call(client, number, 100)
        await until_recorded(store, 2, process)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                number += 1
                if number == 10:  # it is killed at any moment of those that follow
                    loop = asyncio.get_running_loop()
                    loop.call_later(0.05, os.kill, process.pid, signal.SIGKILL)
                await call(client, number, 100)
    assert number >= 10
    (session,), frames = await read(store)
    traffic = [each for n in range(number + 1) for each in (request(n), result(n, 100))]
    assert [frame.message for frame in frames] == traffic[: len(frames)]
    assert len(frames) >= 2
    assert session.state is SessionState.FAILED
    assert "gone" in str(session.failure)
