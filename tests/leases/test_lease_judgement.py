"""Whether the recorder of a session runs, by real processes and by leases of other places."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sessionkeeper import Lease, Session, lease_of
from sessionkeeper.leases import (
    ABSENCE,
    SILENCE,
    RecorderState,
    describe_absence,
    own_lease,
    recorder_state,
)
from sessionkeeper.leases import process as own_process
from sessionkeeper.leases.process import own_place, process_exists
from sessionkeeper.values.lease import LEASE_KEY, with_lease

RUNNING, SILENT, GONE = RecorderState
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
A_WHILE = timedelta(seconds=1)

EXIT = {"x86_64": 60, "aarch64": 93}
"""The system call that ends one thread."""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

Process = subprocess.Popen[bytes]


@pytest.fixture
def process() -> Iterator[Process]:
    """A process that waits."""
    with subprocess.Popen([sys.executable, "-ISc", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def session(lease: Lease, seen: datetime = NOW) -> Session:
    """A live session with this lease, without activity since `seen`."""
    recorded = with_lease(Session.new(transport_type="stdio"), lease.renewed(seen))
    return recorded.model_copy(update={"last_activity": seen})


def started(pid: int) -> int:
    """When a process began, as /proc says."""
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])


def of(process: Process) -> Lease:
    """The lease of a process of this host."""
    began = started(process.pid)
    return own_lease().model_copy(update={"pid": process.pid, "started": began})


def state_after(lease: Lease, silence: timedelta) -> RecorderState | None:
    """What is said of a recorder whose last sign was so long ago."""
    return recorder_state(session(lease), now=NOW + silence)


def test_a_lease_names_this_process() -> None:
    """The pid, and no fraction of a second, so that all its leases have one size."""
    lease = own_lease()
    assert lease.pid == os.getpid()
    assert lease.seen.microsecond == 0
    sizes = {len(lease.renewed(NOW + A_WHILE * n / 3).model_dump_json()) for n in range(9)}
    assert sizes == {len(lease.model_dump_json())}


@on_linux
def test_this_process_runs_however_long_it_says_nothing() -> None:
    """A recorder of this boot is looked up, and its heartbeats do not count."""
    assert recorder_state(session(own_lease()), now=NOW + 100 * ABSENCE) is RUNNING


@on_linux
def test_a_stopped_process_runs(process: Process) -> None:
    """SIGSTOP, or a debugger: it may go on at any time."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert state_after(of(process), 100 * ABSENCE) is RUNNING


@on_linux
def test_a_killed_process_is_gone_at_once(process: Process) -> None:
    """Also while its parent has not waited for it, and whatever its last heartbeat was."""
    lease = of(process)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert state_after(lease, timedelta(0)) is GONE
    process.wait()
    assert state_after(lease, timedelta(0)) is GONE
    assert str(process.pid) in describe_absence(session(lease))


@on_linux
def test_a_process_that_got_the_pid_of_another_is_not_the_recorder(process: Process) -> None:
    """The time at which it began tells the two apart."""
    lease = of(process)
    assert lease.started is not None
    reused = lease.model_copy(update={"started": lease.started - 1})
    assert state_after(lease, timedelta(0)) is RUNNING
    assert state_after(reused, timedelta(0)) is GONE


@pytest.mark.skipif(platform.machine() not in EXIT, reason="the number of the call is not known")
@on_linux
def test_a_process_whose_first_thread_has_ended_runs() -> None:
    """Its entry in /proc says zombie, but other threads of it go on."""
    script = (
        "import ctypes, threading\n"
        "threading.Thread(target=input).start()\n"
        f"ctypes.CDLL(None).syscall({EXIT.get(platform.machine())}, 0)\n"
    )
    command = [sys.executable, "-ISc", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        stat = Path(f"/proc/{process.pid}/stat")
        while b") Z" not in stat.read_bytes():
            pass
        began = started(process.pid)
        assert process_exists(process.pid, began)
        process.kill()
        process.wait()
        assert not process_exists(process.pid, began)


def test_a_pid_that_cannot_be_is_no_process() -> None:
    """A lease may say anything."""
    assert not process_exists(2**40, None)


ELSEWHERE: dict[str, dict[str, object]] = {
    "another boot": {"boot": "another", "host": "another"},
    "another namespace": {"namespace": "pid:[1] time:[1]"},
    "no /proc, as on macOS": {"boot": None, "namespace": None, "started": None},
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_recorder_elsewhere_is_judged_by_its_signs(where: str) -> None:
    """Silent after ten minutes, gone after a day; a clock that is ahead makes it no older."""
    lease = own_lease().model_copy(update=ELSEWHERE[where])
    assert state_after(lease, -ABSENCE) is RUNNING
    assert state_after(lease, SILENCE) is RUNNING
    assert state_after(lease, SILENCE + A_WHILE) is SILENT
    assert state_after(lease, ABSENCE) is SILENT
    assert state_after(lease, ABSENCE + A_WHILE) is GONE
    assert "24 hours" in describe_absence(session(lease), now=NOW + ABSENCE + A_WHILE)


@pytest.mark.skipif(None in (own_place().boot, own_place().machine), reason="the host says neither")
def test_a_recorder_of_an_earlier_boot_is_gone_after_ten_minutes() -> None:
    """Not at once: copies of a virtual machine may look like one machine."""
    lease = own_lease().model_copy(update={"boot": "earlier"})
    assert state_after(lease, SILENCE) is RUNNING
    assert state_after(lease, SILENCE + A_WHILE) is GONE
    assert "started again" in describe_absence(session(lease))


def test_activity_is_a_sign_as_well() -> None:
    """A recorder whose heartbeats are refused, but not its frames, is there."""
    lease = own_lease().model_copy(update={"boot": "another", "host": "another"})
    silent = session(lease, NOW - 10 * ABSENCE)
    used = silent.model_copy(update={"last_activity": NOW})
    assert recorder_state(silent, now=NOW) is GONE
    assert recorder_state(used, now=NOW) is RUNNING


@pytest.mark.parametrize(
    "held", [None, 5, "x", {}, {"pid": 0}, {"pid": 1, "host": "", "seen": "now"}, [1]]
)
def test_what_is_no_lease_says_nothing(held: object) -> None:
    """Metadata are the caller's: something else may stand there."""
    metadata = {} if held is None else {LEASE_KEY: held}
    other = Session.new(transport_type="stdio", metadata=metadata)
    assert lease_of(other) is None
    assert recorder_state(other) is None


def test_a_session_that_has_ended_has_no_recorder() -> None:
    """Whatever lease it was left with."""
    ended = session(own_lease()).model_copy(update={"state": "closed"})
    assert recorder_state(ended) is None


def test_without_proc_only_the_host_and_the_pid_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS: its recorders are judged by their signs, by others and by themselves."""
    monkeypatch.setattr(own_process, "_PROC", Path("/no/such/folder"))
    own_place.cache_clear()
    try:
        lease = own_lease()
        assert (lease.boot, lease.namespace, lease.started) == (None, None, None)
        assert (lease.pid, lease.host) == (os.getpid(), own_place().host)
        assert state_after(lease, SILENCE) is RUNNING
        assert state_after(lease, ABSENCE + A_WHILE) is GONE
    finally:
        own_place.cache_clear()
