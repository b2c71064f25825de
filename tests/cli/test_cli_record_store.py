"""`sessionkeeper record` with a store that is away, refuses or fills up: the server runs anyway."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sessionkeeper import Frame, Session, SQLiteSessionStore

from tests.cli.test_cli_record import ANSWERING, PING, server

Start = Callable[..., "subprocess.Popen[bytes]"]

ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}\n'
GARBAGE = b"this is no database" * 100
FULL_DISK = Path(__file__).with_name("record_on_full_disk.sh")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store should be, and something else is."""
    path = tmp_path / "tape.db"
    path.write_bytes(GARBAGE)
    return path


def read(path: Path) -> tuple[Session, list[Frame]]:
    """The one session of a store, and its frames."""

    async def look() -> tuple[Session, list[Frame]]:
        async with SQLiteSessionStore(path) as store:
            (session,) = await store.list_sessions()
            return session, await store.read_frames(session.id)

    return asyncio.run(look())


def test_a_store_that_cannot_be_opened_is_told_and_the_server_runs(
    start: Start, path: Path
) -> None:
    """Bytes pass, the exit code is the server's, and the summary says how much is lost, and why."""
    proxy = start("record", "--store", f"sqlite:///{path}", "--json", *server(ANSWERING, "3"))
    out, err = proxy.communicate(PING)
    told, *_, last = err.decode().splitlines()
    assert (proxy.returncode, out) == (3, ANSWER)
    assert told.startswith(f"sessionkeeper: cannot record yet: {path}: ")
    summary = json.loads(last)
    assert (summary["session"], summary["state"], summary["not_recorded"]) == (None, None, 2)
    assert summary["report"]["failed"] == 2
    assert f"sessionkeeper: {summary['troubles'][0]}" == told
    assert path.read_bytes() == GARBAGE


def test_lost_frames_are_reported_in_words(start: Start, path: Path) -> None:
    """In the summary, and with --quiet at least that it happened."""
    for options in ([], ["--quiet"]):
        proxy = start("record", "--store", f"sqlite:///{path}", *options, *server(ANSWERING, "0"))
        _, err = proxy.communicate(PING)
        assert b"cannot record yet" in err
        assert b"2 lines not recorded" in err
        assert (b" frames recorded, 2 lines not recorded" in err) == (not options)
        assert err.count(b"\n") == 4 - len(options)


def test_a_store_that_opens_later_has_everything(start: Start, path: Path) -> None:
    """This includes messages from before it opened, with their own times."""
    proxy = start("record", "--store", f"sqlite:///{path}", "--json", *server(ANSWERING, "0"))
    assert proxy.stdin is not None
    assert proxy.stdout is not None
    assert proxy.stderr is not None
    assert b"cannot record yet" in proxy.stderr.readline()
    proxy.stdin.write(PING)
    proxy.stdin.flush()
    assert proxy.stdout.readline() == ANSWER
    path.unlink()
    assert b"the store is open" in proxy.stderr.readline()
    out, err = proxy.communicate(PING)
    assert (proxy.returncode, out) == (0, ANSWER)
    summary = json.loads(err)
    assert (summary["state"], summary["frames"], summary["not_recorded"]) == ("closed", 4, 0)
    session, frames = read(path)
    assert len(frames) == 4
    assert frames[0].envelope.context.timestamp < session.created_at


def test_a_locked_store_does_not_hold_up_the_server(start: Start, tmp_path: Path) -> None:
    """It is tried as long as needed; the server answers meanwhile."""
    path = tmp_path / "tape.db"
    asyncio.run(make(path))
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        proxy = start("record", "--store", f"sqlite:///{path}", *server(ANSWERING, "0"))
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        proxy.stdin.write(PING)
        proxy.stdin.flush()
        assert proxy.stdout.readline() == ANSWER
        other.rollback()
    while count_frames(path) < 2:  # after its traffic it would be waited for a second
        assert proxy.poll() is None
        time.sleep(0.02)
    proxy.communicate(b"")
    assert proxy.returncode == 0
    _, frames = read(path)
    assert len(frames) == 2


