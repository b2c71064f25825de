"""The session of the demo over HTTP, and its check, which must be able to fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SessionState
from sessionkeeper.cli.app import run
from sessionkeeper.demo.over_http import HttpWitnesses, check_http_session
from sessionkeeper.demo.session_setup import SessionSetup
from sessionkeeper.demo.tcp_witness import Seen, TcpWitness

SENT = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'
REQUEST = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n" + SENT
EVENT = b"event: message\r\ndata: " + ANSWER + b"\r\n\r\n"
REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT)
)
CLOSED = Session.new(transport_type="streamable-http", id="s", state=SessionState.CLOSED)
FRAMES = [
    MessageEnvelope.of("s", SENT, direction="client-to-server", stream="POST-1"),
    MessageEnvelope.of("s", ANSWER, direction="server-to-client", stream="POST-1"),
]


def witness(sent: bytes = REQUEST, received: bytes = REPLY) -> TcpWitness:
    """A witness that saw one connection."""
    seen = TcpWitness(0)
    seen.seen.append(Seen(bytearray(sent), bytearray(received)))
    return seen


def differences(
    front: TcpWitness, behind: TcpWitness, frames: list[MessageEnvelope] = FRAMES
) -> tuple[str, ...]:
    """What the check finds."""
    setup = SessionSetup("http-02", "http", (), Path(), Path(), killed=False)
    return check_http_session(setup, HttpWitnesses(front, behind), CLOSED, frames).differences


def test_a_session_over_http_is_stored_as_its_witnesses_saw_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The third session of the demo: a real client and a real server."""
    code = run(["demo", "--sessions", "3", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert code == 0, result
    session = result["sessions"][2]
    assert (session["server"], session["state"], session["faults"]) == ("clock", "closed", [])
    assert session["frames"] > 30


def test_the_check_passes_what_is_right() -> None:
    """Stored equals seen; a connection may be used for less or more exchanges."""
    assert differences(witness(), witness()) == ()


@pytest.mark.parametrize("place", ["request", "answer"])
@pytest.mark.parametrize("side", ["front", "behind"])
def test_the_check_sees_one_changed_byte(place: str, side: str) -> None:
    """At either witness, in the message of a request or of an answer."""
    changed = (
        witness(sent=REQUEST.replace(b"ping", b"pong"))
        if place == "request"
        else witness(received=REPLY.replace(b"result", b"rezult"))
    )
    pair = (changed, witness()) if side == "front" else (witness(), changed)
    assert differences(*pair)


def test_the_check_sees_a_changed_header_and_a_lost_exchange() -> None:
    """What is not stored is compared between the witnesses."""
    other = REPLY.replace(b"200 OK", b"200 OK\r\nX-Other: 1")
    assert differences(witness(received=other), witness()) == (
        "POST /mcp HTTP/1.1: other headers of the answer",
    )
    assert differences(witness(REQUEST * 2, REPLY * 2), witness())


def test_the_check_sees_a_lost_and_a_changed_frame() -> None:
    """Named by the sizes of its exchange."""
    assert differences(witness(), witness(), FRAMES[:1])
    assert differences(witness(), witness(), []) == (
        "not stored: [40] bytes to the server, [36] bytes to the client",
        "nothing was stored",
    )
    other = FRAMES[1].model_copy(update={"message": ANSWER[:-2] + b" }}"})
    assert differences(witness(), witness(), [FRAMES[0], other])
