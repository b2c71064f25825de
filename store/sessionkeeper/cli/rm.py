"""`sessionkeeper rm` deletes sessions."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..values.errors import SessionNotFound, short_id
from ..values.session import Session
from .console import complain
from .progress import progress
from .removal import Force, confirm, format_count, may_be_recorded, refuse_recorded, tell
from .remove_content import parse_numbers, remove_content
from .stores import NOTHING, AsJson, StoreUrl, find_session, open_store, run_command

__all__ = ["rm"]

_LISTED = 10


def rm(
    store: StoreUrl,
    sessions: Annotated[
        list[str],
        typer.Argument(
            metavar="SESSION...",
            help='Session ids or unique prefixes; put -- before an id that starts with "-".',
            show_default=False,
        ),
    ],
    *,
    frames: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Only remove the content of these frames of one session, as 3,7-9.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """Delete sessions with their frames, or the content of some frames.

    With --frames the session stays, also if it is being recorded, and so do the numbers of the
    frames.

    On a terminal it asks first. Nothing is deleted if one of the ids is not known, or is the start
    of several, or belongs to a session whose recorder may still run. Exit code 1 if a session does
    not exist, or if the answer was no.
    """
    if frames is not None:
        if len(sessions) > 1:
            raise typer.BadParameter("name one session", param_hint="--frames")
        return run_command(
            remove_content(store, sessions[0], parse_numbers(frames), yes=yes, as_json=as_json)
        )
    return run_command(_rm(store, sessions, yes=yes, force=force, as_json=as_json))


async def _rm(url: str, asked: list[str], *, yes: bool, force: bool, as_json: bool) -> int:
    async with open_store(url) as store:
        found = {each.id: each for each in [await find_session(store, each) for each in asked]}
        for session in found.values():
            if not force and may_be_recorded(session):
                return refuse_recorded(session, "delete")
        if not yes and sys.stdin.isatty() and not _confirm(list(found.values())):
            complain("nothing was deleted")
            return NOTHING
        with progress("deleting", len(found)) as advance:
            for session_id in found:
                try:
                    await store.delete_session(session_id)
                except SessionNotFound:
                    if len(found) == 1:
                        raise
                advance(1)
    tell({"deleted": len(found)}, f"{format_count(len(found))} deleted", as_json=as_json)
    return 0


def _confirm(sessions: list[Session]) -> bool:
    for each in sessions[:_LISTED]:
        complain(f"{short_id(each.id)}: {each.state}, {each.frame_count} frames")
    if len(sessions) > _LISTED:
        complain(f"and {len(sessions) - _LISTED} more")
    return confirm(f"delete {format_count(len(sessions))} with all frames?")
