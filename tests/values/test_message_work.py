"""What a peer sends takes linear work before it is refused or kept: counted, not timed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sessionkeeper import InvalidMessage, Session
from sessionkeeper.transfer import MalformedExport, header_line, read_export
from sessionkeeper.values.json_depth import MAX_DEPTH, nests_deeper
from sessionkeeper.values.jsonrpc import validate_message
from sessionlab.linearizability.history.jepsen import read_jepsen
from sessionlab.linearizability.history.kv_maps import read_kv_maps

HEAD = b'{"jsonrpc":"2.0","method":"m","params":'


def params(value: bytes) -> bytes:
    """A notification with these parameters."""
    return HEAD + value + b"}"


def depth(message: bytes) -> int:
    """How many brackets are open at most, outside of strings: byte by byte."""
    inside, opened, maximum, at = False, 0, 0, 0
    while at < len(message):
        byte = message[at]
        if byte == ord("\\") and message[at + 1 : at + 2] in (b"\\", b'"'):
            at += 1
        elif byte == ord('"'):
            inside = not inside
        elif not inside and byte in b"[{":
            opened += 1
            maximum = max(maximum, opened)
        elif not inside and byte in b"]}":
            opened -= 1
        at += 1
    return maximum


class NotJson(Exception):
    """It is no JSON, or has a lone surrogate in it."""


def refuse(_: str) -> object:
    """NaN and its like."""
    raise NotJson


def reason_of(message: bytes) -> str | None:
    """Why a message is refused, by the rules in the words of the contract; None when it is kept."""
    repeats = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeats
        repeats = repeats or len({name for name, _ in pairs}) < len(pairs)
        return dict(pairs)

    if depth(message) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH}"
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    try:
        found = json.loads(text, object_pairs_hook=members, parse_constant=refuse)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, NotJson):
        return "not JSON"
    again = "a name is used twice in one object" if repeats else None
    if isinstance(found, list):
        if not found:
            return "an empty batch"
        parts = [kind_of(each) if isinstance(each, dict) else "no object" for each in found]
        return "a batch with a part that is no message" if any(parts) else again
    return (kind_of(found) if isinstance(found, dict) else "not a JSON object") or again


def kind_of(found: dict[str, Any]) -> str | None:
    """Why an object is none of the four messages."""
    if type(found.get("jsonrpc")) is not str or type(found.get("method", "")) is not str:
        return "not JSON-RPC 2.0"
    if type(found.get("id")) not in (int, float, str, type(None)) or found["jsonrpc"] != "2.0":
        return "not JSON-RPC 2.0"
    if type(found.get("id")) is float:
        return "an id is a string or an integer"
    answers = found.keys() & {"result", "error"}
    if "method" in found:
        if answers:
            return "both a request and a response"
        return "a request's id is not null" if found.get("id", 0) is None else None
    if len(answers) != 1:
        return "neither a request nor a response"
    if "result" in found and found.get("id") is None:
        return "a response without an id"
    return None


def answer(message: bytes) -> str | None:
    """Why a message is refused; None when it is kept."""
    try:
        validate_message(message)
    except InvalidMessage as refused:
        return refused.reason
    return None


PIECES = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b'\\"', b"\\\\", b" ", b"1", b"-1.5"),
        *(b'"a":', b'"\\u0061":', b'"b":[', b'"a"', b"\xc3\xa9", b"\xff", b"NaN", b"null"),
        *(b"[" * 64, b"]" * 64, b'{"a":' * 40, b"}" * 40, b'["\\"', b'"]', b"[]," * 60, b"\\ud800"),
    ]
)


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_each_text_has_the_reason_of_a_slow_reader(text: bytes) -> None:
    """The same answer as a reader that goes byte by byte and lets `json` build everything."""
    batch = b"[" + params(text) + b"," + params(b"1") + b"]"
    for message in text, params(text), batch, params(b"[" * 9000 + b'"",' + text + b"]" * 9000):
        assert answer(message) == reason_of(message)
    assert nests_deeper(text, 3) is (depth(text) > 3)


JSON = st.recursive(
    st.sampled_from([b"1", b'""', b'"["', b'"\\""', b'"\\\\"', b'"}"', b"[]", b"{}"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: b"[" + b",".join(items) + b"]")
        | st.lists(
            st.tuples(st.sampled_from([b'"a"', b'"\\u0061"', b'"b\\""', b'"[" ', b'""\n']), inner),
            max_size=3,
        ).map(lambda pairs: b"{" + b",".join(b"%b:%b" % pair for pair in pairs) + b"}")
    ),
    max_leaves=30,
)


@settings(max_examples=60)
@given(JSON, st.integers(0, 130))
def test_names_and_levels_are_found_beside_many_arrays(value: bytes, levels: int) -> None:
    """A large message full of arrays is read another way, with the same answer."""
    many = b"[" + b"[]," * 25_000 + b"[" * levels + value + b"]" * levels + b"]"
    small = b"[" * levels + value + b"]" * levels
    for message in params(many), params(b"[" + small + b"]"):
        assert answer(message) == reason_of(message)


class Work:
    """Counts the bytes that methods of texts look at, and the lines of Python that run."""

    def __init__(self) -> None:
        self.bytes = 0
        self.lines = 0
        self.searches: list[str] = []

    def of(self, call: Callable[[], object]) -> Work:
        """Count what a call does, however it ends."""
        before = sys.getprofile(), sys.gettrace()
        sys.setprofile(self._note)
        sys.settrace(self._step)
        try:
            call()
        except (ValueError, InvalidMessage):
            pass
        finally:
            sys.setprofile(before[0])
            sys.settrace(before[1])
        return self

    def _step(self, frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        self.lines += event == "line"
        return self._step

    def _note(self, frame: FrameType, event: str, call: Any) -> None:
        if event == "c_call":
            owner = getattr(call, "__self__", None)
            if isinstance(owner, str | bytes | bytearray | list | tuple):
                self.bytes += len(owner)
            elif isinstance(owner, re.Pattern):
                self.searches.append(call.__name__)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "a string that never ends": lambda n: b"[" * 129 + b'"' + b'\\"' * (n // 2),
    "quotes and backslashes": lambda n: b"[" * 129 + b'"\\' * (n // 2),
    "backslashes": lambda n: b"[" * 129 + b'"' + b"\\" * n,
    "strings": lambda n: b"[" * 129 + b'"' + b'","' * (n // 3),
    "brackets in strings": lambda n: b"[" * 129 + b'["["],' * (n // 6),
    "deep brackets": lambda n: params(b"[" + (b"[" * 126 + b"]" * 126 + b",") * (n // 253) + b"1]"),
    "flat brackets": lambda n: params(b"[" + b"[]," * (n // 3) + b"1]"),
    "open brackets": lambda n: b"[" * n,
    "closing brackets": lambda n: b"]" * n,
    "brackets the wrong way round": lambda n: b"][" * (n // 2),
    "a batch cut off": lambda n: b"[" + (HEAD + b"1},") * (n // 41),
    "a batch of objects": lambda n: b"[" + b"{}," * (n // 3) + b"{}]",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_message_is_looked_at_a_few_times(what: str) -> None:
    """Each of its bytes less than 24 times, and no pattern goes over what may be no JSON."""
    message = HOSTILE[what](200_000)
    work = Work().of(lambda: validate_message(message))
    assert work.bytes < 24 * len(message)
    assert work.lines < 2_000
    valid = answer(message) is None
    assert set(work.searches) <= ({"finditer", "match"} if valid else set())


def test_names_beside_many_arrays_are_read_once() -> None:
    """Twice the names are twice the lines."""

    def lines(names: int) -> int:
        members = b",".join(b'"%d":[[]]' % each for each in range(names))
        return Work().of(lambda: validate_message(params(b"{" + members + b"}"))).lines

    few = lines(10_000)
    assert few < lines(20_000) < 2.1 * few


@pytest.mark.parametrize("what", ["a string that never ends", "quotes and backslashes"])
def test_the_largest_hostile_message_is_refused(what: str) -> None:
    """Sixteen megabytes; what takes quadratic time would take days."""
    assert answer(HOSTILE[what](16_000_000)) == f"nested deeper than {MAX_DEPTH}"


@pytest.mark.parametrize(
    "line",
    [
        "INFO jepsen.util - 0 :invoke :write " + "1" * 5000,
        "INFO jepsen.util - " + "1" * 5000 + " :invoke :read nil",
        "INFO jepsen.util - 0 :invoke :cas [1 " + "1" * 5000 + "]",
        "{:process " + "1" * 5000 + ', :type :invoke, :f :get, :key "0", :value nil}',
    ],
)
def test_a_number_too_long_to_read_is_an_error_that_names_the_line(line: str) -> None:
    """Python refuses one of more than 4,300 digits, and its words name no line."""
    read = read_kv_maps if line.startswith("{") else read_jepsen
    with pytest.raises(
        ValueError, match=r"^log, line 1: a number of 5,000 digits, and at most 4,300 are read$"
    ):
        read([line], "log")


@pytest.mark.parametrize("digits", [20, 4300, 5000])
def test_a_number_out_of_range_in_an_export_is_an_error_that_names_the_line(digits: int) -> None:
    """Counting on from one of 4,300 digits, Python would refuse to write the next."""
    session = '{"session":{"id":"a","transport_type":"stdio"},"frames":1,"trimmed":%s}'
    with pytest.raises(MalformedExport) as refused:
        list(read_export([header_line(), session % ("9" * digits), "{}"]))
    assert refused.value.line == 2


def test_of_a_million_wrong_tags_the_first_is_told() -> None:
    """An error of each would take a gigabyte."""
    with pytest.raises(ValidationError) as refused:
        Session.new(transport_type="stdio", tags=[1] * 1_000_000)
    assert refused.value.error_count() == 1


def test_a_history_of_one_endless_text_is_refused() -> None:
    """A key-value run whose text does not end, and an operation with a name of a megabyte."""
    start = '{:process 0, :type :invoke, :f :append, :key "'
    for line in start + "x" * 4_000_000, start + '\\"' * 2_000_000:
        with pytest.raises(ValueError, match=r"^log, line 1: not a map of a key-value run$"):
            read_kv_maps([line], "log")
    with pytest.raises(ValueError, match="no operation of a register") as refused:
        read_jepsen(["INFO jepsen.util - 0 :invoke :" + "w" * 1_000_000 + " 1"], "log")
    assert len(str(refused.value)) < 200
