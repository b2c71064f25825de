"""The report of a proxy: how much passed, what was recorded, and how the session ended.

These are pure functions; nothing here waits or reads.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...values.states import Direction
from ..outcomes import LineOutcome

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

__all__ = ["Ending", "StdioReport", "Traffic", "exit_status", "unrecorded"]

_SIGNAL_STATUS = 128

_RECORDED = (LineOutcome.RECORDED, LineOutcome.ODD, LineOutcome.ASIDE, LineOutcome.OVERSIZED)
_NO_MESSAGES = (LineOutcome.ODD, LineOutcome.ASIDE, LineOutcome.NOT_JSON)
_REASONS = {
    LineOutcome.OVERSIZED: "too large, each is a gap in the record",
    LineOutcome.NOT_JSON: "not JSON",
    LineOutcome.REFUSED: "not a JSON-RPC message",
    LineOutcome.DROPPED: "recording was too slow",
    LineOutcome.FAILED: "recording failed",
}


def exit_status(returncode: int) -> int:
    """Convert a `Popen.returncode` into a shell's exit status: 128 + N for signal N."""
    return _SIGNAL_STATUS - returncode if returncode < 0 else returncode


@dataclass(frozen=True, slots=True)
class Traffic:
    """The forwarded bytes and the messages of one direction, batches counting as one."""

    bytes: int
    messages: int


@dataclass(frozen=True, slots=True)
class StdioReport:
    """What passed through a proxy, and what was recorded of it.

    Each line counts in exactly one of `recorded`, `not_json`, `refused`, `dropped`, `failed`. One
    that was too long or dropped was not parsed, and counts as a message of its direction.
    """

    pid: int
    returncode: int
    failure: str | None
    """Why the session failed; None when it is completed."""
    unanswered: int
    """Requests of the client that certainly have no response."""
    ambiguous: int
    """Requests of both sides that used an id in flight, so that their responses are ambiguous."""
    late: int
    """Responses to cancelled requests."""
    client_to_server: Traffic
    server_to_client: Traffic
    recorded: int
    """Lines that have a frame of their own."""
    odd: int
    """The recorded lines that are no JSON-RPC message, kept byte for byte."""
    stderr: int
    """The recorded lines of the server's standard error, which are no messages."""
    oversized: int
    """The recorded lines that were too large: a gap frame stands for each."""
    gaps: int
    """Gap frames: of those too large, and one for each run of dropped lines."""
    not_json: int
    """Refused by a recorder that takes JSON only, as `refused` is what it takes for no message."""
    refused: int
    dropped: int
    """Lines that arrived faster than they could be recorded."""
    failed: int

    @property
    def completed(self) -> bool:
        """Whether the session ended in order."""
        return self.failure is None

    @classmethod
    def of(
        cls,
        pid: int,
        ending: Ending,
        outcomes: Mapping[Direction, Counter[LineOutcome]],
        passed: Mapping[Direction, int],
        gaps: int,
    ) -> StdioReport:
        """Add up the outcomes of all lines."""
        sums = outcomes[Direction.CLIENT_TO_SERVER] + outcomes[Direction.SERVER_TO_CLIENT]
        traffic = {
            side: Traffic(passed[side], counts.total() - sum(counts[each] for each in _NO_MESSAGES))
            for side, counts in outcomes.items()
        }
        return cls(
            pid=pid,
            returncode=ending.returncode,
            failure=ending.failure(),
            unanswered=ending.unanswered,
            ambiguous=ending.ambiguous,
            late=ending.late,
            client_to_server=traffic[Direction.CLIENT_TO_SERVER],
            server_to_client=traffic[Direction.SERVER_TO_CLIENT],
            recorded=sum(sums[each] for each in _RECORDED),
            odd=sums[LineOutcome.ODD],
            stderr=sums[LineOutcome.ASIDE],
            oversized=sums[LineOutcome.OVERSIZED],
            gaps=gaps,
            not_json=sums[LineOutcome.NOT_JSON],
            refused=sums[LineOutcome.REFUSED],
            dropped=sums[LineOutcome.DROPPED],
            failed=sums[LineOutcome.FAILED],
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """How client and server ended, as far as it decides the final state of the session."""

    returncode: int
    interrupted: bool
    forwarded: frozenset[int]
    client_gone: bool
    client_left: bool
    unanswered: int
    is_ambiguous: bool = False
    """Whether it is unknown which requests of the client are unanswered."""
    ambiguous: int = 0
    late: int = 0

    def failure(self) -> str | None:
        """Return why the session failed, the first reason that applies; None if it completed."""
        if self.interrupted:
            return None
        if self.client_gone:
            return "client vanished"
        if self.returncode and not self._obeyed():
            return f"server {_describe(self.returncode)}"
        if not self.unanswered:
            return None
        who = "client left" if self.client_left else "server exited"
        requests = "request" if self.unanswered == 1 else "requests"
        which = ", ambiguous: one id was in flight several times" if self.is_ambiguous else ""
        return f"{who} with {self.unanswered} {requests} unanswered{which}"

    def _obeyed(self) -> bool:
        # A launcher (sh -c, uvx, npx) reports the signal that ended its child as 128 + N.
        return exit_status(self.returncode) - _SIGNAL_STATUS in self.forwarded


def unrecorded(outcomes: Mapping[Direction, Counter[LineOutcome]]) -> list[str]:
    """Return one line of text for each reason why lines were not recorded."""
    sums = outcomes[Direction.CLIENT_TO_SERVER] + outcomes[Direction.SERVER_TO_CLIENT]
    return [
        f"{sums[outcome]} {'line' if sums[outcome] == 1 else 'lines'} not recorded: {reason}"
        for outcome, reason in _REASONS.items()
        if sums[outcome]
    ]


def _describe(returncode: int) -> str:
    if returncode > 0:
        return f"exited with status {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"  # a real-time signal has no name
    return f"killed by {name}"
