"""`sessionkeeper export` and `import`: what leaves a store comes back as it was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import Frame, MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import run

STATES = ["initializing", "active", "shutting-down", "closed", "failed", "timed-out"]
MESSAGE = '{"jsonrpc": "2.0",  "id":1,"method":"é\x7f\\u00e9 \U0001f600"}'.encode()
Edit = Callable[[list[str]], None]


def sent(session_id: str, number: int) -> MessageEnvelope:
    """A message with everything that can be known of its crossing."""
    return MessageEnvelope.of(
        session_id,
        MESSAGE,
        direction="client-to-server" if number % 2 else "server-to-client",
        delivery={"via": "http", "method": "POST", "path": "/mcp", "status": 200},
        protocol_version="2025-06-18",
        metadata={"number": str(number)},
    )


async def fill(path: Path, count: int = 3) -> None:
    """A session in every state, each with frames."""
    async with SQLiteSessionStore(path) as store:
        for state in STATES:
            first = "initializing" if state == "initializing" else "active"
            session = Session.new(
                id=f"id-{state}",
                transport_type="streamable-http",
                state=first,
                principal="alice",
                failure="it crashed" if state == "failed" else None,
                client_info={"name": "é", "nested": [1, 2.5, None, {"big": 2**70}]},
                tags={"b", "a", "c"},
                metadata={"z": 1, "a": [True]},
                version_state={"requested": "2025-06-18", "negotiated": "2025-06-18"},
                upstream_session_id="up",
            )
            await store.create_session(session)
            await store.add_frames(session.id, [sent(session.id, n) for n in range(count)])
            current = await store.get_session(session.id)
            changed = current.model_dump() | {"state": state}
            await store.update_session(Session.model_validate(changed))


async def held(path: Path) -> dict[str, tuple[Session, list[Frame]]]:
    """Everything a store holds."""
    async with SQLiteSessionStore(path) as store:
        return {
            each.id: (each, await store.read_frames(each.id, limit=10_000))
            for each in await store.list_sessions()
        }


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A store in a file, the working folder's."""
    asyncio.run(fill(tmp_path / "tape.db"))
    return tmp_path / "tape.db"


def exported(path: Path, name: str) -> Path:
    """Export a store to a new file beside it."""
    file = path.parent / name
    assert run(["export", f"sqlite:///{path}", "-o", str(file)]) == 0
    return file


def test_an_export_of_an_import_is_the_export(stored: Path) -> None:
    """export(import(export(x))) == export(x), byte for byte; ids, states and frames are kept."""
    first = exported(stored, "a.jsonl")
    again = stored.parent / "again.db"
    assert run(["import", f"sqlite:///{again}", str(first)]) == 0
    assert exported(again, "b.jsonl").read_bytes() == first.read_bytes()
    before, after = asyncio.run(held(stored)), asyncio.run(held(again))
    assert list(before) == list(after)
    for session_id, (session, frames) in before.items():
        assert after[session_id][1] == frames
        other = after[session_id][0]
        own = {"revision", "incarnation"}
        assert other.model_dump(exclude=own) == session.model_dump(exclude=own)
    assert first.stat().st_mode & 0o777 == 0o600


def test_long_logs_keep_their_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log of more frames than one page or one batch holds comes back whole."""
    asyncio.run(fill(tmp_path / "tape.db", count=1_001))
    assert run(["export", f"sqlite:///{tmp_path}/tape.db", "id-cl"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "a.jsonl").write_text(text)
    assert run(["import", f"sqlite:///{tmp_path}/b.db", str(tmp_path / "a.jsonl")]) == 0
    ((_, frames),) = asyncio.run(held(tmp_path / "b.db")).values()
    assert [frame.envelope.context.metadata["number"] for frame in frames] == [
        str(number) for number in range(1_001)
    ]


def test_frames_of_a_trimmed_log_keep_their_numbers(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If too many before them are gone, they are numbered from 1, and a line says so."""

    async def trim() -> None:
        async with SQLiteSessionStore(stored) as store:
            await store.trim_frames("id-closed", up_to=2)
            await store.trim_frames("id-failed", up_to=3)

    asyncio.run(trim())
    file, again = exported(stored, "a.jsonl"), stored.parent / "again.db"
    assert run(["import", f"sqlite:///{again}", str(file)]) == 0
    assert capsys.readouterr().err == "sessionkeeper: 6 sessions imported\n"
    assert exported(again, "b.jsonl").read_bytes() == file.read_bytes()
    there = asyncio.run(held(again))
    assert [frame.seq for frame in there["id-closed"][1]] == [3]
    assert (there["id-failed"][0].last_seq, there["id-failed"][1]) == (3, [])
    lines = file.read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if '"trimmed":2' in line)
    lines[place] = lines[place].replace('"trimmed":2', '"trimmed":9000000')
    lines[place + 1] = lines[place + 1].replace('"seq":3', '"seq":9000001')
    file.write_text("\n".join(lines) + "\n")
    numbered = stored.parent / "numbered.db"
    assert run(["import", f"sqlite:///{numbered}", str(file)]) == 0
    assert "lost its first 9000000 frames: the others are renumbered" in capsys.readouterr().err
    (frame,) = asyncio.run(held(numbered))["id-closed"][1]
    assert (frame.seq, frame.envelope.context.metadata["number"]) == (1, "2")


