"""Copies into a database and out of it: killed on either side and called again, each frame once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_proxy import proxied
from postgres_schemas import own_schema
from postgres_server import PostgresServer
from postgres_trials import BEGIN, set_patience
from redis_contents import filled, held
from sessionkeeper import PostgresSessionStore, SQLiteSessionStore, StoreUnavailable
from sessionkeeper.transfer import copy_sessions

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

SIZES = [
    pytest.param(20, 200, id="4,000 frames"),
    pytest.param(10, 10_000, id="100,000 frames", marks=pytest.mark.long),
]
"""Sessions, and frames of each."""
LEFT_OUT = 2
"""Frames that `filled` trims, in one session."""
BYTES = 100
"""Less than a frame has on its way to the server."""


def copying(source: str, target: str) -> subprocess.Popen[bytes]:
    """The command, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "sessionkeeper", "copy", source, target],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def frames_in(server: PostgresServer, schema: str) -> int:
    """How many frames are there; 0 before there is a table."""
    if server.rows("SELECT to_regclass($1) IS NULL", f"{schema}.frames") == [(True,)]:
        return 0
    [[count]] = server.rows(f"SELECT count(*) FROM {schema}.frames")
    return int(count)


@pytest.mark.parametrize(("sessions", "frames"), SIZES)
async def test_a_copy_whose_process_is_killed_goes_on(
    postgres_server: PostgresServer, tmp_path: Path, sessions: int, frames: int
) -> None:
    """Into a database, and from there into another schema; the command that goes on is the same."""
    source = f"sqlite:///{tmp_path}/a.db"
    await filled(source, sessions=sessions, frames=frames)
    total = sessions * frames - LEFT_OUT
    with own_schema(postgres_server) as one, own_schema(postgres_server) as two:
        for schema in (one, two):
            target = postgres_server.url_of("postgres", schema=schema)
            for part in (0.1, 0.4):
                async with proxied(postgres_server.port) as proxy:
                    slow = postgres_server.url_of("postgres", port=proxy.port, schema=schema)
                    # It comes so far and no further, however quick it is.
                    held_up = proxy.stall_request(int(part * total * BYTES), BEGIN)
                    with copying(source, slow) as process:
                        while not held_up.happened.is_set():
                            assert process.poll() is None, "the copy ended before it was held up"
                            await asyncio.sleep(0.01)
                        process.send_signal(signal.SIGKILL)
                    assert process.wait() == -signal.SIGKILL
            assert 0 < frames_in(postgres_server, schema) < total
            with copying(source, target) as process:
                output, errors = await asyncio.to_thread(process.communicate)
            assert process.returncode == 0, errors
            said = (output + errors).decode().replace(",", "")
            assert f"{sessions} sessions with {total} frames are equal on both sides" in said
            assert await held(target) == await held(source)
            source = target


@pytest.mark.parametrize(("sessions", "frames"), SIZES)
async def test_a_copy_tells_of_each_frame_and_goes_on_when_the_server_was_killed(
    own_postgres_server: PostgresServer, tmp_path: Path, sessions: int, frames: int
) -> None:
    """What was told before and what is told after is all, and perhaps a batch more."""
    server = own_postgres_server
    url = server.url_of("postgres", schema="copies")
    path = tmp_path / "a.db"
    await filled(f"sqlite:///{path}", sessions=sessions, frames=frames)
    total = sessions * frames - LEFT_OUT
    told: list[int] = []

    def tell(count: int) -> None:
        told.append(count)
        if sum(told) > total / 3 and server.running and not killed:
            killed.append(sum(told))
            set_patience(target, 1.0)
            server.kill9()

    killed: list[int] = []
    async with SQLiteSessionStore(path) as source:
        async with PostgresSessionStore(url, patience=60.0) as target:
            with pytest.raises(StoreUnavailable):
                await copy_sessions(source, target, on_frames=tell)
        await asyncio.to_thread(server.start)
        there = frames_in(server, "copies")
        assert killed[0] <= there < total
        told.clear()
        async with PostgresSessionStore(url) as target:
            report = await copy_sessions(source, target, on_frames=tell)
            assert (report.sessions, report.frames, report.differences) == (sessions, total, [])
            assert report.added == sum(told) == total - there
            again = await copy_sessions(source, target, on_frames=tell)
            assert (again.added, again.digest) == (0, report.digest)
    assert await held(url) == await held(f"sqlite:///{path}")