def count_frames(path: Path) -> int:
    """How many frames are in the store now."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=300)) as connection:
        return int(connection.execute("SELECT count(*) FROM frames").fetchone()[0])


async def make(path: Path) -> None:
    async with SQLiteSessionStore(path):
        pass


def test_a_required_store_that_cannot_be_opened_starts_no_server(
    start: Start, path: Path, tmp_path: Path
) -> None:
    """One line that names the store and the option, and exit code 2."""
    started = tmp_path / "started"
    command = server("import sys; open(sys.argv[1], 'w')", str(started))
    proxy = start("record", "--store", f"sqlite:///{path}", "--require-store", *command)
    out, err = proxy.communicate()
    assert (proxy.returncode, out) == (2, b"")
    assert err.count(b"\n") == 1
    assert str(path).encode() in err
    assert b"the server was not started (--require-store)" in err
    assert not started.exists()


def test_a_required_store_that_opens_changes_nothing(start: Start, tmp_path: Path) -> None:
    """The traffic is recorded as without the option."""
    url = f"sqlite:///{tmp_path}/new.db"
    proxy = start("record", "--store", url, "--require-store", "--json", *server(ANSWERING, "3"))
    out, err = proxy.communicate(PING)
    assert (proxy.returncode, out) == (3, ANSWER)
    assert (json.loads(err)["frames"], json.loads(err)["not_recorded"]) == (2, 0)


@pytest.mark.parametrize("options", [[], ["--require-store"]])
@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://host/db", "sqlite://two", "redis://", "redis://host/0?nonsense=1"]
)
def test_a_bad_url_is_wrong_use_in_either_case(
    url: str, options: list[str], start: Start, tmp_path: Path
) -> None:
    """One line and exit code 2, before a server is started."""
    started = tmp_path / "started"
    command = server("import sys; open(sys.argv[1], 'w')", str(started))
    # What a client of this store needs is imported first, which takes a busy machine seconds.
    patient = "from sessionkeeper.cli import record_run\nrecord_run._OPENING = 300"
    proxy = start("record", "--store", url, *options, *command, before=patient)
    _, err = proxy.communicate()
    assert proxy.returncode == 2
    assert err.count(b"\n") == 1
    assert b"--store" in err
    assert not started.exists()


def record_until_full(folder: Path, *way: str) -> list[str]:
    """What the script prints, its session ended afterwards; nothing where it may not work so."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    script = ["sh", str(FULL_DISK), str(folder), sys.executable, "" if way else "limit"]
    done = subprocess.run(
        [*way, *script], capture_output=True, text=True, env=environment, check=False, timeout=600
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="needs unshare(1)")
def test_a_disk_that_fills_up_costs_what_did_not_fit(tmp_path: Path) -> None:
    """Lines that fitted are kept, the exit code is the server's, and the session has ended."""
    lines: list[str] = []
    for namespace in ("-m", "-Urm"):  # as root, or as one who may be root among themselves
        lines = lines or record_until_full(tmp_path, "unshare", namespace)
    if not lines:
        pytest.skip("no file system may be mounted here")
    code, summary, _, _, after = lines
    report, session = json.loads(summary), json.loads(after)
    lost = report["not_recorded"]
    assert code == "3"
    assert 0 < lost < 40
    assert report["report"]["recorded"] == session["frame_count"] == 40 - lost
    reason, count = report["troubles"]
    assert reason.startswith("recording failed: StoreUnavailable: the disk is full, but for a res")
    assert count == f"{lost} lines not recorded: recording failed"
    assert (session["state"], session["failure"]) == ("failed", "server exited with status 3")


@pytest.mark.skipif(sys.platform != "linux", reason="the session of a killed recorder is not known")
def test_a_session_whose_end_could_not_be_written_is_ended_later(tmp_path: Path) -> None:
    """The file may not grow, which the store takes for a disk that failed: nothing more fits."""
    code, summary, before, ended, after = record_until_full(tmp_path)
    report, live, session = json.loads(summary), json.loads(before), json.loads(after)
    lost = report["not_recorded"]
    assert code == "3"
    assert 0 < lost < 40
    assert f"{lost} lines not recorded: recording failed" in report["troubles"]
    assert report["troubles"][-1].startswith("the end of the session was not recorded: ")
    assert (live["state"], live["recorder"]) == ("initializing", "gone")
    assert json.loads(ended) == {"ended": 1}
    assert (session["state"], session["frame_count"]) == ("failed", live["frame_count"])
