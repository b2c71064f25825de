"""Requests are paired with their responses, whatever else is on the wire."""

from __future__ import annotations

import pytest
from sessionkeeper.recording.heads import read_heads
from sessionkeeper.recording.pairing import Head, PendingRequests
from sessionkeeper.recording.stdio.report import Ending
from sessionkeeper.values.states import Direction

DEEP = b"[" * 100_000 + b"]" * 100_000

C2S, S2C = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT


def unanswered(*passed: tuple[Direction, bytes]) -> tuple[int, int]:
    """Let lines pass; return how many requests of the client and of the server are open."""
    requests = PendingRequests()
    for direction, line in passed:
        requests.note(direction, read_heads(line) or [])
    return requests.count(C2S), requests.count(S2C)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"id":1,"method":"m"}', Head(1, has_method=True)),
        (b'{"id":"1","result":{}}', Head("1")),
        (b'{"method":"m"}\r', Head(None, has_method=True)),
        (b'{"id":null,"error":{}}', Head()),
        (b'{"id":true,"method":"m"}', Head(None, has_method=True)),
        (b'{"id":[1],"method":5}', Head()),
        (b'{"id":1e400,"method":"m"}', Head(None, has_method=True)),
        (b'{"id":"' + b"x" * 2000 + b'","method":"m"}', Head(None, has_method=True)),
        (b'{"id":1,"result":NaN}', Head(1)),
        (b'{"id":1,"result":"\\ud800"}', Head(1)),
        (
            b'{"method":"notifications/cancelled","params":{"requestId":7,"reason":"x"}}',
            Head(None, has_method=True, cancels=7),
        ),
        (
            b'{"method":"notifications/cancelled","params":{"requestId":7,"reason":NaN}}',
            Head(None, has_method=True, cancels=7),
        ),
    ],
)
def test_a_head_holds_what_pairing_needs(line: bytes, expected: Head) -> None:
    """Invalid ids are ignored; JSON that msgspec refuses but peers send is read."""
    assert read_heads(line) == [expected]


@pytest.mark.parametrize("line", [b"", b"hello", b'{"id":1', b"{} {}", b"\xff{}", b'{"id":1}garb'])
def test_a_line_that_is_not_json_has_no_heads(line: bytes) -> None:
    """The result for a line that is no JSON is None."""
    assert read_heads(line) is None


@pytest.mark.parametrize("line", [b"5", b'"text"', b"null", b"[]", b"[1]"], ids=range(5))
def test_what_is_json_without_a_message_has_no_heads(line: bytes) -> None:
    """It was read, and is not a response."""
    assert read_heads(line) == []


@pytest.mark.parametrize("line", [DEEP, b'{"a":' + DEEP + b"}"], ids=range(2))
def test_what_is_too_deep_cannot_be_read(line: bytes) -> None:
    """It may be a response as well as not."""
    assert read_heads(line) is None


def test_the_id_of_a_response_that_is_not_utf_8_is_read() -> None:
    """Then it answers its own request, and no other."""
    assert read_heads(b'{"id":7,"result":"\xb0\xa1"}') == [Head(7)]
    assert read_heads(b'\xef\xbb\xbf{"id":"a","result":1}') == [Head("a")]


def test_a_response_answers_the_other_sides_request() -> None:
    """Both sides may use the same ids."""
    ask, answer = b'{"id":1,"method":"m"}', b'{"id":1,"result":{}}'
    assert unanswered((C2S, ask), (S2C, ask)) == (1, 1)
    assert unanswered((C2S, ask), (S2C, ask), (S2C, answer)) == (0, 1)
    assert unanswered((C2S, ask), (S2C, ask), (C2S, answer)) == (1, 0)
    assert unanswered((C2S, ask), (C2S, answer)) == (1, 0)


def test_an_id_keeps_its_type() -> None:
    """JSON-RPC 2.0: 1 is not "1"; but 1.0 is the number 1, written by a Lua or R server."""
    assert unanswered((C2S, b'{"id":1,"method":"m"}'), (S2C, b'{"id":"1","result":1}')) == (1, 0)
    assert unanswered((C2S, b'{"id":1,"method":"m"}'), (S2C, b'{"id":1.0,"result":1}')) == (0, 0)


def test_a_malformed_line_breaks_no_pairing() -> None:
    """It pairs nothing, and later lines are paired."""
    ask, answer = b'{"id":1,"method":"m"}', b'{"id":1,"result":{}}'
    assert unanswered((C2S, b'{"id":1,"meth'), (C2S, ask), (S2C, b"{{"), (S2C, answer)) == (0, 0)


def test_a_batch_is_paired_message_by_message() -> None:
    """Batches of protocol 2025-03-26, even where the recorder refuses them."""
    batch = b'[{"id":1,"method":"m"},{"id":2,"method":"m"}]'
    assert unanswered((C2S, batch), (S2C, b'{"id":2,"result":{}}')) == (1, 0)
    assert unanswered((C2S, batch), (S2C, b'[{"id":2,"result":NaN},{"id":1,"error":{}}]')) == (0, 0)


