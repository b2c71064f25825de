"""A proxy over a session manager: what passed is in the store, and the session has ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sessionkeeper.manager import SessionManager
from sessionkeeper.recording import SessionRecorder
from sessionkeeper.recording.stdio import CommandNotStarted
from sessionkeeper.values.delivery import StdioDelivery
from sessionkeeper.values.jsonrpc import MessageKind
from sessionkeeper.values.states import Direction, SessionState, SessionStatus, TransportType

NOW = datetime.now(UTC)

if TYPE_CHECKING:
    from tests.recording.stdio.conftest import Rig


async def test_a_recorded_session_is_in_the_store(rig: Rig) -> None:
    """Every message with its direction, time, command and pid; the session is closed."""
    async with SessionManager() as manager:
        command = rig.script("""
            for line in sys.stdin:
                if "method" in line:
                    say({"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": {}})
            """)
        recorder = await SessionRecorder.open(manager, command, tags={"demo"})
        rig.use(recorder)
        running = rig.run(rig.proxy(command))
        asked = rig.request(1)
        await rig.send(b"no json\n" + asked + b"[]\n" + b'{"no":"rpc"}\n')
        answered = await rig.line()
        rig.hang_up()
        report = await running

        session = await manager.get_session(recorder.session_id)
        frames = await manager.store.get_frames(recorder.session_id)
    assert session.state is SessionState.CLOSED
    assert session.transport_type is TransportType.STDIO
    assert session.tags == {"demo"}
    odd = [b"no json", b"[]", b'{"no":"rpc"}']
    assert {frame.message for frame in frames} == {asked[:-1], answered[:-1], *odd}
    assert [frame.message for frame in frames if frame.oddity is not None] == odd
    assert {frame.context.direction for frame in frames} == set(Direction)
    assert {frame.context.timestamp.tzinfo for frame in frames} == {UTC}
    delivery = StdioDelivery(command=tuple(command), pid=report.pid)
    assert [frame.context.delivery for frame in frames] == [delivery] * 5
    assert (report.recorded, report.odd, report.not_json, report.refused) == (5, 3, 0, 0)
    assert session.odd_frames == 3


async def test_a_session_whose_server_cannot_start_has_failed(rig: Rig) -> None:
    """With the reason, however long the command's name is."""
    async with SessionManager() as manager:
        recorder = await SessionRecorder.open(manager, ["no-such-command"])
        rig.use(recorder)
        with pytest.raises(CommandNotStarted):
            await rig.run(rig.proxy(["no-such-command" * 100]))
        session = await manager.get_session(recorder.session_id)
    assert session.status is SessionStatus.FAILED
    assert session.failure is not None
    assert session.failure.startswith("cannot start 'no-such-command")


async def test_the_recorder_keeps_what_is_no_message() -> None:
    """Whatever it is, and says that it was odd."""
    async with SessionManager() as manager:
        recorder = await SessionRecorder.open(manager, ["server"])
        for line in (b"[]", b"{}", b"5", json.dumps({"jsonrpc": "1.0", "id": 1}).encode()):
            kind = await recorder.record(Direction.CLIENT_TO_SERVER, line, datetime.now(UTC))
            assert kind is MessageKind.ODD
        assert await manager.store.count_frames(recorder.session_id) == 4


async def test_a_command_that_is_no_text_is_recorded_readably() -> None:
    """Bytes of a command line need not be UTF-8; Python hands them on as lone surrogates."""
    async with SessionManager() as manager:
        recorder = await SessionRecorder.open(manager, ["run", "caf\udce9"])
        await recorder.record(Direction.CLIENT_TO_SERVER, b'{"jsonrpc":"2.0","method":"x"}', NOW)
        (frame,) = await manager.store.get_frames(recorder.session_id)
    assert frame.context.delivery == StdioDelivery(command=("run", "caf\\xe9"))
