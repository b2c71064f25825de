"""Which session of the record an exchange belongs to.

Rule: nothing is matched across sessions. A session is one `Mcp-Session-Id`, one stream of the old
HTTP+SSE transport, or, without either, one client: its name, its version and its principal, until
it pauses.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypedDict

from ...values.states import Direction, SessionState, TransportType
from ..budget import Budget
from ..outcomes import LineOutcome
from ..protocol import Recorder
from .clients import Client, digest_of
from .session import HttpSession

__all__ = ["HttpSessions", "OpenRecorder", "SessionFields"]


class SessionFields(TypedDict):
    """The arguments of `SessionRecorder.open` for a new session."""

    transport_type: TransportType
    principal: str | None
    state: SessionState
    upstream_session_id: str | None


OpenRecorder: TypeAlias = Callable[[SessionFields], Awaitable[Recorder]]
"""Opens the recorder of a new session. It is called again while it raises a `SessionError`."""
_Key: TypeAlias = tuple[str, ...]

_MAX_SESSIONS = 4096
"""Sessions that are recorded at a time; the one that was idle longest is ended for a new one."""
_MAX_AGENTS = 4096


class HttpSessions:
    """The sessions that are recorded now, by what names them. Use it on one loop."""

    def __init__(
        self,
        open_recorder: OpenRecorder,
        *,
        budget: Budget,
        report: Callable[[str], None],
        idle: float,
    ) -> None:
        self.opened = 0
        self.outcomes: Counter[LineOutcome] = Counter()
        """Of the sessions that have ended."""
        self.gaps = 0
        self._open_recorder = open_recorder
        self._budget = budget
        self._report = report
        self._idle = idle
        self._sessions: OrderedDict[_Key, HttpSession] = OrderedDict()
        self._agents: OrderedDict[_Key, _Key] = OrderedDict()
        """The client that a program without a name in its requests was at its `initialize`."""
        self._ending: set[HttpSession] = set()
        self._ends: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    def by_id(self, session_id: bytes, principal: str | None, *, is_new: bool) -> HttpSession:
        """Return the session of an `Mcp-Session-Id`, also of one that was not seen opened."""
        digest = digest_of(session_id)
        state = SessionState.INITIALIZING if is_new else SessionState.ACTIVE
        return self._get(("id", digest), _fields(state, principal, digest))

    def by_client(self, client: Client | None, agent: bytes, principal: str | None) -> HttpSession:
        """Return the session of a client without an id.

        Before 2026-07-28 only `initialize` names it. What it sends then is known by its user agent.
        """
        program = (digest_of(agent), principal or "")
        if client is not None:
            key: _Key = ("client", client.name, client.version, principal or "")
            if not client.is_stateless:
                self._agents[program] = key
                while len(self._agents) > _MAX_AGENTS:
                    self._agents.popitem(last=False)
        else:
            key = self._agents.get(program, ("agent", *program))
        # One that names itself is settled by its messages; of another, nothing will tell.
        state = SessionState.ACTIVE if client is None else SessionState.INITIALIZING
        return self._get(key, _fields(state, principal))

    def by_endpoint(self, target: str) -> HttpSession | None:
        """Return the session that posts to this path and query on the old transport, if any."""
        return self._sessions.get(("endpoint", digest_of(target)))

    def open_endpoint(self, target: str, principal: str | None) -> HttpSession:
        """Return the session of the endpoint that a stream of the old transport named."""
        digest = digest_of(target)
        fields = _fields(SessionState.INITIALIZING, principal, digest)
        fields["transport_type"] = TransportType.SSE
        return self._get(("endpoint", digest), fields)

    def end(self, session: HttpSession, failure: str | None) -> None:
        """End a session when its exchanges are over; what they still bring is recorded."""
        if session.is_ending:
            return
        session.is_ending = True
        session.failure = failure
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
        self._ending.add(session)
        self._keep(asyncio.get_running_loop().create_task(self._end_later(session)))

    async def aclose(self) -> None:
        """End all sessions, and wait until their ends are recorded."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for session in self.live():
            session.quiet.set()
            self.end(session, session.failure)
        while self._ends:
            await asyncio.wait(self._ends)

    def live(self) -> list[HttpSession]:
        """Return the sessions that have not ended."""
        return [*self._sessions.values(), *self._ending]

    def _get(self, key: _Key, fields: SessionFields) -> HttpSession:
        found = self._sessions.get(key)
        if found is None:
            found = self._sessions[key] = self._new(fields)
            found.key = key
            if len(self._sessions) > _MAX_SESSIONS:
                self.end(next(iter(self._sessions.values())), None)
        self._sessions.move_to_end(key)
        return found

    def _new(self, fields: SessionFields) -> HttpSession:
        self.opened += 1
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        return HttpSession(
            lambda: self._open_recorder(fields), budget=self._budget, report=self._report
        )

    async def _end_later(self, session: HttpSession) -> None:
        await session.quiet.wait()
        await session.end()
        self._ending.discard(session)
        for side in Direction:
            self.outcomes.update(session.journal.outcomes[side])
        self.gaps += session.journal.gaps

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self._idle / 4, 60.0))
            limit = loop.time() - self._idle
            for session in list(self._sessions.values()):
                has_no_id = session.key[0] in {"client", "agent"}
                if has_no_id and not session.active and session.last_used < limit:
                    self.end(session, None)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)


def _fields(
    state: SessionState, principal: str | None, upstream_session_id: str | None = None
) -> SessionFields:
    return {
        "transport_type": TransportType.STREAMABLE_HTTP,
        "principal": principal,
        "state": state,
        "upstream_session_id": upstream_session_id,
    }