def test_ids_that_exist_are_refused_unless_skipped(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An existing session is never overwritten or changed."""
    file = exported(stored, "a.jsonl")
    before = asyncio.run(held(stored))
    assert run(["import", f"sqlite:///{stored}", str(file)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert run(["import", f"sqlite:///{stored}", str(file), "--skip-existing"]) == 0
    assert "6 skipped" in capsys.readouterr().err
    assert asyncio.run(held(stored)) == before


def break_json(lines: list[str]) -> None:
    """The second frame of the second session is cut off."""
    lines[7] = lines[7][:40]


def change_number(lines: list[str]) -> None:
    """A number is left out."""
    lines[7] = lines[7].replace('"seq":2', '"seq":3')


def break_message(lines: list[str]) -> None:
    """A message is none."""
    fields = json.loads(lines[7])
    lines[7] = json.dumps(fields | {"message": "hunter2"})


def break_context(lines: list[str]) -> None:
    """A direction is none."""
    lines[7] = json.dumps(json.loads(lines[7]) | {"direction": "hunter2"})


def drop_end(lines: list[str]) -> None:
    """The file was cut short within a session."""
    del lines[7:]


@pytest.mark.parametrize(
    "edit", [break_json, change_number, break_message, break_context, drop_end]
)
def test_a_session_with_a_malformed_line_is_not_imported(
    stored: Path, edit: Edit, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line is named, the sessions before it are imported, nothing is quoted."""
    file = exported(stored, "a.jsonl")
    lines = file.read_text().splitlines()
    edit(lines)
    file.write_text("\n".join(lines) + "\n")
    again = stored.parent / "again.db"
    assert run(["import", f"sqlite:///{again}", str(file)]) == 2
    said = capsys.readouterr().err
    assert "line 8: " in said
    assert "hunter2" not in said
    assert said.count("\n") == 1
    assert list(asyncio.run(held(again))) == ["id-initializing"]


@pytest.mark.parametrize(
    ("line", "found", "wrong"),
    [
        (2, '"id":"id-initializing"', '"id":null'),
        (2, '"id":"id-initializing",', ""),
        (3, '"timestamp":"2', '"timestamp":"0001-01-01T00:00:00+14:00","was":"2'),
        (3, '"status":200', '"status":1e400'),
        (3, '"delivery":{', '"delivery":{"via":"stdio","pid":18446744073709551616},"was":{'),
    ],
)
def test_values_out_of_bounds_are_reported_by_their_line(
    stored: Path, line: int, found: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It raises no error of another library, and invents no id."""
    file = exported(stored, "a.jsonl")
    lines = file.read_text().splitlines()
    assert found in lines[line - 1]
    fields = json.loads(lines[line - 1].replace(found, wrong, 1))
    fields.pop("was", None)
    lines[line - 1] = json.dumps(fields)
    file.write_text("\n".join(lines) + "\n")
    again = stored.parent / "again.db"
    assert run(["import", f"sqlite:///{again}", str(file)]) == 2
    said = capsys.readouterr().err
    assert f"line {line}: " in said
    assert said.count("\n") == 1
    assert asyncio.run(held(again)) == {}


def test_json_counts_imported_and_purged_sessions(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints them with --json, also when an error stopped it."""
    file = exported(stored, "a.jsonl")
    url = f"sqlite:///{stored.parent}/again.db"

    def counted(*arguments: str, code: int = 0) -> dict[str, object]:
        assert run([*arguments, "--json"]) == code
        said = capsys.readouterr()
        assert said.err == ""
        found: dict[str, object] = json.loads(said.out)
        return found

    nothing: dict[str, object] = {"imported": 0, "skipped": 0, "partial": 0, "problem": None}
    nothing |= {"refused": [], "damages": 0, "damage": []}
    assert counted("import", url, str(file)) == nothing | {"imported": 6}
    assert counted("import", url, str(file), "--skip-existing") == nothing | {"skipped": 6}
    stopped = counted("import", url, str(file), code=2)
    assert stopped == nothing | {"problem": stopped["problem"]}
    assert "exists already" in str(stopped["problem"])
    assert counted("purge", url, "--older-than", "0s") == {"ended": 0, "purged": 3}
    assert counted("purge", url, "--older-than", "0s", code=1) == {"ended": 0, "purged": 0}


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda lines: lines.clear(), 1),
        (lambda lines: lines.pop(0), 1),
        (lambda lines: lines.__setitem__(0, lines[0].replace("2}", "3}")), 1),
        (lambda lines: lines.__setitem__(1, lines[1].replace("stream", "scream")), 2),
        (lambda lines: lines.__setitem__(1, lines[1].replace('"frames":3', '"frames":-3')), 2),
        (lambda lines: lines.pop(), 26),
        (lambda lines: lines.append(lines[1]), 27),
        (lambda lines: lines.__delitem__(slice(1, 5)), 22),
    ],
)
def test_an_incomplete_export_is_reported_by_its_line(
    stored: Path, edit: Edit, line: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Header, session, end: each is checked, so a file cut short is known."""
    file = exported(stored, "a.jsonl")
    lines = file.read_text().splitlines()
    edit(lines)
    file.write_text("".join(f"{each}\n" for each in lines))
    assert run(["import", f"sqlite:///{stored.parent}/again.db", str(file)]) == 2
    assert f"line {line}: " in capsys.readouterr().err


def test_an_export_overwrites_nothing_and_leaves_nothing_half(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is there stays; one for a session that is not there is not made."""
    url, file = f"sqlite:///{stored}", stored.parent / "a.jsonl"
    assert run(["export", url, "nobody", "-o", str(file)]) == 1
    assert not file.exists()
    file.write_text("mine")
    assert run(["export", url, "-o", str(file)]) == 2
    assert file.read_text() == "mine"
    assert capsys.readouterr().out == ""
