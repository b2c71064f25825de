"""`sessionkeeper import` of files that are damaged, hostile, or no export."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export of three sessions with five frames each: 20 lines."""

    async def fill() -> None:
        async with SQLiteSessionStore(tmp_path / "tape.db") as store:
            for key in "abc":
                await store.create_session(Session.new(transport_type="stdio", id=key))
                for n in range(5):
                    message = {"jsonrpc": "2.0", "id": n, "method": "ping"}
                    frame = MessageEnvelope.of(key, message, direction="client-to-server")
                    await store.add_frame(frame)

    asyncio.run(fill())
    assert run(["export", f"sqlite:///{tmp_path}/tape.db", "-o", str(tmp_path / "a.jsonl")]) == 0
    return tmp_path / "a.jsonl"


def damage(export: Path) -> list[bytes]:
    """Tear the third line of session b, and cut the file off in the last frame of c."""
    lines = export.read_bytes().splitlines(keepends=True)
    lines[9] = lines[9][:30] + b"\n"
    export.write_bytes(b"".join(lines[:18]) + lines[18][:40])
    return lines


def test_a_salvaged_file_reports_its_damaged_positions(export: Path, capsys: Capture) -> None:
    """Exit code 1; each damage with file, line and offset; the sessions are there."""
    lines = damage(export)
    url = f"sqlite:///{export.parent}/again.db"
    assert run(["import", url, str(export), "--salvage"]) == 1
    said = capsys.readouterr().err
    offset = sum(map(len, lines[:9]))
    assert f"{export}: line 10, byte {offset}: not a whole record" in said
    assert "session b: frame 2 is missing" in said
    assert "session c: frame 5 is missing" in said
    assert said.endswith(
        "3 sessions imported, 2 of them in part; the file is damaged in 5 places\n"
    )
    assert run(["ls", url, "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["id"] for each in listed} == {"a", "b", "c"}


def test_a_salvaged_file_is_reported_as_json(export: Path, capsys: Capture) -> None:
    """One JSON object; a session that the store refuses is named, and the others are imported."""
    damage(export)
    url = f"sqlite:///{export.parent}/again.db"
    assert run(["import", url, str(export)]) == 2
    assert (
        "line 10: not JSON; --salvage brings what is whole (1 imported" in capsys.readouterr().err
    )
    assert run(["import", url, str(export), "--salvage", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["imported"], report["partial"], report["problem"]) == (2, 2, None)
    assert report["refused"] == ["line 2: session 'a' exists already"]
    kinds = ["not-exported", "missing-frames", "not-exported", "missing-frames", "no-end"]
    assert [each["kind"] for each in report["damage"]] == kinds
    assert {*report["damage"][0]} == {"line", "offset", "kind", "text"}


def test_a_whole_file_is_salvaged_as_it_is(export: Path, capsys: Capture) -> None:
    """The exit code is 0, and no damage is reported."""
    url = f"sqlite:///{export.parent}/again.db"
    assert run(["import", url, str(export), "--salvage"]) == 0
    assert capsys.readouterr().err == "sessionkeeper: 3 sessions imported\n"


@pytest.mark.parametrize("options", [[], ["--salvage"]])
@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"x"), b"SQLite format 3\0" + bytes(100), b"PK\x03\x04"],
    ids=["gzip", "sqlite", "zip"],
)
def test_bytes_that_are_no_text_are_refused_with_the_reason(
    content: bytes,
    options: list[str],
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From a file and from standard input: one line, which names it."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(content)
    url = f"sqlite:///{tmp_path}/b.db"
    assert run(["import", url, str(file), *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(file) in said
    with open(file) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert run(["import", url, "-", *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "standard input: " in said


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda line: line.replace(b'"seq":3', b'"seq":' + b"9" * 5_000), "5000 digits"),
        (lambda line: line + b" " * 1024 * 1024, "more than the 1048576"),
    ],
)
def test_a_hostile_line_is_named(
    edit: Callable[[bytes], bytes], reason: str, export: Path, capsys: Capture
) -> None:
    """One line, with the file and its line; the option sets the limit of a line."""
    lines = export.read_bytes().splitlines()
    lines[4] = edit(lines[4])
    export.write_bytes(b"\n".join(lines) + b"\n")
    url = f"sqlite:///{export.parent}/again.db"
    assert run(["import", url, str(export), "--max-line", "1"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{export}: line 5: " in said
    assert reason in said
    if "digits" not in reason:
        assert run(["import", url, str(export), "--max-line", "2"]) == 0


def test_a_session_that_the_store_refuses_is_named_by_its_line(
    export: Path, capsys: Capture
) -> None:
    """It is reported like a malformed line."""
    lines = export.read_bytes().splitlines()
    fields = json.loads(lines[7])
    fields["session"]["metadata"] = {"x": "y" * 2_000_000}
    lines[7] = json.dumps(fields).encode()
    export.write_bytes(b"\n".join(lines) + b"\n")
    assert run(["import", f"sqlite:///{export.parent}/again.db", str(export)]) == 2
    said = capsys.readouterr().err
    assert f"{export}: line 8: max_metadata_bytes exceeded" in said
    assert "(1 imported before it)" in said
