"""`sessionkeeper end` ends a session that nobody else will end."""

from __future__ import annotations

from typing import Annotated

import typer

from ..values.errors import InvalidTransition, short_id
from ..values.lease import without_lease
from ..values.session import Session
from ..values.states import SessionState
from .console import complain
from .removal import (
    Force,
    end_all_gone,
    format_count,
    may_be_recorded,
    refuse_recorded,
    tell,
)
from .stores import NOTHING, AsJson, StoreUrl, find_session, open_store, run_command

__all__ = ["end"]

_LONGEST_REASON = 1_024


def end(
    store: StoreUrl,
    session: Annotated[
        str | None,
        typer.Argument(
            help='Session id or unique prefix; put -- before an id that starts with "-".',
            show_default=False,
        ),
    ] = None,
    *,
    gone: Annotated[
        bool, typer.Option("--gone", help="End all sessions whose recorder is certainly gone.")
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option(help="End it as failed, for this reason; otherwise it is closed in order."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """End a session that nobody else will end, for example because its recorder was killed.

    With --gone, all sessions whose recorder is certainly gone are ended as failed, and their
    failure says why. Exit code 1 if the session does not exist or has ended already, or if there
    was none to end.
    """
    if gone == (session is not None):
        raise typer.BadParameter("give one session id, or --gone", param_hint="SESSION, --gone")
    if session is None:
        if reason is not None:
            raise typer.BadParameter("--gone says why by itself", param_hint="--reason")
        return run_command(_end_gone(store, as_json=as_json))
    if reason is not None and not _is_reason(reason):
        limits = f"1 to {_LONGEST_REASON:,} characters of UTF-8"
        raise typer.BadParameter(limits, param_hint="--reason")
    return run_command(_end(store, session, reason, force=force, as_json=as_json))


def _is_reason(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes of the command line that are not UTF-8
        return False
    return 1 <= len(text) <= _LONGEST_REASON


async def _end(url: str, asked: str, reason: str | None, *, force: bool, as_json: bool) -> int:
    state = SessionState.CLOSED if reason is None else SessionState.FAILED

    def finish(session: Session) -> Session:
        if session.state.is_terminal:
            raise InvalidTransition(session.id, session.state, state)
        return without_lease(session).model_copy(update={"state": state, "failure": reason})

    async with open_store(url) as store:
        session = await find_session(store, asked)
        if not force and may_be_recorded(session):
            return refuse_recorded(session, "end")
        try:
            ended = await store.modify_session(session.id, finish)
        except InvalidTransition as error:
            complain(f"session {short_id(session.id)!r} has ended already ({error.from_state})")
            return NOTHING
    tell({"ended": 1}, f"session {short_id(ended.id)!r} is {ended.state}", as_json=as_json)
    return 0


async def _end_gone(url: str, *, as_json: bool) -> int:
    async with open_store(url) as store:
        ended = await end_all_gone(store)
    tell({"ended": ended}, f"{format_count(ended)} ended whose recorder is gone", as_json=as_json)
    return 0 if ended else NOTHING
