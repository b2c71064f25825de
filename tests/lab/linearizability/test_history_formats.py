"""A history file is read as it was written; other input is an error with file and line."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from random_values import VALUES
from sessionlab import Header, History, HistoryFormat, Outcome, read_history, write_history

HEADER = '{"format":"sessionkeeper-history","version":1,"model":"register"}'
READ = '{"client":0,"name":"read","call":0,"return":1}'
JEPSEN = """\
INFO  jepsen.util - 0\t:invoke\t:read\tnil
INFO  jepsen.util - :nemesis :info :start nil
INFO  jepsen.util - 1   :invoke   :cas   [0 3]
INFO  jepsen.util - 0\t:ok\t:read\tnil
INFO  jepsen.util - 1   :fail   :cas   [0 3]
INFO  jepsen.util - 2\t:invoke\t:write\t4
INFO  jepsen.util - 2\t:info\t:write\t:timed-out
INFO  jepsen.util - 3\t:invoke\t:read\tnil
INFO  jepsen.util - 3\t:fail\t:read\t:timed-out
INFO  jepsen.util - 4\t:invoke\t:cas\t[4 0]
"""
KV = r"""{:process 0, :type :invoke, :f :append, :key "a", :value "x \"1\" y"}
{:process 1, :type :invoke, :f :get, :key "a", :value nil}
{:process 0, :type :ok, :f :append, :key "a", :value "x \"1\" y"}
{:process 1, :type :ok, :f :get, :key "a", :value "x \"1\" y"}
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a file and return its path."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "history"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_written_history_is_read_back(tmp_path: Path, lab: Any) -> None:
    """JSON Lines with a versioned header; nothing is lost, whatever the text."""
    history = History(
        header=Header(
            model="register", store="Mine", versions={"python": "3"}, seed=7, faults=("pause",)
        ),
        operations=(
            lab.op("write", "\u2028\x00é\n", at=(0, 1)),
            lab.op("cas", (1, (None, True, 1.5, ())), at=(2, 3), outcome=Outcome.FAILED),
            lab.maybe("write", -1, call=4),
        ),
    )
    path = tmp_path / "history.jsonl"
    write_history(history, path)
    assert read_history(path) == history
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[0].startswith('{"format":"sessionkeeper-history","version":1,')
    assert lines[1].endswith('"call":0,"return":1,"outcome":"ok"}')


def test_every_value_comes_back_as_itself(tmp_path: Path, lab: Any) -> None:
    """Also what JSON has no word for, and what Python takes for equal."""
    values = (*VALUES, "\udc80\U0001f600", 2**70, (float("nan"), ("\ud83d",)))
    history = History(
        header=Header(model="register", one_counter=False),
        operations=tuple(
            lab.op("cas", (value, 0), value, at=(n, n)) for n, value in enumerate(values)
        ),
    )
    path = tmp_path / "history.jsonl"
    write_history(history, path)
    read = read_history(path)
    assert not read.header.one_counter
    assert [repr(each.result) for each in read.operations] == [repr(value) for value in values]
    assert [repr(each.argument) for each in read.operations] == [
        repr((value, 0)) for value in values
    ]


VALUES_IN_FILES = {
    "1": (1, int),
    "1.0": (1.0, float),
    "1e0": (1.0, float),
    "true": (True, bool),
    "-0.0": (-0.0, float),
    "NaN": (float("nan"), float),
    "-Infinity": (float("-inf"), float),
    "9007199254740993": (2**53 + 1, int),
    "123456789012345678901234567890": (123456789012345678901234567890, int),
    '"\\u00e9"': ("\u00e9", str),
    '"e\\u0301"': ("e\u0301", str),
    '"\\ud800"': ("\ud800", str),
    '"\\ud83d\\ude00"': ("\U0001f600", str),
}


@pytest.mark.parametrize("text", VALUES_IN_FILES)
def test_a_value_in_a_file_has_the_type_it_is_written_in(text: str, write: Any) -> None:
    """An integer is neither a float nor a boolean; NaN is read if a file has it."""
    line = f'{READ[:-1]},"result":{text}}}'
    (read,) = read_history(write(f"{HEADER}\n{line}")).operations
    value, kind = VALUES_IN_FILES[text]
    assert (repr(read.result), type(read.result)) == (repr(value), kind)


def test_an_escape_in_a_map_is_the_character_it_stands_for(write: Any) -> None:
    """One text, in whichever way it is written."""
    escaped = KV.replace('\\"1\\"', "\\u00e9\\ud83d\\ude00", 1)
    append, _ = read_history(write(escaped)).operations
    assert append.argument == ("a", "x \u00e9\U0001f600 y")


