"""Text of others is printed, but does not control the terminal."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.cli.app import _commands, run
from sessionkeeper.printing import PrintableStream, printable, styled

ESCAPES = {
    "colour": "\x1b[31m",
    "title": "\x1b]0;mine\x07",
    "clipboard": "\x1b]52;c;QUFBQQ==\x07",
    "link": "\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\",
    "C1": "\x9b31m\x9d0;mine\x9c",
    "line breaks": "\r\n\v\f\x85\u2028\u2029",
    "direction": "\u202e\u2066\u2069\u200f",
    "invisible": "\u200b\ufeff\u00ad\U000e0041",
    "deleted": "\b\x7f\x00",
    "surrogate": "\udc9b",
}
HOSTILE = "".join(ESCAPES.values()).replace("\0", "") + "[red]markup[/red]"
"""A word of a command line, which has no NUL."""
FOR_A_STORE = HOSTILE.replace("\udc9b", "")
FOR_A_FILE = HOSTILE.replace("/", "")
ID = "x'\"%$`;{}[]:*?"


def assert_printable(text: str) -> None:
    """Only line ends and tabs are left of what does not print."""
    bad = {each for each in text if not each.isprintable() and each not in "\n\t"}
    assert not bad, sorted(bad)


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_escapes_are_written_out(escape: str) -> None:
    """Whatever its kind."""
    assert printable(escape).isprintable()
    assert printable(f"before{escape}after").startswith("before\\")


def test_printable_text_is_unchanged() -> None:
    """Letters of every script and the symbols of the tables."""
    text = "Größe 漢字 ✓ µs → Ω"
    assert printable(text) == text
    assert printable("a\tb\n", keep="\n\t") == "a\tb\n"


def test_no_category_of_unicode_that_does_not_print_is_passed_on() -> None:
    """Controls, formats, surrogates, private characters and separators."""
    for number in range(0x110000):
        character = chr(number)
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            assert printable(character).isascii()


def test_a_part_of_a_table_is_no_markup() -> None:
    """rich would hide the brackets and colour the rest."""
    assert styled("[red]\x1b[31m").plain == "[red]\\x1b[31m"


def test_what_python_writes_itself_is_escaped(tmp_path: Path) -> None:
    """A traceback, a warning, a log."""
    with (tmp_path / "written").open("w+", encoding="utf-8") as file:
        stream = PrintableStream(file)
        print("first\x1b[2J\n\tsecond\u202e", file=stream)
        stream.writelines(["third\x9b\n"])
        stream.flush()
        file.seek(0)
        assert file.read() == "first\\x1b[2J\n\tsecond\\u202e\nthird\\x9b\n"


@pytest.fixture
def hostile_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose name, and whose store and histories, hold everything that does harm."""
    folder = tmp_path / FOR_A_FILE[:60]
    folder.mkdir()
    monkeypatch.chdir(folder)
    asyncio.run(_fill(f"{FOR_A_FILE[:60]}.db"))
    head = {"format": "sessionkeeper-history", "version": 1, "model": "register"}
    operations: list[dict[str, object]] = [
        {"client": 0, "name": "write", "argument": HOSTILE, "call": 0, "return": 1},
        {"client": 1, "name": "read", "result": "other", "call": 2, "return": 3},
    ]
    histories: dict[str, list[dict[str, object]]] = {
        "illegal": [head, *operations],
        "name": [head, operations[0] | {"name": HOSTILE}],
        "model": [head | {"model": HOSTILE}, *operations],
    }
    for name, lines in histories.items():
        Path(f"{name}{FOR_A_FILE[:40]}").write_text("\n".join(map(json.dumps, lines)))
    Path("neither").write_text(HOSTILE, errors="surrogatepass")
    Path("evil_store.py").write_text(
        "from sessionkeeper import PlainSessionStore\n"
        f"class Evil(PlainSessionStore):\n"
        f"    {FOR_A_STORE!r}\n"
        "    def __init__(self, limits=None): super().__init__(limits=limits)\n"
        f"    async def add_frame(self, e, /): raise type({FOR_A_STORE!r}, (Exception,), {{}})()\n"
    )
    return folder


async def _fill(path: str) -> None:
    async with SQLiteSessionStore(path) as store:
        await store.create_session(
            Session.new(
                transport_type="stdio",
                id=ID,
                principal=FOR_A_STORE,
                tags=[FOR_A_STORE],
                metadata={FOR_A_STORE: FOR_A_STORE},
                client_info={"name": FOR_A_STORE, "version": FOR_A_STORE},
            )
        )
        for method in (json.dumps(FOR_A_STORE), f'"{FOR_A_STORE[20:24]}\x7f\x9b\u202e"'):
            message = f'{{"jsonrpc":"2.0","id":"\u202e","method":{method}}}'
            message = "".join(each for each in message if each >= " ")
            envelope = MessageEnvelope.of(ID, message.encode(), direction="client-to-server")
            await store.add_frame(envelope)


