"""`sessionkeeper ls`: who spoke with whom, and which sessions are listed."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import run

Capture = pytest.CaptureFixture[str]

ERROR = b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}'


async def fill(path: Path) -> None:
    """Sixty sessions, of two servers; the last one failed, one call of the first got an error."""
    async with SQLiteSessionStore(path) as store:
        for number in range(60):
            name = "git" if number % 2 else "time"
            await store.create_session(
                Session.new(
                    id=f"{number:02}",
                    transport_type="stdio",
                    client_info={"name": "Desk", "version": "1"},
                    server_info={"name": name, "version": "2"},
                    tags={name},
                )
            )
        ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
        await store.add_frames(
            "00",
            [
                MessageEnvelope.of("00", ping, direction="client-to-server"),
                MessageEnvelope.of("00", ERROR, direction="server-to-client"),
                MessageEnvelope.of("00", b"?", direction="server-to-client"),
            ],
        )
        failed = {"state": "failed", "failure": "the server vanished"}
        await store.modify_session("59", lambda it: it.model_copy(update=failed))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store with these sessions."""
    asyncio.run(fill(tmp_path / "a.db"))
    return f"sqlite:///{tmp_path}/a.db"


def ids(capsys: Capture) -> list[str]:
    """The ids that were listed, and nothing else that begins like one."""
    return re.findall(r"^(\d\d)  ", capsys.readouterr().out, re.MULTILINE)


def test_a_session_is_a_row(talk: str, capsys: Capture) -> None:
    """Client, server, state with its failure, calls, errors and odd frames."""
    assert run(["ls", talk]) == 0
    header, row = capsys.readouterr().out.splitlines()
    names = ("id", "client", "server", "state", "started", "duration", "calls", "errors")
    assert re.split(r"  +", header) == [*names, "frames", "odd frames", "transport", "tags"]
    cells = re.split(r"  +", row)
    assert cells[:4] == ["talk-000…", "desk 1.2", "everything 9", "failed: the client vanished"]
    assert cells[6:] == ["8", "2", "20", "1 odd, 1 gap", "stdio", "ci"]


def test_json_has_the_calls_too(talk: str, capsys: Capture) -> None:
    """Beside the fields of the session."""
    assert run(["ls", talk, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["id"], shown["state"], shown["frame_count"]) == ("talk-0001", "failed", 20)
    assert (shown["calls"], shown["errors"], shown["calls_exact"]) == (8, 2, True)
    assert shown["duration"] >= 0


def test_the_newest_are_listed_in_order_of_creation(url: str, capsys: Capture) -> None:
    """And how many more there are; JSON has all, unless a limit is given."""
    every = [f"{number:02}" for number in range(60)]
    assert run(["ls", url]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^(\d\d)  ", out, re.MULTILINE) == every[10:]
    assert "and 10 more; --limit 0 shows all\n" in out
    assert run(["ls", url, "--limit", "0"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^(\d\d)  ", out, re.MULTILINE) == every
    assert "more" not in out
    assert run(["ls", url, "--newest", "--limit", "2"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^(\d\d)  ", out, re.MULTILINE) == ["59", "00"]
    assert "and 58 more" in out
    assert run(["ls", url, "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 60
    assert run(["ls", url, "--json", "--limit", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == every[-3:]


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        (["--failed"], ["59"]),
        (["--errors"], ["00"]),
        (["--server", "GIT", "--limit", "2"], ["57", "59"]),
        (["--server", "time 2", "--limit", "1"], ["58"]),
        (["--client", "desk", "--limit", "1"], ["59"]),
        (["--client", "nobody"], []),
        (["--tag", "time", "--limit", "1"], ["58"]),
        (["--tag", "time", "--tag", "git"], []),
        (["--since", "1h", "--state", "failed"], ["59"]),
        (["--since", "2100-01-01"], []),
    ],
    ids=str,
)
def test_sessions_are_filtered(
    options: list[str], listed: list[str], url: str, capsys: Capture
) -> None:
    """1 if there is none."""
    assert run(["ls", url, *options]) == (0 if listed else 1)
    assert ids(capsys) == listed


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_on_a_narrow_terminal_what_matters_stays(
    width: int, talk: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider, and the id is whole; `--full` cuts nothing."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert run(["ls", talk]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= width for line in lines)
    assert re.match(r"talk-000…  (desk 1.2  )?everything 9  failed: ", lines[1])
    assert ("errors" in lines[0]) == (width > 40)
    assert run(["ls", talk, "--full"]) == 0
    out = capsys.readouterr().out
    assert "talk-0001" in out
    assert "failed: the client vanished" in out
    assert "no room" not in out


def test_a_server_without_a_name_is_called_by_its_command(tmp_path: Path, capsys: Capture) -> None:
    """By the word that says what is run."""
    commands = {
        "a": ["npx", "-y", "@scope/server-everything"],
        "b": ["/usr/bin/python3", "-m", "mcp_server_time"],
        "c": ["./server"],
        "d": [],
    }

    async def create() -> None:
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            for name, command in commands.items():
                metadata = {"sessionkeeper.server": {"command": command}}
                await store.create_session(
                    Session.new(id=name, transport_type="stdio", metadata=metadata)
                )

    asyncio.run(create())
    assert run(["ls", f"sqlite:///{tmp_path}/a.db"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[1] for row in rows] == [
        *("server-everything", "mcp_server_time", "server", "initializing")
    ]
