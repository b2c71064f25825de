"""A hostile string in every place of every method: a string, or an error of the contract."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from sessionkeeper import SQLiteSessionStore

from tests.support.hostile_strings import (
    CALLS,
    HOSTILE,
    check_it_does_nothing,
    check_they_come_back,
)
from tests.support.sessions import new_session, note

SILENT = {
    *("list_sessions", "count_sessions", "statistics", "vacuum", "checkpoint", "check", "open"),
    "settle",
}
"""What takes nothing."""
ELSEWHERE = {"backup", "aclose", "bridge", "loop_port"}
"""A path, which is tested below; a time; what the facade and the stores for threads ask for."""


def test_no_method_is_left_out() -> None:
    """Every public method of the store is called with them, or takes no argument."""
    public = {
        name
        for name, _ in inspect.getmembers(SQLiteSessionStore, inspect.isfunction)
        if not name.startswith("_")
    }
    assert public == CALLS.keys() | SILENT | ELSEWHERE


@pytest.mark.parametrize("whose", [None, "me"])
async def test_a_hostile_string_does_nothing(file: Path, whose: str | None) -> None:
    """Everywhere, through the store and through a principal's view; nothing is stored or lost."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session(principal="me"))
        await store.add_frames("a", [note(n) for n in range(3)])
        for text in HOSTILE:
            await check_it_does_nothing(store, whose, text)
        assert await store.check() == []
        assert await store.add_frame(note()) == 4


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:12])
async def test_a_hostile_string_comes_back_as_it_was(file: Path, text: str) -> None:
    """In every field of a session, a message and its context that takes it."""
    await check_they_come_back(lambda: SQLiteSessionStore(file), [text])
    async with SQLiteSessionStore(file) as store:
        assert await store.check() == []


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:12])
async def test_a_backup_goes_where_it_is_told(tmp_path: Path, text: str) -> None:
    """No spelling of a path is an address, an option or a statement."""
    there = tmp_path / "a" / "b" / "c"
    there.mkdir(parents=True)
    async with SQLiteSessionStore(tmp_path / "store.db") as store:
        await store.create_session(new_session())
        target = there / text
        try:
            await store.backup(target)
        except (OSError, ValueError):
            return
    async with SQLiteSessionStore(target) as copy:
        assert await copy.count_sessions() == 1
