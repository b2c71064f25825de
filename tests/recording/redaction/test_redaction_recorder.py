"""A recorder with a redactor: what is stored, what is derived, and what the session says of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from planted_secrets import fake
from sessionkeeper import (
    HttpDelivery,
    ManagerConfig,
    SessionManager,
    SseDelivery,
    StoreLimits,
)
from sessionkeeper.recording import SessionRecorder
from sessionkeeper.recording.origin import Origin
from sessionkeeper.recording.redaction import Redactor, manifest_of
from sessionkeeper.stores.config import MemoryBackend
from sessionkeeper.stores.factory import StorageFactory
from sessionkeeper.values.gap import Gap
from sessionkeeper.values.jsonrpc import MessageKind
from sessionkeeper.values.message import Frame
from sessionkeeper.values.states import Direction

_TOKEN = f"ghp_{fake(36)}"
_CLIENT, _SERVER = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
_NOW = datetime(2026, 11, 30, tzinfo=UTC)


async def _frames(manager: SessionManager, recorder: SessionRecorder) -> list[Frame]:
    return await manager.store.read_frames(recorder.session_id)


async def test_what_is_taken_out_is_neither_stored_nor_derived() -> None:
    redactor = Redactor.of(["secrets", "name:version"])
    async with SessionManager(ManagerConfig.recording()) as manager:
        recorder = await SessionRecorder.open(
            manager, ["server", "--token", "hunter2"], redactor=redactor
        )
        opening = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": f"editor {_TOKEN}", "version": "3"},
            },
        }
        await recorder.record(_CLIENT, json.dumps(opening).encode(), _NOW)
        stderr = Origin(stream="stderr", media_type="text/plain; charset=utf-8", ended=False)
        await recorder.record(_SERVER, f"password={_TOKEN}".encode(), _NOW, origin=stderr)
        await recorder.record(_SERVER, b"Ready \xff " + _TOKEN.encode(), _NOW)
        await recorder.record(_SERVER, b'{"jsonrpc":"2.0","method":"x"}', _NOW)

        session = await manager.get_session(recorder.session_id)
        assert session.client_info == {"name": "editor [redacted:github-token]",
                                       "version": "[redacted:version]"}  # fmt: skip
        manifest = manifest_of(session)
        assert manifest is not None
        assert manifest.rules == ("secrets", "name:version")
        frames = await _frames(manager, recorder)
        marks = [frame.envelope.context.metadata for frame in frames]
        assert marks == [
            {"redacted": "2"},
            {"redacted": "1", "line_end": "none"},
            {"redacted": "1"},
            {},
        ]
        assert all(_TOKEN.encode() not in frame.envelope.message for frame in frames)
        assert frames[1].envelope.kind is MessageKind.OPAQUE
        assert frames[1].envelope.message == b"password=[redacted:github-token]"
        assert frames[2].envelope.message == b"Ready \xff [redacted:github-token]"

        await recorder.complete()
        session = await manager.get_session(recorder.session_id)
        manifest = manifest_of(session)
        assert manifest is not None
        assert manifest.places == {"github-token": 3, "version": 1}
        assert session.metadata["sessionkeeper.server"] == {
            "command": ["server", "--token", "[redacted:token]"]
        }
        assert "hunter2" not in session.model_dump_json()
        assert _TOKEN not in session.model_dump_json()


async def test_the_command_is_redacted_without_any_rule() -> None:
    async with SessionManager() as manager:
        recorder = await SessionRecorder.open(manager, ["server", f"--key={_TOKEN}"])
        await recorder.record(_CLIENT, b'{"jsonrpc":"2.0","method":"x"}', _NOW)
        (frame,) = await _frames(manager, recorder)
        session = await manager.get_session(recorder.session_id)
        assert manifest_of(session) is None
        assert _TOKEN not in session.model_dump_json() + frame.model_dump_json()
        assert frame.envelope.context.metadata == {}


def _fail_on_blue(message: bytes, direction: str) -> bytes:
    if b"blue" in message:
        raise ValueError(message)
    return message


async def test_a_message_that_cannot_be_redacted_leaves_a_gap_and_is_told_once() -> None:
    told: list[str] = []
    redactor = Redactor.of([f"{__name__}:_fail_on_blue"])
    async with SessionManager() as manager:
        recorder = await SessionRecorder.open(
            manager, ["server"], redactor=redactor, report=told.append
        )
        for message in (b'{"blue":1}', b'{"jsonrpc":"2.0","method":"x"}', b"blue again"):
            await recorder.record(_CLIENT, message, _NOW)
        frames = await _frames(manager, recorder)
        assert [frame.envelope.kind for frame in frames] == [
            MessageKind.GAP,
            MessageKind.NOTIFICATION,
            MessageKind.GAP,
        ]
        assert frames[0].envelope.oddity == "redaction failed"
        assert json.loads(frames[0].envelope.message) == {"lines": 1, "size": 10}
        (line,) = told
        assert line.startswith("redaction failed: ")
        assert "blue" not in line.replace("_fail_on_blue", "")


async def test_a_gap_keeps_no_ends_that_nobody_could_redact() -> None:
    redactor = Redactor.of(["secrets"])
    limits = StoreLimits(max_frame_bytes=4_000)
    store = await StorageFactory.create(MemoryBackend(limits=limits))
    async with store, SessionManager.with_store(store) as manager:
        recorder = await SessionRecorder.open(manager, ["server"], redactor=redactor)
        line = b'{"password": "' + b"hunter2" * 1_000 + b'", "x": "' + b"y" * 5_000 + b'"}'
        await recorder.record_gap(_CLIENT, Gap.of(line, "too large"), _NOW)
        await recorder.record(_CLIENT, line, _NOW)  # redacted as a whole, and then too large
        known, whole = [
            json.loads(frame.envelope.message) for frame in await _frames(manager, recorder)
        ]
        assert known["size"] == len(line)
        assert "first" not in known
        assert "first" in whole
        await recorder.complete()
        manifest = manifest_of(await manager.get_session(recorder.session_id))
        assert manifest is not None
        assert manifest.places == {"gap-ends": 1, "password": 1}


async def test_a_secret_in_a_path_or_a_type_of_event_is_taken_out() -> None:
    """Of gaps, too. The id of an event stays: it tells whether an event came before."""
    async with SessionManager(ManagerConfig.recording()) as manager:
        redactor = Redactor.of(["tokens"])
        recorder = await SessionRecorder.open(manager, redactor=redactor)
        body = Origin(HttpDelivery(method="POST", path=f"/mcp/{_TOKEN}/x", status=200))
        event = Origin(SseDelivery(event_id="7", event_type=_TOKEN))
        await recorder.record(_SERVER, b'{"jsonrpc":"2.0","method":"x"}', _NOW, origin=body)
        await recorder.record_gap(_SERVER, Gap("too large", 9), _NOW, origin=body)
        await recorder.record(_SERVER, b'{"jsonrpc":"2.0","method":"x"}', _NOW, origin=event)
        await recorder.complete()
        frames = [frame.envelope.context for frame in await _frames(manager, recorder)]
        path = HttpDelivery(method="POST", path="/mcp/[redacted:github-token]/x", status=200)
        type_ = SseDelivery(event_id="7", event_type="[redacted:github-token]")
        assert [frame.delivery for frame in frames] == [path, path, type_]
        assert frames[0].metadata["redacted"] == "1"
        manifest = manifest_of(await manager.get_session(recorder.session_id))
        assert manifest is not None
        assert manifest.places == {"github-token": 3}
