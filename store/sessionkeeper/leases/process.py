"""Which process this is, and whether another one still exists.

Sources: proc(5), namespaces(7), time_namespaces(7), machine-id(5). Without `/proc`, as on macOS,
nothing here is known but the pid and the host.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ..values.lease import Lease

__all__ = ["Place", "own_lease", "own_place", "process_exists"]

_PROC = Path("/proc")
_MACHINE = Path("/etc/machine-id")
_STATE, _THREADS, _STARTED = 0, 17, 19  # fields 3, 20 and 22 of `stat`, counted after the name
_MAX_NAME = 255


class Place(NamedTuple):
    """Where a process runs; two with the same boot and namespace see each other's pids."""

    host: str
    machine: str | None
    boot: str | None
    namespace: str | None


def own_lease() -> Lease:
    """Return a lease of this process, seen now."""
    pid, place = os.getpid(), own_place()
    found = _stat(pid) if place.namespace else None
    return Lease(
        pid=pid,
        started=None if found is None else int(found[_STARTED]),
        seen=datetime.now(UTC).replace(microsecond=0),
        **place._asdict(),
    )


@lru_cache(maxsize=1)
def own_place() -> Place:
    """Return where this process runs."""
    host = socket.gethostname().encode("ascii", "replace").decode()[:_MAX_NAME] or "unknown"
    machine = _read(_MACHINE)
    # machine-id(5) asks to show a digest only.
    digest = sha256(f"sessionkeeper {machine}".encode()).hexdigest()[:32] if machine else None
    return Place(host, digest, _read(_PROC / "sys/kernel/random/boot_id"), _namespace())


def process_exists(pid: int, started: int | None) -> bool:
    """Whether the process that began at that moment exists; True where that is not certain.

    `started` is None if the moment is not known. A process that has ended and that its parent has
    not waited for does not exist.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # it exists, and is another user's
    found = _stat(pid)
    if found is None:  # it ended just now, or it is hidden (`hidepid`)
        return True
    if started is not None and int(found[_STARTED]) != started:
        return False
    # The first thread of a process can end before the others.
    return found[_STATE] not in (b"Z", b"X") or int(found[_THREADS]) > 1


def _namespace() -> str | None:
    """The namespaces that give pids and starting times their meaning; None if not known."""
    try:
        # A /proc of another namespace shows other processes.
        if os.readlink(_PROC / "self") != str(os.getpid()):
            return None
        pids = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return None
    try:
        return f"{pids} {os.readlink(_PROC / 'self/ns/time')}"
    except OSError:  # Linux before 5.6 has no namespaces of time
        return pids


def _stat(pid: int) -> list[bytes] | None:
    try:
        found = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return found if len(found) > _STARTED else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()[:_MAX_NAME] or None
    except (OSError, ValueError):
        return None
