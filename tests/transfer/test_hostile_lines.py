"""Lines that somebody made to take memory, or time, or the program down."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessionkeeper import ActorSessionStore, MessageEnvelope, Session
from sessionkeeper.transfer.json_lines import (
    Damage,
    MalformedExport,
    export_session,
    header_line,
    last_line,
    read_export,
    salvage_export,
)
from sessionkeeper.transfer.line_reader import NotText, read_lines
from sessionkeeper.transfer.read_export import read_sessions
from sessionkeeper.transfer.strict_json import read_object

MEBIBYTE = 1024 * 1024
TIMES = {"created_at": "2024-01-01T00:00:00Z", "last_activity": "2024-01-01T00:00:00Z"}


def session_line(**fields: Any) -> str:
    """The line of a session without frames."""
    session = {"id": "a", "transport_type": "stdio", **fields.pop("session", {})}
    return json.dumps({"session": session, "frames": 0, "trimmed": 0, **fields})


def with_times(**times: Any) -> str:
    """The line of a session with these times."""
    state = "closed" if times.get("ended_at") else "active"
    return session_line(session={"state": state}, times={**TIMES, "ended_at": None, **times})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"session":' + "9" * 1_000_000 + "}", "a number of 1000000 digits"),
        ('{"session":0.' + "9" * 1_000_000 + "}", "a number of 1000002 characters"),
        (session_line(trimmed=10**2_400), "below 2^63"),
        (session_line(frames=2**62, trimmed=2**62), "below 2^63"),
        (session_line(frames=-1), "numbers from 0 on"),
        (session_line(frames=True), "numbers from 0 on"),
        (session_line(frames=1.0), "numbers from 0 on"),
        ("[" * 500_000 + "]" * 500_000, "nested deeper than 128"),
        ('{"a":' * 500_000, "nested deeper than 128"),
        ('{"session":[' + "[]," * 2_000_000 + "[]]}", "outside of strings"),
        ('{"session":[' + '"",' * 2_000_000 + '""]}', "strings"),
        (session_line()[:-1] + ',"frames":0}', "a name is used twice"),
        ('{"session":NaN}', "NaN is not JSON"),
        ('{"session":{"id":"\\ud800"}}', "a lone surrogate"),
        (session_line(session={"metadata": {"x": "\ud800"}}), "a lone surrogate"),
        ("\ud800", "not UTF-8"),
        ("\0", "NUL bytes"),
        ("[]", "not a JSON object"),
        ("1" * 5_000, "a number of 5000 digits"),
        ('{"session":{}}{"session":{}}', "two records on one line"),
        (session_line(times=5), "bad times"),
        (session_line(times={}), "bad times"),
        (with_times(created_at=0), "bad times"),
        (with_times(created_at="0001-01-01T00:00:00+14:00"), "created_at is before 1970"),
        (with_times(created_at="9999-12-31T23:59:59-14:00"), "in the future"),
        (with_times(created_at="2024-01-01T00:00:00"), "bad created_at"),
        (with_times(created_at="9" * 1_000), "bad created_at"),
        (with_times(ended_at="2023-12-31T00:00:00Z"), "ended_at is before created_at"),
        (session_line(session={"state": "closed"}, times={**TIMES, "ended_at": None}), "terminal"),
        (session_line(session={"revision": 9}), "of the wrong kind"),
        (session_line(session={"tags": "text"}), "bad tags"),
        ('{"seq":1}', "a session is expected"),
    ],
)
def test_a_hostile_line_is_an_error_that_names_it(line: str, reason: str) -> None:
    """Line 2, whatever it holds; salvage tells it and goes on."""
    lines = [header_line(), line, last_line(0)]
    with pytest.raises(MalformedExport, match="line 2: ") as refused:
        list(read_export(lines))
    assert reason in refused.value.reason
    damages = [each for each in salvage_export(lines) if isinstance(each, Damage)]
    assert damages
    assert damages[0].line == 2


VALUES: list[Any] = [
    *(None, True, -1, 2**63, 10**400, 1e308, float("nan"), float("inf")),
    *("", "\ud800", "\0", "9" * 5_000, "x" * 70_000, [], {}, [[]], {"": 1}, [1] * 1_000),
    *({"via": "stdio", "pid": 10**300}, "0001-01-01T00:00:00+14:00", "24:00", "1700000000"),
]


async def an_export() -> list[str]:
    """A session with all its fields, a message, and bytes that are none."""
    async with ActorSessionStore() as store:
        session = Session.new(
            transport_type="stdio",
            id="a",
            state="active",
            principal="alice",
            client_info={"name": "x"},
            metadata={"list": [1]},
            tags={"x"},
            version_state={"requested": "2025-06-18"},
        )
        await store.create_session(session)
        delivery = {"via": "stdio", "command": ("a",), "pid": 3}
        message = {"jsonrpc": "2.0", "id": 1, "method": "m"}
        for sent in (message, b"\xff\0"):
            frame = MessageEnvelope.of(
                "a", sent, direction="client-to-server", delivery=delivery, metadata={"k": "v"}
            )
            await store.add_frame(frame)
        return [header_line(), *await export_session(store, "a"), last_line(1)]


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all members of a JSON value."""
    members = value.items() if isinstance(value, dict) else ()
    for name, inner in enumerate(value) if isinstance(value, list) else members:
        yield (*before, name)
        yield from places(inner, (*before, name))


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
async def test_a_hostile_value_in_any_field_is_refused_with_its_line(number: int) -> None:
    """Or it is a value like any other, and the store decides. No other error is raised."""
    lines = await an_export()
    fields = json.loads(lines[number - 1])
    for place in places(fields):
        for value in VALUES:
            inner = changed = json.loads(json.dumps(fields))
            for name in place[:-1]:
                inner = inner[name]
            inner[place[-1]] = value
            lines[number - 1] = json.dumps(changed)
            refused = None
            try:
                list(read_export(lines))
            except MalformedExport as error:
                refused = error.line
            # A header or a session tells what the lines after it have to be.
            assert refused is None or number <= refused <= len(lines) + 1, (place, value)
            list(salvage_export(lines))


