"""`sessionkeeper ls`, `show`, `tail`, `stats` and `purge` on real files."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import run

Start = Callable[..., "subprocess.Popen[bytes]"]

ID = "secret-session-0001"
LIVE = "another-session-0002"
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


def frame(session_id: str, message: bytes = PING) -> MessageEnvelope:
    """A message of the client's."""
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


async def fill(path: Path) -> None:
    """Two sessions: one ended with three frames, one live without."""
    async with SQLiteSessionStore(path) as store:
        ended = await store.create_session(
            Session.new(id=ID, transport_type="sse", tags={"[red]", "\x9b2J"})
        )
        await store.add_frames(ID, [frame(ID)] * 3)
        await store.modify_session(
            ended.id, lambda each: each.model_copy(update={"state": "closed"})
        )
        await store.create_session(Session.new(id=LIVE, transport_type="stdio"))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store in a file."""
    asyncio.run(fill(tmp_path / "tape.db"))
    return f"sqlite:///{tmp_path}/tape.db"


def test_ls_shows_how_ids_begin(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A whole id is a secret: only --full and --json show it."""
    assert run(["ls", url]) == 0
    shown = capsys.readouterr().out
    assert ID[:8] in shown
    assert ID[:9] not in shown
    assert run(["ls", url, "--full"]) == 0
    assert ID in capsys.readouterr().out
    assert run(["ls", url, "--json", "--state", "closed"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["id"] == ID
    assert json.loads(line)["frame_count"] == 3


def test_ls_shows_the_newest_first(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--newest`: by last activity, live and ended alike; with `--state`, too."""

    async def tag() -> None:
        async with SQLiteSessionStore(url.removeprefix("sqlite:///")) as store:
            await store.modify_session(
                ID, lambda each: each.model_copy(update={"tags": {*each.tags, "late"}})
            )

    for order in ([LIVE, ID], [ID, LIVE]):
        assert run(["ls", url, "--json", "--newest"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["id"] for line in lines] == order
        asyncio.run(tag())
    assert run(["ls", url, "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [ID, LIVE]
    assert run(["ls", url, "--json", "--newest", "--state", "closed"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["id"] == ID


def test_nothing_strangers_wrote_commands_the_terminal(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters and markup are shown, not obeyed."""
    message = '{"jsonrpc":"2.0","id":1,"method":"[red]\x9b2J"}'.encode()

    async def add() -> None:
        async with SQLiteSessionStore(url.removeprefix("sqlite:///")) as store:
            await store.add_frame(frame(LIVE, message))

    asyncio.run(add())
    assert run(["show", url, LIVE]) == 0
    assert run(["tail", url, LIVE]) == 0
    assert run(["ls", url, "--full"]) == 0
    out = capsys.readouterr().out
    assert "\x9b" not in out
    assert out.count("\\x9b2J") == 3
    assert out.count("[red]") == 3


def test_show_finds_a_session_by_how_its_id_begins(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The prefix that `ls` prints works; the exit code is 1 if no id begins with it."""
    assert run(["show", url, f"{ID[:8]}…"]) == 0
    shown = capsys.readouterr().out
    assert shown.count(" → ping") == 3
    assert ID not in shown
    assert run(["show", url, ID, "--json", "--frames", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["seq"] for each in found["frames"]] == [2, 3]
    assert found["session"]["id"] == ID
    assert run(["show", url, "nobody"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_an_id_that_begins_several_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An ambiguous prefix is refused, not guessed."""

    async def add() -> None:
        async with SQLiteSessionStore(url.removeprefix("sqlite:///")) as store:
            await store.create_session(Session.new(id=f"{ID}-b", transport_type="sse"))

    asyncio.run(add())
    assert run(["show", url, ID[:8]]) == 2
    assert run(["show", url, ID]) == 0  # whole, it is itself
    assert "2 ids" in capsys.readouterr().err


def test_an_id_that_begins_like_an_option_can_be_asked_for(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One id in 64 does; the error says how to give it."""

    async def add() -> None:
        async with SQLiteSessionStore(url.removeprefix("sqlite:///")) as store:
            await store.create_session(Session.new(id="-Xsession", transport_type="sse"))

    asyncio.run(add())
    for command in (["show"], ["tail", "-n", "1"], ["export"]):
        assert run([*command, url, "-Xsess"]) == 2
        assert "put -- before an id" in capsys.readouterr().err
        assert run([*command, url, "--", "-Xsess"]) == 0
    assert run(["ls", url, "-X"]) == 2
    assert "put -- before an id" not in capsys.readouterr().err


def test_tail_prints_the_last_frames_and_ends(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without -f it does not wait; with it, the end of a session ends it."""
    assert run(["tail", url, ID, "-n", "2", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [2, 3]
    assert run(["tail", url, ID, "-f", "-n", "1"]) == 0
    assert capsys.readouterr().out.startswith("3 ")
    assert run(["tail", url, LIVE]) == 0


def test_tail_follows_what_another_process_writes(start: Start, tmp_path: Path) -> None:
    """A proxy records while `tail -f` looks on, and both end together."""
    url = f"sqlite:///{tmp_path}/tape.db"
    proxy = start(
        "record", "--require-store", "--store", url, "--", sys.executable, "-I", "-S", "-c", ECHO
    )
    assert proxy.stdin is not None
    assert proxy.stdout is not None
    proxy.stdin.write(PING + b"\n")
    proxy.stdin.flush()
    assert proxy.stdout.readline() == PING + b"\n"  # the session is there now
    listed, _ = start("ls", url, "--json").communicate()
    # An id may begin like an option.
    tail = start("tail", url, "-f", "--json", "--", json.loads(listed)["id"])
    assert tail.stdout is not None
    assert json.loads(tail.stdout.readline())["seq"] == 1  # it looks on; what follows is new
    assert json.loads(tail.stdout.readline())["seq"] == 2
    proxy.stdin.write(PING + b"\n")
    proxy.stdin.flush()
    assert json.loads(tail.stdout.readline())["seq"] == 3
    proxy.stdin.close()
    rest = [json.loads(line)["seq"] for line in tail.stdout.read().splitlines()]
    assert rest == [4]
    assert tail.wait() == 0
    assert proxy.wait() == 0


def test_ctrl_c_ends_tail_cleanly(start: Start, url: str) -> None:
    """One line, exit code 130, no traceback."""

    async def add() -> None:
        async with SQLiteSessionStore(url.removeprefix("sqlite:///")) as store:
            await store.add_frame(frame(LIVE))

    asyncio.run(add())
    tail = start("tail", url, LIVE, "-f")
    assert tail.stdout is not None
    assert tail.stdout.readline().startswith(b"1 ")
    tail.send_signal(signal.SIGINT)
    _, err = tail.communicate()
    assert tail.returncode == 130
    assert err == b"sessionkeeper: interrupted\n"


def test_stats_add_up(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Sessions by state, frames, bytes, and the file."""
    assert run(["stats", url, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["sessions"], found["closed"], found["initializing"]) == (2, 1, 1)
    assert (found["frames"], found["bytes"]) == (3, 3 * len(PING))
    assert found["file"]["bytes"] > 0
    assert run(["stats", url]) == 0
    assert "sessions" in capsys.readouterr().out


def test_purge_deletes_what_ended_and_nothing_else(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Live sessions stay; 1 when there was nothing to delete."""
    assert run(["purge", url, "--older-than", "1d"]) == 1
    assert run(["purge", url, "--ended-before", "2020-01-01"]) == 1
    assert run(["purge", url, "--older-than", "0s", "--ended-before", "2020-01-01"]) == 1
    assert run(["purge", url, "--ended-before", "2100-01-01"]) == 0
    capsys.readouterr()
    assert run(["ls", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == LIVE
    assert run(["ls", url, "--state", "closed"]) == 1
