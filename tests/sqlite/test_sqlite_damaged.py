"""A file whose pages SQLite accepts, but whose rows are not what was written."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import traceback
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sessionkeeper import (
    Session,
    SessionError,
    SessionQuery,
    SQLiteSessionStore,
    StdioDelivery,
    StoreClosed,
    StoreUnavailable,
)

from tests.support.sessions import new_session, note

Operation: TypeAlias = Callable[[SQLiteSessionStore], Awaitable[object]]

WORDS: tuple[object, ...] = ("x", b"\xff", -1, 2**62, 1.5)
ROWS = {
    "meta": ("version", "counters"),
    "sessions": (
        *(
            "id",
            "revision",
            "created_at",
            "steady_created_at",
            "ended_at",
            "steady_ended_at",
            "state",
        ),
        *("principal", "fields"),
    ),
    "logs": (
        *("ended", "position", "steady_active_at", "last_activity", "frame_count", "last_seq"),
        *("byte_count", "odd_frames", "gap_frames"),
    ),
    "frames": ("session", "seq", "direction", "sent_at", "detail", "message"),
    "new_frame_keys": ("session", "seq", "key"),
    "new_stream_keys": ("session", "stream", "seq", "key"),
    "tombstones": ("up_to",),
    "principals": ("sessions",),
}
WHICH = {"sessions": "id = 'b'", "logs": "session = 2"} | dict.fromkeys(
    ("frames", "new_frame_keys", "new_stream_keys"), "session = 2 AND seq = 2"
)
WHOLE = (
    "DELETE FROM meta",
    "DELETE FROM principals",
    "DELETE FROM logs WHERE session = 2",
    "DELETE FROM sessions WHERE number = 2",
    "DELETE FROM frames WHERE session = 2 AND seq = 2",
    "DELETE FROM new_frame_keys WHERE session = 2 AND seq = 2",
    "UPDATE new_frame_keys SET key = 1 WHERE session = 2 AND seq = 2",
    "UPDATE logs SET last_seq = 2, frame_count = 2 WHERE session = 2",
    "UPDATE sessions SET id = CAST(x'ff' AS TEXT) WHERE number = 2",
    "UPDATE sessions SET fields = CAST(x'ff' AS TEXT) WHERE number = 2",
    "UPDATE sessions SET fields = '[]' WHERE number = 2",
    'UPDATE sessions SET fields = \'{"transport_type":"none"}\' WHERE number = 2',
    "UPDATE frames SET detail = x'90' WHERE session = 2",
    "UPDATE frames SET detail = x'94' WHERE session = 2",
    "UPDATE frames SET detail = x'' WHERE session = 2",
    "DELETE FROM new_stream_keys WHERE session = 2",
)


async def made(file: Path) -> None:
    """Make a store of three sessions with three frames each, all on few pages."""
    async with SQLiteSessionStore(file) as store:
        for name in ("a", "b", "c"):
            await store.create_session(new_session(name, principal="p", tags={name}))
            notes = [note(n, name) for n in range(3)]
            context = notes[0].context.model_copy(update={"delivery": StdioDelivery(pid=7)})
            notes[0] = notes[0].model_copy(update={"context": context})
            streamed = notes[1].context.model_copy(update={"stream": "s"})
            notes[1] = notes[1].model_copy(update={"context": streamed})
            await store.add_frames(name, notes)
        await store.modify_session("c", lambda s: s.model_copy(update={"state": "closed"}))


def operations() -> list[Operation]:
    """One of each kind, about the damaged session and about all."""
    return [
        lambda store: store.get_session("b"),
        lambda store: store.get_frames("b"),
        lambda store: store.read_frames("b", stream="s"),
        lambda store: store.count_frames("b", stream="s"),
        lambda store: store.list_sessions(),
        lambda store: store.find_sessions(SessionQuery()),
        lambda store: store.statistics(),
        lambda store: store.add_frame(note(9, "b")),
        lambda store: store.trim_frames("b", up_to=1),
        lambda store: store.remove_frames("b", [1]),
        lambda store: store.modify_session("b", lambda session: session),
        lambda store: store.expire_sessions(idle=1e9),
        lambda store: store.purge_sessions(ended_for=1e9),
        lambda store: store.create_session(Session.new(id="b", transport_type="sse")),
        lambda store: store.create_session(new_session("new", principal="p")),
        lambda store: store.delete_session("b"),
    ]


async def outcomes(file: Path) -> list[object]:
    """Ask all of it of the file; whatever is wrong with it, nothing but errors of the contract."""
    store = SQLiteSessionStore(file, durability="os")
    try:
        await store.open()
    except StoreUnavailable as error:
        return [error]
    got: list[object] = []
    for operation in operations():
        try:
            got.append(await operation(store))
        except SessionError as error:
            got.append(error)
    assert store.is_open  # nobody's question ended it for the others
    await store.aclose()
    assert not any(isinstance(each, StoreClosed) for each in got)
    return got


async def held(file: Path) -> list[tuple[Any, ...]]:
    """The content of the sound sessions."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(
            "SELECT s.id, s.fields, s.state, f.seq, f.message FROM sessions s"
            " JOIN frames f ON f.session = s.number WHERE s.id IN ('a', 'c') ORDER BY f.key"
        ).fetchall()


