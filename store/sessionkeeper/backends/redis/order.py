"""The order of asking: what of a batch may be sent now, and behind which writes it is applied.

Commands of one session are applied as they were asked. Those of which each is one write go out
together, each behind the one before it: the server applies it only if that one was applied, and
otherwise says that it is to come again (`writer.lua`). Everything else waits here. A read goes out
behind writes as well; it is asked again where one of those has yet to come.

A command on the whole store comes after all that was asked before it. One that changes something
holds up what was asked after it; one that reads does not, and if it has to read again, or its
answer was lost, it may see some of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soleowner import Reply

from ...operations import CountOwnSessions, CreateSession, FindSessions, ListOwnSessions, Scoped
from ...operations.command import OneSession, StoreCommand
from .client.call import is_status
from .delivery.request import OPEN, Plan, Request

__all__ = ["Job", "Line", "sessions_of"]


class Job:
    """A command under way, or waiting for its turn."""

    __slots__ = (
        "begun",
        "command",
        "plan",
        "read_only",
        "reply",
        "requests",
        "sessions",
        "since",
        "waited",
        "wrote",
    )

    def __init__(
        self,
        command: StoreCommand[Any],
        plan: Plan[Any],
        reply: Reply,
        since: float,
        waited: float,
    ) -> None:
        self.command = command
        self.plan = plan
        self.reply = reply
        self.since = since
        """When it was asked."""
        self.waited = waited
        """What had been waited for replicas in all by then."""
        self.sessions = sessions_of(command)
        """The sessions it is about; None for the whole store."""
        self.read_only = command.read_only
        self.requests: list[Request] = []
        self.begun = False
        self.wrote = False
        """Whether an earlier step has changed something."""

    @property
    def open(self) -> list[Request]:
        """What it asks and has no answer to."""
        return [request for request in self.requests if request.answer is OPEN]

    @property
    def behind(self) -> bool:
        """Whether a write before it was not applied, so it has had no effect and begins anew."""
        return any(is_status(request.answer, b"BEHIND") for request in self.requests)

    @property
    def unknown(self) -> bool:
        """Whether something of it was applied, or may have been."""
        return self.wrote or any(
            request.changed or request.maybe_applied for request in self.requests
        )

    @property
    def whole(self) -> bool:
        """Whether it is one operation on the server, which can be asked for by its id."""
        return not self.wrote and len(self.requests) == 1


class Line:
    """Who is before whom in one round: jobs are shown to it in the order of asking."""

    __slots__ = ("_all_closed", "_closed", "_writes")

    def __init__(self) -> None:
        self._writes: dict[str, Request] = {}
        """By session: the last write that goes out in this round."""
        self._closed: set[str] = set()
        """Sessions in which somebody has yet to ask what he writes."""
        self._all_closed = False

    def before(self, job: Job) -> Sequence[Request] | None:
        """Return the writes a job's questions go behind; None if they may not go yet."""
        sessions = job.sessions
        if self._all_closed:
            return None
        if sessions is None:
            writes = list(self._writes.values())
            return writes if not self._closed and (job.read_only or not writes) else None
        if not self._closed.isdisjoint(sessions):
            return None
        if len(sessions) == 1:  # nearly always
            write = self._writes.get(sessions[0])
            return () if write is None else (write,)
        writes = [self._writes[each] for each in sessions if each in self._writes]
        if len(writes) > 1 and not job.read_only and any(each is not writes[0] for each in writes):
            return None
        return writes if job.read_only else writes[:1]

    def add(self, job: Job) -> None:
        """Note a job that is not answered yet, and what of it goes out."""
        if job.read_only:
            # If it has to read again because of one session, the others must still be as they are.
            if (
                job.sessions is not None
                and len(job.sessions) > 1
                and any(a.behind for a in job.requests)
            ):
                self.close(job)
            return
        if job.sessions is not None and len(job.requests) == 1 and job.requests[0].write:
            for each in job.sessions:
                self._writes[each] = job.requests[0]
        else:
            self.close(job)

    def close(self, job: Job) -> None:
        """Note a job that has to wait: who comes after it waits as well.

        For what only reads, too: of several sessions one may be what it waits for.
        """
        if job.sessions is None:
            self._all_closed = True
        else:
            self._closed.update(job.sessions)


def sessions_of(command: StoreCommand[Any]) -> Sequence[str] | None:
    """Return the sessions a command is about; None for the whole store."""
    if isinstance(command, OneSession):
        return command.touches
    if isinstance(command, Scoped):
        return sessions_of(command.command)
    if isinstance(command, CreateSession):
        return (command.session.id,)
    # These say that they touch none, for they pass over those of others.
    if isinstance(command, FindSessions | ListOwnSessions | CountOwnSessions):
        return None
    try:
        return command.touches
    except NotImplementedError:
        return None
