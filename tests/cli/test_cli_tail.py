"""`sessionkeeper tail`: the last messages of a session or of all, and those to come."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import run
from sessionkeeper.cli.following import SessionFollower

Start = Callable[..., "subprocess.Popen[bytes]"]
Capture = pytest.CaptureFixture[str]

PING = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}'
ANSWER = b'{"jsonrpc":"2.0","id":%d,"result":{}}'


def untimed(line: str) -> str:
    """A line without its time and its latencies."""
    return re.sub(r" [\d.]+ m?s ", " TIME ", re.sub(r" \d\d:\d\d:\d\d ", " ", line))


async def add(store: SQLiteSessionStore, session_id: str, message: bytes) -> None:
    """Add a message of the client, or of the server if it is an answer."""
    direction = "server-to-client" if b"result" in message else "client-to-server"
    await store.add_frame(MessageEnvelope.of(session_id, message, direction=direction))


def test_an_answer_comes_with_its_call(talk: str, capsys: Capture) -> None:
    """In the order in which they were sent; also if the request is not shown."""
    assert run(["tail", talk, "last", "-n", "13"]) == 0
    lines = [untimed(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == [
        "8 ← tools/call add  TIME  error -32602: b is no number",
        "9 ← tools/call long  TIME  line 1 line 2",
    ]
    assert lines[-2:] == ["19 ← answer to no request seen here  {}", "20 → ping"]
    assert run(["tail", talk, "last", "-f", "-n", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["20 ✗ ping  no answer"]
    assert run(["tail", talk, "last", "-f", "-n", "0"]) == 0
    assert capsys.readouterr().out == ""


def test_all_sessions_are_told_apart(tmp_path: Path, capsys: Capture) -> None:
    """The last messages of all, in order of their times; JSON has the id."""

    async def fill() -> None:
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            for name in "session-a", "session-b", "session-c":
                await store.create_session(Session.new(id=name, transport_type="stdio"))
            for name, message in [
                ("session-a", PING % 1),
                ("session-b", PING % 1),
                ("session-a", ANSWER % 1),
                ("session-b", PING % 2),
            ]:
                await add(store, name, message)

    asyncio.run(fill())
    url = f"sqlite:///{tmp_path}/a.db"
    assert run(["tail", url, "-n", "3"]) == 0
    lines = [untimed(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "session-… 1 → ping",
        "session-… 2 ← ping  TIME  {}",
        "session-… 2 → ping",
    ]
    assert run(["tail", url, "--json"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["session_id"], each["seq"]) for each in shown] == [
        *(("session-a", 1), ("session-b", 1), ("session-a", 2), ("session-b", 2))
    ]
    assert run(["tail", url, "-n", "0"]) == 0
    assert capsys.readouterr().out == ""


async def test_a_follower_sees_every_frame_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of sessions that it knew, of new ones, of one that was made again, however many."""
    monkeypatch.setattr("sessionkeeper.cli.following.PAUSE", 0.001)
    seen: list[tuple[str, int]] = []
    ended: list[str] = []
    async with SQLiteSessionStore(tmp_path / "a.db") as store:
        await store.create_session(Session.new(id="old", transport_type="stdio"))
        await store.create_session(Session.new(id="again", transport_type="stdio"))
        for number in range(3):
            await add(store, "old", PING % number)
        await add(store, "again", PING % 1)
        follower = SessionFollower(store)
        last = await follower.read_last(2)
        assert [(session.id, frame.seq) for session, frame in last] == [("old", 3), ("again", 1)]

        async def follow() -> None:
            async for step in follower.follow():
                seen.extend((step.session.id, frame.seq) for frame in step.frames)
                if step.session.state.is_terminal and step.session.id not in ended:
                    ended.append(step.session.id)

        following = asyncio.create_task(follow())
        await store.create_session(Session.new(id="new", transport_type="stdio"))
        sent = [("new", 1), ("old", 4)]
        await add(store, "new", PING % 1)
        await add(store, "old", PING % 4)
        while len(seen) < 2:
            await asyncio.sleep(0.001)
        await store.delete_session("again")
        await store.create_session(Session.new(id="again", transport_type="stdio"))
        await store.add_frames(
            "again",
            [MessageEnvelope.of("again", PING % 1, direction="client-to-server")] * 600,
        )
        await store.add_frames(
            "again",
            [MessageEnvelope.of("again", PING % 1, direction="client-to-server")] * 600,
        )
        sent += [("again", number) for number in range(1, 1201)]
        await store.modify_session("old", lambda it: it.model_copy(update={"state": "closed"}))
        while len(seen) < len(sent) or not ended:
            assert not following.done()
            await asyncio.sleep(0.001)
        following.cancel()
        assert sorted(seen) == sorted(sent)
        assert ended == ["old"]


def test_all_sessions_are_followed_those_to_come_as_well(start: Start, tmp_path: Path) -> None:
    """Of recorders that start after it; Ctrl-C ends it cleanly."""
    url = f"sqlite:///{tmp_path}/tape.db"

    async def create() -> None:
        async with SQLiteSessionStore(tmp_path / "tape.db") as store:
            await store.create_session(Session.new(id="first", transport_type="stdio"))
            await add(store, "first", PING % 1)

    asyncio.run(create())
    tail = start("tail", url, "-f")
    assert tail.stdout is not None
    assert untimed(tail.stdout.readline().decode()) == "first 1 → ping\n"
    server = (
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    m = json.loads(line)\n"
        "    if m['id'] < 2:\n"
        "        print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'result': {}}), flush=True)\n"
    )
    proxy = start(
        "record", "--require-store", "-q", "--store", url, "--", sys.executable, "-c", server
    )
    proxy.communicate(PING % 1 + b"\n" + PING % 2 + b"\n")
    lines = [untimed(tail.stdout.readline().decode())[10:] for _ in range(4)]
    assert sorted(lines[:3]) == ["1 → ping\n", "2 → ping\n", "3 ← ping  TIME  {}\n"] or (
        sorted(lines[:3]) == ["1 → ping\n", "2 ← ping  TIME  {}\n", "3 → ping\n"]
    )
    assert lines[3].endswith(" ✗ ping  no answer\n")
    tail.send_signal(signal.SIGINT)
    assert tail.wait() == 130
    assert tail.stderr is not None
    assert tail.stderr.read() == b"sessionkeeper: interrupted\n"


def test_a_reader_that_leaves_ends_tail(start: Start, talk: str) -> None:
    """As `tail -f | head` does: no traceback."""
    tail = start("tail", talk, "-n", "1000", "-f")
    assert tail.stdout is not None
    tail.stdout.readline()
    tail.stdout.close()

    async def go_on() -> None:
        async with SQLiteSessionStore(talk.removeprefix("sqlite:///")) as store:
            await store.create_session(Session.new(id="more", transport_type="stdio"))
            while tail.poll() is None:
                await add(store, "more", PING % 1)
                await asyncio.sleep(0.05)

    asyncio.run(go_on())
    assert tail.stderr is not None
    assert (tail.returncode, tail.stderr.read()) == (1, b"")


@pytest.mark.parametrize("width", [40, 60, 120])
def test_lines_are_as_wide_as_the_terminal(
    width: int, talk: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one session and of all."""
    monkeypatch.setenv("COLUMNS", str(width))
    for session in ["last"], []:
        assert run(["tail", talk, *session, "-n", "20"]) == 0
        assert all(len(line) <= width for line in capsys.readouterr().out.splitlines())
