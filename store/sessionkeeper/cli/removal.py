"""The common part of `end`, `rm` and `purge`: recorders that are gone, or that may still run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from ..interface.atomic_store import AtomicSessionStore
from ..leases import RecorderState, end_gone_sessions, recorder_state
from ..printing import printable
from ..values.errors import short_id
from ..values.session import Session
from .console import complain, interruptible, print_line
from .progress import progress
from .stores import BAD_INPUT

__all__ = [
    "Force",
    "confirm",
    "format_count",
    "end_all_gone",
    "may_be_recorded",
    "refuse_recorded",
    "tell",
]

Force = Annotated[bool, typer.Option("--force", help="Also if its recorder may still run.")]


async def end_all_gone(store: AtomicSessionStore) -> int:
    """End the sessions of recorders that are gone; return how many."""
    with progress("looking for recorders that are gone", None) as advance:
        return await end_gone_sessions(store, on_seen=advance)


def may_be_recorded(session: Session) -> bool:
    """Whether the recorder of a session may still run."""
    return recorder_state(session) in (RecorderState.RUNNING, RecorderState.SILENT)


def refuse_recorded(session: Session, action: str) -> int:
    """Say that a session is being recorded, and return the exit code."""
    complain(
        f"session {short_id(session.id)!r} is {session.state} and its recorder is"
        f" {recorder_state(session)}; give --force to {action} it nevertheless"
    )
    return BAD_INPUT


def format_count(number: int) -> str:
    """Write a number of sessions."""
    return f"{number:,} {'session' if number == 1 else 'sessions'}"


def confirm(question: str) -> bool:
    """Ask on the terminal."""
    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    with interruptible():
        answer = sys.stdin.readline()
    return answer.strip().lower() in ("y", "yes")


def tell(numbers: Mapping[str, object], text: str, *, as_json: bool) -> None:
    """Print what was done, in words or for programs."""
    if as_json:
        print_line(json.dumps(numbers))
    else:
        complain(text)
