"""Recordings written by hand, message by message, for what no well-behaved server does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sessionkeeper import (
    AtomicSessionStore,
    Direction,
    Gap,
    MessageEnvelope,
    Session,
    SessionState,
)

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT
START = datetime(2026, 1, 1, tzinfo=UTC)


class RecordedLog:
    """The frames of one session, a second apart unless told otherwise."""

    def __init__(self, session_id: str = "s") -> None:
        self.session_id = session_id
        self.envelopes: list[MessageEnvelope] = []
        self.seconds = 0.0

    @property
    def last(self) -> int:
        """The number of the last frame."""
        return len(self.envelopes)

    def ask(self, id: object, method: str, *, of: Direction = UP, **params: object) -> None:
        self.say(of, {"jsonrpc": "2.0", "id": id, "method": method, "params": params})

    def answer(self, id: object, result: object = None, *, of: Direction = UP) -> None:
        self.say(of.opposite, {"jsonrpc": "2.0", "id": id, "result": result or {}})

    def fail(self, id: object, code: int, message: str) -> None:
        error = {"code": code, "message": message}
        self.say(DOWN, {"jsonrpc": "2.0", "id": id, "error": error})

    def call(
        self, id: object, tool: str, result: object = None, *, after: float = 1, **arguments: object
    ) -> None:
        self.ask(id, "tools/call", name=tool, arguments=arguments)
        self.seconds += after - 1
        self.answer(id, result)

    def notify(self, method: str, *, of: Direction = DOWN, **params: object) -> None:
        self.say(of, {"jsonrpc": "2.0", "method": method, "params": params})

    def say(self, direction: Direction, message: bytes | dict[str, object], **context: Any) -> None:
        self.envelopes.append(
            MessageEnvelope.of(
                self.session_id, message, direction=direction, timestamp=self._next(), **context
            )
        )

    def lose(self, direction: Direction, reason: str = "recording was too slow") -> None:
        gap, timestamp = Gap(reason, 10), self._next()
        self.envelopes.append(
            MessageEnvelope.of_gap(self.session_id, gap, direction=direction, timestamp=timestamp)
        )

    def _next(self) -> datetime:
        self.seconds += 1
        return START + timedelta(seconds=self.seconds)

    async def put_into(
        self,
        store: AtomicSessionStore,
        *,
        state: SessionState = SessionState.CLOSED,
        failure: str | None = None,
        server: str | None = "files",
        client: str | None = "editor",
        **fields: Any,
    ) -> Session:
        """Write it as a session of this server and client."""
        infos = {
            "server_info": None if server is None else {"name": server, "version": "1"},
            "client_info": None if client is None else {"name": client, "version": "2"},
        }
        session = Session.new(id=self.session_id, transport_type="stdio", **infos, **fields)
        await store.create_session(session)
        await store.add_frames(self.session_id, self.envelopes)
        change = {"state": state, "failure": failure}
        if state is SessionState.INITIALIZING:
            return await store.get_session(self.session_id)
        return await store.modify_session(
            self.session_id, lambda session: session.model_copy(update=change)
        )
