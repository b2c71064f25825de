"""The server's standard error: it passes at once, byte for byte, and is recorded on the side."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import ManagerConfig, SessionManager
from sessionkeeper.recording import Origin, SessionRecorder
from sessionkeeper.values.kinds import MessageKind

if TYPE_CHECKING:
    from tests.recording.stdio.conftest import Rig

TEXT, BYTES = "text/plain; charset=utf-8", "application/octet-stream"
SAYS = """
    os.write(2, b"Starting\\r\\n\\n\\xff\\xfe\\nhalf a li")
    say({"jsonrpc": "2.0", "method": "up"})
    os.write(2, b"ne\\nno end")
    """
SAID = b"Starting\r\n\n\xff\xfe\nhalf a line\nno end"
LINES = [
    (True, TEXT, b"Starting\r"),
    (True, TEXT, b""),
    (True, BYTES, b"\xff\xfe"),
    (True, TEXT, b"half a line"),
    (False, TEXT, b"no end"),
]


def taken(read: int) -> bytes:
    """What a pipe holds, to its end."""
    with open(read, "rb") as pipe:
        return pipe.read()


async def test_every_line_is_recorded_as_a_stream_of_its_own(rig: Rig) -> None:
    """Unchanged, in order, as opaque payload; no line of it counts as a message."""
    read, write = os.pipe()
    running = rig.run(rig.proxy(SAYS, stderr=write, record_stderr=True))
    report = await running
    os.close(write)
    assert taken(read) == SAID
    expected = [
        (Origin(stream="stderr", ended=ended, media_type=media), line)
        for ended, media, line in LINES
    ]
    assert rig.notes.aside == expected
    assert (report.stderr, report.recorded, report.server_to_client.messages) == (5, 6, 1)
    assert (report.odd, report.unanswered, report.failure) == (0, 0, None)


async def test_it_is_not_recorded_unless_asked(rig: Rig) -> None:
    """It goes where it would go without a proxy."""
    report = await rig.run(rig.proxy(SAYS))
    assert (rig.notes.aside, report.stderr, report.recorded) == ([], 0, 1)


async def test_a_byte_passes_before_its_line_is_complete(rig: Rig) -> None:
    """A progress bar stays one."""
    read, write = os.pipe()
    server = """
        os.write(2, b"10 %")
        sys.stdin.readline()
        """
    running = rig.run(rig.proxy(server, stderr=write, record_stderr=True))
    assert await asyncio.to_thread(os.read, read, 100) == b"10 %"
    rig.hang_up()
    await running
    os.close(write)
    os.close(read)


async def test_who_does_not_read_it_does_not_hold_up_the_end(rig: Rig) -> None:
    """A full pipe that nobody reads blocks a server that writes, and nothing after its end."""
    read, write = os.pipe()
    server = """
        sys.stdin.readline()
        os.set_blocking(2, False)
        for _ in range(100):
            try:
                os.write(2, b"x" * 65536)
            except BlockingIOError:
                break
        """
    running = rig.run(rig.proxy(server, stderr=write, record_stderr=True))
    rig.hang_up()
    report = await running
    os.close(write)
    os.close(read)
    assert (report.returncode, report.completed) == (0, True)


async def test_a_server_whose_stderr_nobody_can_read_is_told_so(rig: Rig) -> None:
    """Its next write fails, as it would without a proxy; the messages go on."""
    read, write = os.pipe()
    server = """
        say({"jsonrpc": "2.0", "method": "up"})
        sys.stdin.readline()
        while True:
            try:
                os.write(2, b"x")
            except BrokenPipeError:
                say({"jsonrpc": "2.0", "method": "broken"})
                break
            time.sleep(0.005)
        """
    running = rig.run(rig.proxy(server, stderr=write, record_stderr=True))
    assert b"up" in await rig.line()
    os.close(write)
    os.close(read)
    await rig.send(b"\n")
    assert b"broken" in await rig.line()
    rig.hang_up()
    await running


async def test_a_grandchild_that_holds_it_does_not_keep_the_proxy(rig: Rig) -> None:
    """It waits as long as for one that holds stdout."""
    server = """
        child = subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL, stdout=2)
        say({"jsonrpc": "2.0", "method": "child", "params": {"pid": child.pid}})
        """
    running = rig.run(rig.proxy(server, record_stderr=True))
    child = int((await rig.line()).rpartition(b'"pid": ')[2].strip(b"}\n"))
    assert (await running).completed
    os.kill(child, 9)


@pytest.mark.parametrize("stderr", [None, subprocess.DEVNULL])
async def test_it_goes_where_it_would_go_without_a_proxy(
    rig: Rig, stderr: int | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """To our own standard error, or nowhere; ours stays open."""
    await rig.run(rig.proxy('os.write(2, b"said\\n")', stderr=stderr, record_stderr=True))
    os.write(2, b"ours\n")
    assert capfd.readouterr().err == ("said\nours\n" if stderr is None else "ours\n")
    assert [line for _, line in rig.notes.aside] == [b"said"]


async def test_a_long_line_is_a_gap_of_its_stream(rig: Rig) -> None:
    """And no message that could have been an answer."""
    async with SessionManager(ManagerConfig.recording()) as manager:
        recorder = await SessionRecorder.open(manager, ["server"])
        rig.use(recorder)
        server = """
            os.write(2, b"x" * 2000 + b"\\n" + b"short\\n")
            sys.stdin.readline()
            """
        running = rig.run(rig.proxy(server, record_stderr=True, max_line=1000))
        await rig.send(rig.request(1))
        rig.hang_up()
        report = await running
        said = await manager.store.read_frames(recorder.session_id, stream="stderr")
        kinds = [frame.envelope.kind for frame in said]
        session = await manager.get_session(recorder.session_id)
    assert kinds == [MessageKind.GAP, MessageKind.OPAQUE]
    assert said[1].envelope.message == b"short"
    assert (report.oversized, report.stderr, report.unanswered) == (1, 1, 1)
    assert (session.odd_frames, session.gap_frames) == (0, 1)
