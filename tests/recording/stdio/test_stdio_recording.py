"""Lines are recorded in order; lines that cannot be recorded are counted and reported."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sessionkeeper.recording.stdio.lines import TOO_LARGE
from sessionkeeper.values.errors import SessionError
from sessionkeeper.values.gap import Gap
from sessionkeeper.values.states import Direction

if TYPE_CHECKING:
    from sessionkeeper.recording.stdio import StdioReport

    from tests.recording.stdio.conftest import Rig

C2S, S2C = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT


async def pass_through(rig: Rig, data: bytes, *, max_line: int = 1 << 20) -> StdioReport:
    """Send data through an echo; it must come back whole, whatever it is."""
    running = rig.run(rig.proxy(rig.ECHO, max_line=max_line))
    sending = asyncio.create_task(rig.send(data))
    sending.add_done_callback(lambda _: rig.hang_up())
    assert await rig.rest() == data
    await sending
    return await running


async def test_a_message_is_the_exact_bytes_of_its_line(rig: Rig) -> None:
    """Spaces, escapes, odd order and "\\r" stay; only the newline is not part of it."""
    lines = [b'{ "id" : 1 }', b'{"a":"\\u00e9\xc3\xa9"}\r', b'\t{"b":1.0} ', b'{"last":true}']
    report = await pass_through(rig, b"\n".join(lines))
    assert rig.notes.sent(C2S) == rig.notes.sent(S2C) == lines
    assert report.recorded == 8
    assert rig.troubles == []


async def test_a_request_is_recorded_before_its_response(rig: Rig) -> None:
    """It is queued before the server can see it, so the order of the log is the order of events."""
    running = rig.run(rig.proxy(rig.ANSWER))
    for number in range(200):
        await rig.send(rig.request(number))
        await rig.line()
    rig.hang_up()
    await running
    assert [side for side, _ in rig.notes.messages] == [C2S, S2C] * 200


async def test_timestamps_are_those_of_the_crossing(rig: Rig) -> None:
    """Aware UTC, taken when the bytes were read, however late the recorder comes to it."""
    released = asyncio.Event()
    rig.notes.hook = lambda _: released.wait()
    before = datetime.now(UTC)
    running = rig.run(rig.proxy(rig.ANSWER))
    await rig.send(rig.request(1))
    await rig.line()
    after = datetime.now(UTC)
    released.set()
    rig.hang_up()
    await running
    asked, answered = rig.notes.timestamps
    assert before <= asked <= answered <= after
    assert asked.tzinfo is UTC


async def test_the_recorder_learns_the_servers_pid_first(rig: Rig) -> None:
    """Before the first message."""
    pids: list[int | None] = []
    rig.notes.hook = lambda _: pids.append(rig.notes.pid)
    running = rig.run(rig.proxy("say({'pid': os.getpid()})"))
    line = await rig.rest()
    report = await running
    assert pids == [report.pid]
    assert line == b'{"pid": %d}\n' % report.pid


async def test_a_line_that_is_not_json_passes_and_is_counted(rig: Rig) -> None:
    """Blank lines, text, half a message, an unterminated rest: untouched, told at the end."""
    data = b'\n \r\n{"a":1}\nhello\n{"a":\n\xff\xfe\n{"a":2}\n{"unterm'
    report = await pass_through(rig, data)
    assert rig.notes.sent(C2S) == [b'{"a":1}', b'{"a":2}']
    assert report.not_json == 12
    assert report.recorded == report.client_to_server.messages * 2 == 4
    assert rig.troubles == ["12 lines not recorded: not JSON"]


async def test_json_the_recorder_refuses_is_counted(rig: Rig) -> None:
    """The recorder decides what counts as a message."""
    report = await pass_through(rig, b'[]\n5\n"text"\n{}\n')
    assert (report.refused, report.recorded) == (6, 2)
    assert rig.troubles == ["6 lines not recorded: not a JSON-RPC message"]


async def test_a_line_too_long_passes_and_is_recorded_as_a_gap(rig: Rig) -> None:
    """With its size, digest and ends; it is counted, told, and harms no other line."""
    long = b'{"a":"' + b"x" * 200_000 + b'"}'
    report = await pass_through(rig, b"{}\n" + long + b"\n{}\n", max_line=1000)
    assert rig.notes.sent(C2S) == rig.notes.sent(S2C) == [b"{}", b"{}"]
    assert report.oversized == 2
    assert report.client_to_server.messages == 3
    assert rig.notes.gaps == [(side, Gap.of(long, TOO_LARGE)) for side in (C2S, S2C)]
    assert (report.recorded, report.gaps, report.dropped) == (6, 2, 0)
    assert rig.troubles == ["2 lines not recorded: too large, each is a gap in the record"]


async def test_the_queue_is_bounded_and_drops_what_does_not_fit(rig: Rig) -> None:
    """Forwarding goes on, the user is warned immediately, and recording resumes when it can."""
    released = asyncio.Event()
    rig.notes.hook = lambda _: released.wait()
    running = rig.run(rig.proxy(rig.ECHO, max_pending=3_000))
    message = b'{"a":"' + b"x" * 864 + b'"}'  # three of them fit
    for _ in range(10):
        await rig.send(message + b"\n")
        assert await rig.line() == message + b"\n"
    assert rig.troubles == ["recording is too slow: some messages are forwarded but not recorded"]
    released.set()
    while len(rig.notes.messages) < 3:
        await asyncio.sleep(0)
    await rig.send(b"{}\n")
    await rig.line()
    rig.hang_up()
    report = await running
    assert [message for _, message in rig.notes.messages] == [message] * 3 + [b"{}"] * 2
    assert report.dropped == 17
    assert sum(gap.lines for _, gap in rig.notes.gaps) == 17
    assert {side for side, _ in rig.notes.gaps} == {C2S, S2C}, "one for each run"
    assert {gap.size for _, gap in rig.notes.gaps} <= {n * len(message) for n in range(18)}
    assert (report.gaps, report.recorded, len(rig.notes.gaps)) == (2, 5, 2)
    assert rig.troubles[1:] == ["17 lines not recorded: recording was too slow"]


async def test_a_flood_of_empty_objects_is_bounded_too(rig: Rig) -> None:
    """A queued line costs more than its bytes."""
    rig.notes.hook = lambda _: asyncio.Event().wait()
    proxy = rig.proxy(rig.ECHO, max_pending=30_000, patience=0.01)
    running = rig.run(proxy)
    data = b"{}\n" * 5_000
    await rig.send(data)
    rig.hang_up()
    assert await rig.rest() == data
    assert (await running).dropped == 10_000
    assert rig.troubles[0].startswith("recording is too slow")


async def test_a_slow_recorder_is_waited_for_as_long_as_it_moves(rig: Rig) -> None:
    """`patience` ends only a recorder without progress: queued lines are recorded at the end."""
    # A turn of the loop takes long and records a line: no stall of this process is a pause.
    rig.notes.hook = lambda _: time.sleep(0.01)
    running = rig.run(rig.proxy(rig.ECHO, patience=0.1))
    await rig.send(b"{}\n" * 20)
    rig.hang_up()
    await rig.rest()
    assert (await running).recorded == 40
    assert rig.troubles == []


async def test_a_backlog_does_not_keep_the_loop(rig: Rig) -> None:
    """Others get their turns though the recorder never waits."""
    released = asyncio.Event()
    turns = 0
    seen: list[int] = []

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def hook(_: bytes) -> asyncio.Task[bool] | None:
        seen.append(turns)
        return None if released.is_set() else asyncio.create_task(released.wait())

    rig.notes.hook = hook
    running = rig.run(rig.proxy(rig.ECHO))
    for _ in range(50):
        await rig.send(b"{}\n")
        await rig.line()
    other = asyncio.create_task(take_turns())
    released.set()
    rig.hang_up()
    await running
    other.cancel()
    assert seen[99] - seen[1] >= 90


class Broken(SessionError):
    """An error of the library, whose text is safe."""


async def test_a_recorder_error_is_logged_once_per_kind(rig: Rig) -> None:
    """The library's own text is shown, nobody else's; the traffic goes on."""
    errors = [Broken("the disk is full"), ValueError("secret"), asyncio.CancelledError("secret")]
    count = 0

    def fail(_: bytes) -> None:
        nonlocal count
        count += 1
        if count <= 6:
            raise errors[count % 3]

    rig.notes.hook = fail
    report = await pass_through(rig, b"{}\n" * 10)
    assert (report.failed, report.recorded) == (6, 14)
    assert sorted(rig.troubles) == [
        "6 lines not recorded: recording failed",
        "recording failed: Broken: the disk is full",
        "recording failed: CancelledError",
        "recording failed: ValueError",
    ]
    assert rig.notes.endings == [None]


async def test_every_line_is_recorded_or_reported_once(rig: Rig) -> None:
    """The counts add up."""
    count = 0

    def fail_sometimes(_: bytes) -> None:
        nonlocal count
        count += 1
        if count % 3 == 0:
            raise RuntimeError

    rig.notes.hook = fail_sometimes
    data = (b"{}\n[]\n\nx\n" + b"{" * 200 + b"\n") * 20
    report = await pass_through(rig, data, max_line=100)
    messages = report.client_to_server.messages + report.server_to_client.messages
    assert messages + report.not_json == 2 * 100
    assert report.recorded + report.refused + report.failed + report.dropped == messages
    assert min(report.recorded, report.refused, report.failed, report.oversized) > 0


class Deaf(list[str]):
    """Where nothing can be told."""

    def append(self, _: str, /) -> None:
        raise BrokenPipeError


async def test_an_error_that_cannot_be_logged_is_ignored(rig: Rig) -> None:
    """A closed stderr does not end the proxy."""
    rig.troubles = Deaf()
    assert (await pass_through(rig, b"no json\n")).not_json == 2


async def test_a_bug_while_splitting_harms_no_byte(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong on the recording side stays there."""

    def out_of_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("sessionkeeper.recording.stdio.lines.LineSplitter.feed", out_of_memory)
    report = await pass_through(rig, b"{}\n" * 1000)
    assert report.recorded == 0
    assert rig.troubles == ["recording failed: MemoryError"]


@pytest.mark.parametrize("broken", ["raises", "hangs"])
async def test_an_end_that_cannot_be_recorded_is_logged(rig: Rig, broken: str) -> None:
    """The report comes all the same."""

    def end() -> asyncio.Future[None]:
        if broken == "raises":
            raise ValueError("secret")
        return asyncio.get_running_loop().create_future()

    rig.notes.at_end = end
    running = rig.run(rig.proxy("pass", patience=0.05))
    assert (await running).failure is None
    reason = "ValueError" if broken == "raises" else "it took too long"
    assert rig.troubles == [f"the end of the session was not recorded: {reason}"]
