"""A malformed store URL, or a file for another command: the error suggests what to use."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper import Session, SQLiteSessionStore, backend_from_url
from sessionkeeper.cli.app import run
from sessionkeeper.cli.file_kinds import FileKind, kind_of_file

MEANT = {
    "tape.db": "sqlite:///tape.db",
    "./tape.db": "sqlite:///tape.db",
    "folder/tape.db": "sqlite:///folder/tape.db",
    "/var/tape.db": "sqlite:////var/tape.db",
    "a tape#1.db": "sqlite:///a tape%231.db",
    "C:\\tapes\\tape.db": "sqlite:///C:/tapes/tape.db",
    "C:/tapes/tape.db": "sqlite:///C:/tapes/tape.db",
    "tapes\\tape.db": "sqlite:///tapes/tape.db",
    "sqlite:tape.db": "sqlite:///tape.db",
    "sqlite://tape.db": "sqlite:///tape.db",
    "sqlite:/var/tape.db": "sqlite:////var/tape.db",
    "sqlite3:///tape.db": "sqlite:///tape.db",
    "sqlite+aiosqlite:///tape.db": "sqlite:///tape.db",
    "sqllite:///tape.db": "sqlite:///tape.db",
    "file:tape.db": "sqlite:///tape.db",
    "file:///var/tape.db": "sqlite:////var/tape.db",
    "localhost:6379": "redis://localhost:6379",
    "127.0.0.1:6379/0": "redis://127.0.0.1:6379/0",
    "redis:localhost": "redis://localhost",
    "redis//localhost": "redis://localhost",
    "rediz://localhost": "redis://localhost",
    "http://localhost:6379": "redis://localhost:6379",
    "https://localhost:6379": "rediss://localhost:6379",
    "memory": "memory://",
}
SECRET = [
    "redis:/user:hunter2@host",
    "http://user:hunter2@host",
    "http://host?password=hunter2",
    "user:hunter2@host",
    "sqlite:hunter2@host",
]


@pytest.mark.parametrize(("given", "meant"), MEANT.items())
def test_a_url_that_is_none_is_answered_with_the_one_that_was_meant(given: str, meant: str) -> None:
    """A path, a missing slash, another scheme; the suggestion is a URL."""
    with pytest.raises(ValueError, match="did you mean") as raised:
        backend_from_url(given)
    assert f"did you mean {meant} ?" in str(raised.value)
    backend_from_url(meant)


@pytest.mark.parametrize("given", SECRET)
def test_what_may_be_a_password_is_not_repeated(given: str) -> None:
    """It is neither in the reason nor in the suggestion."""
    with pytest.raises(ValueError, match="expected") as raised:
        backend_from_url(given)
    assert "hunter2" not in str(raised.value)


STORE_LINES = [
    *(["ls", "STORE"], ["show", "STORE", "id"], ["tail", "STORE", "id"], ["stats", "STORE"]),
    *(["calls", "STORE"], ["grep", "x", "STORE"], ["problems", "STORE"], ["runs", "STORE"]),
    *(["export", "STORE"], ["import", "STORE", "-"], ["purge", "STORE", "--older-than", "1d"]),
    *(["copy", "STORE", "sqlite:///b.db"], ["copy", "sqlite:///tape.db", "STORE"]),
    *(["restore", "tape.db", "STORE"], ["record", "--store", "STORE", "--", "true"]),
    ["bench", "--store", "STORE"],
]


@pytest.mark.parametrize("line", STORE_LINES, ids=" ".join)
def test_every_command_that_takes_a_store_says_which_url_was_meant(
    line: list[str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, exit code 2, and nothing is made."""
    before = sorted(folder.iterdir())
    assert run([each.replace("STORE", "tape.db") for each in line]) == 2
    error = capsys.readouterr().err
    assert "did you mean sqlite:///tape.db ?" in error
    assert error.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One file of each kind, made by the commands themselves where that is quick."""
    monkeypatch.chdir(tmp_path)

    async def fill() -> None:
        async with SQLiteSessionStore("tape.db") as store:
            await store.create_session(Session.new(transport_type="stdio", id="one"))

    asyncio.run(fill())
    assert run(["export", "sqlite:///tape.db", "-o", "tape.jsonl"]) == 0
    Path("history.jsonl").write_text(
        '{"format":"sessionkeeper-history","version":1,"model":"register"}\n'
        '{"client":0,"name":"write","argument":1,"call":0,"return":1}\n'
    )
    Path("page.html").write_text("<!DOCTYPE html>\n<title>x</title>\n")
    Path("bench.json").write_text('{\n  "subjects": []\n}\n')
    Path("compare.json").write_text('{"workloads": []}\n')
    Path("ls.json").write_text('{"id": "one"}\n')
    Path("tape.gz").write_bytes(b"\x1f\x8b\x08\x00")
    Path("tape.db-wal.copy").write_bytes(b"\x37\x7f\x06\x82" + bytes(28))
    Path("tapes").mkdir()
    return tmp_path


KINDS = {
    "tape.db": FileKind.STORE,
    "tape.jsonl": FileKind.EXPORT,
    "history.jsonl": FileKind.HISTORY,
    "page.html": FileKind.PAGE,
    "bench.json": FileKind.BENCHMARK,
    "compare.json": FileKind.COMPARISON,
    "ls.json": FileKind.LISTING,
    "tape.gz": FileKind.COMPRESSED,
    "tape.db-wal.copy": FileKind.LOG,
    "tapes": FileKind.FOLDER,
}
READERS = {
    "check": (["check", "FILE"], FileKind.HISTORY),
    "import": (["import", "sqlite:///other.db", "FILE"], FileKind.EXPORT),
    "restore": (["restore", "FILE", "sqlite:///other.db"], FileKind.STORE),
    "ls": (["ls", "sqlite:///FILE"], FileKind.STORE),
    "export": (["export", "sqlite:///FILE"], FileKind.STORE),
    "record": (
        ["record", "--require-store", "--store", "sqlite:///FILE", "--", "true"],
        FileKind.STORE,
    ),
    "copy": (["copy", "sqlite:///tape.db", "sqlite:///FILE"], FileKind.STORE),
}


@pytest.mark.any_loop
@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_command_is_named_with_the_one_that_reads_it(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every kind of file, given to every command that reads one."""
    before = (folder / name).read_bytes() if (folder / name).is_file() else b""
    assert kind_of_file(name) is KINDS[name]
    capsys.readouterr()
    for line, wanted in READERS.values():
        if wanted is KINDS[name]:
            continue
        assert run([each.replace("FILE", name) for each in line]) == 2, line
        output = capsys.readouterr()
        assert f"{name} is {KINDS[name].describe(name)}" in output.err, line
        assert output.err.count("\n") == 1
    assert not (folder / "other.db").exists()
    assert not before or (folder / name).read_bytes() == before


