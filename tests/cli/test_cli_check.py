"""`sessionkeeper check`: a verdict a file, and an exit code for CI."""

from __future__ import annotations

import json
import signal
from collections import deque
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper.cli.app import run
from sessionlab import check
from sessionlab.cli.alarm import alarm
from sessionlab.linearizability import time_limit
from sessionlab.linearizability.time_limit import OutOfTime

HEADER = '{"format":"sessionkeeper-history","version":1,"model":"register"}\n'
WRITE = '{"client":0,"name":"write","argument":1,"call":0,"return":1}\n'
READ = '{"client":0,"name":"read","result":%s,"call":2,"return":3}\n'
KV = (
    '{:process 0, :type :invoke, :f :get, :key "a", :value nil}\n'
    '{:process 0, :type :ok, :f :get, :key "a", :value ""}\n'
)
JEPSEN = "INFO jepsen.util - 0 :invoke :read nil\nINFO jepsen.util - 0 :ok :read nil\n"


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """Write a file and return its name."""

    def file(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return file


@pytest.fixture
def right(file: Any) -> str:
    """A history that is linearizable."""
    return str(file("right", HEADER + WRITE + READ % 1))


@pytest.fixture
def wrong(file: Any) -> str:
    """A history that is not linearizable."""
    return str(file("wrong", HEADER + WRITE + READ % "null"))


def test_all_ok_is_exit_code_0(right: str, file: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """All three formats, told by their content."""
    assert run(["check", right, file("kv", KV), file("log", JEPSEN)]) == 0
    output = capsys.readouterr()
    assert [line.split()[0] for line in output.out.splitlines()] == ["OK"] * 3
    assert output.err == ""


def test_one_illegal_is_exit_code_1(
    right: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each file, explained only with an option."""
    assert run(["check", wrong, right]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["ILLEGAL", wrong], ["OK", right]]


def test_a_verbose_check_explains_its_verdict(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-v`: the name, how far one gets, what could not come next, the smallest history."""
    assert run(["check", "-v", wrong]) == 1
    shown = capsys.readouterr().out
    assert "stale read: read nil, but the register holds 1" in shown
    assert "an order exists for 1 operations" in shown
    assert "cannot come next: [2, 3] client 0 read" in shown
    assert "no order exists for these 2 operations" in shown


def test_json_is_one_line_a_file(
    right: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """File, verdict, operations, seconds."""
    assert run(["check", "--json", right, wrong]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["file"], each["verdict"]) for each in told] == [(right, "OK"), (wrong, "ILLEGAL")]
    assert all(each["operations"] == 2 and each["seconds"] >= 0 for each in told)
    assert set(told[0]) == {"file", "verdict", "operations", "seconds"}


def test_only_unknown_in_the_way_is_exit_code_3(
    right: str, wrong: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """UNKNOWN fails, with a code of its own; ILLEGAL goes before it."""
    assert run(["check", right, "--timeout", "0", "-v"]) == 3
    assert "UNKNOWN" in capsys.readouterr().out
    seconds = chain([0.0], repeat(100.0))  # the time of the first file passes, that of others not
    monkeypatch.setattr(time_limit, "monotonic", lambda: next(seconds))
    assert run(["check", right, wrong, "--timeout", "5"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["UNKNOWN", "ILLEGAL"]


def test_an_explanation_without_time_is_left_out(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict stays, and the page says the same."""
    looks = iter(range(10**9))
    real = check

    def slow(*arguments: Any, **options: Any) -> Any:
        result = real(*arguments, **options)
        monkeypatch.setattr(time_limit, "monotonic", lambda: 100.0)
        return result

    monkeypatch.setattr(time_limit, "monotonic", lambda: next(looks) * 1e-6)
    monkeypatch.setattr("sessionlab.cli.check.check", slow)
    page = tmp_path / "page.html"
    assert run(["check", wrong, "--timeout", "60", "-v", "--html", str(page)]) == 1
    assert "  not explained: time limit\n" in capsys.readouterr().out
    assert "not explained: time limit" in page.read_text()


@pytest.mark.timeout(0)  # its own alarm would be kept
def test_an_alarm_ends_what_does_not_look_at_the_clock() -> None:
    """A model of one's own, or drawing; and the handler before it is put back."""
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(OutOfTime), alarm(0.01):
        deque((each for each in repeat(0)), maxlen=0)
    with pytest.raises(OutOfTime), alarm(0):
        pytest.fail("no time is left")
    with alarm(None), alarm(3600):
        pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    signal.setitimer(signal.ITIMER_REAL, 3600)
    try:
        with alarm(1800):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 1800, "the alarm of the host stays"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.parametrize(
    "text", ["", "\n", "nonsense\n", HEADER, HEADER + "{", JEPSEN + "nonsense\n"]
)
def test_bad_input_is_exit_code_2(
    text: str, file: Any, right: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names the file; the other files are checked all the same."""
    bad = file("bad", text)
    assert run(["check", wrong, bad]) == 2
    capsys.readouterr()
    assert run(["check", bad, right]) == 2
    output = capsys.readouterr()
    assert output.out.startswith(f"OK       {right}")
    assert output.err.startswith(f"sessionkeeper: {bad}")
    assert output.err.count("\n") == 1


def test_a_history_that_the_model_cannot_read_is_bad_input(
    right: str, file: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Operations of another model, or a wrong shape: one line, no traceback."""
    odd = HEADER.replace("register", "session-store") + READ % 1
    for arguments in ([right, "--model", "kv"], [file("odd", odd)]):
        assert run(["check", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-file"],
        ["--no-such-flag", "x"],
        ["x", "--format", "csv"],
        ["x", "--model", "queue"],
        ["x", "--timeout", "soon"],
        ["x", "--timeout", "-1"],
    ],
)
def test_wrong_use_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr, nothing on stdout."""
    assert run(["check", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("sessionkeeper: ")
    assert output.err.count("\n") == 1


def test_a_folder_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says that it is not a file."""
    assert run(["check", str(tmp_path)]) == 2
    assert "directory" in capsys.readouterr().err.lower()


def test_format_and_model_can_be_given(file: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An option can give what the content would tell."""
    assert run(["check", file("kv", KV), "--format", "kv", "--model", "kv"]) == 0
    assert run(["check", file("kv", KV), "--format", "jepsen"]) == 2
    assert "not a line of a Jepsen log" in capsys.readouterr().err


def test_html_writes_a_page_with_pictures(
    wrong: str, right: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors as pictures, the rest as sentences; output and exit code stay the same."""
    page = tmp_path / "page.html"
    assert run(["check", wrong, right, "--html", str(page)]) == 1
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["ILLEGAL", "OK"]
    text = page.read_text(encoding="utf-8")
    assert text.count('<figure class="picture"') == 1
    assert text.count('<g class="call blocked"') == 1
    assert "stale read" in text
    assert "2 operations" in text
    assert page.stat().st_mode & 0o077 == 0


def test_html_shows_the_whole_history_too_where_there_is_more(
    file: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The smallest counterexample first, then all calls that had to be in one order with it."""
    page = tmp_path / "page.html"
    early = "".join(
        f'{{"client":2,"name":"read","result":1,"call":{n},"return":{n + 1}}}\n'
        for n in range(2, 1_002, 2)
    )
    last = '{"client":0,"name":"read","result":null,"call":2000,"return":2001}\n'
    assert run(["check", file("long", HEADER + WRITE + early + last), "--html", str(page)]) == 1
    text = page.read_text(encoding="utf-8")
    assert text.count('<figure class="picture"') == 2
    assert 'data-bars="502"' in text
    assert "2 of 502 calls" in text
    capsys.readouterr()


def test_a_page_that_cannot_be_written_is_wrong_use(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error comes before the work, in one line."""
    for page in (tmp_path, tmp_path / "none" / "page.html"):
        assert run(["check", wrong, "--html", str(page)]) == 2
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.count("\n") == 1


@pytest.mark.parametrize(
    ("written", "read", "code"),
    [
        ("1", "1", 0),
        ("1", "true", 1),
        ("1", "1.0", 1),
        ("0.0", "-0.0", 1),
        ("NaN", "NaN", 0),
        ("NaN", "null", 1),
        ("[[1]]", "[[true]]", 1),
        ("9007199254740993", "9007199254740992.0", 1),
        ('"\\u00e9"', '"\u00e9"', 0),
        ('"\u00e9"', '"e\u0301"', 1),
        ('"\\ud800"', '"\\ud801"', 1),
        ("1", '1,"result":1', 2),
    ],
)
def test_values_are_read_with_their_types(written: str, read: str, code: int, file: Any) -> None:
    """The content of a file is judged; a key given twice has no clear value."""
    name = file("values", HEADER + WRITE.replace(":1,", f":{written},", 1) + READ % read)
    assert run(["check", name]) == code
    assert run(["check", "-v", name]) == code
