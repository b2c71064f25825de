"""A pump carries bytes at once, can always be stopped, and leaves its descriptors as they were."""

from __future__ import annotations

import gc
import os
import pty
import select
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
from sessionkeeper.recording.stdio.descriptors import Sink, Source, release
from sessionkeeper.recording.stdio.pump import Pump, PumpEnd


class RecordedBytes:
    """An observer; `hook` runs before a chunk is written on."""

    def __init__(self) -> None:
        self.data = b""
        self.finished = False
        self.hook: Callable[[], object] = lambda: None

    def feed(self, chunk: bytes, /) -> None:
        self.data += chunk
        self.hook()

    def finish(self) -> None:
        self.finished = True


class PumpSetup:
    """One pump between two kinds of descriptors, with the far ends in hand."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.seen = RecordedBytes()
        self.ended = threading.Event()
        self.source, self.to_pump = os.pipe()
        self.from_pump = self.sink = -1

    def make(self, kind: str = "pipe", *, make: Callable[..., Pump] = Pump) -> Pump:
        """Make a pump from a pipe to a pipe, socket or terminal."""
        if kind == "pipe":
            self.from_pump, self.sink = os.pipe()
        elif kind == "socket":
            near, far = socket.socketpair()
            self.from_pump, self.sink = far.detach(), near.detach()
        else:
            self.from_pump, self.sink = pty.openpty()
            tty.setraw(self.sink)
        pump = make(
            "pump",
            Source(self.source),
            Sink(self.sink),
            observer=self.seen,
            on_end=self.ended.set,
        )
        self.stack.callback(pump.shut)
        return pump

    def start(self, kind: str = "pipe") -> Pump:
        """Make a pump and start it."""
        pump = self.make(kind)
        pump.start()
        return pump

    def close(self, fd: str) -> None:
        """Close one of the far ends."""
        os.close(getattr(self, fd))
        setattr(self, fd, -1)

    def receive(self) -> bytes:
        """Receive until the end."""
        chunks: list[bytes] = []
        while chunk := os.read(self.from_pump, 1 << 20):
            chunks.append(chunk)
        return b"".join(chunks)


@pytest.fixture
def setup() -> Iterator[PumpSetup]:
    gc.collect()  # what earlier tests left to be closed is closed now, not in between
    before = set(os.listdir("/proc/self/fd"))
    with ExitStack() as stack:
        setup = PumpSetup(stack)
        yield setup
    for fd in (setup.to_pump, setup.from_pump):
        if fd >= 0:
            os.close(fd)
    assert setup.ended.is_set()
    assert setup.seen.finished
    assert set(os.listdir("/proc/self/fd")) == before


LITTLE = "pipe written in little pieces"
CLOSABLE = ["pipe", "socket", LITTLE]


@pytest.fixture
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The sinks of the pump; without /proc it writes in small pieces."""
    if request.param == LITTLE:
        monkeypatch.setattr(Sink, "_reopen", _nothing)
        return "pipe"
    return str(request.param)


def _nothing(_: Sink) -> None:
    return


every_kind = pytest.mark.parametrize("kind", [*CLOSABLE, "terminal"], indirect=True)
closable_kinds = pytest.mark.parametrize("kind", CLOSABLE, indirect=True)


def send(setup: PumpSetup, data: bytes) -> None:
    """Send everything, then the end."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(setup.to_pump, rest) :]
    setup.close("to_pump")


def fill(fd: int) -> int:
    """Write until no byte more fits; return how many did."""
    os.set_blocking(fd, False)
    filled = 0
    try:
        while True:
            filled += os.write(fd, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(fd, True)
    return filled


def test_the_observer_sees_a_chunk_before_the_reader(setup: PumpSetup) -> None:
    """A request is queued for recording before its response can exist."""
    early: list[object] = []
    setup.seen.hook = lambda: early.extend(select.select([setup.from_pump], [], [], 0)[0])
    setup.start()
    os.write(setup.to_pump, b"request")
    assert os.read(setup.from_pump, 100) == b"request"
    assert setup.seen.data == b"request"
    assert early == []


def test_an_end_passes_with_everything_before_it(setup: PumpSetup) -> None:
    """The source's EOF closes the sink, after the last byte."""
    pump = setup.start()
    os.write(setup.to_pump, b"last words")
    setup.close("to_pump")
    assert setup.receive() == b"last words"
    assert setup.ended.wait(1800)
    assert pump.end is PumpEnd.EOF
    assert pump.bytes == 10
    assert not pump.reader_gone


def test_a_pump_stops_while_it_waits_for_bytes(setup: PumpSetup) -> None:
    """Reads are wakeable."""
    pump = setup.start()
    pump.stop()
    assert setup.ended.wait(1800)
    assert pump.end is PumpEnd.STOPPED
    assert setup.receive() == b""


@every_kind
def test_a_pump_stops_while_it_waits_for_a_reader_that_never_reads(
    setup: PumpSetup, kind: str
) -> None:
    """A write to a full pipe, socket or terminal is wakeable."""
    pump = setup.make(kind)
    fill(setup.sink)
    about_to_write = threading.Event()
    setup.seen.hook = about_to_write.set
    pump.start()
    os.write(setup.to_pump, b"x" * 65536)  # a terminal makes a little room as time goes by
    assert about_to_write.wait(1800)
    pump.stop()
    assert setup.ended.wait(1800)
    assert pump.end is PumpEnd.STOPPED
    assert pump.bytes < 65536


