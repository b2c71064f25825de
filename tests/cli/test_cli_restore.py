"""`sessionkeeper restore` as a user runs it, and as a user stops it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import run

Start = Callable[..., "subprocess.Popen[bytes]"]

WAITS_FOR_ITS_END = """
import sys
from sessionkeeper.backends.sqlite import restore

def copy(source, new, stop, on_progress, copy=restore.copy_pages):
    pieces = []
    def wait(done, total):
        pieces.append(done)
        if len(pieces) > 1:
            print("a piece was copied after the stop", file=sys.stderr, flush=True)
        stop.wait()
    copy(source, new, stop, wait)

restore.copy_pages = copy
"""
"""No restore is complete before it is interrupted: it is after its first piece, of several."""


async def fill(folder: Path, frames: int = 3) -> None:
    """Make a backup with one session, and a store with two."""
    message = {"jsonrpc": "2.0", "method": "x" * 1_000}
    frame = MessageEnvelope.of("a", message, direction="client-to-server")
    async with SQLiteSessionStore(folder / "tape.db", durability="os") as store:
        await store.create_session(Session.new(id="a", transport_type="stdio"))
        for start in range(0, frames, 1_000):
            await store.add_frames("a", [frame] * min(1_000, frames - start))
        await store.backup(folder / "copy.db")
        await store.create_session(Session.new(id="b", transport_type="stdio"))


async def sessions(file: Path) -> set[str]:
    async with SQLiteSessionStore(file) as store:
        return {each.id for each in await store.list_sessions()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is run."""
    monkeypatch.chdir(tmp_path)
    asyncio.run(fill(tmp_path))
    return tmp_path


def test_a_store_is_restored_from_its_backup(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over another one only with --force; one line each time."""
    assert run(["restore", "copy.db", "sqlite:///tape.db"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("sessionkeeper: ")
    assert said.err.endswith("tape.db: the store exists; --force replaces it\n")
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert run(["restore", "copy.db", "sqlite:///tape.db", "--force"]) == 0
    assert "1 sessions with 3 frames restored to " in capsys.readouterr().err
    assert asyncio.run(sessions(folder / "tape.db")) == {"a"}
    assert run(["restore", "sqlite:///copy.db", "sqlite:///new.db", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Path(told.pop("restored")).name == "new.db"
    assert told == {"sessions": 1, "frames": 3, "set_aside": []}
    assert asyncio.run(sessions(folder / "new.db")) == {"a"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.db", "sqlite:///tape.db", "--force"], "missing.db: No such file"),
        (["notes.txt", "sqlite:///tape.db", "--force"], "notes.txt: the file is no database"),
        (["tape.db", "sqlite:///tape.db", "--force"], "are the same file"),
        (["copy.db", "memory://"], "memory://"),
        (["copy.db", "redis://localhost"], "only a store in a file can be restored"),
        (["redis://u:hunter2@h", "sqlite:///tape.db", "--force"], "only a store in a file"),
        (["copy.db", "sqlite:///no/folder/tape.db"], "No such file"),
        (["copy.db"], "store"),
    ],
)
def test_a_failed_restore_is_reported_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """Exit code 2, the file's name, and nothing changed."""
    (folder / "notes.txt").write_text("no database " * 1_000)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert run(["restore", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "hunter2" not in error
    assert error.count("\n") == 1
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


async def test_a_store_that_is_open_is_refused(tmp_path: Path, start: Start) -> None:
    """By another process: this one."""
    await fill(tmp_path)
    async with SQLiteSessionStore(tmp_path / "tape.db") as store:
        restore = start("restore", "copy.db", "sqlite:///tape.db", "--force")
        _, error = await asyncio.to_thread(restore.communicate, timeout=300)
        assert restore.returncode == 2
        assert error.decode().splitlines() == [
            "sessionkeeper: tape.db: somebody has the store open; close it everywhere first"
        ]
        assert await store.count_sessions() == 2


def test_a_restore_that_is_interrupted_leaves_the_store_as_it_was(
    tmp_path: Path, start: Start
) -> None:
    """Ctrl-C: exit code 130, one line, no traceback, nothing left beside."""
    asyncio.run(fill(tmp_path, frames=20_000))
    before = {each.name for each in tmp_path.iterdir()}
    restore = start("restore", "copy.db", "sqlite:///tape.db", "--force", before=WAITS_FOR_ITS_END)
    while not any(each.suffix == ".new" for each in tmp_path.iterdir()):
        assert restore.poll() is None
    restore.send_signal(signal.SIGINT)
    _, error = restore.communicate(timeout=300)
    assert restore.returncode == 130
    assert error.decode().splitlines() == ["sessionkeeper: interrupted"]
    assert {each.name for each in tmp_path.iterdir()} == before
    assert asyncio.run(sessions(tmp_path / "tape.db")) == {"a", "b"}
