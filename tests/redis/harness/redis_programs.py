"""Random operations on few sessions under tight limits, so that they meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeAlias

from redis_twins import Call, Operation
from sessionkeeper import (
    AtomicSessionStore,
    FramesFull,
    MessageEnvelope,
    Session,
    SessionQuery,
    SessionsFull,
    SessionState,
    StoreLimits,
)
from sessionkeeper.interface.atomic_store import Change

__all__ = ["Snapshots", "random_limits", "random_operation"]

Snapshots: TypeAlias = dict[str, list[Session]]
"""By id: what was read of a session at some moment."""
Maker: TypeAlias = Callable[[Random, str, Snapshots], tuple[object, Call]]
"""Of a die, an id and snapshots: what the operation is about, and its call."""

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
BEGIN = datetime.fromtimestamp(1_764_000_000, UTC)
IDS = ("a", "b", "c:{}", "d%")
PRINCIPALS = (None, None, None, "alice", "bob")
STATES = tuple(SessionState)
TAGS = ("t", "u", "vé")
SPANS = (0, 0.003, 0.0055, 0.0505, 0.06)
"""Seconds: of what is just due, and of what is half a millisecond from it."""


def random_limits(dice: Random) -> StoreLimits:
    """Limits that are met now and then."""
    return StoreLimits(
        sessions_full=dice.choice([*SessionsFull]),
        frames_full=dice.choice([*FramesFull]),
        max_sessions=dice.choice((2, 3, 100)),
        max_frames_per_session=dice.choice((3, 5, 100)),
        max_session_bytes=dice.choice((200, 400, 100_000)),
        max_total_bytes=dice.choice((500, 800, 100_000)),
        max_frames_per_batch=dice.choice((3, 100)),
        max_frame_bytes=dice.choice((100, 1000)),
        max_json_depth=dice.choice((3, 100)),
        max_metadata_bytes=dice.choice((40, 1000)),
    )


def random_operation(dice: Random, snapshots: Snapshots, *, hot: bool = False) -> Operation:
    """Any operation on one of four sessions; `hot`, mostly a change of always the same."""
    name = dice.choice(("modify_session", "modify_session", *OFTEN) if hot else NAMES)
    about, call = MAKERS[name](dice, IDS[0] if hot else dice.choice(IDS), snapshots)
    principal = None if hot or name == "statistics" else dice.choice(PRINCIPALS)
    return Operation(f"{name}({about})", call, principal)


STREAMS = (None, None, "x", "xy")


def _note(dice: Random, session_id: str) -> MessageEnvelope:
    inner: Any = dice.randrange(10_000)
    if dice.random() < 0.1:
        inner = [[[inner]]]
    params = [inner, "x" * dice.choice((0, 0, 9, 60))]
    message = {"jsonrpc": "2.0", "method": "n", "params": params}
    return MessageEnvelope.of(
        session_id,
        message,
        direction="client-to-server",
        timestamp=WHEN,
        stream=dice.choice(STREAMS),
    )


def _fields(dice: Random) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if dice.random() < 0.5:
        fields["metadata"] = {"n": dice.randrange(3), "é": "y" * dice.choice((0, 0, 5, 40))}
    if dice.random() < 0.2:
        fields["tags"] = {*dice.sample(TAGS, dice.randrange(3))}
    if dice.random() < 0.2:
        fields["client_info"] = dice.choice((None, {"name": "c"}))
    if dice.random() < 0.15:
        spans = (-1, 0, 20, 55.5, 10**6)
        fields["expires_at"] = BEGIN + timedelta(milliseconds=dice.choice(spans))
    if dice.random() < 0.3:
        names = ("requested", "negotiated", "transport")
        fields["version_state"] = {name: dice.choice((None, "1", "2")) for name in names}
    return fields


def _with(session: Session, **update: Any) -> Session:
    fields = {name: getattr(session, name) for name in Session.model_fields}
    return Session.model_validate(fields | update)


def _change(dice: Random, *kinds: str) -> tuple[str, Change]:
    kind = dice.choice(("count", "count", "count", "set", "state", "same", *kinds))
    state, fields, principal = dice.choice(STATES), _fields(dice), dice.choice(PRINCIPALS)

    def change(session: Session) -> Any:
        match kind:
            case "count":
                n: Any = session.metadata.get("n", 0)
                return _with(session, metadata={**session.metadata, "n": n + 1})
            case "set":
                return _with(session, **fields)
            case "state":
                return _with(session, state=state, **fields)
            case "principal":
                return _with(session, principal=principal)
            case "raise":
                raise ValueError
            case "bad":
                return None
            case _:
                return session

    return f"{kind}: {state}, {fields}, {principal}", change


def _session(dice: Random, session_id: str) -> Session:
    return Session.new(
        transport_type=dice.choice(("stdio", "sse")),
        id=session_id,
        state=dice.choice(STATES) if dice.random() < 0.2 else SessionState.INITIALIZING,
        principal=dice.choice(PRINCIPALS),
        **_fields(dice),
    )


def _snapshot(dice: Random, session_id: str, snapshots: Snapshots) -> Session:
    kept = snapshots.get(session_id) or [Session.new(transport_type="sse", id=session_id)]
    update = _fields(dice)
    if dice.random() < 0.4:
        update["state"] = dice.choice(STATES)
    if dice.random() < 0.2:
        update["principal"] = dice.choice(PRINCIPALS)
    return _with(kept[-1] if dice.random() < 0.7 else dice.choice(kept), **update)


def _create(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    new = _session(dice, on)
    return new.__dict__, lambda store: store.create_session(new)


def _get_or_create(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    new = _session(dice, on)
    return new.__dict__, lambda store: store.get_or_create_session(new)


def _put(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    new = _session(dice, on) if dice.random() < 0.5 else _snapshot(dice, on, snapshots)
    return new.__dict__, lambda store: store.put_session(new)


def _update(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    new = _snapshot(dice, on, snapshots)
    return new.__dict__, lambda store: store.update_session(new)


def _update_batch(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    new = [_snapshot(dice, each, snapshots) for each in dice.sample(IDS, dice.randrange(1, 4))]
    return [each.__dict__ for each in new], lambda store: store.update_sessions_batch(new)


def _get_batch(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    ids = dice.choices(IDS, k=dice.randrange(4))
    return ids, lambda store: store.get_sessions_batch(ids)


def _archive(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    session = _snapshot(dice, on, snapshots)
    created = BEGIN + timedelta(milliseconds=dice.choice((0, 20.5, -(10**6), dice.randrange(200))))
    later = timedelta(milliseconds=dice.choice((-1, 0, 0.001, 50.5, 10**6)))
    session = session.model_copy(
        update={
            "created_at": created,
            "last_activity": created + abs(later),
            "ended_at": created + later if session.state.is_terminal else None,
        }
    )
    expected = session.last_seq if dice.random() < 0.8 else dice.randrange(6)
    return (session.__dict__, expected), lambda store: store.archive_session(
        session, expected_last_seq=expected
    )


def _modify(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    text, change = _change(dice, "principal", "raise", "bad")
    return (on, text), lambda store: store.modify_session(on, change)


def _add(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    envelope = _note(dice, on)
    return (on, envelope.message), lambda store: store.add_frame(envelope)


def _add_several(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    envelopes = [_note(dice, on) for _ in range(dice.randrange(5))]
    expected = dice.choice((None, None, dice.randrange(6)))
    text, change = dice.choice((("", None), _change(dice, "raise", "bad")))
    about = on, [each.message for each in envelopes], expected, text
    return about, lambda store: store.add_frames(
        on, envelopes, expected_last_seq=expected, change=change
    )


def _read(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    after, limit, newest = dice.randrange(8), dice.randrange(1, 5), dice.random() < 0.5
    before, reverse = dice.choice((None, dice.randrange(1, 9))), dice.random() < 0.3
    stream = dice.choice(STREAMS)
    return (on, after, before, limit, newest, reverse, stream), lambda store: store.read_frames(
        on,
        after=after,
        before=before,
        limit=limit,
        newest=newest,
        reverse=reverse,
        stream=stream,
    )


def _count(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    stream = dice.choice(STREAMS)
    return (on, stream), lambda store: store.count_frames(on, stream=stream)


def _remove(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    numbers = [dice.randrange(1, 7) for _ in range(dice.randrange(4))]
    return (on, numbers), lambda store: store.remove_frames(on, numbers)


def _trim(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    up_to = dice.choice((0, dice.randrange(12), 10**9))
    return (on, up_to), lambda store: store.trim_frames(on, up_to=up_to)


def _find(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    some: dict[str, Any] = {
        "states": dice.sample(STATES, dice.randrange(4)),
        "statuses": [dice.choice(("active", "completed", "failed", "timeout"))],
        "transport_types": ["sse"],
        "tags_any": dice.sample(TAGS, dice.randrange(3)),
        "tags_all": dice.sample(TAGS, dice.randrange(3)),
        "principal": dice.choice(("alice", "bob")),
    }
    for name in ("created_from", "created_before", "active_from", "active_before"):
        some[name] = BEGIN + timedelta(milliseconds=dice.randrange(200))
    query = SessionQuery(**{name: some[name] for name in some if dice.random() < 0.15})
    cursor, limit = dice.choice((None, None, str(dice.randrange(20)))), dice.randrange(1, 5)
    return (query, cursor, limit), lambda store: store.find_sessions(
        query, cursor=cursor, limit=limit
    )


def _walk(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    """All pages by last activity, with the number in each cursor; its moment is the store's own."""
    limit = dice.randrange(1, 4)
    query = SessionQuery(principal=dice.choice((None, None, "alice")))

    async def walk(store: AtomicSessionStore) -> object:
        pages: list[object] = []
        cursor = None
        while not pages or cursor is not None:
            page = await store.find_sessions(
                query, order="last-activity", cursor=cursor, limit=limit
            )
            cursor = page.cursor
            number = None if cursor is None else cursor.partition(":")[2]
            pages.append((page.sessions, number))
        return pages

    return (query, limit), walk