def damage(file: Path, statement: str, *values: object) -> None:
    """Write what no store would, with another program."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize("table", [*ROWS, "whole"])
async def test_a_damaged_row_is_reported_and_ends_no_store(tmp_path: Path, table: str) -> None:
    """At opening or by the operation that finds it: `StoreUnavailable`, and all that is sound
    stays. It was a bare `TypeError`, or ended the owner for everybody.
    """
    sound = tmp_path / "sound.db"
    await made(sound)
    before = await held(sound)
    cases: list[tuple[str, tuple[object, ...]]] = [
        (f"UPDATE {table} SET {column} = ? WHERE {WHICH.get(table, '1')}", (value,))
        for column in ROWS.get(table, ())
        for value in WORDS
    ]
    for number, (statement, values) in enumerate(cases or [(each, ()) for each in WHOLE]):
        file = tmp_path / f"{number}.db"
        file.write_bytes(sound.read_bytes())
        damage(file, statement, *values)
        got = await outcomes(file)
        assert await held(file) == before, (statement, values)
        if values[:1] == ("x",) and table in {"frames", "new_frame_keys"}:
            assert any(isinstance(each, StoreUnavailable) for each in got), statement


@pytest.mark.parametrize("table", ["frame_keys", "new_frame_keys"])
async def test_a_damaged_index_entry_removes_no_other_sessions_frame(
    file: Path, table: str
) -> None:
    """It lists a frame of another session; deleting the one leaves the other whole."""
    await made(file)
    before = await held(file)
    damage(file, "UPDATE new_frame_keys SET key = 1 WHERE session = 2 AND seq = 2")
    if table == "frame_keys":
        damage(file, "INSERT INTO frame_keys SELECT session, seq, key FROM new_frame_keys")
        damage(file, "DELETE FROM new_frame_keys")
    async with SQLiteSessionStore(file) as store:
        await store.delete_session("b")
    assert await held(file) == before


@pytest.mark.parametrize("kept", [b"", b"\x94\x01\x01\x90\x90"])
async def test_counters_that_are_behind_are_refused_untouched(file: Path, kept: bytes) -> None:
    """A number that is used again would write a new session over an old one."""
    await made(file)
    damage(file, "UPDATE meta SET counters = ?", kept)
    before = file.read_bytes()
    with pytest.raises(StoreUnavailable, match="damaged"):
        await SQLiteSessionStore(file).open()
    assert file.read_bytes() == before


@pytest.mark.parametrize("first", range(0, 80, 20))
async def test_a_flipped_byte_is_refused_or_does_no_harm(tmp_path: Path, first: int) -> None:
    """Anywhere in the file, the names in its schema too, which SQLite quotes in its errors."""
    sound = tmp_path / "sound.db"
    await made(sound)
    bytes_ = sound.read_bytes()
    used = [at for at, byte in enumerate(bytes_) if byte]
    for seed in range(first, first + 20):
        chosen = random.Random(seed)
        changed = bytearray(bytes_)
        # Half of them in the schema, which begins with the second page's names.
        at = chosen.choice(used if seed % 2 else [each for each in used if each < 8192])
        changed[at] = chosen.choice([0xFF, changed[at] ^ 1 << chosen.randrange(8)])
        file = tmp_path / f"{seed}.db"
        file.write_bytes(changed)
        await outcomes(file)


async def test_counters_damaged_underneath_are_found_while_somebody_watches(file: Path) -> None:
    """Watchers get an error; the thread goes on and answers readers."""
    await made(file)
    async with SQLiteSessionStore(file) as store:
        async with store.watch_frames("a", after=3) as watcher:
            step = asyncio.ensure_future(anext(watcher))
            await asyncio.sleep(0)
            damage(file, "UPDATE meta SET counters = 'x'")
            with pytest.raises(StoreUnavailable, match="damaged"):
                await step
        with pytest.raises(StoreUnavailable, match="damaged"):
            await store.count_sessions()
        assert store.is_open


async def test_no_error_quotes_stored_content(file: Path) -> None:
    """Where SQLite's module cannot read a text, its own error shows it."""
    await made(file)
    damage(file, "UPDATE sessions SET fields = CAST(? AS TEXT) WHERE id = 'b'", b'"hunter2\xff"')
    async with SQLiteSessionStore(file) as store:
        with pytest.raises(StoreUnavailable, match="damaged") as refused:
            await store.get_session("b")
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))
