"""Compares what was stored with what independent witnesses at the pipes saw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..values.message import MessageEnvelope
from ..values.session import Session
from ..values.states import Direction, SessionState
from .servers import Plan

__all__ = ["Finding", "check_session"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the check of one session found."""

    name: str
    bytes_sent: int
    """Bytes from client to server, as the witness at the server's pipe counted them."""
    bytes_received: int
    """Bytes from server to client, counted in the same way."""
    faults: tuple[str, ...]


def check_session(plan: Plan, session: Session, frames: list[MessageEnvelope]) -> Finding:
    """Compare the stored frames byte for byte with what the witnesses of a session wrote down."""
    sent = _read(plan.folder / "server-in")
    received = _read(plan.folder / "server-out")
    stored_sent = _lines(frames, Direction.CLIENT_TO_SERVER)
    stored_received = _lines(frames, Direction.SERVER_TO_CLIENT)
    client_sent = _read(plan.folder / "client-sent")
    client_received = _read(plan.folder / "client-received")
    faults: list[str] = []
    if stored_sent != sent:
        faults.append("the stored frames differ from what the server received")
    # What a server writes after its client has gone reaches nobody, as it would without the tap. So
    # of a killed client's session the record may end early, but not before what the client read.
    read_whole = client_received[: client_received.rfind(b"\n") + 1]
    is_whole = stored_received == received
    is_enough = received.startswith(stored_received) and stored_received.startswith(read_whole)
    if not (is_enough if plan.killed else is_whole):
        faults.append("the stored frames differ from what the server sent")
    if plan.killed:
        # A killed client does not read the last bytes that were sent to it.
        if not sent.startswith(client_sent) or not received.startswith(client_received):
            faults.append("the tap changed the traffic")
        if session.state is not SessionState.FAILED:
            faults.append(f"its client was killed, but the session is {session.state}")
    else:
        if sent != client_sent or received != client_received:
            faults.append("the tap changed the traffic")
        if session.state is not SessionState.CLOSED:
            faults.append(f"the session is {session.state}: {session.failure}")
    if not frames:
        faults.append("nothing was stored")
    return Finding(plan.name, len(sent), len(received), tuple(faults))


def _lines(frames: list[MessageEnvelope], direction: Direction) -> bytes:
    messages = [each.message for each in frames if each.context.direction is direction]
    return b"".join(message + b"\n" for message in messages)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
