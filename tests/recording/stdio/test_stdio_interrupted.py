"""Signals, interrupts and cancellations: the server ends with the proxy, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from sessionkeeper.values.states import Direction

from tests.recording.stdio.test_stdio_signals import let_it_end_by_itself

if TYPE_CHECKING:
    from tests.recording.stdio.conftest import Rig

C2S, S2C = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT

# Neither the end of its stdin nor SIGTERM ends it.
STUBBORN = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say("ready")
    while True:
        time.sleep(1000)
    """
ENDS_ON_SIGTERM = """
    say("ready")
    while True:
        time.sleep(1000)
    """


async def test_a_signal_reaches_the_server_once(rig: Rig) -> None:
    """A server that ignores the signal keeps its client."""
    proxy = rig.proxy("""
        signal.signal(signal.SIGUSR1, lambda *_: say("signalled"))
        say("ready")
        while line := sys.stdin.readline():
            say(line.strip())
        """)
    running = rig.run(proxy)
    assert await rig.line() == b"ready\n"
    proxy.send_signal(signal.SIGUSR1)
    assert await rig.line() == b"signalled\n"
    await rig.send(b"ping\n")
    rig.hang_up()
    assert await rig.rest() == b"ping\n"
    assert (await running).completed


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP])
async def test_a_server_ended_by_a_signal_we_passed_on_completed_its_session(
    rig: Rig, signum: int
) -> None:
    """It ended on request."""
    proxy = rig.proxy(ENDS_ON_SIGTERM)
    running = rig.run(proxy)
    await rig.line()
    proxy.send_signal(signum)
    report = await running
    assert report.returncode == -signum
    assert report.completed


async def test_a_signal_before_the_start_is_kept_for_the_server(rig: Rig) -> None:
    """It is not lost, and not passed on twice."""
    proxy = rig.proxy(ENDS_ON_SIGTERM)
    proxy.send_signal(signal.SIGUSR1)
    assert (await rig.run(proxy)).returncode == -signal.SIGUSR1


@pytest.mark.parametrize(
    ("server", "returncode"),
    [
        ("say('ready'); sys.stdin.read()", 0),
        (ENDS_ON_SIGTERM, -signal.SIGTERM),
        (STUBBORN, -signal.SIGKILL),
    ],
    ids=["polite", "deaf", "stubborn"],
)
async def test_an_interrupt_ends_every_server(
    rig: Rig, server: str, returncode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of its stdin, then SIGTERM, then SIGKILL; the session is completed."""
    if returncode == 0:
        let_it_end_by_itself(monkeypatch)
    elif returncode == -signal.SIGTERM:  # however long a slow machine takes for it
        monkeypatch.setattr("sessionkeeper.recording.stdio.proxy._KILL_AFTER", 3600)
    proxy = rig.proxy(server)
    running = rig.run(proxy)
    await rig.line()
    proxy.interrupt()
    proxy.interrupt()  # an impatient user changes nothing
    report = await running
    assert report.returncode == returncode
    assert rig.notes.endings == [None]


async def test_an_interrupt_before_the_start_ends_the_server_too(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not lost."""
    let_it_end_by_itself(monkeypatch)
    proxy = rig.proxy("sys.stdin.read()")
    proxy.interrupt()
    assert (await rig.run(proxy)).returncode == 0


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("server", [ENDS_ON_SIGTERM, STUBBORN], ids=["deaf", "stubborn"])
async def test_a_cancelled_tap_leaves_nothing_behind(rig: Rig, server: str, times: int) -> None:
    """The fixture checks for leftovers; cancelled once, the proxy completes the session first."""
    running = rig.run(rig.proxy(server))
    await rig.line()
    running.cancel()
    if times == 2:
        await asyncio.sleep(0)
        running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert rig.notes.pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(rig.notes.pid, 0)
    if times == 1:
        assert rig.notes.endings == [None]


async def test_a_cancelled_tap_does_not_wait_for_a_hanging_recorder(rig: Rig) -> None:
    """It waits neither for a message nor for the end of the session."""
    recording = asyncio.Event()

    def hang(*_: object) -> asyncio.Future[None]:
        recording.set()
        return asyncio.get_running_loop().create_future()

    rig.notes.hook = rig.notes.at_end = hang
    running = rig.run(rig.proxy(rig.ECHO, patience=3600))
    await rig.send(b"{}\n")
    await recording.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert rig.notes.endings == []


async def test_a_tap_cancelled_while_it_records_the_end_records_it_once(rig: Rig) -> None:
    """The end is neither lost nor told twice."""
    ending, released = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        ending.set()
        await released.wait()

    rig.notes.at_end = wait
    running = rig.run(rig.proxy("pass"))
    await ending.wait()
    running.cancel()
    await asyncio.sleep(0)
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert rig.notes.endings == [None]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_signal_ends_the_wait_for_a_client_that_never_reads(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Before or after the server's exit; what nobody wants to read is not waited for."""
    monkeypatch.setattr("sessionkeeper.recording.stdio.proxy._GRACE", 0.05)
    alive, servers_end = os.pipe()
    wait = "time.sleep(1000)" if when == "before" else ""
    proxy = rig.proxy(f"os.write(1, b'x' * 150_000); os.write(2, b'!'); {wait}", stderr=servers_end)
    running = rig.run(proxy)
    await asyncio.sleep(0)  # the server is started
    os.close(servers_end)
    assert await asyncio.to_thread(os.read, alive, 1) == b"!"
    if when == "after":
        assert await asyncio.to_thread(os.read, alive, 1) == b""
        while not vars(proxy)["_exited"].is_set():
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)  # the proxy has seen it
        assert repr(proxy).endswith(" ended=0>")
    os.close(alive)
    proxy.send_signal(signal.SIGTERM)
    report = await running
    assert report.returncode == (-15 if when == "before" else 0)
    assert report.server_to_client.bytes < 150_000
    assert report.completed


@pytest.mark.parametrize("when", ["while it runs", "after its end"])
@pytest.mark.parametrize("how", ["SIGTERM", "interrupt", "cancel"])
async def test_a_backlog_is_dropped_when_the_tap_has_to_end(rig: Rig, how: str, when: str) -> None:
    """A flood leaves what would take minutes to record, though it moves all the time."""
    recording = asyncio.Event()

    async def slowly() -> None:
        recording.set()
        await asyncio.sleep(0.01)

    rig.notes.hook = lambda _: slowly()
    wait = "time.sleep(1000)" if when == "while it runs" else ""
    proxy = rig.proxy(f"""
        for _ in range(100):
            os.write(1, b"{{}}\\n" * 1000)
        {wait}
        """)
    running = rig.run(proxy)
    for _ in range(100_000):
        assert await rig.line() == b"{}\n"
    await recording.wait()
    while when == "after its end" and not vars(proxy)["_exited"].is_set():
        await asyncio.sleep(0.01)
    if how == "cancel":
        running.cancel()
    elif how == "SIGTERM":
        proxy.send_signal(signal.SIGTERM)
    else:
        proxy.interrupt()
    async with asyncio.timeout(300):
        await asyncio.wait({running})
    assert rig.notes.endings == [None]
    assert any("was too slow" in trouble for trouble in rig.troubles)
    assert running.cancelled() if how == "cancel" else running.result().dropped > 50_000
