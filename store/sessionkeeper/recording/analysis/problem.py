"""A problem: something in a recording that a person should look at."""

from __future__ import annotations

import shlex
from datetime import datetime
from enum import StrEnum

import msgspec

from .call import Call

__all__ = ["Problem", "ProblemKind", "Severity"]


class Severity(StrEnum):
    """How much a problem matters."""

    ERROR = "error"
    """Something failed."""
    WARNING = "warning"
    """Something is slow, wasteful, missing or against the protocol, and the traffic went on."""


class ProblemKind(StrEnum):
    """What a problem is."""

    SESSION_FAILED = "session-failed"
    """The session ended as failed."""
    RECORDER_GONE = "recorder-gone"
    """The process that recorded a live session does not run any more."""
    ERROR = "error"
    """A JSON-RPC error, or an HTTP status from 400 on. It has a call, unless it is for no request:
    a notification or a response was refused, or the server could not tell what it was sent."""
    TOOL_ERROR = "tool-error"
    """A result says `isError`."""
    UNANSWERED = "unanswered"
    """The session ended, and a request has no answer."""
    SLOW = "slow"
    """An answer took long, or has been missing for as long."""
    REPEATED_CALL = "repeated-call"
    """The same request was sent several times in a row, with the same parameters."""
    ANSWER_TO_NOTHING = "answer-to-nothing"
    """A response to no request, or to one that was answered before; an error that came with an HTTP
    status is an `ERROR`."""
    REPEATED_ID = "repeated-id"
    """A request has the id of one that has no answer yet."""
    ODD_FRAME = "odd-frame"
    """Bytes that are no JSON-RPC message."""
    GAP = "gap"
    """Lines passed that were not recorded."""

    @property
    def severity(self) -> Severity:
        """How much problems of this kind matter."""
        return Severity.ERROR if self in _ERRORS else Severity.WARNING


_ERRORS = frozenset(
    {
        *(ProblemKind.SESSION_FAILED, ProblemKind.RECORDER_GONE, ProblemKind.UNANSWERED),
        *(ProblemKind.ERROR, ProblemKind.TOOL_ERROR),
    }
)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One problem, and where to see it."""

    kind: ProblemKind
    session_id: str
    seq: int | None
    """The number of the frame that shows it; None for a whole session."""
    time: datetime
    """When it happened, by the clock of the recorder."""
    server: str | None
    """The name of the session's server; None if unknown."""
    text: str
    """What happened. It may quote the message of an error."""
    hint: str | None = None
    """What to look at next."""
    call: Call | None = None

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return self.kind.severity

    @property
    def subject(self) -> str:
        """The method of its call, with the tool, prompt or resource; empty without a call."""
        call = self.call
        if call is None:
            return ""
        return call.method if call.name is None else f"{call.method} {call.name}"

    def command(self, store: str, *, session: str | None = None) -> str:
        """Return the command of a shell that shows it, for the URL of its store.

        `session` replaces the id, which may be a secret: by a prefix, for example.
        """
        session = self.session_id if session is None else session
        seq = () if self.seq is None else (str(self.seq),)
        dashes = ("--",) if session.startswith("-") else ()
        return shlex.join(["sessionkeeper", "show", *dashes, store, session, *seq])

    def __repr__(self) -> str:
        return f"<Problem {self.kind} at frame {self.seq}>"
