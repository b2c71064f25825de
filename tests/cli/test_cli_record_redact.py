"""`record --redact`: a server in real processes, and what is in the file afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

import pytest
from planted_secrets import fake

from tests.cli.conftest import PATIENT, PATIENT_OVER_HTTP, RUN

_TOKEN = f"ghp_{fake(36)}"
_SERVER = """
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    sys.stderr.write(f"password={os.environ['OWN_PASSWORD']}\\n")
    sys.stderr.flush()
    text = {"text": request["params"]["arguments"]["key"], "number": 1e2}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": text}), flush=True)
"""


def _record(
    tmp_path: Path, *options: str, request: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    server = tmp_path / "server.py"
    server.write_text(_SERVER)
    command = [sys.executable, str(server), "--api-key", "hunter2"]
    return subprocess.run(
        [sys.executable, "-c", PATIENT + RUN, "record", *options, "--", *command],
        input=request,
        capture_output=True,
        check=False,
        env={"OWN_PASSWORD": "swordfish9", "PYTHONPATH": ":".join(sys.path)},
        cwd=tmp_path,
    )


def test_no_secret_reaches_the_file_and_the_traffic_is_untouched(tmp_path: Path) -> None:
    params = {"_meta": {"progressToken": _TOKEN}, "arguments": {"key": _TOKEN, "pin": 1234567}}
    request = {"jsonrpc": "2.0", "id": "hunter2", "method": "tools/call", "params": params}
    run = _record(
        tmp_path,
        *("--store", "sqlite:///tape.db", "--stderr", "--redact", "secrets"),
        "--redact=$.params.arguments.pin",
        request=json.dumps(request).encode() + b"\n",
    )
    assert run.returncode == 0, run.stderr
    answer = {"jsonrpc": "2.0", "id": "hunter2", "result": {"text": _TOKEN, "number": 100.0}}
    assert json.loads(run.stdout) == answer
    assert b"password=swordfish9" in run.stderr
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("tape.db*"))
    for secret in (b"swordfish9", b"1234567", b"--api-key hunter2", b'"key": "ghp_'):
        assert secret not in stored
    assert b'"progressToken": "' + _TOKEN.encode() in stored
    assert b"[redacted:api-key]" in stored
    assert b'"pin": "[redacted:path]"' in stored


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (
            "tokns",
            b"did you mean tokens?; give a preset (secrets, tokens, keys, pas",
        ),
        ("$.a[", b"is no JSON path"),
        ("no_such_module:mask", b"there is no module no_such_module"),
        ("json:nothing", b"json has no nothing"),
    ],
)
def test_a_wrong_rule_starts_no_server(tmp_path: Path, rule: str, why: bytes) -> None:
    for url in ("memory://", "sqlite:///tape.db"):
        run = _record(tmp_path, "--store", url, "--redact", "secrets", "--redact", rule)
        assert run.returncode == 2
        assert run.stderr.count(b"\n") == 1
        assert b"--redact" in run.stderr
        assert why in run.stderr
    assert not list(tmp_path.glob("tape.db*"))


def test_redaction_is_imported_only_when_it_is_asked_for() -> None:
    code = (
        "import sys; from sessionkeeper.cli.record_options import parse_usual\n"
        "import sessionkeeper.cli.record_session\n"
        "parse_usual(['--', 'x'])\n"
        "print(sorted(m for m in sys.modules if 'redaction' in m or 'jsonpath' in m))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "rules" not in run.stdout
    assert "redactor" not in run.stdout
    assert "jsonpath" not in run.stdout


class _Answering(BaseHTTPRequestHandler):
    """Answers each request with JSON, or with an event if it asks for that."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        result = {"password": "swordfish9", "key": self.headers["authorization"]}
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        media_type = "application/json"
        if request["method"] == "event":
            media_type, body = "text/event-stream", b"data: %b\n\n" % body
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_no_secret_reaches_the_file_over_http(tmp_path: Path) -> None:
    store = ("--store", "sqlite:///tape.db", "--redact", "secrets", "--listen", "127.0.0.1:0")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/mcp"
        command = [sys.executable, "-c", PATIENT_OVER_HTTP + RUN, "record", *store, url]
        with subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            env={"PYTHONPATH": ":".join(sys.path)},
            cwd=tmp_path,
            text=True,
        ) as recorder:
            assert recorder.stderr is not None
            here = recorder.stderr.readline().split()[1]
            for method in ("plain", "event"):
                call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"token": "hunter2"}}
                request = Request(
                    f"{here}?api_key=hunter2",
                    data=json.dumps(call).encode(),
                    headers={
                        "authorization": f"Bearer {_TOKEN}",
                        "content-type": "application/json",
                        "accept": "application/json, text/event-stream",
                    },
                )
                with urlopen(request, timeout=300) as answer:
                    assert _TOKEN in answer.read().decode()
            recorder.terminate()
            recorder.stderr.read()
        server.shutdown()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("tape.db*"))
    for secret in (_TOKEN.encode(), b"hunter2", b"swordfish9"):
        assert secret not in stored
    assert b'"password": "[redacted:password]"' in stored
    assert b'"token": "[redacted:token]"' in stored
