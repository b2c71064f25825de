"""Short ways to make sessions, messages and clocks, for the kit and its users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.clock import Clock
from sessionkeeper.values.gap import Gap
from sessionkeeper.values.message import MessageEnvelope
from sessionkeeper.values.session import CALLER_FIELDS, Session
from sessionkeeper.values.states import SessionState
from sessionkeeper.values.version import VersionState

__all__ = [
    "FakeClock",
    "LONG_AGO",
    "Held",
    "archived",
    "become",
    "callers_part",
    "gap",
    "held",
    "new",
    "note",
    "numbers",
    "odd",
    "opaque",
    "rich",
    "tagged",
    "turns",
]

LONG_AGO = datetime(2020, 2, 29, 12, 0, 0, 123_457, tzinfo=UTC)

Held = tuple[list[Session], dict[str, list[MessageEnvelope]]]


def new(id: str = "a", **fields: object) -> Session:
    """A session to be created."""
    return Session.new(transport_type="stdio", id=id, **fields)


def rich(id: str = "a") -> Session:
    """A session with a value in every field that a caller sets."""
    return new(
        id,
        state="active",
        failure="none yet",
        principal="somebody",
        client_info={"name": "client", "version": "1"},
        server_info={"name": "server", "deep": [1, {"two": [None, True, 2.5, "drei"]}]},
        version_state=VersionState(requested="2025-06-18", negotiated="2025-11-25"),
        tags={"x", "é"},
        metadata={"n": 1, "nested": {"list": [[1], {"": 2}, "\u2028\U0001f600"]}, "": None},
        upstream_session_id="up/1",
        expires_at=LONG_AGO + timedelta(days=100_000),
    )


def note(n: int = 0, id: str = "a", *, size: int = 0, stream: str | None = None) -> MessageEnvelope:
    """A numbered notification, padded to `size` bytes if that is given."""
    message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
    direction = "client-to-server"
    return MessageEnvelope.of(id, message.ljust(size), direction=direction, stream=stream)


def odd(id: str = "a") -> list[MessageEnvelope]:
    """Frames that are no JSON-RPC message, of every media type, and one that is empty."""
    lines = (
        b'{"id":1,"id":2}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"x"}',
        b"noise\0\r",
        b"\xff",
        b"",
    )
    return [MessageEnvelope.of(id, line, direction="server-to-client") for line in lines]


def opaque(id: str = "a") -> list[MessageEnvelope]:
    """Payloads of another media type: any bytes, also those of a message."""
    contents = (b"", b"\xff\0", b"[" * 200, note().message)
    return [
        MessageEnvelope.of_payload(
            id, content, media_type="application/x-item", direction="client-to-server", stream="s"
        )
        for content in contents
    ]


def gap(id: str = "a") -> MessageEnvelope:
    """A frame that stands for a line which was too large."""
    found = Gap.of(bytes(range(256)) * 20, "too large")
    return MessageEnvelope.of_gap(id, found, direction="server-to-client")


def numbers(envelopes: Collection[MessageEnvelope]) -> list[int]:
    """The numbers of notifications."""
    return [int(each.message.rstrip().split(b"[")[1][:-2]) for each in envelopes]


def tagged(session: Session, *tags: str) -> Session:
    """The same session with other tags."""
    return session.model_copy(update={"tags": tags})


def archived(
    session: Session, *, state: SessionState | str | None = None, days: int = 0, **fields: object
) -> Session:
    """The session as an archive has it, created so many days after `LONG_AGO`."""
    created = LONG_AGO + timedelta(days=days)
    ends = SessionState(session.state if state is None else state).is_terminal
    times = {
        "created_at": created,
        "last_activity": created + timedelta(hours=1),
        "ended_at": created + timedelta(hours=2) if ends else None,
    }
    wanted = {} if state is None else {"state": state}
    return session.model_copy(update=times | wanted | fields)


def become(state: SessionState | str) -> Callable[[Session], Session]:
    """A change to that state."""
    return lambda session: session.model_copy(update={"state": state})


def callers_part(session: Session) -> dict[str, object]:
    """The fields a caller sets."""
    return {name: getattr(session, name) for name in sorted(CALLER_FIELDS)}


async def held(store: SessionStore) -> Held:
    """Everything that a store shows through its ten methods."""
    # Copies: a store that gives out its own lists must not change what was seen.
    sessions = [*await store.list_sessions()]
    assert await store.count_sessions() == len(sessions), "count_sessions and list_sessions differ"
    return sessions, {each.id: [*await store.get_frames(each.id)] for each in sessions}


async def turns(n: int) -> None:
    """Let the loop turn n times, so that other tasks run."""
    for _ in range(n):
        await asyncio.sleep(0)


class FakeClock:
    """Both clocks of a store, set by the test."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_700_000_000.0, 50.0

    def as_clock(self) -> Clock:
        """A clock that shows what is set."""
        return Clock(wall=lambda: self.wall, steady=lambda: self.steady)

    def moment(self) -> datetime:
        """The wall clock's time as a store shows it."""
        return datetime.fromtimestamp(self.wall, UTC)

    def advance(self, seconds: float) -> None:
        """Advance both clocks."""
        self.wall += seconds
        self.steady += seconds
