"""The guarantees that are compared, and for each the clients who would notice."""

from __future__ import annotations

from . import failures as of_failure
from . import frames as of_frames
from . import sessions as of_sessions
from .workload import ClientScript, Workload

__all__ = ["WORKLOADS", "ClientScript", "Workload"]

_ALL = (
    Workload("updates", "No update of a session is lost.", of_sessions.updates),
    Workload("creation", "Of many who create a session, one does.", of_sessions.creation),
    Workload("reads", "Who reads after a write was answered sees it.", of_sessions.reads),
    Workload("listing", "A listing shows all sessions at one moment.", of_sessions.listing),
    Workload(
        "limits", "A limit is never passed, not even by one.", of_sessions.limits, max_sessions=2
    ),
    Workload(
        "recreation",
        "What was read of a deleted session cannot be written to its successor.",
        of_sessions.recreation,
    ),
    Workload("deletion", "What was deleted does not come back.", of_sessions.deletion),
    Workload(
        "numbering",
        "Frames are numbered in the order of the log, no number twice and none left out.",
        of_frames.numbering,
    ),
    Workload("batches", "The frames of one call are there whole, side by side.", of_frames.batches),
    Workload("counting", "A count is that of the log.", of_frames.counting),
    Workload("isolation", "No session shows a frame of another.", of_frames.isolation),
    Workload("refusals", "What is refused has no effect.", of_failure.refusals),
    Workload(
        "cancellation",
        "What is cancelled is done whole or not at all, and nobody waits for ever.",
        of_failure.cancellation,
        cancellations=1,
    ),
)

WORKLOADS = {workload.name: workload for workload in _ALL}
