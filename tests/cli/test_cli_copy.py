"""`sessionkeeper copy` as a user runs it, and as a user stops it."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import run

Start = Callable[..., "subprocess.Popen[bytes]"]

STOPS_HALF_WAY = """
import asyncio
from sessionkeeper.transfer import copy_store

async def copy(*arguments, copy=copy_store._copy):
    await copy(*arguments)
    await asyncio.Event().wait()

copy_store._copy = copy
"""
"""No copy is complete before it is interrupted: a session that is copied waits for ever."""


async def fill(path: Path, sessions: int) -> None:
    """Sessions with frames enough for several slices each."""
    async with SQLiteSessionStore(path, durability="os") as store:
        ids = [f"id-{number}" for number in range(sessions)]
        new = [Session.new(id=each, transport_type="stdio", state="active") for each in ids]
        await asyncio.gather(*map(store.create_session, new))
        for each in ids:
            message = {"jsonrpc": "2.0", "method": "x" * 100}
            frame = MessageEnvelope.of(each, message, direction="client-to-server")
            await store.add_frames(each, [frame] * 12)


def frames_in(path: Path) -> int:
    """The number of frames in a file that is being written; 0 before it is a store."""
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
    try:
        number: int = connection.execute("SELECT count(*) FROM frames").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
    return number


def test_a_copy_that_was_interrupted_goes_on_where_it_was(
    tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C: exit code 130, two lines, no traceback; the same command does the rest."""
    asyncio.run(fill(tmp_path / "a.db", 80))
    copy = start("copy", "sqlite:///a.db", "sqlite:///b.db", before=STOPS_HALF_WAY)
    give_up = time.monotonic() + 300
    while frames_in(tmp_path / "b.db") == 0:
        assert time.monotonic() < give_up
        assert copy.poll() is None
    copy.send_signal(signal.SIGINT)
    out, err = copy.communicate(timeout=300)
    assert (copy.returncode, out) == (130, b"")
    assert err.decode().splitlines() == [
        "sessionkeeper: interrupted",
        "sessionkeeper: run the same command again to continue",
    ]
    before = frames_in(tmp_path / "b.db")
    assert 0 < before < 960
    assert run(["copy", f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db", "--json"]) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["sessions"], report["frames"], report["differences"]) == (80, 960, [])
    assert report["added"] == 960 - before
    assert said.err == ""
    assert frames_in(tmp_path / "b.db") == 960


def test_a_copy_reports_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output shows what was copied, and that both sides are equal."""
    asyncio.run(fill(tmp_path / "a.db", 2))
    arguments = ["copy", f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"]
    for came in (24, 0):
        assert run(arguments) == 0
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err == (
            "sessionkeeper: 2 sessions with 24 frames are equal on both sides;"
            f" {came} frames were copied now\n"
        )


@pytest.mark.parametrize("target", ["memory://", "nonsense", "redis://h?prefix=a b"])
def test_an_unknown_target_is_reported_before_anything_is_created(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2."""
    asyncio.run(fill(tmp_path / "a.db", 1))
    assert run(["copy", f"sqlite:///{tmp_path}/a.db", target]) == 2
    assert capsys.readouterr().err.count("\n") == 1
