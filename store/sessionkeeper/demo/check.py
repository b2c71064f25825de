"""Compares what was stored with what independent witnesses at the pipes saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ..values.message import MessageEnvelope
from ..values.session import Session
from ..values.states import Direction, SessionState
from .session_setup import SessionSetup

__all__ = ["SessionCheck", "check_ending", "check_session"]

_NAMES = {Direction.CLIENT_TO_SERVER: "to the server", Direction.SERVER_TO_CLIENT: "to the client"}


@dataclass(frozen=True, slots=True)
class SessionCheck:
    """What the check of one session found. Faults name frames and sizes, and no payload."""

    name: str
    bytes_sent: int
    """Bytes from client to server, as the witness at the server's pipe counted them."""
    bytes_received: int
    """Bytes from server to client, counted in the same way."""
    differences: tuple[str, ...]
    """Where stored bytes or forwarded bytes are not what the witnesses saw."""
    endings: tuple[str, ...]
    """How the session ended, if not as planned."""

    @property
    def faults(self) -> tuple[str, ...]:
        """All of them."""
        return self.differences + self.endings


def check_session(
    setup: SessionSetup, session: Session, frames: list[MessageEnvelope]
) -> SessionCheck:
    """Compare the stored frames byte for byte with what the witnesses of a session wrote down."""
    sent = _read(setup.folder / "server-in")
    received = _read(setup.folder / "server-out")
    client_sent = _read(setup.folder / "client-sent")
    client_received = _read(setup.folder / "client-received")
    stored = {each: _stored(frames, each) for each in Direction}
    to_server = stored[Direction.CLIENT_TO_SERVER]
    to_client = stored[Direction.SERVER_TO_CLIENT]
    if setup.killed:
        # What a server writes after its client has gone reaches nobody, as it would without the
        # proxy. So of a killed client's session the record may end early, but not before what the
        # client read. And the client does not read the last bytes that were sent to it.
        # Half a line at the end is part of one that the witness may have seen whole.
        to_client = [each for each in to_client if each[0] not in _unended(frames)]
        read_whole = client_received[: client_received.rfind(b"\n") + 1]
        recorded = sum(len(message) + 1 for _, message in to_client)
        enough = received.find(b"\n", max(recorded, len(read_whole)) - 1) + 1
        differences = [
            *_compare_frames(Direction.CLIENT_TO_SERVER, to_server, sent),
            *_compare_frames(Direction.SERVER_TO_CLIENT, to_client, received[:enough]),
            *_compare_traffic(Direction.CLIENT_TO_SERVER, client_sent, sent[: len(client_sent)]),
            *_compare_traffic(
                Direction.SERVER_TO_CLIENT, received[: len(client_received)], client_received
            ),
        ]
    else:
        differences = [
            *_compare_frames(Direction.CLIENT_TO_SERVER, to_server, sent),
            *_compare_frames(Direction.SERVER_TO_CLIENT, to_client, received),
            *_compare_traffic(Direction.CLIENT_TO_SERVER, client_sent, sent),
            *_compare_traffic(Direction.SERVER_TO_CLIENT, received, client_received),
        ]
    if not frames:
        differences.append("nothing was stored")
    planned = SessionState.FAILED if setup.killed else SessionState.CLOSED
    endings = check_ending(session, planned)
    return SessionCheck(setup.name, len(sent), len(received), tuple(differences), endings)


def check_ending(session: Session, planned: SessionState) -> tuple[str, ...]:
    """Say how the session ended, if not as planned."""
    if session.state is planned:
        return ()
    ended = f"{session.state}: {session.failure}" if session.failure else f"{session.state}"
    return (f"the session is {ended}; it should be {planned}",)


def _stored(frames: list[MessageEnvelope], direction: Direction) -> list[tuple[int, bytes]]:
    """Return the messages of one direction, each with the number of its frame."""
    numbered = enumerate(frames, 1)
    return [(seq, each.message) for seq, each in numbered if each.context.direction is direction]


def _unended(frames: list[MessageEnvelope]) -> set[int]:
    """Return the numbers of the frames that had no newline."""
    numbered = enumerate(frames, 1)
    return {seq for seq, each in numbered if each.context.metadata.get("line_end") == "none"}


def _compare_frames(
    direction: Direction, stored: list[tuple[int, bytes]], seen: bytes
) -> Iterator[str]:
    """Name the first frame that is not what the witness saw: later ones follow from it."""
    expected = seen.removesuffix(b"\n").split(b"\n") if seen else []
    for number, (frame, line) in enumerate(zip_longest(stored, expected), 1):
        if frame is None:
            yield (
                f"message {number} {_NAMES[direction]} is not stored: {len(line)} bytes,"
                f" {len(expected) - number} more follow"
            )
            return
        seq, message = frame
        if line is None:
            yield f"frame {seq} was never sent {_NAMES[direction]}: {len(message)} bytes"
            return
        if message != line:
            yield (
                f"frame {seq}, message {number} {_NAMES[direction]}: {len(message)} bytes are"
                f" stored, the witness saw {len(line)}; they differ at byte"
                f" {_first_difference(message, line)}"
            )
            return


def _compare_traffic(direction: Direction, written: bytes, read: bytes) -> Iterator[str]:
    """Say where the proxy changed what it forwarded."""
    if written != read:
        yield (
            f"the proxy changed the traffic {_NAMES[direction]}: {len(written)} bytes were written,"
            f" {len(read)} read; they differ at byte {_first_difference(written, read)}"
        )


def _first_difference(one: bytes, other: bytes) -> int:
    """Return the offset of the first byte that is not the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