@every_kind
def test_an_inherited_descriptor_stays_blocking(setup: PumpSetup, kind: str) -> None:
    """O_NONBLOCK would leak to other processes that share the open file."""
    setup.start(kind)
    os.write(setup.to_pump, b"x" * 1000)
    assert os.read(setup.from_pump, 1000)
    assert os.get_blocking(setup.sink)
    assert os.get_blocking(setup.source)


@closable_kinds
def test_big_data_passes_whole(setup: PumpSetup, kind: str) -> None:
    """Two megabytes, through whatever is smaller than that."""
    data = os.urandom(1 << 21)
    pump = setup.start(kind)
    sender = threading.Thread(target=send, args=(setup, data))
    sender.start()
    assert setup.receive() == data
    sender.join()
    assert setup.ended.wait(1800)
    assert pump.bytes == len(data)
    assert setup.seen.data == data


def test_a_pump_ends_when_its_reader_is_gone(setup: PumpSetup) -> None:
    """EPIPE: the source is closed too, so that its writer learns of it."""
    pump = setup.start()
    setup.close("from_pump")
    with suppress(BrokenPipeError):  # the pump may have noticed already
        os.write(setup.to_pump, b"to nobody")
    assert setup.ended.wait(1800)
    assert pump.end is PumpEnd.BROKEN
    with pytest.raises(BrokenPipeError):
        os.write(setup.to_pump, b"more")


def test_unread_bytes_of_the_source_are_recorded_when_the_reader_has_gone(setup: PumpSetup) -> None:
    """Nobody receives the bytes, but they were sent."""
    pump = setup.make()
    os.write(setup.to_pump, b"to nobody" * 5_000)
    setup.close("from_pump")
    pump.start()
    assert setup.ended.wait(1800)
    assert pump.end is PumpEnd.BROKEN
    assert setup.seen.data == b"to nobody" * 5_000


@closable_kinds
def test_a_closed_reader_is_noticed_without_a_write(setup: PumpSetup, kind: str) -> None:
    """Then the next write of the source fails, as it would without a pump."""
    pump = setup.start(kind)
    setup.close("from_pump")
    assert setup.ended.wait(1800)
    assert pump.reader_gone
    assert pump.end is PumpEnd.BROKEN
    with pytest.raises(BrokenPipeError):
        os.write(setup.to_pump, b"more")


def test_a_finishing_pump_passes_what_is_there(setup: PumpSetup) -> None:
    """Bytes written before are not lost, though the source never ends."""
    pump = setup.make()
    os.write(setup.to_pump, b"x" * 65536)
    pump.finish(within=0)
    pump.start()
    assert setup.receive() == b"x" * 65536
    assert pump.end is PumpEnd.STOPPED


def test_a_finishing_pump_ends_although_its_source_keeps_writing(setup: PumpSetup) -> None:
    """A process that keeps writing to the source does not keep the pump alive."""
    pump = setup.make()
    setup.seen.hook = lambda: os.write(setup.to_pump, b"and another thing")
    os.write(setup.to_pump, b"one thing")
    pump.finish(within=0)
    pump.start()
    assert setup.receive() == b"one thing"


def test_a_finishing_pump_does_not_spin_while_it_waits(setup: PumpSetup) -> None:
    """One wake-up is one look, not a busy loop until the time is up."""
    looks: list[set[int]] = []

    class Watched(Pump):
        def _poll(self, poller: select.poll, patience: float | None) -> set[int]:
            looks.append(super()._poll(poller, patience))
            return looks[-1]

    pump = setup.make(make=Watched)
    pump.start()
    pump.finish(within=0.05)
    assert setup.ended.wait(1800)
    assert len(looks) <= 3


def test_a_connection_reset_is_an_end(setup: PumpSetup) -> None:
    """This holds for any failure to read: the reader gets EOF."""
    near, far = socket.socketpair()
    near.send(b"never read")
    far.close()
    os.close(setup.source)
    setup.source = near.detach()
    pump = setup.start()
    assert setup.receive() == b""
    assert setup.ended.wait(1800)
    assert pump.end is PumpEnd.EOF


def test_a_slow_reader_gets_everything_from_a_finishing_pump(setup: PumpSetup) -> None:
    """Time is up for the source only: a reader that is there is waited for."""
    pump = setup.make()
    filled = fill(setup.sink)
    about_to_write = threading.Event()
    setup.seen.hook = about_to_write.set
    pump.start()
    os.write(setup.to_pump, b"end")
    assert about_to_write.wait(1800)
    pump.finish(within=0)
    assert setup.receive() == b"x" * filled + b"end"


def test_a_reader_that_never_reads_can_be_abandoned(setup: PumpSetup) -> None:
    """`even_unwritten`: time is up for the reader as well."""
    pump = setup.make()
    fill(setup.sink)
    pump.start()
    os.write(setup.to_pump, b"end")
    pump.finish(within=0.01, even_unwritten=True)
    assert setup.ended.wait(1800)
    assert pump.end is PumpEnd.STOPPED
    assert not pump.reader_gone


def test_a_standard_descriptor_is_replaced_not_closed() -> None:
    """The next file opened must not become the stdout somebody prints to."""
    reader, writer = os.pipe()
    stdin = os.dup(0)
    try:
        os.dup2(writer, 0)
        os.close(writer)
        release(0)
        assert os.read(reader, 1) == b""
        assert os.readlink("/proc/self/fd/0") == os.devnull
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
        os.close(reader)
