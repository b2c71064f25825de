"""Text is found in the bytes of messages, and in their strings without escapes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessionkeeper import ActorSessionStore, Direction, Frame, MessageEnvelope
from sessionkeeper.recording import SearchMatch, SearchPattern, search

from tests.support.recorded_logs import DOWN, UP, RecordedLog
from tests.support.recordings import RecordedServer


def frame(message: bytes | Mapping[str, object], direction: Direction = UP) -> Frame:
    made = message if isinstance(message, bytes) else {"jsonrpc": "2.0", **message}
    return Frame(seq=1, envelope=MessageEnvelope.of("s", made, direction=direction))


def find(text: str, message: bytes | Mapping[str, object], **options: bool) -> SearchMatch | None:
    return SearchPattern.of_text(text, **options).find(frame(message))


async def test_what_a_real_server_answered_is_found() -> None:
    """In the request and in the result, with the place in the message."""
    async with ActorSessionStore() as store:
        async with RecordedServer(store, [sys.executable, "-m", "mcp_server_time"]) as server:
            await server.greet()
            await server.call("get_current_time", timezone="Nowhere/é")
        pattern = SearchPattern.of_text("Nowhere/é")
        found = [match async for match in search(store, server.session_id, pattern)]
    assert [(match.direction, match.path) for match in found] == [
        (UP, "params.arguments.timezone"),
        (DOWN, "result.content[0].text"),
    ]
    asked, answered = found
    assert (asked.method, asked.request_id, answered.request_id) == ("tools/call", 2, 2)
    assert (asked.before, asked.matched, asked.after) == ("", "Nowhere/é", "")
    assert "Nowhere" not in repr(asked)


@pytest.mark.parametrize(
    "written", ["é", "\\u00e9", "\\u00E9"], ids=["as it is", "escaped", "in capitals"]
)
def test_a_letter_is_found_however_it_was_written(written: str) -> None:
    message = f'{{"jsonrpc":"2.0","method":"caf{written}","params":{{"caf{written}":1}}}}'.encode()
    found = find("café", message)
    assert found is not None
    assert (found.path, found.count) == ("method", 2)
    assert find("CAFÉ", message) is None
    assert find("CAFÉ", message, ignore_case=True) is not None


def test_structure_and_numbers_are_found_in_the_bytes() -> None:
    found = find('"id":17,', {"id": 17, "method": "ping"})
    assert found is not None
    assert (found.path, found.count) == (None, 1)
    assert (found.before, found.after) == ('{"jsonrpc":"2.0",', '"method":"ping"}')


def test_bytes_that_are_no_text_are_searched_too() -> None:
    found = find("up", b"starting \xff up")
    assert found is not None
    assert found.before == "starting \udcff "
    assert find("down", b"\xff") is None


def test_an_expression_sees_whole_strings() -> None:
    """`^` and `$` are the ends of a string, also where nothing is escaped."""
    message = {"method": "tools/call", "params": {"name": "read_file"}}
    for expression, path in (r"^read_\w+$", "params.name"), (r"^tools/", "method"):
        found = SearchPattern.of_expression(expression).find(frame(message))
        assert found is not None
        assert found.path == path
    assert SearchPattern.of_expression("^read$").find(frame(message)) is None
    shouting = SearchPattern.of_expression("^READ_", ignore_case=True)
    assert shouting.find(frame(message)) is not None


def test_an_expression_is_found_in_escaped_and_in_plain_strings() -> None:
    """With classes, repetitions and assertions."""
    plain = b'{"jsonrpc":"2.0","method":"read file 77"}'
    escaped = b'{"jsonrpc":"2.0","method":"read\\nf\\u0069le 77"}'
    for expression in r"f[a-z]le \d+", r"\bfile\b", r"(?<=file )\d", r"^read\s", r"77$", r"read\sf":
        pattern = SearchPattern.of_expression(expression)
        for message in plain, escaped:
            assert pattern.find(frame(message)) is not None, expression


@pytest.mark.parametrize("wrong", ["(", "a{2,1}", "(?P<1>a)"])
def test_an_expression_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        SearchPattern.of_expression(wrong)
    with pytest.raises(ValueError, match="empty"):
        SearchPattern.of_text("")


def test_a_path_names_members_that_are_no_words() -> None:
    found = find("x", {"method": "m", "params": {"a b": {"": ["y", "x"]}}})
    assert found is not None
    assert found.path == 'params["a b"][""][1]'


def test_a_match_keeps_a_bounded_part_of_a_large_message() -> None:
    found = SearchPattern.of_expression("b+").find(
        frame({"method": "m", "params": {"x": "a" * 9_000 + "b" * 9_000 + "c" * 9_000}})
    )
    assert found is not None
    assert (len(found.before), len(found.matched), len(found.after)) == (200, 1_000, 200)


@given(
    st.text(min_size=1, max_size=6, alphabet=st.sampled_from('aé"\\/\n\t\x01\U0001f600{')),
    st.text(max_size=6, alphabet=st.sampled_from('aé"\\/\n\t\x01\U0001f600{')),
    st.booleans(),
)
def test_every_string_that_has_the_text_is_found(text: str, around: str, ascii_only: bool) -> None:
    """However it is escaped; and one of the byte strings to search for first is in its bytes."""
    held = {"jsonrpc": "2.0", "method": around + text + around}
    message = json.dumps(held, ensure_ascii=ascii_only).encode()
    pattern = SearchPattern.of_text(text)
    assert pattern.find(frame(message)) is not None
    containing = pattern.containing
    assert containing is not None
    assert any(each in message for each in containing)


@pytest.mark.parametrize("text", ["x" * 3_000, "é" * 3_000, "needle"])
async def test_a_text_is_found_in_a_log(text: str) -> None:
    """However long it is, and however many frames do not have it; escaped, too."""
    log = RecordedLog()
    for number in range(500):
        log.notify("notifications/message", data=f"line {number}")
    log.notify("notifications/message", data=f"a {text} b")
    log.say(DOWN, json.dumps({"jsonrpc": "2.0", "method": f"a {text} b"}).encode())
    async with ActorSessionStore() as store:
        await log.put_into(store)
        found = [match async for match in search(store, "s", SearchPattern.of_text(text))]
    assert [match.seq for match in found] == [501, 502]


async def test_a_search_reads_the_log_in_pages() -> None:
    log = RecordedLog()
    for number in range(3_000):
        log.notify("notifications/message", data=f"line {number}")
    async with ActorSessionStore() as store:
        await log.put_into(store)
        pattern = SearchPattern.of_expression(r"^line \d*99$")
        found = [match.seq async for match in search(store, "s", pattern)]
    assert found == [number + 1 for number in range(3_000) if f"{number:02}".endswith("99")]
