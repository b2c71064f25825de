"""The protocol between the process to be killed and the process that kills it.

Each client appends frames, call by call; the text of a frame says which one it is. The process
writes a line about a call only after its reply, in one write, so a line is complete or absent.
"""

from __future__ import annotations

from dataclasses import dataclass

from sessionkeeper.values.message import MessageEnvelope

from ..clients import note

__all__ = ["BATCH", "CLIENTS", "SESSION", "Ack", "make_frames", "parse_ack", "make_texts"]

SESSION = "a"
BATCH = 8
CLIENTS = (1, BATCH, BATCH)
"""Frames per call of each client."""


@dataclass(frozen=True, slots=True)
class Ack:
    """An acknowledged call: its client, its number, and the number of its first frame."""

    client: int
    call: int
    first: int

    def line(self) -> bytes:
        """Return the line that reports it."""
        return b"%d %d %d\n" % (self.client, self.call, self.first)


def parse_ack(line: str, /) -> Ack:
    """Parse a line. Raises `ValueError`."""
    client, call, first = map(int, line.split())
    return Ack(client, call, first)


def make_texts(client: int, call: int, /) -> list[str]:
    """Return the texts of the frames of a call."""
    return [f"{client}-{call}-{part}" for part in range(CLIENTS[client])]


def make_frames(client: int, call: int, /) -> list[MessageEnvelope]:
    """Return the frames of a call."""
    return [note(SESSION, text) for text in make_texts(client, call)]
