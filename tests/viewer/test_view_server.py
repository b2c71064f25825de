"""Who may read what, and how the command begins and ends."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, closing
from email.message import Message
from typing import NamedTuple, TypeAlias

import pytest
from sessionkeeper import Session
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.viewer.encoding import as_json
from sessionkeeper.viewer.guard import TOKEN_HEADER

from .conftest import TO_CLIENT, TO_SERVER, Tape, answer, request

Serve: TypeAlias = Callable[..., str]
Start: TypeAlias = Callable[..., "subprocess.Popen[str]"]


class Answer(NamedTuple):
    """A response that was read to its end."""

    status: int
    headers: Message
    body: bytes


class Client:
    """Sends requests to the server of an address."""

    def __init__(self, address: str) -> None:
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/#key=([^&]+)(&.*)?", address)
        assert found is not None, address
        self.port, self.token = int(found[1]), found[2]

    def ask(
        self, path: str, *, method: str = "GET", token: str | None = None, **headers: str
    ) -> Answer:
        """Return the answer; the name of a header has `_` for `-`."""
        with closing(self.connect(path, method=method, token=token, **headers)) as connection:
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def connect(
        self, path: str, *, method: str = "GET", token: str | None = None, **headers: str
    ) -> http.client.HTTPConnection:
        """Send a request, and leave it to the caller to read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent[TOKEN_HEADER] = self.token if token is None else token
        connection.request(method, path, headers=sent)
        return connection

    def json(self, path: str) -> dict[str, object]:
        """Return the object of an answer."""
        answer = self.ask(path)
        assert answer.status == 200, answer.body
        found: dict[str, object] = json.loads(answer.body)
        return found


@pytest.fixture
def session(tape: Tape) -> Session:
    """A session with a call."""
    found = tape.create()
    tape.send(request(1, name="add"), answer(1, "the secret answer"))
    return found


def test_nothing_is_told_without_the_token(tape: Tape, session: Session, serve: Serve) -> None:
    """The page itself has no data, so it needs none."""
    client = Client(serve())
    paths = ["store", "live?session=newest", "problems", "context", "runs", "unknown"]
    paths += [f"sessions/{session.incarnation}/{each}" for each in ("frames/1", "search?text=a")]
    for path in paths:
        for token in ("", "wrong", client.token[:-1], f"{client.token}x", "\xe9"):
            response = client.ask(f"/api/{path}", token=token)
            assert response.status == 401
            assert b"secret" not in response.body
    page = client.ask("/", token="")
    assert page.status == 200
    assert b"editor" not in page.body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:80"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
    ],
)
def test_a_foreign_host_or_origin_is_refused(
    session: Session, serve: Serve, headers: dict[str, str], status: int
) -> None:
    """Although it knows the token; so a name that was made to point to loopback is of no use."""
    assert Client(serve()).ask("/api/store", **headers).status == status


def test_it_only_reads(tape: Tape, session: Session, serve: Serve) -> None:
    """Other methods are refused, and the session stays as it was, byte for byte."""

    async def look(store: AtomicSessionStore) -> object:
        return await store.list_sessions(), await store.get_frames("talk")

    before = tape.do(look)
    client = Client(serve())
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.ask("/api/store", method=method).status == 405
    client.json("/api/problems")
    client.json(f"/api/sessions/{session.incarnation}/frames/1")
    assert tape.do(look) == before


def test_every_answer_forbids_what_the_page_does_not_need(session: Session, serve: Serve) -> None:
    """A strict policy, no referrer, no cache, no frame, no guessing of types."""
    client = Client(serve())
    for path in ("/", "/api/store", "/nothing"):
        headers = client.ask(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "connect-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Access-Control-Allow-Origin"] is None


def test_a_large_message_is_sent_in_full_only_on_request(tape: Tape, serve: Serve) -> None:
    """First its beginning, which ends with a whole character; bytes that are no text in Base64."""
    session = tape.create()
    tape.send((TO_CLIENT, '{"a":"' + "é" * 100_000), (TO_CLIENT, b"\xff\xfe" * 50_000))
    client = Client(serve())
    frame = client.json(f"/api/sessions/{session.incarnation}/frames/1")
    assert frame["cut"] is True
    assert frame["size"] == 200_006
    assert str(frame["text"]).endswith("é")
    whole = client.json(f"/api/sessions/{session.incarnation}/frames/1?whole")
    assert whole["cut"] is False
    assert len(str(whole["text"])) == 100_006
    other = client.json(f"/api/sessions/{session.incarnation}/frames/2")
    assert other["text"] is None
    assert str(other["base64"]).startswith("//7//v")


def test_text_that_utf8_cannot_write_stays_an_escape(tape: Tape, serve: Serve) -> None:
    """JSON may name half of a pair of surrogates; one such call must not hide all others."""
    session = tape.create()
    asked = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\ud800"}}'
    failed = b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"\\ud801"}}'
    tape.send((TO_SERVER, asked), (TO_CLIENT, failed))
    told = Client(serve()).ask("/api/problems")
    assert (told.status, b"\\ud801" in told.body) == (200, True)
    assert b"\\ud800" in as_json({"name": "\ud800", "at": session.created_at})


def test_what_does_not_exist_is_said(session: Session, serve: Serve) -> None:
    """A line as JSON, and no session of another one's frames."""
    client = Client(serve())
    frames = f"sessions/{session.incarnation}/frames"
    for path in (
        f"sessions/{'0' * 16}/frames/1",
        f"{frames}/99",
        f"{frames}/0",
        f"{frames}/{10**30}",
    ):
        response = client.ask(f"/api/{path}")
        assert response.status == 404
        assert "not" in json.loads(response.body)["text"]


def test_ctrl_c_ends_it_at_once_with_live_connections(
    tape: Tape, session: Session, start: Start
) -> None:
    """Three pages follow the session; the process ends as every command does."""
    process = start("view", tape.url)
    assert process.stdout is not None
    client = Client(process.stdout.readline().strip())
    with ExitStack() as open_ones:
        for _ in range(3):
            connection = open_ones.enter_context(
                closing(client.connect("/api/live?session=newest"))
            )
            stream = open_ones.enter_context(connection.getresponse())
            assert stream.readline().startswith(b"event: ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (out, process.returncode) == ("", 130)
    assert err.splitlines() == ["Ctrl-C ends it.", "sessionkeeper: interrupted"]


def test_a_program_reads_the_address_as_json(tape: Tape, start: Start) -> None:
    """One line, before anything is served."""
    process = start("view", tape.url, "--json")
    assert process.stdout is not None
    found = json.loads(process.stdout.readline())
    assert Client(found["url"]).json("/api/store") == {"name": str(tape.path)}


def test_wrong_use_is_one_line(tape: Tape, session: Session, start: Start) -> None:
    """A port that is taken, a store that does not exist, a session that does not."""

    def run(*arguments: str) -> tuple[int, str]:
        process = start("view", *arguments)
        out, err = process.communicate()
        assert out == ""
        return process.returncode, err

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, err = run(tape.url, "--port", port)
    assert code == 2
    assert err == f"sessionkeeper: port {port} is taken; --port 0 takes a free one\n"
    code, err = run("sqlite:///missing.db")
    assert code == 2
    assert "does not exist" in err
    code, err = run("memory://")
    assert code == 2
    assert err.count("\n") == 1
    code, err = run(tape.url, "unknown")
    assert code == 1
    assert err.count("\n") == 1