def test_only_its_owner_may_read_a_history(tmp_path: Path, lab: Any) -> None:
    """It holds payloads."""
    path = tmp_path / "history.jsonl"
    history = History(header=Header(model="register"), operations=(lab.op("read", at=(0, 1)),))
    write_history(history, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_jepsen_log_is_told_by_its_content(write: Any) -> None:
    """Tabs or blanks; the nemesis is passed over; a call without an end is unknown."""
    history = read_history(write(JEPSEN))
    assert history.header.model == "register"
    seen = [(each.name, each.argument, each.result, each.outcome) for each in history.operations]
    assert seen == [
        ("read", None, None, Outcome.OK),
        ("cas", (0, 3), None, Outcome.FAILED),
        ("write", 4, None, Outcome.UNKNOWN),
        ("read", None, None, Outcome.FAILED),
        ("cas", (4, 0), None, Outcome.UNKNOWN),
    ]
    assert history.operations[0].call < history.operations[1].call
    assert history.operations[4].returned is None


def test_a_run_of_maps_is_told_by_its_content(write: Any) -> None:
    """One EDN map a line."""
    append, get = read_history(write(KV)).operations
    assert (append.name, append.argument) == ("append", ("a", 'x "1" y'))
    assert (get.name, get.argument, get.result) == ("get", ("a", None), 'x "1" y')


def test_a_format_can_be_forced(write: Any) -> None:
    """Then the content must be of that format."""
    with pytest.raises(ValueError, match=r"history, line 1: not a map"):
        read_history(write(JEPSEN), format=HistoryFormat.KV)


BAD = {
    "empty": "",
    "blank": " \n\n",
    "prose": "# Title\n",
    "no operation": HEADER,
    "no header": READ,
    "no JSON": f"{HEADER}\n{READ[:-3]}",
    "another format": f"{HEADER.replace('-history', '-diary')}\n{READ}",
    "a later version": f"{HEADER.replace(':1', ':2')}\n{READ}",
    "no call": f'{HEADER}\n{{"client":0,"name":"read","return":1}}',
    "ends before it begins": f"{HEADER}\n{READ.replace(':1}', ':-1}')}",
    "ok without an end": f"{HEADER}\n{READ.replace(':1}', ':null}')}",
    "a strange outcome": f'{HEADER}\n{READ[:-1]},"outcome":"perhaps"}}',
    "an object": f'{HEADER}\n{READ[:-1]},"result":{{}}}}',
    "a key twice": f'{HEADER}\n{READ[:-1]},"result":1,"result":2}}',
    "a key twice, once by an escape": f'{HEADER}\n{READ[:-1]},"result":1,"r\\u0065sult":2}}',
    "a key of the header twice": f'{HEADER[:-1]},"model":"kv"}}\n{READ}',
    "a number no float holds": f'{HEADER}\n{READ[:-1]},"result":1e999}}',
    "the same beside what JSON has not": f'{HEADER}\n{READ[:-1]},"result":[NaN,1e999]}}',
    "deep": f'{HEADER}\n{READ[:-1]},"result":{"[" * 100_000}',
    "not UTF-8": b'{"format":"\xff"}',
    "a strange word": JEPSEN + "WARN something\n",
    "a strange operation": JEPSEN.replace(":write", ":delete"),
    "an end without a call": "INFO jepsen.util - 0 :ok :read nil\n",
    "two calls at once": JEPSEN.replace("- 1 ", "- 0 "),
    "a bad cas": JEPSEN.replace("[4 0]", "[4]"),
    "a bad value": JEPSEN.replace(":write\t4", ":write\tfour"),
    "a bad answer": JEPSEN.replace(":ok\t:read\tnil", ":ok\t:read\tmaybe"),
    "an answer that is none": KV.replace(':get, :key "a", :value "x', ':get, :key "a", :value x'),
    "get with a value": KV.replace(":value nil", ':value "x"'),
    "put without one": KV.replace(
        ':append, :key "a", :value "x \\"1\\" y"', ':put, :key "a", :value nil'
    ),
    "half a line": KV[:-10],
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_file_that_is_no_history_is_reported_with_file_and_line(
    text: str | bytes, write: Any
) -> None:
    """A clear `ValueError`; never another error, never a guess."""
    with pytest.raises(ValueError, match=r"/history(, line \d+)?: .") as caught:
        read_history(write(text))
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


LONG = "9" * 5_000
LONG_NUMBERS = {
    **{
        f"{field} of an operation": (
            f'{HEADER}\n{{"client":0,"name":"write","argument":1,"call":0,"return":1}}'.replace(
                f'"{field}":{number}', f'"{field}":{LONG}'
            ),
            2,
        )
        for field, number in [("client", 0), ("argument", 1), ("call", 0), ("return", 1)]
    },
    "beside an escape": (
        f'{HEADER}\n{{"client":0,"name":"\\u0077rite","argument":[-{LONG}],"call":0,"return":1}}',
        2,
    ),
    "beside NaN": (
        f'{HEADER}\n{{"client":0,"name":"write","argument":[NaN,{LONG}],"call":0,"return":1}}',
        2,
    ),
    "version of the format": (HEADER.replace('"version":1', f'"version":{LONG}'), 1),
    "seed": (HEADER.replace('"model"', f'"seed":-{LONG},"model"'), 1),
    "value of Jepsen": (f"INFO  jepsen.util - 0\t:invoke\t:write\t{LONG}", 1),
    "process of Jepsen": (f"INFO  jepsen.util - {LONG}\t:invoke\t:write\t1", 1),
    "process of key-values": (KV.replace(":process 0", f":process {LONG}", 1), 1),
}


@pytest.mark.parametrize(("text", "line"), LONG_NUMBERS.values(), ids=LONG_NUMBERS)
def test_a_number_that_is_too_long_is_told_by_file_line_and_length(
    write: Any, text: str, line: int
) -> None:
    """Before it is read, in our words; the digits are not repeated."""
    path = write(text)
    with pytest.raises(ValueError, match="5,000 digits") as error:
        read_history(path)
    expected = f"{path}, line {line}: a number of 5,000 digits, and at most 4,300 are read"
    assert str(error.value) == expected
