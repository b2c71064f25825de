"""Every byte passes both ways, unchanged and at once, whatever the loop or the recorder does."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from sessionkeeper.values.states import Direction

if TYPE_CHECKING:
    from pathlib import Path

    from tests.recording.stdio.conftest import Rig

C2S, S2C = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT


@pytest.mark.parametrize("seed", range(3))
async def test_bytes_pass_unchanged_however_they_are_cut(rig: Rig, seed: int) -> None:
    """Byte for byte: JSON or not, any cut, any newline."""
    dice = random.Random(seed)
    data = bytes(dice.choices(b'{}":\n\r\x00\xff x', k=200_000))
    running = rig.run(rig.proxy(rig.ECHO))

    async def send() -> None:
        start = 0
        while start < len(data):
            end = start + dice.choice([1, 7, 4096, 65536])
            await rig.send(data[start:end])
            start = end
        rig.hang_up()

    _, received = await asyncio.gather(send(), rig.rest())
    assert received == data
    report = await running
    assert report.client_to_server.bytes == report.server_to_client.bytes == len(data)


async def test_ten_megabytes_pass_both_ways_at_once(rig: Rig) -> None:
    """Big messages pass whole and are recorded whole."""
    message = b'{"jsonrpc":"2.0","method":"big","params":"' + b"x" * 10_000_000 + b'"}'
    running = rig.run(rig.proxy(rig.ECHO))
    sending = asyncio.create_task(rig.send(message + b"\n"))
    assert await rig.line() == message + b"\n"
    await sending
    rig.hang_up()
    await running
    assert rig.notes.messages == [(C2S, message), (S2C, message)]


async def test_a_byte_passes_before_its_line_is_complete(rig: Rig) -> None:
    """No buffering is added: no wait for a newline or for more bytes."""
    rig.run(rig.proxy(rig.ECHO))
    for byte in (b"{", b'"', b"\n", b"x"):
        await rig.send(byte)
        assert await asyncio.to_thread(os.read, rig.from_tap, 100) == byte


async def test_a_stalled_loop_delays_nothing(rig: Rig) -> None:
    """The loop stands still until the client has its answer: only threads can have passed it."""
    answered = threading.Event()
    stalled = threading.Event()
    in_time: list[bool] = []

    def stall(_: bytes) -> None:
        stalled.set()
        in_time.append(answered.wait(300))

    def talk() -> bytes:
        os.write(rig.to_tap, rig.request(1))
        stalled.wait(300)
        os.read(rig.from_tap, 65536)
        os.write(rig.to_tap, rig.request(2))
        answer = os.read(rig.from_tap, 65536)
        rig.hang_up()
        end = os.read(rig.from_tap, 65536)
        answered.set()
        return answer + end

    rig.notes.hook = stall
    running = rig.run(rig.proxy(rig.ANSWER))
    assert b'"id": 2' in await asyncio.to_thread(talk)
    await running
    assert all(in_time)
    assert len(rig.notes.messages) == 4


async def test_a_hanging_recorder_delays_nothing(rig: Rig) -> None:
    """A hundred round trips while the first message is still being recorded."""
    rig.notes.hook = lambda _: asyncio.Event().wait()
    running = rig.run(rig.proxy(rig.ANSWER, patience=0.05))
    for number in range(100):
        await rig.send(rig.request(number))
        assert b"result" in await rig.line()
    rig.hang_up()
    report = await running
    assert rig.notes.endings == [None]
    assert report.dropped == 200
    assert report.client_to_server.messages == report.server_to_client.messages == 100
    assert rig.troubles == ["200 lines not recorded: recording was too slow"]


async def test_the_end_of_the_client_reaches_the_server_and_its_last_words_the_client(
    rig: Rig,
) -> None:
    """Half-close: the server sees EOF after the last byte, and answers after that."""
    running = rig.run(rig.proxy("say(str(len(sys.stdin.buffer.read())))"))
    await rig.send(b"x" * 200_000)
    rig.hang_up()
    assert await rig.rest() == b"200000\n"
    assert (await running).failure is None


async def test_the_end_of_the_servers_stdout_reaches_the_client_while_the_server_lives(
    rig: Rig,
) -> None:
    """The client sees EOF, and can still send."""
    running = rig.run(
        rig.proxy("""
            os.close(1)
            sys.exit(int(sys.stdin.read()))
            """)
    )
    assert await rig.rest() == b""
    await rig.send(b"7")
    rig.hang_up()
    assert (await running).returncode == 7


async def test_a_server_that_closes_its_stdin_breaks_the_clients_pipe(rig: Rig) -> None:
    """As without a proxy: a writer without a reader gets EPIPE."""
    proxy = rig.proxy("""
        os.close(0)
        say("closed")
        time.sleep(1000)
        """)
    running = rig.run(proxy)
    assert await rig.line() == b"closed\n"
    with pytest.raises(BrokenPipeError):
        await rig.send(b"to nobody" * 100_000)
    proxy.send_signal(15)
    assert (await running).returncode == -15


async def test_a_server_that_exits_ends_the_tap_though_the_client_stays(rig: Rig) -> None:
    """Its last words arrive, then EOF; the client's sending end need not be closed."""
    running = rig.run(rig.proxy("say('bye')"))
    assert await rig.rest() == b"bye\n"
    assert (await running).returncode == 0
    with pytest.raises(BrokenPipeError):
        await rig.send(b"too late")