class Endless(BytesIO):
    """A file of one line, which is made while it is read."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def readline(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0, "a line is read in parts"
        count = min(size, self.left)
        self.left -= count
        return b"x" * count


def test_a_line_takes_no_more_memory_than_its_limit() -> None:
    """One of a gigabyte is counted, and not kept."""
    tracemalloc.start()
    try:
        (line,) = read_lines(Endless(1024 * MEBIBYTE), 4 * MEBIBYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (line.size, line.text) == (1024 * MEBIBYTE, None)
    assert peak < 16 * MEBIBYTE


@pytest.mark.parametrize("size", [99, 100, 101])
def test_a_limit_of_a_line_is_exact(size: int) -> None:
    """With its end; the error names the line, its size and the limit."""
    data = b"x" * (size - 1) + b"\n{}\n"
    first, second = read_lines(BytesIO(data), 100)
    assert (first.text is None) is (size > 100)
    assert (second.offset, second.text) == (size, b"{}")
    with pytest.raises(MalformedExport) as refused:
        list(read_sessions(read_lines(BytesIO(data), 100)))
    assert refused.value.line == 1
    assert ("101 bytes, more than the 100" in refused.value.reason) is (size > 100)


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"BZh9", "compressed with bzip2"),
        (b"PK\x03\x04", "a zip archive"),
        (b"SQLite format 3\0", "a SQLite database"),
        ("\ufeffx".encode("utf-16-le"), "UTF-16"),
    ],
)
def test_what_is_no_text_is_named(beginning: bytes, kind: str) -> None:
    """Not a number of malformed lines."""
    with pytest.raises(NotText, match=kind):
        list(read_lines(BytesIO(beginning + bytes(range(256)))))


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_random_bytes_are_read_or_refused(lines: list[bytes]) -> None:
    """No other error, with and without salvage."""
    texts = [line.replace(b"\n", b"") for line in lines]
    with pytest.raises(MalformedExport) as refused:  # for there is no end
        list(read_export(texts))
    assert 1 <= refused.value.line <= len(texts) + 1
    list(salvage_export([header_line(), *texts]))


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=10)


@settings(max_examples=100)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | _TEXTS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
        max_leaves=8,
    )
)
def test_what_is_json_is_read_as_it_is(value: object) -> None:
    """An object of anything that JSON has a word for."""
    assert read_object(json.dumps({"value": value}).encode()) == {"value": value}