def _expire(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    idle, age = (dice.choice((None, *SPANS, 1e9)) for _ in range(2))
    limit = dice.choice((1, 2, 100))
    return (idle, age, limit), lambda store: store.expire_sessions(idle=idle, age=age, limit=limit)


def _purge(dice: Random, on: str, snapshots: Snapshots) -> tuple[object, Call]:
    before = BEGIN + timedelta(milliseconds=dice.choice((20.5, 100.5, 10**6)))
    span, limit = dice.choice(SPANS), dice.choice((1, 2, 100))
    if dice.random() < 0.5:
        return (span, limit), lambda store: store.purge_sessions(ended_for=span, limit=limit)
    return (before, limit), lambda store: store.purge_sessions(ended_before=before, limit=limit)


MAKERS: dict[str, Maker] = {
    "create_session": _create,
    "get_or_create_session": _get_or_create,
    "put_session": _put,
    "get_session": lambda _, on, __: (on, lambda store: store.get_session(on)),
    "update_session": _update,
    "update_sessions_batch": _update_batch,
    "get_sessions_batch": _get_batch,
    "delete_session": lambda _, on, __: (on, lambda store: store.delete_session(on)),
    "touch_session": lambda _, on, __: (on, lambda store: store.touch_session(on)),
    "list_sessions": lambda *_: ("", lambda store: store.list_sessions()),
    "count_sessions": lambda *_: ("", lambda store: store.count_sessions()),
    "statistics": lambda *_: ("", lambda store: store.statistics()),
    "archive_session": _archive,
    "modify_session": _modify,
    "add_frame": _add,
    "add_frames": _add_several,
    "get_frames": lambda _, on, __: (on, lambda store: store.get_frames(on)),
    "read_frames": _read,
    "count_frames": _count,
    "delete_frames": lambda _, on, __: (on, lambda store: store.delete_frames(on)),
    "trim_frames": _trim,
    "remove_frames": _remove,
    "find_sessions": _find,
    "walk": _walk,
    "expire_sessions": _expire,
    "purge_sessions": _purge,
}
OFTEN = ("create_session", "get_or_create_session", "modify_session", "add_frames")
NAMES: Sequence[str] = (*MAKERS, *OFTEN * 3, *("add_frame", "update_session", "remove_frames") * 2)
