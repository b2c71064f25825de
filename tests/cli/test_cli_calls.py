"""`sessionkeeper calls`: one row a call, of one session or of all."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import run

Capture = pytest.CaptureFixture[str]

LAST = 20
"""The frame of the last request of `talk`."""


def rows(capsys: Capture) -> list[str]:
    """The rows of the table that was printed, without its header and the notes below it."""
    return [
        line for line in capsys.readouterr().out.splitlines() if "  →  " in line or "  ←  " in line
    ]


def found(capsys: Capture) -> list[int]:
    """The frames of the requests of the calls that were printed as JSON."""
    return [json.loads(line)["request_seq"] for line in capsys.readouterr().out.splitlines()]


def test_each_call_is_a_row_with_what_became_of_it(talk: str, capsys: Capture) -> None:
    """Time, direction, tool, latency, size and outcome, in order of the requests."""
    assert run(["calls", talk, "last"]) == 0
    shown = [re.split(r"  +", row.strip()) for row in rows(capsys)]
    assert [row[0] for row in shown] == ["1", "5", "7", "10", "11", "14", "17", f"{LAST}"]
    assert all(re.fullmatch(r"(.* )?\d\d:\d\d:\d\d\.\d{3}", row[1]) for row in shown)
    assert [row[2] for row in shown] == ["→", "→", "→", "→", "←", "→", "→", "→"]
    assert all(re.fullmatch(r"\d+ B|4.\d KiB", row[5]) for row in shown[:6])
    assert [[*row[3:5], *row[6:]] for row in shown[:6]] == [
        ["initialize", "48.0 ms", "ok"],
        ["tools/call long", "1.50 s", "ok, 1 progress"],
        ["tools/call add", "2.00 ms", "error -32602: b is no number"],
        ["tools/call sample", "7.00 ms", "ok"],
        ["sampling/createMessage", "5.00 ms", "ok"],
        ["tools/call env", "3.00 ms", "tool error: no \\x1b[31mred\\x1b[0m [bold]\\u202e"],
    ]
    assert [row[3:] for row in shown[6:]] == [
        ["x/y", "9.00 ms", "cancelled"],
        ["ping", "no answer"],
    ]


def test_below_the_calls_it_says_how_many_and_how_to_see_one(talk: str, capsys: Capture) -> None:
    """The command that it names works."""
    assert run(["calls", talk, "talk"]) == 0
    *_, counts, hint = capsys.readouterr().out.splitlines()
    assert counts == "8 calls, 2 errors, 1 slower than 1s"
    command = hint.partition("sessionkeeper ")[2].split()
    assert command == ["show", talk, "talk-000", f"{LAST}"]
    assert run(command) == 0
    assert run(["calls", talk, "--slow", "1600ms"]) == 1
    assert run(["calls", talk, "--limit", "2"]) == 0
    assert "the newest 2 of 8 calls, 2 errors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "frames"),
    [
        (["--errors"], [7, 14]),
        (["--unanswered"], [LAST]),
        (["--errors", "--unanswered"], [7, 14, LAST]),
        (["--slow", "1s"], [5]),
        (["--slow", "4ms", "--method", "tools/call"], [5, 10]),
        (["--tool", "add"], [7]),
        (["--method", "ping"], [LAST]),
        (["--direction", "server-to-client"], [11]),
        (["--since", "1h", "--limit", "3"], [14, 17, LAST]),
        (["--tool", "nothing"], []),
        (["--since", "2100-01-01"], []),
    ],
    ids=lambda value: " ".join(map(str, value)) or "nothing",
)
def test_calls_are_filtered(
    options: list[str], frames: list[int], talk: str, capsys: Capture
) -> None:
    """Of one session and of all; 1 if there is none."""
    for session in [], ["last"]:
        assert run(["calls", talk, *session, *options, "--json"]) == (0 if frames else 1)
        assert found(capsys) == frames


def test_calls_since_a_moment(talk: str, capsys: Capture) -> None:
    """Those that began at it as well."""
    assert run(["calls", talk, "--json", "--tool", "sample"]) == 0
    moment = json.loads(capsys.readouterr().out)["started"]
    assert run(["calls", talk, "--json", "--since", moment]) == 0
    assert found(capsys) == [10, 11, 14, 17, LAST]


def test_json_has_every_field(talk: str, capsys: Capture) -> None:
    """One line a call; the latency is in seconds."""
    assert run(["calls", talk, "--json", "--tool", "add"]) == 0
    call = json.loads(capsys.readouterr().out)
    assert (call["session_id"], call["request_seq"], call["response_seq"]) == ("talk-0001", 7, 8)
    assert (call["method"], call["name"], call["latency"]) == ("tools/call", "add", 0.002)
    assert (call["outcome"], call["error_code"]) == ("error", -32602)


async def fill(path: Path) -> None:
    """Three sessions, of which the oldest was used last; with 2, 0 and 3 calls."""
    async with SQLiteSessionStore(path) as store:
        for name, count in ("old", 2), ("middle", 0), ("new", 3):
            await store.create_session(Session.new(id=name, transport_type="stdio"))
            for number in range(count):
                message = {"jsonrpc": "2.0", "id": number, "method": "ping"}
                await store.add_frame(
                    MessageEnvelope.of(name, message, direction="client-to-server")
                )
        await store.touch_session("old")


def test_of_all_sessions_the_newest_comes_first(tmp_path: Path, capsys: Capture) -> None:
    """With its id; a limit stops at the sessions that it does not need."""
    url = f"sqlite:///{tmp_path}/a.db"
    asyncio.run(fill(tmp_path / "a.db"))
    assert run(["calls", url]) == 0
    assert [row.split()[:2] for row in rows(capsys)] == [
        *(["new", f"{each}"] for each in (1, 2, 3)),
        *(["old", f"{each}"] for each in (1, 2)),
    ]
    assert run(["calls", url, "--limit", "2"]) == 0
    out = capsys.readouterr().out
    assert "the newest 2 of 3 calls; older sessions were not read; --limit 0 shows all" in out
    assert run(["calls", url, "--limit", "0"]) == 0
    assert "5 calls\n" in capsys.readouterr().out
    assert run(["calls", url, "middle"]) == 1
    assert capsys.readouterr() == ("no calls\n", "")
    assert run(["calls", url, "middle", "--errors"]) == 1
    assert capsys.readouterr() == ("no such calls\n", "")
    assert run(["calls", url, "middle", "--json"]) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_on_a_narrow_terminal_what_matters_stays(
    width: int, talk: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider, and the outcome of each call is there."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["calls", talk, "last"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # The name of the store is one word, which is not cut.
    assert all(len(line) <= width for line in lines if talk not in line)
    assert lines[0].split()[-1] == "outcome"
    assert any("add" in line and "error -32602" in line for line in lines)
    assert ("48.0 ms" in "".join(lines)) == (width > 40)
    assert any(line.startswith("no room for: ") for line in lines) == (width <= 80)


def test_a_password_is_not_repeated(capsys: Capture) -> None:
    """The command below the calls does not have the URL of a store on a server."""
    from sessionkeeper.cli.session_text import show_command

    assert "hunter2" not in show_command("postgresql://h/d?password=hunter2", "abc", 3)
    assert show_command("redis://me:hunter2@host/0", "-abc", 3) == (
        "sessionkeeper show -- STORE -abc 3"
    )
    assert show_command("sqlite:///a b.db", "abcdefghijk", 3) == (
        "sessionkeeper show 'sqlite:///a b.db' abcdefgh 3"
    )


@pytest.mark.parametrize(
    "options", [["--slow", "fast"], ["--since", "noon"], ["--limit", "-1"], ["--direction", "up"]]
)
def test_a_bad_filter_is_wrong_use(options: list[str], talk: str, capsys: Capture) -> None:
    """One line, exit code 2."""
    assert run(["calls", talk, *options]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
