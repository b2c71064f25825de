"""A recorder that opens beside the traffic: waiting messages, reports, and the proxy's end."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import StoreUnavailable
from sessionkeeper.recording import LateRecorder, Recorder
from sessionkeeper.recording.stdio import CommandNotStarted
from sessionkeeper.values.states import Direction

if TYPE_CHECKING:
    from tests.recording.stdio.conftest import Rig

ASKED = Direction.CLIENT_TO_SERVER


class Door:
    """A store that opens when it may; until then each attempt fails, or waits."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.attempts = 0
        self.error: Exception | None = None
        self.may_open = asyncio.Event()
        self.tried = asyncio.Event()

    async def open(self) -> Recorder:
        self.attempts += 1
        self.tried.set()
        if self.error is not None:
            raise self.error
        await self.may_open.wait()
        return self.recorder


@pytest.fixture
def door(rig: Rig) -> Door:
    """A door to the rig's recorder."""
    return Door(rig.notes)


def late(rig: Rig, door: Door) -> LateRecorder:
    """A late recorder that the rig's proxy records into."""
    recorder = LateRecorder(door.open, report=rig.troubles.append, pause=0.0)
    rig.use(recorder)
    return recorder


async def test_a_store_that_opens_at_once_is_not_noticed(rig: Rig, door: Door) -> None:
    """Everything is recorded, and nothing is reported."""
    door.may_open.set()
    recorder = late(rig, door)
    await recorder.start(within=60)
    running = rig.run(rig.proxy(rig.ANSWER, on_traffic_end=recorder.finish))
    await rig.send(rig.request(1))
    await rig.line()
    rig.hang_up()
    report = await running
    await recorder.aclose()
    assert (report.recorded, report.failed, rig.troubles) == (2, 0, [])
    assert (rig.notes.pid, rig.notes.endings) == (report.pid, [None])


@pytest.mark.parametrize("how", ["fails", "waits"])
async def test_waiting_lines_are_recorded_when_the_store_opens(
    rig: Rig, door: Door, how: str
) -> None:
    """In order, with the time at which it passed; the server answers meanwhile."""
    if how == "fails":
        door.error = StoreUnavailable("away")
    recorder = late(rig, door)
    await recorder.start(within=0.0)
    running = rig.run(rig.proxy(rig.ANSWER, on_traffic_end=recorder.finish))
    asked = [rig.request(n) for n in range(3)]
    for each in asked:
        await rig.send(each)
        assert b"result" in await rig.line()
    assert rig.notes.messages == []
    door.error = None
    door.may_open.set()
    while len(rig.notes.messages) < 6:
        await asyncio.sleep(0)
    rig.hang_up()
    report = await running
    await recorder.aclose()
    assert (report.recorded, rig.notes.pid) == (6, report.pid)
    assert rig.notes.sent(ASKED) == [each[:-1] for each in asked]
    assert rig.notes.timestamps == sorted(rig.notes.timestamps)
    told = "away" if how == "fails" else "it takes long to open"
    assert rig.troubles == [
        f"cannot record yet: {told}; the server runs, and its messages wait in memory until the"
        " store is open",
        "the store is open: the messages that waited are recorded",
    ]


@pytest.mark.parametrize("how", ["fails", "waits"])
async def test_a_store_that_never_opens_loses_what_passed(rig: Rig, door: Door, how: str) -> None:
    """Each message counts; the proxy ends without the patience for a slow recorder."""
    if how == "fails":
        door.error = StoreUnavailable("away")
    recorder = late(rig, door)
    await recorder.start(within=0.0)
    proxy = rig.proxy(rig.ANSWER, on_traffic_end=recorder.finish, patience=3600)
    running = rig.run(proxy)
    await rig.send(rig.request(1))
    await rig.line()
    rig.hang_up()
    report = await running
    await recorder.aclose()
    assert (report.recorded, report.failed, report.unanswered) == (0, 2, 0)
    assert (report.returncode, rig.notes.endings) == (0, [])
    assert rig.troubles[1:] == [
        "recording failed: StoreUnavailable: the store could not be opened until the end",
        "2 lines not recorded: recording failed",
    ]


async def test_the_reason_is_told_also_if_the_attempt_took_long(rig: Rig, door: Door) -> None:
    """On a busy machine each attempt takes long, and some have a reason to fail."""

    async def open_late() -> Recorder:
        await door.open()
        raise StoreUnavailable("the file is no database")

    recorder = LateRecorder(open_late, report=rig.troubles.append, pause=0.0)
    await recorder.start(within=0)
    door.may_open.set()
    recorder.finish()
    await recorder.complete()
    await recorder.aclose()
    assert [line.partition(";")[0] for line in rig.troubles] == [
        "cannot record yet: it takes long to open",
        "cannot record yet: the file is no database",
    ]


async def test_the_end_of_the_traffic_is_the_time_of_a_last_attempt(rig: Rig, door: Door) -> None:
    """A store that came back while the recorder paused is used."""
    door.error = StoreUnavailable("away")
    recorder = LateRecorder(door.open, report=rig.troubles.append, pause=3600)
    rig.use(recorder)
    await recorder.start(within=60)
    running = rig.run(rig.proxy(rig.ANSWER, on_traffic_end=recorder.finish))
    await rig.send(rig.request(1))
    await rig.line()
    door.error = None
    door.may_open.set()
    rig.hang_up()
    report = await running
    await recorder.aclose()
    assert (report.recorded, door.attempts, rig.notes.endings) == (2, 2, [None])