def test_the_text_of_a_kind_is_a_command_that_works(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The suggested command reads the file."""
    assert folder.is_dir()
    assert run(["check", "history.jsonl"]) == 0
    assert run(["import", "sqlite:///other.db", "tape.jsonl"]) == 0
    assert run(["ls", "sqlite:///tape.db"]) == 0
    assert capsys.readouterr().err == "sessionkeeper: 1 session imported\n"


def test_a_file_that_is_absent_or_a_pipe_is_of_no_kind(tmp_path: Path) -> None:
    """A pipe is not opened, so its writer is not disturbed."""
    import os

    os.mkfifo(tmp_path / "pipe")
    assert kind_of_file(tmp_path / "pipe") is None
    assert kind_of_file(tmp_path / "absent") is None
    assert kind_of_file("x" * 5_000) is None
    assert kind_of_file("a\0b") is None


BROKEN_FILES = {
    "absent": None,
    "empty": b"",
    "text": b"nothing known\n",
    "not UTF-8": b"\xff\xfe",
    "cut database": b"SQLite format 3\0" + bytes(52) + b"skpr",
}


@pytest.mark.any_loop
@pytest.mark.parametrize("content", BROKEN_FILES.values(), ids=BROKEN_FILES)
@pytest.mark.parametrize("reader", READERS)
def test_every_error_about_a_file_names_it(
    reader: str,
    content: bytes | None,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever is wrong with it."""
    file = folder / "broken-one"
    if content is not None:
        file.write_bytes(content)
    line, _ = READERS[reader]
    code = run([each.replace("FILE", "broken-one") for each in line])
    output = capsys.readouterr()
    if content is None and reader in ("record", "copy"):
        assert code == 0  # they make the store
        return
    assert code == 2
    assert "broken-one" in output.err


def test_an_absolute_path_with_three_slashes_is_hinted_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`sqlite:///var/tape.db` looks absolute, and is not."""
    file = tmp_path / "tape.db"
    file.write_bytes(b"")
    assert run(["ls", f"sqlite:///{str(file).removeprefix('/')}"]) == 2
    assert f"did you mean sqlite:///{file}, with four slashes?" in capsys.readouterr().err


@pytest.mark.any_loop
def test_a_file_that_cannot_be_written_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the option it was given to, or by the reason."""
    assert folder.is_dir()
    lines: list[list[Any]] = [
        ["export", "sqlite:///tape.db", "-o", "no-folder/file"],
        ["export", "sqlite:///tape.db", "-o", "tape.jsonl"],
        ["check", "history.jsonl", "--html", "no-folder/file"],
        ["compare", "plain", "--html", "no-folder/file"],
        ["bench", "--html", "no-folder/file"],
        ["bench", "--output", "no-folder/file"],
        ["ls", "sqlite:///tape.jsonl/file"],
        ["copy", "sqlite:///tape.db", "sqlite:///tape.jsonl/file"],
        ["import", "sqlite:///tape.jsonl/file", "tape.jsonl"],
        ["record", "--require-store", "--store", "sqlite:///tape.jsonl/file", "--", "true"],
    ]
    capsys.readouterr()
    for line in lines:
        assert run(line) == 2, line
        error = capsys.readouterr().err
        assert "no-folder/file" in error or "tape.jsonl" in error, line
