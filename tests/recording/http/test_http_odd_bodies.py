"""Bodies and events that other recorders change or stop at pass here, and are stored exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sessionkeeper.values.jsonrpc import MessageKind

from tests.recording.http.conftest import ID, PING, PONG, chunk, plain, stream_head

if TYPE_CHECKING:
    from tests.recording.http.conftest import Rig

EXACT = {
    "a number as it was written": b'{"jsonrpc":"2.0","id":1,"result":{"a":1e2,"b":-0.0,"c":1.10}}',
    "escapes": b'{"jsonrpc":"2.0","id":1,"result":"\\u0041\\/\\u00e9\\ud83d\\ude42"}',
    "white space and order": b' {"result" : { } ,\t"id":1 , "jsonrpc":"2.0"}\r',
    "a large number": b'{"jsonrpc":"2.0","id":1234567890123456789012,"result":0.10000000000000000}',
}
ODD = {
    "a legacy code page": b'{"jsonrpc":"2.0","id":1,"result":{"source":"\xb0\xa1\xb3\xaa"}}',
    "invalid UTF-8 alone": b"\xff\xfe\x80",
    "NaN": b'{"jsonrpc":"2.0","id":1,"result":NaN}',
    "half of it": b'{"jsonrpc":"2.0","id":1,"res',
    "a page": b"<html>Bad gateway</html>",
    "NULs": b"\0\0\0",
}
BODIES = [*((each, False) for each in EXACT.values()), *((each, True) for each in ODD.values())]
CASES = pytest.mark.parametrize(("body", "is_odd"), BODIES, ids=[*EXACT, *ODD])


@CASES
async def test_an_answer_is_stored_as_it_was_written(rig: Rig, body: bytes, is_odd: bool) -> None:
    """As the body of an answer: nothing is parsed and written again, nothing stops the proxy."""
    await rig.serve(plain(body, ID))
    await rig.start()
    assert (await rig.ask(PING, ID)).body == body
    await rig.stop()
    frames = [frame for frame in await rig.frames() if frame.message == body]
    assert [frame.kind is MessageKind.ODD for frame in frames] == [is_odd]
    assert rig.troubles == []


@CASES
async def test_an_event_is_stored_as_it_was_written(rig: Rig, body: bytes, is_odd: bool) -> None:
    """As the data of a server-sent event."""
    line = body.rstrip(b"\r")  # it would end the line
    await rig.serve(stream_head(ID) + chunk(b"data: " + line + b"\n\n") + b"0\r\n\r\n")
    await rig.start()
    assert (await rig.ask(PING, ID)).body == b"data: " + line + b"\n\n"
    await rig.stop()
    frames = [frame for frame in await rig.frames() if frame.message == line]
    assert [frame.kind is MessageKind.ODD for frame in frames] == [is_odd]


@CASES
async def test_a_request_is_stored_as_it_was_written(rig: Rig, body: bytes, is_odd: bool) -> None:
    """As the body of a request; the next request passes."""
    await rig.serve(plain(PONG, ID))
    await rig.start()
    await rig.ask(body, ID)
    assert (await rig.ask(PING, ID)).status == 200
    await rig.stop()
    assert rig.requests[0].body == body
    frames = [frame for frame in await rig.frames() if frame.message == body]
    assert [frame.kind is MessageKind.ODD for frame in frames] == [is_odd]


async def test_a_header_with_white_space_names_the_same_session(rig: Rig) -> None:
    """As a header may have it on both sides: one session, and the value passes without it."""
    await rig.serve(plain(PONG, "Mcp-Session-Id:\t  0123456789abcdef-secret \t"))
    await rig.start()
    answer = await rig.ask(PING, "Mcp-Session-Id:   0123456789abcdef-secret  ")
    await rig.ask(PING, ID)
    await rig.stop()
    assert answer.values("mcp-session-id") == ["0123456789abcdef-secret"]
    assert len(await rig.sessions()) == 1
    assert rig.requests[0].values("mcp-session-id") == ["0123456789abcdef-secret"]