def _stores() -> list[str]:
    return [
        f"sqlite:///{quote(FOR_A_FILE[:60], errors='surrogateescape')}.db",
        f"sqlite:///{FOR_A_FILE}",
        HOSTILE,
        f"{HOSTILE}://x",
        "redis://host:6379/0?" + quote(HOSTILE, errors="surrogateescape"),
    ]


def _a_store(store: str) -> list[list[str]]:
    return [[store], [store, HOSTILE]]


def _all(command: str) -> list[list[str]]:
    """Return command lines with hostile words for a command: known ones where it is known."""
    history = [f"{name}{FOR_A_FILE[:40]}" for name in ("illegal", "name", "model")]
    quick = ["--seeds", "2", "--loop", "asyncio"]
    known: dict[str, Callable[[str], list[list[str]]]] = {
        "record": lambda store: [["--store", store, "--", "true"], ["--", HOSTILE]],
        "demo": lambda _: [["--sessions", HOSTILE]],
        "calls": lambda store: [[store, ID], [store, "--slow", HOSTILE], [store, HOSTILE]],
        "show": lambda store: [[store, ID], [store, ID, "1"], [store, ID, "2"], [store, HOSTILE]],
        "tail": lambda store: [[store, ID], [store, HOSTILE]],
        # With a session that exists, it would serve it.
        "view": lambda store: [[store, HOSTILE], [store, "--port", HOSTILE]],
        "export": lambda store: [[store], [store, HOSTILE], [store, "-o", FOR_A_FILE]],
        "import": lambda store: [[store, "neither"], [store, FOR_A_FILE]],
        "purge": lambda store: [[store, "--older-than", "1d"], [store, "--older-than", HOSTILE]],
        "copy": lambda store: [[store, "sqlite:///new.db"], ["sqlite:///new.db", store]],
        "restore": lambda store: [[FOR_A_FILE, store], [store, "sqlite:///other.db"]],
        "check": lambda _: [
            *([option, each] for each in [*history, "neither", FOR_A_FILE] for option in ("-v",)),
            ["--model", HOSTILE, history[0]],
            ["--html", f"{FOR_A_FILE}/x", history[0]],
            ["--json", *history],
        ],
        "compare": lambda _: [
            [HOSTILE],
            [f"{HOSTILE}:x"],
            [f"evil_store:{HOSTILE}"],
            ["evil_store:Evil", *quick],
            ["evil_store:Evil", "--json", *quick],
            ["--html", f"{FOR_A_FILE}/x"],
            ["--redis", HOSTILE],
        ],
        "bench": lambda store: [
            ["--store", store],
            ["--store", f"{HOSTILE}:x"],
            ["--store", f"evil_store:{HOSTILE}"],
            ["--store", f"aiocache={HOSTILE}"],
            ["--mix", HOSTILE],
            ["--output", f"{FOR_A_FILE}/x"],
        ],
    }
    lines = known.get(command, _a_store)
    found = [line for store in _stores() for line in lines(store)]
    plain = [line for line in found if "--json" not in line and "--" not in line]
    return [[HOSTILE], [f"--{HOSTILE}"], *found, *(["--json", *line] for line in plain)]


@pytest.mark.any_loop
@pytest.mark.parametrize("command", sorted(_commands(None)))
def test_no_command_lets_a_text_control_the_terminal(
    command: str,
    hostile_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every command, those added later as well, with hostile words for everything it takes."""
    assert hostile_folder.is_dir()
    monkeypatch.syspath_prepend(str(hostile_folder))
    arguments = list(dict.fromkeys(map(tuple, _all(command))))
    for line in arguments:
        run([command, *line])
        output = capsys.readouterr()
        assert_printable(output.out)
        assert_printable(output.err)


def test_an_unknown_command_is_repeated_without_its_escapes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """This includes an unknown command."""
    assert run([HOSTILE]) == 2
    assert_printable(capsys.readouterr().err)


def test_a_traceback_of_an_unforeseen_error_is_escaped() -> None:
    """An unexpected error ends in a traceback, whose last line may quote anything."""
    broken = f"def run(*_, **__): raise RuntimeError({FOR_A_STORE!r})"
    call = "import sessionkeeper.cli.app as app; app.run = run; import sessionkeeper.cli as cli"
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path[:] = {sys.path!r}\n{broken}\n{call}; cli.main()",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "RuntimeError" in ended.stderr
    assert_printable(ended.stderr)
