"""Running a caller's function as the owner."""

from __future__ import annotations

from contextvars import Context

from soleowner import CallerError

from ..interface.atomic_store import Change
from ..values.lease import is_heartbeat
from ..values.session import Session
from . import session_rules as rules
from .session_row import SessionRow
from .tables import Tables

__all__ = ["apply_change", "run_change", "store_change"]


def apply_change(
    tables: Tables, row: SessionRow, change: Change, context: Context
) -> Session | None:
    """Run the caller's function on a session and check its result; None if it changes nothing.

    Raises `CallerError` for whatever the caller's code did wrong.
    """
    changed = run_change(change, context, row.snapshot())
    if changed is not None:
        rules.check_change(tables, row, changed)
    return changed


def store_change(tables: Tables, row: SessionRow, changed: Session, context: Context) -> None:
    """Store what `apply_change` returned; cannot fail."""
    if is_heartbeat(row.session, changed):
        rules.renew_lease(tables, row, changed)
    else:
        rules.change_session(tables, row, changed, context)


def run_change(change: Change, context: Context, current: Session) -> Session | None:
    """Run the caller's function; what it made of the session may still be against the rules."""
    try:
        changed = context.run(change, current)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise CallerError(error) from None
    if changed is current:
        return None
    if type(changed) is not Session:
        raise CallerError(TypeError(f"change returns a Session, not {type(changed).__name__}"))
    if changed.id != current.id:
        raise CallerError(ValueError("change returned another session"))
    return changed