async def test_wrong_arguments_raise_at_once(rig: Rig, door: Door) -> None:
    """A bad configuration is no store that is away; later, nothing can be raised any more."""
    door.error = ValueError("no such option")
    recorder = late(rig, door)
    with pytest.raises(ValueError, match="no such option"):
        await recorder.start(within=60)
    await recorder.aclose()
    assert rig.troubles == []


async def test_an_unknown_error_of_a_later_attempt_is_one_more_failure(
    rig: Rig, door: Door
) -> None:
    """Only its type is reported."""
    door.error = StoreUnavailable("away")
    recorder = late(rig, door)
    await recorder.start(within=60)
    door.error = RuntimeError("payload")
    while recorder.failure != "RuntimeError":
        await asyncio.sleep(0)
    await recorder.aclose()


async def test_a_server_that_cannot_start_needs_no_store(rig: Rig, door: Door) -> None:
    """Its error is raised, and the attempt to open has ended."""
    door.error = StoreUnavailable("away")
    recorder = late(rig, door)
    await recorder.start(within=60)
    with pytest.raises(CommandNotStarted):
        await rig.run(rig.proxy(["no-such-command"], on_traffic_end=recorder.finish))
    await recorder.aclose()


async def test_an_attempt_that_is_given_up_closes_what_is_half_open(rig: Rig) -> None:
    """It is cancelled once; no forwarded byte waits for it."""
    closing, closed = asyncio.Event(), asyncio.Event()

    async def open_half() -> Recorder:
        try:
            return await asyncio.Future()
        finally:
            await closing.wait()
            closed.set()

    recorder = LateRecorder(open_half, report=rig.troubles.append)
    rig.use(recorder)
    await recorder.start(within=0.0)
    running = rig.run(rig.proxy(rig.ANSWER, on_traffic_end=recorder.finish, patience=3600))
    await rig.send(rig.request(1))
    await rig.line()
    rig.hang_up()
    assert (await running).failed == 2
    ending = asyncio.create_task(recorder.aclose())
    await asyncio.sleep(0)
    closing.set()
    await ending
    assert closed.is_set()


async def test_a_recorder_opens_when_the_server_has_started(rig: Rig, door: Door) -> None:
    """Without `start`: what opening needs is loaded once, when nobody waits for it any more."""
    loaded: list[str] = []
    recorder = LateRecorder(
        door.open,
        load=lambda: loaded.append(repr(proxy)),
        report=rig.troubles.append,
        pause=0.0,
    )
    door.error = StoreUnavailable("away")
    rig.use(recorder)
    proxy = rig.proxy(rig.ANSWER, on_traffic_end=recorder.finish)
    running = rig.run(proxy)
    await rig.send(rig.request(1))
    await rig.line()
    while door.attempts < 3:
        await asyncio.sleep(0)
    door.error = None
    door.may_open.set()
    rig.hang_up()
    report = await running
    await recorder.aclose()
    assert loaded == [f"<StdioProxy pid={report.pid} running>"]
    assert (report.recorded, rig.notes.pid, rig.notes.endings) == (2, report.pid, [None])
    assert [each.partition(":")[0] for each in rig.troubles] == [
        "cannot record yet",
        "the store is open",
    ]


async def test_a_store_that_opens_beside_the_server_tells_an_unknown_error(
    rig: Rig, door: Door
) -> None:
    """Nobody waits for it who could be given the error; its text may quote anything."""
    door.error = ValueError("secret")
    recorder = late(rig, door)
    running = rig.run(rig.proxy(rig.ANSWER, on_traffic_end=recorder.finish))
    rig.hang_up()
    await running
    await recorder.aclose()
    assert rig.troubles[0].startswith("cannot record yet: ValueError; ")


async def test_a_server_that_cannot_start_is_in_the_record(rig: Rig, door: Door) -> None:
    """The store is opened for it."""
    door.may_open.set()
    recorder = late(rig, door)
    with pytest.raises(CommandNotStarted):
        await rig.run(rig.proxy(["no-such-command"], on_traffic_end=recorder.finish))
    await recorder.aclose()
    assert rig.notes.endings == ["cannot start 'no-such-command': not found"]


async def test_traffic_passes_while_what_opening_needs_is_loaded(rig: Rig, door: Door) -> None:
    """Loading holds up the loop, and no byte; what passed is recorded afterwards."""
    answers: list[bytes] = []
    answered = threading.Event()

    def call() -> None:
        os.write(rig.to_tap, rig.request(1))
        answers.append(os.read(rig.from_tap, 65536))
        answered.set()

    def load() -> None:
        assert answered.wait(600)

    door.may_open.set()
    recorder = LateRecorder(door.open, load=load, report=rig.troubles.append)
    rig.use(recorder)
    proxy = rig.proxy(rig.ANSWER, on_traffic_end=recorder.finish)
    client = threading.Thread(target=call)
    client.start()
    running = rig.run(proxy)
    await asyncio.to_thread(client.join)
    rig.hang_up()
    report = await running
    await recorder.aclose()
    assert answers == [b'{"jsonrpc": "2.0", "id": 1, "result": {}}\n']
    assert (report.recorded, len(rig.notes.messages), rig.troubles) == (2, 2, [])
