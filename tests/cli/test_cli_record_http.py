"""`sessionkeeper record http://…`: the real command in front of a real port."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from redis_ports import ReservedPort

Start = Callable[..., "subprocess.Popen[bytes]"]

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
PONG = b'{"jsonrpc":"2.0","id":1,"result":{}}'


class _Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(PONG)),
            "Mcp-Session-Id": "SECRET-ID",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(PONG)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answering(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answer every POST on a free port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def address(recorder: subprocess.Popen[bytes]) -> int:
    """Return the port that the first line of a recorder names."""
    assert recorder.stderr is not None
    line = recorder.stderr.readline().decode()
    found = re.search(r"127\.0\.0\.1:(\d+)", line)
    assert found is not None, line
    return int(found[1])


def post(port: int, body: bytes = PING, path: str = "/mcp") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_server_on_http_is_recorded(start: Start, tmp_path: Path, signum: int) -> None:
    """Options may follow the URL; a signal ends it with a summary, and the session in order."""
    with answering() as port:
        url = f"http://127.0.0.1:{port}/mcp"
        store = ("--store", "sqlite:///a.db")
        recorder = start("record", url, "--listen", "127.0.0.1:0", *store, "--name", "clock")
        assert post(address(recorder)) == (200, PONG)
        recorder.send_signal(signum)
        _, err = recorder.communicate(timeout=300)
    assert recorder.returncode == 128 + signum
    assert err.splitlines()[-1] == (
        b"sessionkeeper: 1 session, 1 request: 2 frames recorded, "
        b"%d bytes forwarded" % (len(PING) + len(PONG))
    )
    shown = start("ls", "sqlite:///a.db", "--json")
    out, _ = shown.communicate(timeout=300)
    (session,) = (json.loads(line) for line in out.splitlines())
    assert session["state"] == "closed"
    assert session["metadata"]["sessionkeeper.name"] == "clock"
    assert session["metadata"]["sessionkeeper.server"] == {"url": url}
    assert b"SECRET-ID" not in out + b"".join(each.read_bytes() for each in tmp_path.glob("a.db*"))


def test_json_is_for_programs(start: Start) -> None:
    """One line that says where it listens, and one at the end."""
    with answering() as port:
        recorder = start("record", "--json", "--listen", "0", f"http://127.0.0.1:{port}/mcp")
        assert recorder.stderr is not None
        begun = json.loads(recorder.stderr.readline())
        assert begun["server"] == f"http://127.0.0.1:{port}/mcp"
        assert begun["store"] == "in memory"
        post(int(begun["url"].rpartition(":")[2].partition("/")[0]))
        recorder.send_signal(signal.SIGTERM)
        _, err = recorder.communicate(timeout=300)
    summary = json.loads(err)
    assert (summary["sessions"], summary["not_recorded"], summary["troubles"]) == (1, 0, [])
    assert summary["report"]["recorded"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ftp://me:SECRET@host/mcp"], "begins with http:// or https://"),
        (["--", "ws://me:SECRET@host/mcp"], "begins with http:// or https://"),
        (["http://"], "give a URL as http://host/mcp"),
        (["http://host:99999/mcp"], "it is no URL"),
        (["http://user:SECRET@host/mcp"], "give no user or password"),
        (["http://host/mcp", "--listen", "nowhere"], "give a host and a port"),
        (["http://host/mcp", "--listen", "0.0.0.0:0"], "--allow-remote permits it"),
        (["http://host/mcp", "--listen", "no.such.host.invalid:1"], "--allow-remote"),
        (["http://host/mcp", "--idle", "0s"], "give more than 0s"),
        (["http://host/mcp", "--idle", "soon"], "give a number and a unit"),
        (["http://host/mcp", "--session-by", "a b"], "give the name of a header"),
        (["http://host/mcp", "more"], "give one URL and nothing after it"),
        (["http://host/mcp", "--stderr"], "standard error"),
        (["https://host/mcp", "--ca", "/no/such/file"], "cannot read /no/such/file"),
        (["http://host/mcp", "--store", "mysql://x"], "--store"),
        (["--", "server"], "are for a URL"),
    ],
)
def test_bad_input_is_one_line(start: Start, arguments: list[str], message: str) -> None:
    """Exit code 2, and no secret of the URL."""
    recorder = start("record", "--listen", "127.0.0.1:0", *arguments)
    _, err = recorder.communicate(timeout=300)
    assert err.count(b"\n") == 1, err
    assert message.encode() in err
    assert recorder.returncode == 2
    assert b"SECRET" not in err


def test_a_port_that_is_taken(start: Start) -> None:
    """Is told with the port, and so is a recorder that would forward to itself."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        recorder = start("record", "http://127.0.0.1:1/mcp", "--listen", f"127.0.0.1:{port}")
        _, err = recorder.communicate(timeout=300)
        assert recorder.returncode == 2
        assert err == (
            b"sessionkeeper: cannot listen on 127.0.0.1:%d: the port is taken (--listen)\n" % port
        )
    reserved = ReservedPort()
    port = reserved.number
    itself = start("record", f"http://localhost:{port}/mcp", "--listen", f"127.0.0.1:{port}")
    _, err = itself.communicate(timeout=300)
    reserved.free()
    assert itself.returncode == 2
    assert b"is the recorder itself" in err