async def test_a_client_slow_to_read_gets_everything(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is long gone and its grace is over: a reader that is there is waited for."""
    monkeypatch.setattr("sessionkeeper.recording.stdio.proxy._GRACE", 0.0)
    alive, servers_end = os.pipe()
    running = rig.run(rig.proxy("os.write(1, b'x' * 150_000)", stderr=servers_end))
    await asyncio.sleep(0)  # the server is started
    os.close(servers_end)
    assert await asyncio.to_thread(os.read, alive, 1) == b""
    os.close(alive)
    assert await rig.rest() == b"x" * 150_000
    assert (await running).failure is None


async def test_a_grandchild_that_holds_stdout_does_not_keep_the_tap(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short grace, then the client sees EOF."""
    monkeypatch.setattr("sessionkeeper.recording.stdio.proxy._GRACE", 0.05)
    running = rig.run(
        rig.proxy("""
            child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; "
                "time.sleep(1000)"], stdin=subprocess.DEVNULL)
            say({"grandchild": child.pid})
            os._exit(0)
            """)
    )
    grandchild = int((await rig.line()).split()[1][:-1])
    assert await rig.rest() == b""
    assert (await running).failure is None
    os.kill(grandchild, 9)


async def test_a_grandchild_that_holds_stdin_does_not_keep_the_tap(rig: Rig) -> None:
    """The write it never reads is given up when the server has exited."""
    running = rig.run(
        rig.proxy("""
            child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; "
                "time.sleep(1000)"], stdout=subprocess.DEVNULL)
            say({"grandchild": child.pid})
            while not select.select([0], [], [], 0)[0]:
                time.sleep(0.001)
            os._exit(0)
            """)
    )
    grandchild = int((await rig.line()).split()[1][:-1])
    with pytest.raises(BrokenPipeError):
        await rig.send(b"x" * 1_000_000)
    assert (await running).failure is None
    os.kill(grandchild, 9)


async def test_a_server_may_be_behind_one_socket(rig: Rig) -> None:
    """`client_in` and `client_out` are one descriptor; each way ends on its own."""
    near, far = socket.socketpair()
    with far:
        fd = near.detach()
        running = rig.run(rig.proxy("say(sys.stdin.readline()); sys.stdin.read()", client=(fd, fd)))
        far.sendall(b"hello\n")
        assert await asyncio.to_thread(far.recv, 100) == b"hello\n\n"
        far.shutdown(socket.SHUT_WR)
        assert await asyncio.to_thread(far.recv, 100) == b""
        report = await running
    assert report.failure is None
    assert report.not_json == 3


async def test_the_end_of_the_server_reaches_a_client_on_a_socket(rig: Rig) -> None:
    """Closing the output is a shutdown where a second descriptor keeps the socket open."""
    near, far = socket.socketpair()
    held = os.dup(near.fileno())
    with far:
        fd = near.detach()
        running = rig.run(rig.proxy("pass", client=(fd, os.dup(fd))))
        assert await asyncio.to_thread(far.recv, 100) == b""
        assert (await running).failure is None
        with pytest.raises(BrokenPipeError):
            far.sendall(b"too late")
    os.close(held)


async def test_a_file_of_requests_can_be_the_client(rig: Rig, tmp_path: Path) -> None:
    """stdin from a file and stdout to a file: all requests, all answers, completed."""
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    asked.write_bytes(b"".join(rig.request(number) for number in range(1000)))
    client = os.open(asked, os.O_RDONLY), os.open(answered, os.O_WRONLY | os.O_CREAT)
    report = await rig.run(rig.proxy(rig.ANSWER, client=client))
    assert len(answered.read_bytes().splitlines()) == 1000
    assert report.failure is None
    assert report.recorded == 2000


async def test_dev_null_can_be_the_client(rig: Rig) -> None:
    """It ends immediately when read, accepts every write, and never closes."""
    null = os.open(os.devnull, os.O_RDWR)
    report = await rig.run(rig.proxy("sys.stdin.read(); say('x' * 100_000)", client=(null, null)))
    assert report.failure is None
    assert report.server_to_client.bytes == 100_001


async def test_the_servers_stderr_is_inherited(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    """By default nothing stands between it and ours."""
    await rig.run(rig.proxy("os.write(2, b'to whom it may concern')", stderr=None))
    assert capfd.readouterr().err == "to whom it may concern"


async def test_the_server_keeps_what_the_client_left_open_for_it(rig: Rig) -> None:
    """A descriptor beyond 2 that was made to be inherited is, as without a proxy; ours are not."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    inherited = {fd for fd in range(3, 1024) if _is_inheritable(fd)}
    running = rig.run(
        rig.proxy(f"""
            os.write({writer}, b"kept")
            fds = os.listdir("/proc/self/fd")
            say(" ".join(fd for fd in fds if os.path.exists(f"/proc/self/fd/{{fd}}")))
            """)
    )
    fds = {int(fd) for fd in (await rig.line()).split()}
    await running
    assert os.read(reader, 10) == b"kept"
    assert fds - {0, 1, 2} == inherited
    for fd in (reader, writer):
        os.close(fd)


def _is_inheritable(fd: int) -> bool:
    with suppress(OSError):
        return os.get_inheritable(fd)
    return False
