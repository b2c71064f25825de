"""Where a store's file may be, and how a store is named: paths, arguments, URLs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper import (
    SQLiteBackend,
    SQLiteSessionStore,
    StorageFactory,
    StoreLimits,
    StoreUnavailable,
)

from tests.support.sessions import new_session, note


def digest(folder: Path) -> dict[str, str]:
    """The files of a folder, byte for byte."""
    return {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.iterdir())
        if each.is_file()
    }


async def made(file: Path, frames: int = 3) -> None:
    """Make a store with a session."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        await store.add_frames("a", [note(n, size=1000) for n in range(frames)])


async def test_a_read_only_folder_is_reported(tmp_path: Path) -> None:
    """No hang, and no traceback from SQLite; an existing file stays unchanged."""
    closed = tmp_path / "closed"
    await made(closed / "there.db")
    before = digest(closed)
    user = os.geteuid()
    if user == 0:  # who may write anywhere; so for a moment somebody else
        for each in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            each.chmod(0o755)
        os.chown(closed, 65534, 65534)
        os.chown(closed / "there.db", 65534, 65534)
    closed.chmod(0o500)
    try:
        os.seteuid(user or 65534)
        for name in ("new.db", "there.db"):
            with pytest.raises(StoreUnavailable, match=r"Permission|written"):
                await SQLiteSessionStore(closed / name).open()
    finally:
        os.seteuid(user)
    assert digest(closed) == before


async def test_a_parent_that_is_a_file_is_reported(file: Path) -> None:
    """The error of the operating system, in words."""
    file.write_text("x")
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        await SQLiteSessionStore(file / "store.db").open()


@pytest.mark.parametrize(
    "name", ["file:x?mode=memory", ":memory:", "a?b#c%41 d", "ü\udc80", "'; DROP TABLE x", "-wal"]
)
async def test_a_path_is_nothing_but_a_path(tmp_path: Path, name: str) -> None:
    """No spelling of it is a URI, an option or a place in memory."""
    file = tmp_path / name
    await made(file)
    assert file.stat().st_size > 8192
    assert [each.name for each in tmp_path.iterdir()] == [name]
    async with SQLiteSessionStore(file) as store:
        assert await store.count_frames("a") == 3


def test_wrong_use_raises_at_the_call(file: Path) -> None:
    """`TypeError` or `ValueError`, before anything is opened."""
    make: Any = SQLiteSessionStore
    for path in ("", "a\0b"):
        with pytest.raises(ValueError, match="path"):
            make(path)
    for wrong in (b"x", 5, None):
        with pytest.raises(TypeError):
            make(wrong)
    with pytest.raises(ValueError, match="durability"):
        make(file, durability="memory")
    for options in ({"limits": 5}, {"clock": 5}, {"lock_timeout": "x"}, {"capacity": "x"}):
        with pytest.raises(TypeError):
            make(file, **options)
    with pytest.raises(ValueError, match="lock_timeout"):
        make(file, lock_timeout=-1)
    assert not file.exists()


@pytest.mark.parametrize(
    ("path", "name"),
    [("a%20b%3F%23.db", "a b?#.db"), ("a\tb\n.db", "a\tb\n.db"), ("%C3%BC[x]", "ü[x]")],
)
async def test_the_path_of_a_url_is_taken_as_it_is(tmp_path: Path, path: str, name: str) -> None:
    """Quoted characters are unquoted, and none is dropped: another name is another file."""
    await (await StorageFactory.create(f"sqlite:///{tmp_path}/{path}")).aclose()
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("path", ["%FF.db", "a.db#", "a.db?", "a.db?x=1", "a%00", "", "/"])
async def test_a_url_that_names_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """It is not corrected, and no file is created."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"sqlite:///|UTF-8|NUL"):
        await StorageFactory.create(f"sqlite:///{path}")
    assert list(tmp_path.iterdir()) == []


async def test_the_factory_makes_what_is_configured(file: Path) -> None:
    """`sqlite:///file.db`, or a configuration with durability, limits and capacity."""
    store = await StorageFactory.create(f"sqlite:///{file}")
    assert isinstance(store, SQLiteSessionStore)
    assert (store.guarantees.durability, store.guarantees.scope) == ("disk", "host")
    await store.aclose()
    backend = SQLiteBackend(
        path=str(file), durability="os", limits=StoreLimits(max_sessions=1), capacity=7
    )
    store = await StorageFactory.create(backend)
    assert store.guarantees.durability == "os"
    await store.create_session(new_session())
    with pytest.raises(Exception, match="max_sessions"):
        await store.create_session(new_session("b"))
    mailbox = (await store.statistics()).mailbox
    assert mailbox is not None
    assert mailbox.capacity == 7 + 7  # of writes, and of reads
    await store.aclose()
