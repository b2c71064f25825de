"""Opens all sessions of the demo at once, and waits until they end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..manager import ManagerConfig, ManagerStatistics, SessionManager
from ..tap import SessionRecorder, Tap
from ..values.message import Frame
from ..values.session import Session
from .check import Finding, check_session
from .client import STEPS, converse
from .servers import Plan, make_plans
from .stage import Stage

__all__ = ["STEPS", "DemoResult", "run_demo"]

_ANSWERS_BEFORE_KILL = 5
_TIMEOUT = 600.0
"""Seconds for one conversation; on a busy machine 25 at once take minutes."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo stored and found."""

    sessions: list[Session]
    findings: list[Finding]
    last_frames: list[Frame]
    """The newest frames of the first session."""
    statistics: ManagerStatistics
    troubles: list[str]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every session was stored exactly as it was sent."""
        return not self.troubles and not any(finding.faults for finding in self.findings)


async def run_demo(
    count: int, step: Callable[[], None], *, on_stage: Callable[[Stage], None] | None = None
) -> DemoResult:
    """Run `count` sessions at once; `step` is called `STEPS` times for each of them.

    It leaves no process and no file behind, even if it is cancelled. `on_stage` receives the stage,
    for a caller that must clear it early.
    """
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sessionkeeper-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        plans = await asyncio.to_thread(make_plans, count, folder)
        async with SessionManager(ManagerConfig.recording()) as manager:
            with (folder / "stderr").open("w") as errlog:
                stage = Stage(
                    folder=folder,
                    errlog=errlog,
                    step=step,
                    all_done=asyncio.Barrier(sum(not plan.killed for plan in plans)),
                    exit=asyncio.Semaphore(2),
                )
                if on_stage is not None:
                    on_stage(stage)
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(_session(plan, manager, stage)) for plan in plans]
            sessions = [await manager.get_session(task.result()) for task in tasks]
            findings = [
                check_session(plan, session, await manager.store.get_frames(session.id))
                for plan, session in zip(plans, sessions, strict=True)
            ]
            last = await manager.store.read_frames(sessions[0].id, limit=8, newest=True)
            statistics = await manager.statistics()
    seconds = time.monotonic() - begun
    return DemoResult(sessions, findings, last, statistics, stage.troubles, seconds)


class _Recorder(SessionRecorder):
    stage: Stage
    pid: int = -1

    def started(self, pid: int, /) -> None:
        super().started(pid)
        self.pid = pid
        self.stage.pids.add(pid)


async def _session(plan: Plan, manager: SessionManager, stage: Stage) -> str:
    """Run both sides of one session: the tap, and the client that starts the connector."""
    recorder = await _Recorder.open(
        manager, plan.server, tags={"demo", plan.kind}, metadata={"name": plan.name}
    )
    recorder.stage = stage
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(plan.socket))
        listener.listen(1)
        listener.setblocking(False)
        talk = _killed_client if plan.killed else _client
        async with asyncio.TaskGroup() as group:
            group.create_task(_tap(plan, recorder, listener, stage))
            group.create_task(talk(plan, stage))
    return recorder.session_id


async def _tap(plan: Plan, recorder: _Recorder, listener: socket.socket, stage: Stage) -> None:
    connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    connection.setblocking(True)
    client = connection.detach()
    tap = Tap(
        plan.command,
        recorder,
        client_in=client,
        client_out=client,
        stderr=stage.errlog.fileno(),
        on_trouble=lambda trouble: stage.troubles.append(f"{plan.name}: {trouble}"),
    )
    try:
        await tap.run()
    finally:
        stage.pids.discard(recorder.pid)


async def _client(plan: Plan, stage: Stage) -> None:
    async with _time_limit():
        await converse(plan.kind, str(plan.repository), plan.connector, stage)


@asynccontextmanager
async def _time_limit() -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(_TIMEOUT):
            yield
    except TimeoutError:
        raise TimeoutError(f"a conversation did not end within {_TIMEOUT:g} seconds") from None


async def _killed_client(plan: Plan, stage: Stage) -> None:
    module = "sessionkeeper.demo.client"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, plan.kind, str(plan.repository), *plan.connector),
        stdout=asyncio.subprocess.PIPE,
        stderr=stage.errlog,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    stage.pids.add(process.pid)
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        async with _time_limit():
            for _ in range(_ANSWERS_BEFORE_KILL):
                await process.stdout.readline()
                stage.step()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
        stage.pids.discard(process.pid)
    for _ in range(STEPS - _ANSWERS_BEFORE_KILL):
        stage.step()