def test_a_certificate_that_does_not_fit(start: Start, tmp_path: Path) -> None:
    """Ends the start with one line; with the authority that signed it, it fits."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with answering(context) as port:
        url = f"https://127.0.0.1:{port}/mcp"
        refused = start("record", url, "--listen", "127.0.0.1:0")
        _, err = refused.communicate(timeout=300)
        assert refused.returncode == 2
        assert err.count(b"\n") == 1
        assert b"its certificate does not fit: " in err
        recorder = start("record", url, "--listen", "127.0.0.1:0", "--ca", "ca.pem")
        assert post(address(recorder)) == (200, PONG)
        recorder.send_signal(signal.SIGINT)
        recorder.communicate(timeout=300)


def test_a_store_that_cannot_be_opened_holds_nothing_up(start: Start, tmp_path: Path) -> None:
    """It is told, and requests pass; with `--require-store` nothing is started."""
    (tmp_path / "no.db").write_bytes(b"this is no database" * 100)
    with answering() as port:
        url = f"http://127.0.0.1:{port}/mcp"
        where = ("--listen", "127.0.0.1:0", "--store", "sqlite:///no.db")
        recorder = start("record", *where, url)
        assert post(address(recorder)) == (200, PONG)
        recorder.send_signal(signal.SIGTERM)
        _, err = recorder.communicate(timeout=300)
        assert b"cannot record yet: no.db: " in err
        assert b"2 messages not recorded" in err
        required = start("record", *where, "--require-store", url)
        _, err = required.communicate(timeout=300)
    assert required.returncode == 2
    assert err.count(b"\n") == 1
    assert b"nothing was started (--require-store)" in err


def test_a_killed_recorder_leaves_what_was_recorded(start: Start) -> None:
    """All frames until then; the session is ended by the next recorder."""
    with answering() as port:
        url = f"http://127.0.0.1:{port}/mcp"
        where = ("--listen", "127.0.0.1:0", "--store", "sqlite:///a.db")
        recorder = start("record", *where, url)
        listening = address(recorder)
        for _ in range(20):
            post(listening)
        found = b""
        while b'"frame_count":40' not in found.replace(b" ", b""):
            shown = start("ls", "sqlite:///a.db", "--json")
            found, _ = shown.communicate(timeout=300)
        recorder.kill()
        recorder.communicate(timeout=300)
        again = start("record", *where, url)
        post(address(again))
        again.send_signal(signal.SIGTERM)
        again.communicate(timeout=300)
    shown = start("ls", "sqlite:///a.db", "--json")
    out, _ = shown.communicate(timeout=300)
    first, second = sorted(
        (json.loads(line) for line in out.splitlines()), key=lambda each: each["created_at"]
    )
    # Each call opened a session of its own, as its answer named the same id.
    assert (first["frame_count"], second["frame_count"]) == (40, 2)
    assert first["state"] == "failed"
    assert first["upstream_session_id"] == second["upstream_session_id"]


def test_a_key_in_the_path_is_not_in_the_url_of_the_session(start: Start, tmp_path: Path) -> None:
    """Whatever the rules are, as in a command line; the address that is told leads there."""
    store, key = f"sqlite:///{tmp_path / 'tape.db'}", f"ghp_{'aB3dE6gH9j' * 4}"
    with answering() as port:
        recorder = start(
            *("record", "--listen", "0", "--store", store),
            *("--redact", "secrets", f"http://127.0.0.1:{port}/mcp/{key}"),
        )
        assert post(address(recorder), path=f"/mcp/{key}")[0] == 200
        recorder.send_signal(signal.SIGINT)
        recorder.communicate()
    stored = b"".join(each.read_bytes() for each in tmp_path.glob("tape.db*"))
    assert key.encode() not in stored
    assert b"/mcp/[redacted:github-token]" in stored
