"""`check` compares the tables with each other, and opening compares their newest rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sessionkeeper import SQLiteSessionStore, StoreLimits, StoreUnavailable

from tests.support.sessions import new_session, note


async def fill(file: Path) -> None:
    """Sessions of two principals and of nobody, ended, trimmed, deleted and emptied ones."""
    async with SQLiteSessionStore(file, limits=StoreLimits(max_frames_per_session=5_000)) as store:
        for name, principal in (("a", "p"), ("b", "p"), ("c", "q"), ("d", None), ("e", None)):
            await store.create_session(new_session(name, principal=principal))
            await store.add_frames(name, [note(n, name) for n in range(4)])
        await store.trim_frames("b", up_to=2)
        await store.delete_frames("d")
        await store.delete_session("e")
        await store.modify_session("c", lambda s: s.model_copy(update={"state": "closed"}))
        await store.add_frames("a", [note(n) for n in range(1_500)])
        assert await store.check() == []
        await store.delete_frames("a")  # swept little by little, while it is checked
        assert await store.check() == []
        await store.add_frame(note(7, "b"))
        assert await store.check() == []
    async with SQLiteSessionStore(file) as store:
        assert await store.check() == []


DAMAGES = {
    "DELETE FROM logs WHERE session = 2": "sessions without counters: 1",
    "DELETE FROM sessions WHERE number = 2": "counters without a session: 1",
    "UPDATE logs SET frame_count = 2 WHERE session = 2": "not those of their frames: 1",
    "UPDATE logs SET byte_count = 1 WHERE session = 2": "not those of their frames: 1",
    "UPDATE logs SET odd_frames = -1 WHERE session = 2": "than they had frames: 1",
    "UPDATE logs SET gap_frames = last_seq + 1 WHERE session = 2": "than they had frames: 1",
    "UPDATE frames SET message = x'00' WHERE session = 2 AND seq = 4": "of their frames: 1",
    "DELETE FROM frames WHERE session = 2 AND seq = 4": "not those of their frames: 1",
    "UPDATE frames SET seq = 1 WHERE session = 2 AND seq = 4": "belong to no session: 1",
    "UPDATE principals SET sessions = 5 WHERE principal = 'p'": "are counted wrongly: 1",
    "DELETE FROM principals WHERE principal = 'q'": "are not counted: 1",
    "UPDATE sessions SET principal = 'r' WHERE number = 1": "are not counted: 1",
    "UPDATE sessions SET state = 'failed' WHERE number = 1": "total of its states is wrong",
    "UPDATE sessions SET revision = 999 WHERE number = 1": "total of its revisions is wrong",
    "DELETE FROM logs WHERE session = 2 ": "total of its sessions is wrong",
    "UPDATE logs SET frame_count = 9 WHERE session = 3": "total of its frames is wrong",
    "UPDATE logs SET byte_count = 9 WHERE session = 3": "total of its bytes is wrong",
    "DELETE FROM new_frame_keys WHERE session = 2": "frames are not listed as they are",
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_contradiction_between_the_tables_is_found(file: Path, damage: str) -> None:
    """Whatever two of them say differently, when no page looks wrong."""
    await fill(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(damage).rowcount > 0
    async with SQLiteSessionStore(file) as store:
        assert any(DAMAGES[damage] in each for each in await store.check())


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM logs WHERE session = (SELECT max(session) FROM logs)",
        "DELETE FROM sessions WHERE number = (SELECT max(number) FROM sessions)",
        "UPDATE logs SET last_seq = last_seq - 1 WHERE session ="
        " (SELECT session FROM frames ORDER BY key DESC LIMIT 1)",
    ],
)
async def test_newest_rows_that_contradict_each_other_are_refused_at_opening(
    file: Path, damage: str
) -> None:
    """A look at a few pages, however large the file is; nothing is changed."""
    await fill(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(damage).rowcount == 1
    before = file.read_bytes()
    with pytest.raises(StoreUnavailable, match="the file is damaged"):
        await SQLiteSessionStore(file).open()
    assert file.read_bytes() == before
