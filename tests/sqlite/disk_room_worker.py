"""Makes room on a small disk that the store, or another program, has filled; says how it went."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore, StoreUnavailable


def note(session_id: str, size: int) -> MessageEnvelope:
    message = b'{"jsonrpc":"2.0","method":"note"}'.ljust(size)
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


async def refused(store: SQLiteSessionStore, size: int) -> bool:
    """Whether a frame is refused for want of room, with no effect."""
    before = await store.count_frames("c")
    try:
        await store.add_frame(note("c", size))
    except StoreUnavailable as error:
        if not error.reason.startswith("the disk is full"):
            raise
        assert await store.count_frames("c") == before
        return True
    return False


async def created(store: SQLiteSessionStore, session_id: str) -> bool:
    """Whether a session is there, or there is room for it."""
    try:
        await store.get_or_create_session(Session.new(transport_type="stdio", id=session_id))
    except StoreUnavailable:
        return False
    return True


async def fill(store: SQLiteSessionStore, size: int) -> None:
    """Append to three sessions in turn until nothing more fits."""
    while not await refused(store, size):
        for each in "ab":
            try:
                await store.add_frame(note(each, size))
            except StoreUnavailable as error:
                if not error.reason.startswith("the disk is full"):
                    raise


async def until_held(store: SQLiteSessionStore, folder: Path) -> None:
    """Let the store work until it holds its reserve."""
    while not (folder / "store.db-reserve").exists():
        await store.touch_session("c")


def fill_the_rest(folder: Path) -> None:
    """Take all that is left, as another program would."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    assert os.statvfs(folder).f_bavail == 0


async def main(folder: Path, size: int, *, others: bool) -> None:
    path = folder / "store.db"
    async with SQLiteSessionStore(path) as store:
        for each in "abc":
            await store.create_session(Session.new(transport_type="stdio", id=each))
        if others:
            for each in "abc" * 4:
                await store.add_frame(note(each, size))
            await until_held(store, folder)
            fill_the_rest(folder)
            assert await refused(store, size)
        else:
            await fill(store, size)
        trimmed = (await store.get_session("a")).last_seq - 1
        assert await store.trim_frames("a", up_to=trimmed) == trimmed
        print("trimmed")
        if others:
            await store.settle()
            fill_the_rest(folder)
    async with SQLiteSessionStore(path) as store:
        await store.modify_session("b", lambda s: s.model_copy(update={"state": "closed"}))
        assert await store.purge_sessions(ended_for=0) == 1
        print("ended and purged")
        if others:
            await store.settle()
            fill_the_rest(folder)
            assert await refused(store, size)
        await store.delete_session("c")
        print("deleted")
        assert await store.check() == []
        (folder / "ballast").unlink(missing_ok=True)
        # What was removed is given back to the disk between batches.
        while not await created(store, "c") or await refused(store, size):
            pass
        assert await store.vacuum() >= 0
    async with SQLiteSessionStore(path) as store:
        assert await store.check() == []
        assert [each.id for each in await store.list_sessions()] == ["a", "c"]
        assert await store.count_frames("a") == len(await store.get_frames("a")) == 1
    print("whole")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[2]), int(sys.argv[3]), others=sys.argv[1] == "others"))
