"""The guarantees that are compared, each with clients that would notice a violation.

Rule: a workload is a few clients on an empty store, small enough to try in many orders. Read
`workload`, `sessions`, `frames`, `failures`.
"""

from __future__ import annotations

from . import failures, frames, sessions
from .workload import ClientScript, Workload

__all__ = ["WORKLOADS", "ClientScript", "Workload"]

_ALL = (
    Workload("updates", "No update of a session is lost.", sessions.updates),
    Workload(
        "creation", "If many clients create a session, exactly one succeeds.", sessions.creation
    ),
    Workload("reads", "A read after the reply to a write sees that write.", sessions.reads),
    Workload("listing", "A listing shows all sessions at one moment.", sessions.listing),
    Workload("limits", "A limit is never exceeded.", sessions.limits, max_sessions=2),
    Workload(
        "recreation",
        "A snapshot of a deleted session cannot overwrite its successor.",
        sessions.recreation,
    ),
    Workload("deletion", "A deleted session does not come back.", sessions.deletion),
    Workload(
        "numbering",
        "Frames are numbered in the order of the log, without duplicates or gaps.",
        frames.numbering,
    ),
    Workload("batches", "The frames of one call are all there, in sequence.", frames.batches),
    Workload(
        "following",
        "A reader that goes on after the last number it saw misses no frame.",
        frames.following,
    ),
    Workload("watching", "A watcher sees each frame, and never waits forever.", frames.watching),
    Workload("counting", "A frame count matches the log.", frames.counting),
    Workload("isolation", "No session shows a frame of another session.", frames.isolation),
    Workload("refusals", "A refused call has no effect.", failures.refusals),
    Workload(
        "cancellation",
        "A cancelled call is done completely or not at all, and no caller waits forever.",
        failures.cancellation,
        cancellations=1,
    ),
)

WORKLOADS = {workload.name: workload for workload in _ALL}
