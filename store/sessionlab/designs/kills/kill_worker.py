"""The worker process that forks the processes to be killed.

It imports the store once, so each kill costs the opening of a store and not the start of Python.
On the line `go` it prints the path of a new file and forks a child that opens a store there and
appends. On the line `kill` it kills the child and prints `killed`. At the end of its input, or when
its output is closed, it kills the child, removes the files and exits.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.interface.session_store import SessionStore

from ..clients import new
from ..loading import Opener, find_opener
from .protocol import CLIENTS, SESSION, Ack, make_frames

__all__ = ["CREATED", "FAILED", "KILLED", "READY", "main"]

READY, CREATED, FAILED, KILLED = "ready", "created", "failed", "killed"

_CALLS = 5_000
"""Calls per client: a child that is not killed ends after these."""


def main() -> None:
    """Serve the store that the first argument names as `module:Class`, until the input ends."""
    opener = find_opener(sys.argv[1])
    with (
        suppress(BrokenPipeError, KeyboardInterrupt),
        TemporaryDirectory(prefix="sessionkeeper-kills-") as folder,
    ):
        for number, _ in enumerate(sys.stdin):
            place = Path(folder, str(number))
            place.mkdir()
            child = _start(opener, place / "store.db")
            try:
                sys.stdin.readline()
            finally:
                os.kill(
                    child, signal.SIGKILL
                )  # our child, not yet waited for: its id is not reused
                os.waitpid(child, 0)
            _write_line(f"{KILLED}\n".encode())
            rmtree(Path(folder, str(number - 1)), ignore_errors=True)


def _start(opener: Opener, path: Path) -> int:
    _write_line(f"{READY} {path}\n".encode())
    child = os.fork()
    if child:
        return child
    try:
        os.close(sys.stdin.fileno())  # the input belongs to the parent
        asyncio.run(_append(opener(str(path))))
    except BaseException as error:
        with suppress(OSError):
            _write_line(f"{FAILED} {type(error).__name__}\n".encode())
    finally:
        os._exit(1)  # skip the parent's cleanup


async def _append(store: SessionStore) -> None:
    if isinstance(store, AtomicSessionStore):
        await store.__aenter__()
    await store.create_session(new(SESSION))
    _write_line(f"{CREATED}\n".encode())
    await asyncio.gather(*(_client(store, client) for client in range(len(CLIENTS))))


async def _client(store: SessionStore, client: int) -> None:
    for call in range(_CALLS):
        frames = make_frames(client, call)
        if len(frames) == 1:
            first = await store.add_frame(frames[0])
        elif isinstance(store, AtomicSessionStore):
            try:
                first = (await store.add_frames(SESSION, frames)).start
            except NotImplementedError:
                return  # it does not offer batches
        else:
            return
        _write_line(Ack(client, call, first).line())


def _write_line(line: bytes) -> None:
    # One write to the pipe: the line is there completely or not at all.
    os.write(1, line)
