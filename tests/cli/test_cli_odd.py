"""Odd frames, gaps and batches on the command line: shown readably, and nothing of them is lost."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import Frame, Gap, MessageEnvelope, Session, SQLiteSessionStore, StoreLimits
from sessionkeeper.cli.app import run

Start = Callable[..., "subprocess.Popen[bytes]"]

LINES = [
    b'{"jsonrpc":"2.0","id":7,"result":{"source":"\xb0\xa1"}}',
    "Starting \x1b[32mup…\r".encode(),
    b"",
    b'[{"jsonrpc":"2.0","method":"x"}]',
    b'{"id":1}',
]
GAP = Gap.of(b"x" * 5000, "larger than the recorder takes")
SERVER = """
import sys
sys.stdin.readline()
out = sys.stdout.buffer
out.write(b"ready\\n" + b"x" * 70_000)
out.write(b'\\n[{"jsonrpc":"2.0","id":1,"result":{}}]')
"""


def frames() -> list[MessageEnvelope]:
    """Frames of session "a" that are no single message."""
    odd = [MessageEnvelope.of("a", line, direction="server-to-client") for line in LINES]
    return [*odd, MessageEnvelope.of_gap("a", GAP, direction="server-to-client")]


async def read(path: Path) -> list[Frame]:
    """All frames of session "a"."""
    async with SQLiteSessionStore(path) as store:
        return await store.read_frames("a")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store in a file, with one session."""

    async def fill(path: Path) -> None:
        async with SQLiteSessionStore(path) as store:
            await store.create_session(Session.new(id="a", transport_type="stdio"))
            await store.add_frames("a", frames())

    asyncio.run(fill(tmp_path / "tape.db"))
    return tmp_path / "tape.db"


