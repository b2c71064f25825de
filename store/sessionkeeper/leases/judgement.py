"""Whether the recorder of a session still runs, by its lease and the processes of this host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ..values.lease import Lease, lease_of
from ..values.session import Session
from .process import own_place, process_exists

__all__ = ["ABSENCE", "SILENCE", "RecorderState", "describe_absence", "recorder_state"]

SILENCE = timedelta(minutes=10)
"""Without a sign for longer, a recorder is called silent; on a machine that started again, gone."""
ABSENCE = timedelta(days=1)
"""Without a sign for longer, a recorder that cannot be looked up is gone. Clocks of two hosts may
differ by a time zone, and a computer may sleep for a night."""


class RecorderState(StrEnum):
    """What is known of the recorder of a live session."""

    RUNNING = "running"
    SILENT = "silent"
    """It gave no sign for ten minutes, and cannot be looked up here."""
    GONE = "gone"
    """It certainly does not run any more."""


def recorder_state(session: Session, *, now: datetime | None = None) -> RecorderState | None:
    """Tell whether the recorder of a session runs; None if it has ended or names no recorder.

    Processes are looked up in the boot and the namespace of this process only. For all others, the
    last heartbeat or activity decides.
    """
    lease = None if session.state.is_terminal else lease_of(session)
    if lease is None:
        return None
    if _is_visible(lease):
        exists = process_exists(lease.pid, lease.started)
        return RecorderState.RUNNING if exists else RecorderState.GONE
    silent = _silent_for(session, lease, now or datetime.now(UTC))
    if silent > (SILENCE if _was_rebooted(lease) else ABSENCE):
        return RecorderState.GONE
    return RecorderState.SILENT if silent > SILENCE else RecorderState.RUNNING


def describe_absence(session: Session, *, now: datetime | None = None) -> str:
    """Say why the recorder of a session is gone; only for one that is."""
    lease = lease_of(session)
    if lease is None:
        return "the recorder is gone"
    who = f"process {lease.pid} on {lease.host}"
    if _is_visible(lease):
        return f"the recorder is gone: {who} has ended"
    if _was_rebooted(lease):
        return f"the recorder is gone: {who} has ended, the machine was started again"
    hours = _silent_for(session, lease, now or datetime.now(UTC)) // timedelta(hours=1)
    return f"the recorder is gone: {who} gave no sign for {hours} hours"


def _is_visible(lease: Lease) -> bool:
    own = own_place()
    known = None not in (own.boot, own.namespace)
    return known and (lease.boot, lease.namespace) == (own.boot, own.namespace)


def _was_rebooted(lease: Lease) -> bool:
    # Copies of one virtual machine may have all this in common: they are told apart by heartbeats.
    own = own_place()
    same = own.machine is not None and (lease.machine, lease.host) == (own.machine, own.host)
    return same and None not in (own.boot, lease.boot) and lease.boot != own.boot


def _silent_for(session: Session, lease: Lease, now: datetime) -> timedelta:
    return now - max(lease.seen, session.last_activity)
