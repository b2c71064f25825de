"""Events are read as WHATWG HTML says, wherever the stream is cut, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sessionkeeper.recording.budget import Budget
from sessionkeeper.recording.http.addresses import ServerAddress
from sessionkeeper.recording.http.endpoint import EndpointRewriter, without_values
from sessionkeeper.recording.http.events import Event, EventReader
from sessionkeeper.values.gap import Gap

LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data",
        b"data:  two",
        b"id: 7",
        b"id: a\0b",
        b"id",
        b"event: message",
        b"retry: 10",
        b"retry: x",
        b": comment",
        b"other: 1",
        b"data: \xff\xfe",
        b"",
        b"",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=25)


def events_of(stream: bytes, size: int) -> list[Event]:
    """Read a stream in parts of this size."""
    reader = EventReader(1000, Budget(10_000))
    parts = (stream[at : at + size] for at in range(0, len(stream), size))
    return [event for part in parts for event in reader.feed(part)]


def expected_of(lines: list[bytes]) -> list[Event]:
    """Read whole lines, as the standard words it."""
    found: list[Event] = []
    data: list[bytes] = []
    name = kind = retry = None
    for line in lines:
        if not line:
            joined = b"\n".join(data)
            if joined or name is not None or retry is not None:
                found.append(Event(joined, name, kind or None, retry))
            data, name, kind, retry = [], None, None, None
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"id" and b"\0" not in value:
            name = value.decode()
        elif field == b"event":
            kind = value.decode()
        elif field == b"retry" and value.isdigit():
            retry = int(value)
    return found


@given(STREAMS, st.sampled_from([1, 2, 3, 7, 1000]), st.booleans())
def test_any_stream_is_read_as_the_standard_says(
    lines: list[tuple[bytes, bytes]], size: int, marked: bool
) -> None:
    """With all line ends, a byte order mark, and cuts anywhere."""
    # A bare carriage return before a blank line that ends with a line feed is one line end.
    stream = b"".join(line + end for line, end in lines)
    whole = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]
    mark = b"\xef\xbb\xbf" if marked else b""
    assert events_of(mark + stream, size) == expected_of(whole)


def test_an_event_too_large_is_a_gap_and_holds_nothing() -> None:
    """Its budget is given back; the next event is whole."""
    budget = Budget(10_000)
    reader = EventReader(1_000, budget)
    found = list(reader.feed(b"data: " + b"x" * 600))
    assert budget.used == 600
    found += reader.feed(b"x" * 600)
    assert budget.used == 0
    found += reader.feed(b"\ndata: y\n\ndata: {}\n\n")
    assert isinstance(found[0].data, Gap)
    assert found[0].data.size == 1202
    assert [event.data for event in found[1:]] == [b"{}"]
    assert budget.used == 0


def test_long_lines_that_are_no_data_fill_nothing() -> None:
    """A comment without an end."""
    reader = EventReader(1_000, Budget(10_000))
    for _ in range(100):
        assert list(reader.feed(b":" + b"x" * 10_000)) == []
    assert [event.data for event in reader.feed(b"\ndata: 1\n\n")] == [b"1"]


SERVER = ServerAddress.parse("http://127.0.0.1:9000/sse")


def rewritten(stream: bytes, size: int) -> bytes:
    rewriter = EndpointRewriter(SERVER, "http://127.0.0.1:8900")
    parts = [rewriter.feed(stream[at : at + size]) for at in range(0, len(stream), size)]
    return b"".join(parts) + rewriter.finish()


def test_only_an_absolute_endpoint_of_the_server_is_changed() -> None:
    """Wherever the stream is cut; every other byte stays."""
    rest = b"event: message\ndata: http://127.0.0.1:9000/x\n\n"
    cases = {
        b"/messages?session_id=1": b"/messages?session_id=1",
        b"http://127.0.0.1:9000/m?s=1": b"http://127.0.0.1:8900/m?s=1",
        b"//127.0.0.1:9000/m": b"http://127.0.0.1:8900/m",
        b"http://127.0.0.1:9001/m": b"http://127.0.0.1:9001/m",
        b"https://elsewhere/m": b"https://elsewhere/m",
    }
    for given_url, led in cases.items():
        for end, last in (b"\n", b"\n"), (b"\r\n", b"\r\n"), (b"\r", b"\r"), (b"\n", b"\r\n"):
            event = b"event: endpoint" + end + b"data: %s" + end + last
            stream = b": hi" + end + last + event + rest
            for size in 1, 5, 1000:
                assert rewritten(stream % given_url, size) == stream % led
    for stream in rest, b"", b"data: x", b"x" * 9000, b": ping\n\n", rest + b"event: endpoint\n":
        assert rewritten(stream, 3) == stream


def test_an_endpoint_is_stored_without_its_session() -> None:
    """Names of its query stay, values do not."""
    assert without_values(b"/m?session_id=SECRET&b=2") == b"/m?session_id=[redacted]&b=[redacted]"
    assert without_values(b"/m") == b"/m"
