"""Decides what of a batch may be sent now, and behind which writes it takes effect.

Commands of one session take effect in the order they were asked. Commands of one write each go out
together, each behind the one before it: the server applies a write only if the one before it was
applied, and otherwise answers that it has to be sent again (`writer.lua`). All other commands wait
here. A read also goes out behind writes; it is sent again if one of them was not applied yet.

A command on the whole store comes after everything that was asked before it. If it writes, what was
asked after it waits. If it only reads, nothing waits; a read that is sent again, because its answer
was lost or came too early, may see some of what was asked after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from soleowner import Reply

from ....operations import (
    CountOwnSessions,
    CreateSession,
    FindSessions,
    FindSessionsByActivity,
    ListOwnSessions,
    Scoped,
)
from ....operations.command import StoreCommand
from ..delivery.request import Plan, Request

__all__ = ["Job", "Schedule", "named_sessions"]

# These say that they touch no session, because they pass over those of others.
_WHOLE_STORE = (FindSessions, FindSessionsByActivity, ListOwnSessions, CountOwnSessions)


class Job:
    """A command that runs, or waits to begin."""

    __slots__ = (
        "asked_at",
        "begun",
        "command",
        "ended",
        "plan",
        "read_only",
        "reply",
        "requests",
        "sessions",
        "waited",
        "wrote",
    )

    def __init__(
        self,
        command: StoreCommand[Any],
        plan: Plan[Any],
        reply: Reply,
        asked_at: float,
        waited: float,
    ) -> None:
        self.command = command
        self.plan = plan
        self.reply = reply
        self.asked_at = asked_at
        """When its caller asked."""
        self.waited = waited
        """Seconds of replication wait in total at that time."""
        self.sessions = named_sessions(command)
        """The sessions it concerns; None for the whole store."""
        self.read_only = command.read_only
        self.requests: list[Request] = []
        self.begun = self.ended = False
        """Whether it took a step; whether it took the last one."""
        self.wrote = False
        """Whether an earlier step changed something."""

    @property
    def may_have_effect(self) -> bool:
        """Whether a part of it was applied, or may have been."""
        return self.wrote or any(
            request.changed or request.maybe_applied for request in self.requests
        )

    @property
    def is_one_operation(self) -> bool:
        """Whether it is one operation on the server, which `resolve` can look up by its id."""
        return not self.wrote and len(self.requests) == 1


class Schedule:
    """The order within one round trip. It is shown the jobs in the order they were asked."""

    __slots__ = ("_all_blocked", "_blocked", "_writes")

    def __init__(self) -> None:
        self._writes: dict[str, Request] = {}
        """By session: the last write of this round trip."""
        self._blocked: set[str] = set()
        """Sessions with a job whose write is not known yet."""
        self._all_blocked = False

    def predecessors(self, job: Job) -> Sequence[Request] | None:
        """Return the writes that come before a job's requests; None if it has to wait."""
        sessions = job.sessions
        if self._all_blocked:
            return None
        if sessions is None:
            writes = list(self._writes.values())
            return writes if not self._blocked and (job.read_only or not writes) else None
        if not self._blocked.isdisjoint(sessions):
            return None
        if len(sessions) == 1:  # nearly always
            write = self._writes.get(sessions[0])
            return () if write is None else (write,)
        writes = [self._writes[each] for each in sessions if each in self._writes]
        if len(writes) > 1 and not job.read_only and any(each is not writes[0] for each in writes):
            return None
        return writes if job.read_only else writes[:1]

    def add(self, job: Job) -> None:
        """Note a job that is sent, or that has a part to send."""
        requests, sessions = job.requests, job.sessions
        if job.read_only:
            # If one session makes it read again, the others must still be as they are.
            if (
                sessions is not None
                and len(sessions) > 1
                and any(request.behind for request in requests)
            ):
                self.block(job)
        elif sessions is not None and len(requests) == 1 and requests[0].write:
            for each in sessions:
                self._writes[each] = requests[0]
        else:
            self.block(job)

    def block(self, job: Job) -> None:
        """Note a job that has to wait: jobs on its sessions that come after it wait as well.

        This holds for a read, too: one of its several sessions may be the one that blocks it.
        """
        if job.sessions is None:
            self._all_blocked = True
        else:
            self._blocked.update(job.sessions)


def named_sessions(command: StoreCommand[Any]) -> Sequence[str] | None:
    """Return the sessions a command concerns; None for the whole store."""
    # By the exact class: commands have an abstract base, for which `isinstance` is slow.
    kind = type(command)
    if kind is CreateSession:
        return (cast("CreateSession", command).session.id,)
    if kind is Scoped:
        return named_sessions(cast("Scoped[Any]", command).command)
    if kind in _WHOLE_STORE:
        return None
    try:
        return command.touches
    except NotImplementedError:
        return None