def test_a_cancelled_request_waits_for_nothing() -> None:
    """MCP: the receiver of a cancellation should not answer."""
    cancel = b'{"method":"notifications/cancelled","params":{"requestId":"a"}}'
    assert unanswered((C2S, b'{"id":"a","method":"m"}'), (C2S, cancel)) == (0, 0)
    assert unanswered((C2S, b'{"id":"a","method":"m"}'), (S2C, cancel)) == (1, 0)


INITIALIZE = b'{"id":0,"method":"initialize"}'
CANCEL = b'{"method":"notifications/cancelled","params":{"requestId":%s}}'


def noted(*passed: tuple[Direction, bytes]) -> tuple[int, int, int]:
    """Let lines pass; return the client's unanswered, the ambiguous, and the late responses."""
    requests = PendingRequests()
    for direction, line in passed:
        requests.note(direction, read_heads(line) or [])
    return requests.count(C2S), requests.ambiguous(), requests.late()


def test_an_id_in_flight_twice_is_answered_twice() -> None:
    """Three requests and one response: two are unanswered, and it is not known which."""
    ask, answer = (C2S, b'{"id":1,"method":"m"}'), (S2C, b'{"id":1,"result":{}}')
    assert noted(ask, ask, ask, answer) == (2, 3, 0)
    assert noted(ask, ask, ask, answer, answer, answer) == (0, 3, 0)
    assert noted(ask, ask, answer, ask, answer) == (1, 3, 0)
    assert noted(ask, answer, ask, answer, answer) == (0, 0, 0)
    assert noted(ask, ask, answer, answer, ask, answer) == (0, 2, 0)
    assert noted(ask, (S2C, ask[1]), ask, (C2S, answer[1])) == (2, 2, 0)
    batch = b'[{"id":1,"method":"m"},{"id":1,"method":"m"},{"id":"1","method":"m"}]'
    assert noted((C2S, batch), answer) == (2, 2, 0)


@pytest.mark.parametrize("twice", [True, False])
def test_the_verdict_says_what_is_ambiguous(twice: bool) -> None:
    """How many are unanswered is certain; which of them is not, and so it says."""
    requests = PendingRequests()
    for number in (1, 1 if twice else 2, 3, 3):
        requests.note(C2S, [Head(number, has_method=True)])
    requests.note(S2C, [Head(3), Head(3)])
    assert requests.is_ambiguous(C2S) == twice
    ending = Ending(
        returncode=0,
        interrupted=False,
        forwarded=frozenset(),
        client_gone=False,
        client_left=False,
        unanswered=requests.count(C2S),
        is_ambiguous=requests.is_ambiguous(C2S),
    )
    ambiguous = ", ambiguous: one id was in flight several times" if twice else ""
    assert ending.failure() == "server exited with 2 requests unanswered" + ambiguous


def test_a_response_that_crosses_a_cancellation_is_late() -> None:
    """It does not answer another request; if the id is used again, responses are ambiguous."""
    ask, answer = (C2S, b'{"id":1,"method":"m"}'), (S2C, b'{"id":1,"result":{}}')
    cancel = (C2S, CANCEL % b"1")
    assert noted(ask, cancel, answer, answer) == (0, 0, 1)
    assert noted(ask, cancel, ask, answer) == (0, 1, 0)
    assert noted(ask, cancel, ask, answer, answer) == (0, 1, 1)
    assert noted(ask, ask, cancel) == (1, 2, 0)
    assert noted(ask, cancel, cancel, cancel, answer, answer) == (0, 0, 1)


def test_initialize_is_not_cancelled() -> None:
    """MCP forbids it: it waits for its response; another request with its id can be cancelled."""
    hello, cancel = (C2S, INITIALIZE), (C2S, CANCEL % b"0")
    assert noted(hello, cancel) == (1, 0, 0)
    assert noted(hello, (C2S, b'{"id":0,"method":"m"}'), cancel, cancel) == (1, 2, 0)
    assert noted(hello, cancel, (S2C, b'{"id":0,"result":{}}'), cancel) == (0, 0, 0)


def test_an_id_that_equals_nothing_is_none() -> None:
    """NaN, which some encoders write: a response to it could never be recognised."""
    assert noted((C2S, b'{"id":NaN,"method":"m"}'), (S2C, b'{"id":NaN,"result":{}}')) == (0, 0, 0)


def test_a_flood_of_one_id_is_bounded() -> None:
    """They are counted exactly; cancelled ids are kept up to the same bound."""
    requests = PendingRequests()
    requests.note(C2S, [Head(1, has_method=True)] * 100_000)
    assert (requests.count(C2S), requests.ambiguous()) == (100_000, 100_000)
    for number in range(2, 70_000):
        requests.note(C2S, [Head(number, has_method=True), Head(cancels=number)])
    assert requests.count(C2S) == 100_000
    assert len(requests._sides[C2S]._cancelled) == 65_536


def test_a_flood_of_requests_is_bounded() -> None:
    """A client that never gets an answer costs a bounded amount of memory."""
    requests = PendingRequests()
    requests.note(C2S, [Head(number, has_method=True) for number in range(100_000)])
    assert requests.count(C2S) == 65_536
