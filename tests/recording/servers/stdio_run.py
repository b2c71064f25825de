"""A client and a server on stdio, the recorder between them, and a witness at both of its ends."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sessionkeeper import Direction, MessageEnvelope, Session, SQLiteSessionStore

from tests.recording.servers.plans import PublicServer

__all__ = ["StdioRun", "run_client"]

HERE = Path(__file__).parent
WITNESS = (sys.executable, "-I", "-S", str(HERE / "witness.py"))


async def run_client(program: tuple[str, ...], plan: dict[str, Any], folder: Path) -> Any:
    """Run a client with its plan to its end; return what it printed, read from JSON."""
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    process = await asyncio.create_subprocess_exec(
        *program,
        str(path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode(errors="replace")[-4000:]
    return json.loads(out)


@dataclass
class StdioRun:
    """What both witnesses saw and what the store has, of one session."""

    folder: Path
    frames: list[MessageEnvelope]
    session: Session

    @classmethod
    async def hold(
        cls, client: tuple[str, ...], server: PublicServer, folder: Path
    ) -> tuple[StdioRun, Any]:
        """Hold a conversation; return the run, and what the client printed."""
        store = f"sqlite:///{folder}/tape.db"
        record = (
            *(sys.executable, "-m", "sessionkeeper", "record", "-q"),
            *("--require-store", "--store", store, "--"),
        )
        front = (*WITNESS, str(folder / "client-sent"), str(folder / "client-received"))
        behind = (*WITNESS, str(folder / "server-in"), str(folder / "server-out"))
        command = (*front, *record, *behind, *server.command)
        plan = {"command": command, "env": server.env, "steps": server.steps, "mode": server.mode}
        said = await run_client(client, plan, folder)
        async with SQLiteSessionStore(str(folder / "tape.db")) as opened:
            session = (await opened.list_sessions())[0]
            while not session.state.is_terminal:  # the client need not wait for its server's end
                await asyncio.sleep(0.05)
                session = await opened.get_session(session.id)
            frames = await opened.get_frames(session.id)
        return cls(folder, frames, session), said

    def methods(self) -> set[str]:
        """The methods of all stored messages."""
        return {each.method for each in self.frames if each.method is not None}

    def faults(self) -> list[str]:
        """Compare all four witnesses' files and the store, byte for byte."""
        seen = {
            name: (self.folder / name).read_bytes()
            for name in ("client-sent", "client-received", "server-in", "server-out")
        }
        return [
            *_traffic("to the server", seen["client-sent"], seen["server-in"]),
            *_traffic("to the client", seen["server-out"], seen["client-received"]),
            *self._stored("to the server", Direction.CLIENT_TO_SERVER, seen["client-sent"]),
            *self._stored("to the client", Direction.SERVER_TO_CLIENT, seen["server-out"]),
        ]

    def _stored(self, where: str, direction: Direction, seen: bytes) -> list[str]:
        stored = [each.message for each in self.frames if each.context.direction is direction]
        lines = seen.removesuffix(b"\n").split(b"\n") if seen else []
        return [
            f"message {number} {where} is not what was stored"
            for number, (one, other) in enumerate(zip_longest(stored, lines), 1)
            if one != other
        ]


def _traffic(where: str, written: bytes, read: bytes) -> list[str]:
    if written == read:
        return []
    return [f"what was written {where} is not what was read: {len(written)}, {len(read)} bytes"]
