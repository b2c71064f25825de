"""`sessionkeeper show`: a session as a conversation, and one of its messages."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import run
from sessionkeeper.values.delivery import HttpDelivery

Start = Callable[..., "subprocess.Popen[bytes]"]
Capture = pytest.CaptureFixture[str]

EXACT = (
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"f","arguments":'
    b'{"n":1e2,"big":123456789012345678901234567890,"s":"\\u00e9\\/","zero":-0.0,"e":[],"o":{}}}}'
)


def conversation(capsys: Capture) -> list[str]:
    """The lines of a conversation that was printed, without their times."""
    lines = capsys.readouterr().out.partition("\n\n")[2].splitlines()
    return [re.sub(r"^( *\d+) +[\d:.]{12} ", r"\1 ", line) for line in lines if "UTC" not in line]


def test_answers_are_below_their_requests(talk: str, capsys: Capture) -> None:
    """With the time they took, and what is no message between them."""
    assert run(["show", talk, "last", "--all"]) == 0
    assert conversation(capsys) == [
        " 1 → initialize  desk 1.2 · protocol 2025-11-25",
        " 2      +48.0 ms   ← everything 9 · protocol 2025-11-25 · tools, prompts",
        " 3 → notifications/initialized",
        " 4 ← [odd: not JSON] Starting...",
        ' 5 → tools/call long  {"steps":2}',
        " 6       +700 ms   ← notifications/progress long  1/2",
        " 9       +1.50 s   ← line 1 line 2",
        ' 7 → tools/call add  {"a":40,"b":"two"}',
        " 8      +2.00 ms   ← error -32602: b is no number",
        "10 → tools/call sample  {}",
        "13      +7.00 ms   ← Fine. [image image/png, 3.9 KiB of Base64]",
        "11 ← sampling/createMessage  user: How are you?",
        "12      +5.00 ms   → Fine.",
        "14 → tools/call env  {}",
        "15      +3.00 ms   ← tool error: no \\x1b[31mred\\x1b[0m [bold]\\u202e",
        "16 ← [gap: larger than the recorder takes] 1 line, 5000 bytes, SHA-256"
        " c59d3c0480cc2d71d8f646e735e92da65450311eec46e81a5db8c7e6e8a92054",
        '17 → x/y  {"n":1e2}',
        "18      +9.00 ms   → notifications/cancelled  request 5: enough",
        "19 ← answer to no request seen here  {}",
        "20 → ping",
        "                   ✗ no answer",
    ]


def test_the_header_says_who_spoke_and_how_it_ended(talk: str, capsys: Capture) -> None:
    """And what was counted."""
    assert run(["show", talk, "last", "--frames", "0"]) == 0
    header = capsys.readouterr().out.splitlines()
    fields = dict(line.split(maxsplit=1) for line in header[: header.index("")])
    assert fields["client"] == "desk 1.2"
    assert fields["server"] == "everything 9"
    assert fields["transport"] == "stdio, protocol 2025-11-25"
    assert fields["state"] == "failed: the client vanished"
    assert fields["calls"] == "8, 2 errors"
    assert fields["frames"] == "20, 1 odd, 1 gap"
    assert fields["tags"] == "ci"


def test_what_a_recorder_says_of_itself_is_told_in_words(tmp_path: Path, capsys: Capture) -> None:
    """Its command or URL, its name and what was taken out; other metadata as it is."""

    async def fill() -> None:
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            metadata: dict[str, object]
            redaction = {"rules": ["tokens", "name:key"], "places": {"token": 3, "key": 1}}
            metadata = {
                "sessionkeeper.name": "nightly",
                "sessionkeeper.server": {"command": ["npx", "-y", "a server"]},
                "sessionkeeper.redaction": redaction,
                "mine": {"a": [1]},
            }
            await store.create_session(
                Session.new(id="a", transport_type="stdio", metadata=metadata)
            )
            metadata = {
                "sessionkeeper.server": {"url": "http://host:1/mcp"},
                "sessionkeeper.redaction": {"rules": [], "places": {}},
                "sessionkeeper.name": 5,
            }
            await store.create_session(
                Session.new(id="b", transport_type="streamable-http", metadata=metadata)
            )

    asyncio.run(fill())
    url = f"sqlite:///{tmp_path}/a.db"
    assert run(["show", url, "a"]) == 0
    out = capsys.readouterr().out
    assert "name      nightly\n" in out
    assert "command   npx -y 'a server'\n" in out
    assert "1 of key, 3 of token taken out; rules: tokens, name:key\n" in out
    assert 'metadata  {"mine": {"a": [1]}}\n' in out
    assert run(["show", url, "b"]) == 0
    out = capsys.readouterr().out
    assert "url       http://host:1/mcp\n" in out
    assert out.count("http://host:1/mcp") == 1
    assert "redacted  nothing had to be taken out\n" in out
    assert "metadata" not in out
    assert run(["ls", url]) == 0
    assert "http://host:1/mcp" in capsys.readouterr().out


def test_only_the_last_frames_are_shown_unless_all_are_asked_for(
    talk: str, capsys: Capture
) -> None:
    """An answer whose request is not shown names it."""
    assert run(["show", talk, "last", "--frames", "8"]) == 0
    lines = conversation(capsys)
    assert lines[0] == "… 12 earlier frames; --all shows them"
    assert lines[1] == "13 ← tools/call sample  7.00 ms  Fine. [image image/png, 3.9 KiB of Base64]"
    assert run(["show", talk, "last"]) == 0
    assert "earlier" not in capsys.readouterr().out


def test_a_long_session_is_read_in_pages(tmp_path: Path, capsys: Capture) -> None:
    """An answer to a request of an earlier page names it."""

    async def fill() -> None:
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            await store.create_session(Session.new(id="a", transport_type="stdio"))
            ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
            note = b'{"jsonrpc":"2.0","method":"note"}'
            answer = b'{"jsonrpc":"2.0","id":1,"result":{}}'
            sent = [(ping, "client-to-server"), *[(note, "client-to-server")] * 1_100]
            sent.append((answer, "server-to-client"))
            for start in range(0, len(sent), 500):
                await store.add_frames(
                    "a",
                    [
                        MessageEnvelope.of("a", message, direction=direction)
                        for message, direction in sent[start : start + 500]
                    ],
                )

    asyncio.run(fill())
    url = f"sqlite:///{tmp_path}/a.db"
    assert run(["show", url, "a", "--all"]) == 0
    lines = conversation(capsys)
    assert lines[0] == "   1 → ping"
    assert lines[-1].startswith("1102 ← ping  ")
    assert len(lines) == 1102
    assert run(["show", url, "a", "1102"]) == 0
    assert "request   frame 1\n" in capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_lines_are_as_wide_as_the_terminal(
    width: int, talk: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shortened at their ends; without times on a narrow one."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["show", talk, "last"]) == 0
    lines = capsys.readouterr().out.partition("\n\n")[2].splitlines()
    assert all(len(line) <= width for line in lines)
    assert any(line.endswith("…") for line in lines)
    assert any("+48.0 ms" in line for line in lines) == (width >= 60)
    assert any("tools/call add" in line for line in lines)


def test_one_message_is_indented_and_nothing_else(tmp_path: Path, capsys: Capture) -> None:
    """Numbers and escapes are as they were sent."""

    async def fill() -> None:
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            await store.create_session(Session.new(id="a", transport_type="stdio"))
            await store.add_frame(MessageEnvelope.of("a", EXACT, direction="client-to-server"))

    asyncio.run(fill())
    url = f"sqlite:///{tmp_path}/a.db"
    assert run(["show", url, "a", "1"]) == 0
    header, _, body = capsys.readouterr().out.partition("\n\n")
    assert "what      request, 168 bytes" in header
    assert "call      tools/call f\noutcome   open" in header
    for line in (
        '"n": 1e2,',
        '"big": 123456789012345678901234567890,',
        '"s": "\\u00e9\\/",',
        '"zero": -0.0,',
        '"e": [],',
        '"o": {}',
    ):
        assert f"\n      {line}\n" in body
    assert "".join(body.split()) == EXACT.decode()


def test_one_message_names_the_rest_of_its_call(talk: str, capsys: Capture) -> None:
    """The request names the answer, the answer the request, and progress both."""

    def fields(frame: int) -> dict[str, str]:
        assert run(["show", talk, "last", f"{frame}"]) == 0
        lines = capsys.readouterr().out.partition("\n\n")[0].splitlines()
        found = dict(line.split(maxsplit=1) for line in lines)
        return {name: found.get(name, "") for name in ("call", "request", "answer", "outcome")}

    error = "after 2.00 ms: error -32602: b is no number"
    long = {"call": "tools/call long", "outcome": "after 1.50 s: ok, 1 progress"}
    assert fields(7) == {
        "call": "tools/call add",
        "request": "",
        "answer": "frame 8",
        "outcome": error,
    }
    assert fields(8) == {
        "call": "tools/call add",
        "request": "frame 7",
        "answer": "",
        "outcome": error,
    }
    assert fields(6) == {**long, "request": "frame 5", "answer": "frame 9"}
    assert fields(20) == {"call": "ping", "request": "", "answer": "", "outcome": "no answer"}
    assert fields(4) == {"call": "", "request": "", "answer": "", "outcome": ""}
    assert run(["show", talk, "last", "7", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["seq"], shown["calls"][0]["response_seq"]) == (7, 8)


def test_an_http_status_answers_its_request(tmp_path: Path, capsys: Capture) -> None:
    """Also with a body that is no message; the frame says how it was delivered."""

    async def fill() -> None:
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            await store.create_session(Session.new(id="a", transport_type="streamable-http"))
            post = HttpDelivery(method="POST", path="/mcp")
            ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
            for message, direction, delivery in (
                (ping, "client-to-server", post),
                (b"lost", "server-to-client", post.model_copy(update={"status": 404})),
            ):
                await store.add_frame(
                    MessageEnvelope.of(
                        "a", message, direction=direction, delivery=delivery, stream="POST-1"
                    )
                )

    asyncio.run(fill())
    url = f"sqlite:///{tmp_path}/a.db"
    assert run(["show", url, "a"]) == 0
    request, answer = conversation(capsys)
    assert request == "1 → ping"
    assert answer.startswith("2 ")
    assert answer.endswith("   ← [odd: not JSON] lost")
    assert run(["show", url, "a", "2"]) == 0
    out = capsys.readouterr().out
    assert "by        HTTP POST /mcp 404\nstream    POST-1\n" in out
    assert "request   frame 1\n" in out
    assert ": HTTP 404\n" in out
    assert run(["tail", url, "a"]) == 0
    assert " ← ping  " in capsys.readouterr().out


def test_a_frame_that_does_not_exist(talk: str, capsys: Capture) -> None:
    """Exit code 1, and one line."""
    assert run(["show", talk, "last", "21"]) == 1
    assert capsys.readouterr().err == "sessionkeeper: session talk-000… has no frame 21\n"
    assert run(["show", talk, "last", "0"]) == 2


def test_raw_writes_the_bytes(talk: str, start: Start) -> None:
    """Of one frame exactly, of several with a newline behind each."""
    whole, err = start("show", talk, "last", "17", "--raw").communicate()
    assert err == b""
    assert whole == b'{"jsonrpc": "2.0", "id": 5, "method": "x/y", "params": {"n": 1e2}}'
    some, _ = start("show", talk, "last", "--raw", "--frames", "4").communicate()
    assert len(some.splitlines()) == 4
    assert some.startswith(whole + b"\n")
    everything, _ = start("show", talk, "last", "--raw", "--all").communicate()
    assert len(everything.splitlines()) == 20
    assert everything.splitlines()[3] == b"Starting..."


def test_raw_is_not_for_a_terminal(talk: str, start: Start) -> None:
    """Bytes of others would control it."""
    leader, follower = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sessionkeeper", "show", talk, "last", "15", "--raw"],
            stdout=follower,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    finally:
        os.close(leader)
        os.close(follower)
    assert done.returncode == 2
    assert b"send them to a file or a pipe" in done.stderr


def test_a_recorded_session_is_shown(start: Start, capsys: Capture, tmp_path: Path) -> None:
    """As `record` wrote it."""
    server = (
        "import json, sys\n"
        "print('ready', file=sys.stderr)\n"
        "for line in sys.stdin:\n"
        "    m = json.loads(line)\n"
        "    print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'result': {}}), flush=True)\n"
    )
    url = f"sqlite:///{tmp_path}/tape.db"
    proxy = start(
        "record", "--require-store", "-q", "--store", url, "--", sys.executable, "-c", server
    )
    proxy.communicate(b'{"jsonrpc":"2.0","id":"a","method":"ping"}\n')
    assert run(["show", url, "last"]) == 0
    out = capsys.readouterr().out
    assert "state     closed\n" in out
    assert re.search(r"1 +[\d:.]+ → ping\n2 +\+[\d.]+ m?s   ← \{\}\n", out)
    assert run(["calls", url]) == 0
    assert " ping " in capsys.readouterr().out
