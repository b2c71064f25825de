"""Writers of a SQLite file that tell what they ask and hear on a pipe; made to be killed.

They are forked: a start of the interpreter takes longer than all the rest of a kill.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import struct
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from random import Random
from typing import Any

from faulted_checks import Findings, Operation, Outcome, SessionRecord
from faulted_load import Caller
from sessionkeeper import Session, SQLiteSessionStore
from sessionkeeper.backends.sqlite.row_cache import RowCache
from sessionkeeper.backends.sqlite.writer import SQLiteWriter

__all__ = ["LOCK_TIMEOUT", "PID", "SESSIONS", "serve"]

SESSIONS, CALLERS = 6, 32
LOCK_TIMEOUT = 2.0
OPENING = 30.0
"""Seconds for the lock until a writer is ready: it makes no calls that are counted."""
PID = struct.Struct("<i")
"""How the id of a new process is told."""


class _Reported(SessionRecord):
    """Tells the process that compares what was asked and answered here."""

    def __init__(self, session_id: str, findings: Findings, tell: Callable[[Any], None]) -> None:
        super().__init__(session_id, findings)
        self._tell = tell

    def asked(self, operation: Operation) -> None:
        self._tell(("asked", operation))

    def told(self, operation: Operation) -> None:
        super().told(operation)
        self._tell(("told", operation))


class _ReportedFindings(Findings):
    def __init__(self, tell: Callable[[Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def add(self, kind: str, what: str) -> None:
        self._tell(("found", kind, what))


def serve(link: socket.socket) -> None:
    """Fork a writer for each line that comes, until nobody asks any more; answer its process id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        asked, descriptors, _, _ = socket.recv_fds(link, 4096, 1)
        if not asked:
            return
        child = os.fork()
        if not child:
            link.close()
            _be_writer(descriptors[0], *json.loads(asked))
        os.close(descriptors[0])
        link.sendall(PID.pack(child))


def _be_writer(pipe: int, path: str, name: str, seed: float, flaw: str | None) -> None:
    logging.disable()  # each would say the same of its SQLite
    code = 1
    try:
        if flaw == "late":
            _answer_before_commit()
        elif flaw == "stale":
            setattr(RowCache, "begin", lambda cache, witness: None)  # noqa: B010 - on purpose
        with suppress(BrokenPipeError):
            asyncio.run(_write(path, name, Random(seed), Connection(pipe, readable=False).send))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


async def _write(path: str, name: str, random: Random, tell: Callable[[Any], None]) -> None:
    going = True

    def end() -> None:
        nonlocal going
        going = False

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    findings = _ReportedFindings(tell)
    records: dict[str, SessionRecord] = {
        key: _Reported(key, findings, tell) for key in (f"s{n}" for n in range(SESSIONS))
    }

    def on_call(key: str, begun: float, ended: float, outcome: Outcome) -> None:
        tell(("call", key, begun, ended, outcome))

    # It opens while others hold the file, or have just been killed with it.
    async with SQLiteSessionStore(path, lock_timeout=OPENING) as store:
        for key in records:
            await store.get_or_create_session(Session.new(transport_type="stdio", id=key))
    async with SQLiteSessionStore(path, lock_timeout=LOCK_TIMEOUT) as store:
        tell(("ready",))
        callers = [
            Caller(
                f"{name}.{number}",
                store,
                records=records,
                on_call=on_call,
                findings=findings,
                deadline=LOCK_TIMEOUT,
                random=Random(random.random()),
            )
            for number in range(CALLERS)
        ]
        await asyncio.gather(*(caller.run(lambda: going) for caller in callers))
    tell(("closed",))


def _answer_before_commit() -> None:
    """Have this process answer before it commits to a file."""
    open_whole = SQLiteWriter.open

    def open_flawed(self: Any, post: Any) -> None:
        open_whole(self, post)
        self._execute = _late(self._execute)

    SQLiteWriter.open = open_flawed  # type: ignore[method-assign]  # on purpose


def _late(execute: Callable[..., object]) -> Callable[..., object]:
    late: list[str] = []

    def run(statement: str, *words: object) -> object:
        if statement == "COMMIT":
            late.append(statement)
            return None
        while late:
            execute(late.pop())
        return execute(statement, *words)

    return run


if __name__ == "__main__":
    serve(socket.socket(fileno=0))