def test_odd_frames_are_marked_and_escaped(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With kind and reason; bytes that are no text, and what commands a terminal, as escapes."""
    for command in "show", "tail":
        assert run([command, f"sqlite:///{path}", "a"]) == 0
        lines = capsys.readouterr().out.splitlines()[-6:]
        shown = [line.partition(" ← ")[2] for line in lines]
        assert shown == [
            '[odd: not UTF-8] {"jsonrpc":"2.0","id":7,"result":{"source":"\\xb0\\xa1"}}',
            "[odd: not JSON] Starting \\x1b[32mup…\\r",
            "[odd: not JSON] ",
            "x",  # the message of the batch
            '[odd: not JSON-RPC 2.0] {"id":1}',
            f"[gap: {GAP.reason}] 1 line, 5000 bytes, SHA-256 {GAP.digest}",
        ]


def test_stats_count_what_was_no_message(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The counts of all frames that were ever added."""
    assert run(["stats", f"sqlite:///{path}", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["odd_frames_added"], shown["gap_frames_added"], shown["frames"]) == (4, 1, 6)
    assert run(["stats", f"sqlite:///{path}"]) == 0
    assert "odd frames added" in capsys.readouterr().out


def test_json_has_every_byte(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are not UTF-8 are in `message_base64`, others in `message`."""
    assert run(["show", f"sqlite:///{path}", "a", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    for frame, envelope in zip(shown["frames"], frames(), strict=True):
        if "message_base64" in frame:
            assert base64.b64decode(frame["message_base64"]) == envelope.message
            assert "message" not in frame
        else:
            assert frame["message"].encode() == envelope.message
        assert frame.get("oddity") == envelope.oddity
        if envelope.oddity is not None:
            assert (frame["kind"], frame["media_type"]) == (envelope.kind, envelope.media_type)
    assert sum("message_base64" in frame for frame in shown["frames"]) == 1


def test_an_export_brings_odd_frames_back(path: Path, tmp_path: Path) -> None:
    """Bytes, media types and reasons; and the export of the import is the same text."""
    first, second, other = tmp_path / "1.jsonl", tmp_path / "2.jsonl", tmp_path / "other.db"
    assert run(["export", f"sqlite:///{path}", "-o", str(first)]) == 0
    assert run(["import", f"sqlite:///{other}", str(first)]) == 0
    assert run(["export", f"sqlite:///{other}", "-o", str(second)]) == 0
    back = [frame.envelope for frame in asyncio.run(read(other))]
    kept = [(each.message, each.media_type, each.oddity) for each in back]
    assert kept == [(each.message, each.media_type, each.oddity) for each in frames()]
    assert back == [frame.envelope for frame in asyncio.run(read(path))]
    lines = [text.read_text().splitlines()[2:-1] for text in (first, second)]
    assert lines[0] == lines[1]


def test_removed_frames_say_so(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In `show`, `tail`, `stats` and as JSON; export, import and copy keep them."""

    async def remove() -> None:
        async with SQLiteSessionStore(path) as store:
            assert await store.remove_frames("a", [2, 4]) == 2

    asyncio.run(remove())
    for command in "show", "tail":
        assert run([command, f"sqlite:///{path}", "a"]) == 0
        lines = capsys.readouterr().out.splitlines()[-6:]
        shown = [line.partition(" ← ")[2] for line in lines]
        assert [n for n, line in enumerate(shown, 1) if line == "[removed]"] == [2, 4]
        assert not any("Starting" in line for line in shown)
    assert run(["stats", f"sqlite:///{path}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["contents_removed"] == 2
    assert run(["show", f"sqlite:///{path}", "a", "--json"]) == 0
    frame = json.loads(capsys.readouterr().out)["frames"][1]
    assert (frame["seq"], frame["kind"], frame["message"]) == (2, "removed", "")
    export, imported, copied = tmp_path / "a.jsonl", tmp_path / "i.db", tmp_path / "c.db"
    assert run(["export", f"sqlite:///{path}", "-o", str(export)]) == 0
    assert run(["import", f"sqlite:///{imported}", str(export)]) == 0
    assert run(["copy", f"sqlite:///{path}", f"sqlite:///{copied}"]) == 0
    for other in imported, copied:
        assert asyncio.run(read(other)) == asyncio.run(read(path))


def test_large_frames_are_exported_imported_and_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Larger than a store takes that nobody told of them; in a line of a bounded length."""
    first, lines = f"sqlite:///{tmp_path}/a.db", tmp_path / "a.jsonl"
    large = [
        b'{"jsonrpc":"2.0","method":"' + b"x" * 5_000_000 + b'"}',
        bytes(5_000_000),
        b"\xff" * 5_000_000,
    ]

    async def fill() -> None:
        limits = StoreLimits(max_frame_bytes=6_000_000)
        async with SQLiteSessionStore(tmp_path / "a.db", limits=limits) as store:
            await store.create_session(Session.new(id="a", transport_type="stdio"))
            for each in large:
                await store.add_frame(MessageEnvelope.of("a", each, direction="client-to-server"))

    asyncio.run(fill())
    assert run(["export", first, "-o", str(lines)]) == 0
    assert max(map(len, lines.read_text().splitlines())) < 7_000_000
    assert run(["import", f"sqlite:///{tmp_path}/b.db", str(lines)]) == 0
    assert run(["copy", first, f"sqlite:///{tmp_path}/c.db"]) == 0
    for other in "bc":
        back = asyncio.run(read(tmp_path / f"{other}.db"))
        assert [frame.envelope.message for frame in back] == large
        assert [frame.envelope.kind for frame in back] == ["notification", "odd", "odd"]


@pytest.mark.parametrize(
    "changed",
    [
        {"oddity": None, "media_type": "application/json"},
        {"oddity": 5},
        {"oddity": "x" * 256},
        {"media_type": ""},
        {"message_base64": "*"},
        {"message_base64": "YQ==", "message": "a"},
        {"kind": "odd"},
    ],
    ids=str,
)
def test_a_wrong_odd_frame_is_reported_with_its_line(
    path: Path, tmp_path: Path, changed: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an oddity, bytes must be a message; the error never quotes them."""
    file = tmp_path / "1.jsonl"
    assert run(["export", f"sqlite:///{path}", "-o", str(file)]) == 0
    lines = file.read_text().splitlines()
    lines[2] = json.dumps(json.loads(lines[2]) | changed)
    file.write_text("\n".join(lines) + "\n")
    assert run(["import", f"sqlite:///{tmp_path}/other.db", str(file)]) == 2
    assert "line 3: " in capsys.readouterr().err


def test_the_recorder_says_what_was_odd(start: Start) -> None:
    """The summary and the session show them; `--max-message` bounds what is kept whole."""
    proxy = start(
        *(
            "record",
            "--require-store",
            "--json",
            "--store",
            "sqlite:///tape.db",
            "--max-message",
            "64KiB",
        ),
        *("--", sys.executable, "-I", "-S", "-c", SERVER),
    )
    out, err = proxy.communicate(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    assert (proxy.returncode, len(out)) == (0, 70_045)
    told, summary = err.decode().splitlines()
    assert "1 line not recorded: too large, each is a gap in the record" in told
    summary = json.loads(summary)
    report = summary["report"]
    assert (summary["frames"], summary["odd_frames"], summary["gap_frames"]) == (4, 1, 1)
    assert (report["recorded"], report["odd"], report["gaps"]) == (4, 1, 1)
    assert (summary["state"], report["unanswered"]) == ("closed", 0)
    shown = start("ls", "sqlite:///tape.db").communicate()[0].decode()
    assert "1 odd" in shown
    assert "1 gap" in shown


def test_a_message_of_five_megabytes_is_recorded(start: Start) -> None:
    """The size of a screenshot; a store accepts four MiB by default."""
    message = b'{"jsonrpc":"2.0","method":"m","params":{"d":"' + b"x" * 5_000_000 + b'"}}\n'
    proxy = start("record", "--json", "--", "cat")
    out, err = proxy.communicate(message)
    summary = json.loads(err)
    assert out == message
    assert (summary["frames"], summary["gap_frames"], summary["state"]) == (2, 0, "closed")


@pytest.mark.parametrize("size", ["0", "257MiB", "1TiB", "-1", "", "1.5MiB", "9" * 5000, "x"])
def test_a_size_that_is_none_is_wrong_use(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is possible."""
    assert run(["record", f"--max-message={size}", "--", "true"]) == 2
    assert "give 1 to 268435456 bytes" in capsys.readouterr().err
