"""One session over HTTP: a client, the recorder, a server, and a witness between each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from typing import NamedTuple, TextIO

from ..manager import SessionManager
from ..recording import Recorder, SessionRecorder
from ..recording.http import HttpProxy, Serving, listen_on
from ..recording.http.sessions import OpenRecorder, SessionFields
from ..values.message import MessageEnvelope
from ..values.session import Session
from ..values.states import SessionState
from .check import SessionCheck, check_ending
from .check_http import compare_frames, compare_traffic
from .exchanges import exchanges_of
from .session_setup import SessionSetup
from .stage import Stage
from .tcp_witness import TcpWitness, witnessing

__all__ = ["HttpWitnesses", "check_http_session", "record_over_http"]


class HttpWitnesses(NamedTuple):
    """The witnesses of one session: before the recorder, and behind it."""

    front: TcpWitness
    behind: TcpWitness


async def record_over_http(
    setup: SessionSetup, manager: SessionManager, stage: Stage, errlog: TextIO
) -> tuple[str, HttpWitnesses]:
    """Hold and record one session. Returns its id, and the witnesses."""
    from .client import converse, http_session  # imported by now, beside the fork server

    opened: list[str] = []

    async def open_recorder(fields: SessionFields) -> Recorder:
        tags, metadata = {"demo", setup.kind}, {"name": setup.name}
        recorder = await SessionRecorder.open(manager, tags=tags, metadata=metadata, **fields)
        opened.append(recorder.session_id)
        return recorder

    def tell(trouble: str) -> None:
        stage.troubles.append(f"{setup.name}: {trouble}")

    async with (
        _server(setup, stage, errlog) as port,
        witnessing(port) as behind,
        _recorder(behind.port, open_recorder, tell) as own,
        witnessing(own) as front,
    ):
        url = f"http://127.0.0.1:{front.port}/mcp"
        await converse(setup, stage, lambda: http_session(url))
    if len(opened) != 1:
        raise RuntimeError(f"{len(opened)} sessions were recorded; it should be one")
    return opened[0], HttpWitnesses(front, behind)


def check_http_session(
    setup: SessionSetup,
    witnesses: HttpWitnesses,
    session: Session,
    frames: list[MessageEnvelope],
) -> SessionCheck:
    """Compare the stored frames byte for byte with what the witnesses saw."""
    front, behind = (exchanges_of(each.seen) for each in witnesses)
    differences = [
        *compare_traffic(front, behind),
        *compare_frames(behind, [(session.id, each) for each in frames]),
    ]
    if not frames:
        differences.append("nothing was stored")
    seen = witnesses.behind.seen
    return SessionCheck(
        setup.name,
        sum(len(each.sent) for each in seen),
        sum(len(each.received) for each in seen),
        tuple(differences),
        check_ending(session, SessionState.CLOSED),
    )


@asynccontextmanager
async def _server(setup: SessionSetup, stage: Stage, errlog: TextIO) -> AsyncGenerator[int]:
    """Run the server; yield its port."""
    reads, writes = os.pipe()
    said = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(said), os.fdopen(reads, "rb", buffering=0)
    )
    try:
        try:
            server = stage.launcher.start(setup.server, stdout=writes, stderr=errlog.fileno())
        finally:
            os.close(writes)
        with closing(server):
            if not (line := await said.readline()):
                raise RuntimeError("the server has ended before it listened")
            yield int(line)
    finally:
        pipe.close()


@asynccontextmanager
async def _recorder(
    server: int, open_recorder: OpenRecorder, tell: Callable[[str], None]
) -> AsyncGenerator[int]:
    """Run the recorder in front of a server's port; yield its own."""
    listener = listen_on("127.0.0.1:0")
    port = int(listener.getsockname()[1])
    url, listen = f"http://127.0.0.1:{server}/mcp", f"127.0.0.1:{port}"
    ended = asyncio.Event()
    async with (
        HttpProxy(url, open_recorder, listen=listen, on_trouble=tell) as proxy,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(Serving(proxy, listener).run_until(ended))
        try:
            yield port
        finally:
            ended.set()
