"""Finding the calls with errors among a million frames: `python perf/recording_calls.py`.

Builds stores of frames of about 1 KB in a temporary folder: one session, and a thousand. Prints the
seconds, the processor time, the memory and the ratio to reading every call.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.recording import CallFilter, calls

TEXT = "lorem ipsum dolor sit amet, consetetur sadipscing elitr; " * 15
START = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 500
FILTERS = {"errors": CallFilter(errors=True), "all": CallFilter()}


def answer(number: int) -> dict[str, object]:
    """One answer of a thousand is an error, and another one has `isError`."""
    if number % 1_000 == 7:
        return {"error": {"code": -32602, "message": TEXT[:200]}}
    content = [{"type": "text", "text": TEXT}]
    return {"result": {"content": content, "isError": number % 1_000 == 8}}


def pair(session_id: str, number: int) -> list[MessageEnvelope]:
    """A call and its answer, half a millisecond later."""
    head: dict[str, object] = {"jsonrpc": "2.0", "id": number}
    params = {"name": "add", "arguments": {"text": TEXT}}
    at = START + timedelta(milliseconds=number)
    call = MessageEnvelope.of(
        session_id,
        head | {"method": "tools/call", "params": params},
        direction="client-to-server",
        timestamp=at,
    )
    reply = MessageEnvelope.of(
        session_id,
        head | answer(number),
        direction="server-to-client",
        timestamp=at + timedelta(microseconds=500),
    )
    return [call, reply]


async def build(path: Path, frames: int, sessions: int) -> None:
    """Write a store with this many frames."""
    async with SQLiteSessionStore(path, durability="os") as store:
        for session in range(sessions):
            session_id = f"s{session}"
            await store.create_session(Session.new(id=session_id, transport_type="stdio"))
            numbers = range(frames // sessions // 2)
            for first in range(0, len(numbers), BATCH // 2):
                some = numbers[first : first + BATCH // 2]
                await store.add_frames(session_id, [e for n in some for e in pair(session_id, n)])


async def measure(path: Path, name: str) -> None:
    """Read the calls of every session of a store; print what it took, of this process."""
    async with SQLiteSessionStore(path, durability="os") as store:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu, count = time.perf_counter(), time.process_time(), 0
        for session in await store.list_sessions():
            async for _ in calls(store, session.id, filter=FILTERS[name]):
                count += 1
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{name:7} {count:9,} calls  {wall:6.2f} s  {cpu:6.2f} s CPU  {grown:5.0f} MB more",
        flush=True,
    )


def measure_command(path: Path) -> None:
    """Run `sessionkeeper calls --errors` of all sessions, with its start; print what it took."""
    command = [sys.executable, "-m", "sessionkeeper", "calls", f"sqlite:///{path}"]
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*command, "--errors", "--limit", "0"], check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"calls --errors             {wall:6.2f} s  {cpu:6.2f} s CPU", flush=True)


def main() -> None:
    """Build and measure; each measurement in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("FILE", "NAME"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        asyncio.run(measure(Path(given.measure[0]), given.measure[1]))
        return
    for sessions in (1, 1_000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store.db"
            asyncio.run(build(path, given.frames, sessions))
            print(f"{given.frames:,} frames in {sessions:,} sessions", flush=True)
            for name in ("errors", "errors", "all"):
                subprocess.run([sys.executable, __file__, "--measure", path, name], check=True)
            measure_command(path)


if __name__ == "__main__":
    main()
