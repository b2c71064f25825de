"""Writes until the disk is full, makes room, and writes on; says how it went."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from sessionkeeper import (
    MessageEnvelope,
    OutcomeUnknown,
    Session,
    SQLiteSessionStore,
    StoreUnavailable,
)
from sessionkeeper.backends.sqlite import writer

SIZE = 20_000
BALLAST = 3 * 1024 * 1024
"""Bytes of room there is again: all of a log that readers kept from the file must find a place."""
FILE_LIMIT = 2 * 1024 * 1024


def note(n: int) -> MessageEnvelope:
    message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
    return MessageEnvelope.of("a", message.ljust(SIZE), direction="client-to-server")


async def fill(store: SQLiteSessionStore) -> tuple[int, str]:
    """Append until it is refused; return how many are in the log for certain, and why no more."""
    while True:
        before = await store.count_frames("a")
        try:
            assert await store.add_frame(note(before)) == before + 1
        except (StoreUnavailable, OutcomeUnknown) as refused:
            # What is not there is not counted, and reads go on.
            kept = await store.count_frames("a")
            assert kept == before
            assert len(await store.get_frames("a")) == kept
            return kept, str(refused)


async def add_until_full(store: SQLiteSessionStore) -> int:
    """Append until it is refused; return how many frames there are then."""
    while True:
        last = (await store.get_session("a")).last_seq
        try:
            await store.add_frame(note(last))
        except StoreUnavailable as refused:
            if not refused.reason.startswith("the disk is full, but for a reserve: "):
                raise
            return await store.count_frames("a")


async def make_room(path: Path) -> None:
    """Fill the disk repeatedly, and each time remove the content."""
    async with SQLiteSessionStore(path) as store:
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        rounds = []
        for _ in range(3):
            kept = await add_until_full(store)
            last = (await store.get_session("a")).last_seq
            assert await store.trim_frames("a", up_to=last - 2) == kept - 2
            while True:  # until the removed frames are deleted, between two batches
                try:
                    assert await store.add_frame(note(last)) == last + 1
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.01)
            rounds.append(kept)
        assert await add_until_full(store) > 3
        await store.delete_session("a")
        print(f"rounds: {min(rounds) * 2 > max(rounds) > 20}")
    async with SQLiteSessionStore(path) as store:
        assert await store.check() == []
        print(f"whole: {await store.count_sessions() == 0}")


async def main(path: Path, *, full: bool) -> None:
    """Fill the disk, or reach the size a file may have; then have room again."""
    writer.CHECKPOINT_AT = 300_000
    ballast = path.with_name("ballast")
    ballast.write_bytes(bytes(BALLAST))
    async with SQLiteSessionStore(path) as store:
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        if not full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, resource.RLIM_INFINITY))
        kept, why = await fill(store)
        assert kept > 3
        print(f"refused: {why}; {store.write_failure}")
        ballast.unlink()
        if full:
            for n in range(10):
                assert await store.add_frame(note(n)) == kept + n + 1
            kept += 10
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    async with SQLiteSessionStore(path) as store:
        assert await store.check() == []
        assert await store.count_frames("a") == len(await store.get_frames("a")) == kept
        assert await store.add_frame(note(0)) == kept + 1
    print(f"whole: {kept > 3}")


if __name__ == "__main__":
    what, file = sys.argv[1], Path(sys.argv[2])
    asyncio.run(make_room(file) if what == "room" else main(file, full=what == "disk"))
