"""Opens all sessions of the demo at once, and waits until they end."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO, TypeAlias, cast

from ..manager import ManagerConfig, ManagerStatistics, SessionManager
from ..recording import SessionRecorder
from ..recording.stdio import StdioProxy
from ..values.message import Frame, MessageEnvelope
from ..values.session import Session
from .check import SessionCheck, check_session
from .launcher import Launcher
from .over_http import check_http_session, record_over_http
from .session_setup import CLIENT, FORK_SERVER, MODULES, STEPS, SessionSetup, make_setups
from .stage import Stage, choose_turns

Check: TypeAlias = Callable[[Session, list[MessageEnvelope]], SessionCheck]

__all__ = ["DemoBroken", "DemoResult", "run_demo"]

_ANSWERS_BEFORE_KILL = 5
_PATIENCE = 86400.0
"""Seconds: nothing is given up because the machine is slow."""
_LAST_WORDS = 200


class DemoBroken(Exception):
    """A session of the demo could not be held to its end; says which, and why."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo stored and found."""

    sessions: list[Session]
    checks: list[SessionCheck]
    last_frames: list[Frame]
    """The newest frames of the first session."""
    statistics: ManagerStatistics
    troubles: list[str]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every session was stored exactly as it was sent."""
        return not self.troubles and not any(check.faults for check in self.checks)


async def run_demo(
    count: int,
    step: Callable[[], None],
    *,
    say: Callable[[str], None] = lambda _: None,
    on_stage: Callable[[Stage], None] = lambda _: None,
) -> DemoResult:
    """Open `count` sessions; `step` is called `STEPS` times for each of them.

    It waits as long as they take, and leaves no process and no file behind, even if it is
    cancelled. `say` receives what happens now. `on_stage` receives the stage, for a caller that
    must clear it early. Raises an exception group of `DemoBroken`, or `ModuleNotFoundError` if the
    client or the time server is not installed.
    """
    for module in ("mcp", "mcp_server_time"):
        if find_spec(module) is None:
            raise ModuleNotFoundError(f"{module} is not installed", name=module)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / "stderr").open("w") as errlog:
            launcher = Launcher(folder / FORK_SERVER, MODULES, errlog=errlog.fileno())
        turns = choose_turns(count)
        stage = Stage(
            folder=folder,
            launcher=launcher,
            step=step,
            turn=asyncio.Semaphore(turns),
            all_done=asyncio.Barrier(count - 1),  # all but the one that is killed
        )
        on_stage(stage)
        try:
            say("importing the client and the servers once")
            setups, _ = await asyncio.gather(
                asyncio.to_thread(make_setups, count, folder),
                asyncio.to_thread(__import__, CLIENT),
            )
            say(f"{count} sessions, {turns} talk at a time")
            async with SessionManager(ManagerConfig.recording()) as manager:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(_session(setup, manager, stage)) for setup in setups]
                say("comparing every stored byte")
                recorded = [task.result() for task in tasks]
                sessions = [await manager.get_session(session_id) for session_id, _ in recorded]
                checks = [
                    check(session, await manager.store.get_frames(session.id))
                    for (_, check), session in zip(recorded, sessions, strict=True)
                ]
                last = await manager.store.read_frames(sessions[0].id, limit=8, newest=True)
                statistics = await manager.statistics()
        finally:
            await launcher.aclose()
    seconds = time.monotonic() - begun
    return DemoResult(sessions, checks, last, statistics, stage.troubles, seconds)


class _Recorder(SessionRecorder):
    stage: Stage
    pid: int = -1

    def started(self, pid: int, /) -> None:
        super().started(pid)
        self.pid = pid
        self.stage.pids.add(pid)


async def _session(setup: SessionSetup, manager: SessionManager, stage: Stage) -> tuple[str, Check]:
    """Hold and record one session. Returns its id, and what checks it."""
    try:
        if setup.kind == "http":
            with setup.errors.open("w") as errlog:
                session, witnesses = await record_over_http(setup, manager, stage, errlog)
            return session, partial(check_http_session, setup, witnesses)
        return await _over_stdio(setup, manager, stage), partial(check_session, setup)
    except Exception as error:
        reasons = "; ".join(sorted({*_reasons(ExceptionGroup("", [error]))}))
        raise DemoBroken(f"{setup.name}: {reasons}{_last_words(setup.errors)}") from error


async def _over_stdio(setup: SessionSetup, manager: SessionManager, stage: Stage) -> str:
    """Run both sides of one session: the proxy, and the client that starts the connector."""
    with socket.socket(socket.AF_UNIX) as listener, setup.errors.open("w") as errlog:
        listener.bind(str(setup.socket))
        listener.listen(2)
        listener.setblocking(False)
        talk = _killed_client if setup.killed else _client
        async with asyncio.TaskGroup() as group:
            recorded = group.create_task(_tap(setup, manager, listener, stage, errlog))
            group.create_task(talk(setup, stage, errlog))
    return recorded.result()


async def _tap(
    setup: SessionSetup,
    manager: SessionManager,
    listener: socket.socket,
    stage: Stage,
    errlog: TextIO,
) -> str:
    """Record the session of the client that connects, until the connector has ended."""
    loop = asyncio.get_running_loop()
    connection, _ = await loop.sock_accept(listener)
    connection.setblocking(True)
    client = connection.detach()
    recorder = await _Recorder.open(
        manager,
        (sys.executable, *setup.server),
        tags={"demo", setup.kind},
        metadata={"name": setup.name},
    )
    recorder.stage = stage
    proxy = StdioProxy(
        setup.command,
        recorder,
        client_in=client,
        client_out=client,
        stderr=errlog.fileno(),
        on_trouble=lambda trouble: stage.troubles.append(f"{setup.name}: {trouble}"),
        patience=_PATIENCE,
    )
    try:
        await proxy.run()
    finally:
        stage.pids.discard(recorder.pid)
    end, _ = await loop.sock_accept(listener)
    with end:
        await loop.sock_recv(end, 1)
    return recorder.session_id


async def _client(setup: SessionSetup, stage: Stage, errlog: TextIO) -> None:
    from .client import converse, stdio_session  # imported by now, beside the fork server

    await converse(setup, stage, lambda: stdio_session(setup.connector, errlog))


async def _killed_client(setup: SessionSetup, stage: Stage, errlog: TextIO) -> None:
    loop = asyncio.get_running_loop()
    command = ("-m", CLIENT, setup.kind, str(setup.repository), *setup.connector)
    reads, writes = os.pipe()
    answers = asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(answers), os.fdopen(reads, "rb", buffering=0)
    )
    try:
        async with stage.turn:
            try:
                client = stage.launcher.start(command, stdout=writes, stderr=errlog.fileno())
            finally:
                os.close(writes)
            with closing(client):
                for _ in range(_ANSWERS_BEFORE_KILL):
                    if not await answers.readline():
                        raise RuntimeError("the client that is to be killed has ended before")
                    stage.step()
                await client.kill()
    finally:
        pipe.close()
    for _ in range(STEPS - _ANSWERS_BEFORE_KILL):
        stage.step()


def _reasons(group: ExceptionGroup[Exception]) -> Iterator[str]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _reasons(cast("ExceptionGroup[Exception]", error))
        else:
            yield f"{type(error).__name__} {error}".strip()


def _last_words(errors: Path) -> str:
    """Return the last line that the processes of a session wrote to standard error."""
    lines = errors.read_text(errors="replace").split("\n")
    words = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"; its processes said last: {words[:_LAST_WORDS]}" if words else ""
