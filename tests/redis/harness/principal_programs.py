"""Random programs of what a principal can call, run in two worlds that differ in others' sessions.

In the world `A` others have sessions under ids that alice names. In the world `B` they have the
same ones under ids she never names (`Beside.RENAMED`), or none at all (`Beside.ABSENT`). She must
not be able to tell the worlds apart: neither by an answer, nor by all that an error holds, nor by
what is there afterwards. What the contract admits is left out: she creates under no id that is
taken, and where there are no others, revisions and cursors are not compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from random import Random
from typing import Any, TypeAlias

from redis_twins import Time
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    Frame,
    FramesFull,
    FrameWatcher,
    LimitExceeded,
    ManagerConfig,
    MessageEnvelope,
    PrincipalManager,
    RevisionConflict,
    Session,
    SessionError,
    SessionEvent,
    SessionManager,
    SessionOrder,
    SessionPage,
    SessionQuery,
    SessionsFull,
    SessionState,
    StoreLimits,
)

__all__ = ["Make", "run_programs"]

IDS = ("a", "b", "c:{}", "d%")
MALFORMED = ("", "a b", "é", "x" * 129)
STATES = tuple(SessionState)
Ids: TypeAlias = tuple[str, ...]
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


class Beside(Enum):
    """Where the others' sessions are in the world `B`."""

    RENAMED = "under other ids"
    ABSENT = "nowhere"


@dataclass
class World:
    """A store, and what alice has of it."""

    store: AtomicSessionStore
    rename: Callable[[str], str | None]
    """The id under which others have a session here; None where they have none."""
    manager: SessionManager | None = None
    kept: dict[str, list[Session]] = field(default_factory=dict)
    """What alice has read."""
    watchers: dict[str, tuple[FrameWatcher, int]] = field(default_factory=dict)
    """With the number of the last frame seen."""
    heard: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.alice = self.store.for_principal("alice")
        self.store.subscribe(self._hear)

    @property
    def view(self) -> PrincipalManager:
        """Alice's view of the manager."""
        assert self.manager is not None
        return self.manager.for_principal("alice")

    def _hear(self, event: SessionEvent, _: Context) -> None:
        session = event.session
        name = session.id if session.principal == "alice" else self.shown(session.id)
        self.heard.append((event.kind, name, session.revision, event.before))

    def shown(self, session_id: str) -> str:
        """The id of another's session as the world `A` has it."""
        return next(each for each in IDS if self.rename(each) == session_id)

    def keep(self, answer: object) -> object:
        """Keep the sessions of an answer for later updates."""
        sessions: list[Any] = [*answer] if isinstance(answer, list | tuple) else [answer]
        for each in sessions:
            if isinstance(each, Session):
                self.kept.setdefault(each.id, []).append(each)
        return answer


Step: TypeAlias = Callable[[World], Awaitable[object]]
Make: TypeAlias = Callable[[StoreLimits, Clock], AtomicSessionStore]
"""Makes an empty store."""


def random_limits(dice: Random, beside: Beside) -> StoreLimits:
    """Limits that are met now and then; those of the whole store only where they fill up alike."""
    shared: dict[str, Any] = {}
    if beside is Beside.RENAMED:
        shared = {
            "sessions_full": dice.choice([*SessionsFull]),
            "max_sessions": dice.choice((3, 5, 100)),
            "max_total_bytes": dice.choice((500, 900, 100_000)),
        }
    return StoreLimits(
        frames_full=dice.choice([*FramesFull]),
        max_frames_per_session=dice.choice((3, 5, 100)),
        max_session_bytes=dice.choice((200, 400, 100_000)),
        max_frames_per_batch=dice.choice((2, 100)),
        max_frame_bytes=dice.choice((100, 1000)),
        max_metadata_bytes=dice.choice((40, 1000)),
        **shared,
    )


async def run_programs(
    make: Make, seeds: Iterable[int], *, managers: bool = False, steps: int = 60
) -> None:
    """Run a program of each seed beside others of each kind, on stores or on managers.

    AssertionError if alice can tell the worlds apart, with all that was done.
    """
    for seed in seeds:
        for beside in Beside:
            dice, time = Random(f"{seed} {beside.name}"), Time()
            limits = random_limits(dice, beside)
            config = _random_config(dice, beside)
            async with AsyncExitStack() as stack:
                worlds: list[World] = []
                for rename in (_keep, _ELSEWHERE[beside]):
                    store = make(limits, time.clock())
                    await stack.enter_async_context(store)
                    world = World(store, rename)
                    if managers:
                        made = SessionManager.with_store(store, config, clock=time.clock())
                        world.manager = await stack.enter_async_context(made)
                    worlds.append(world)
                make_step = _manager_step if managers else _store_step
                await _run(dice, beside, (worlds[0], worlds[1]), time, make_step, steps)


def _random_config(dice: Random, beside: Beside) -> ManagerConfig:
    return ManagerConfig.recording(
        track_requests=True,
        sweep_interval=3600.0,
        request_timeout=dice.choice((0.05, 100)),
        max_pending_per_session=dice.choice((1, 2, 100)),
        max_pending=dice.choice((3, 1000)) if beside is Beside.RENAMED else 10_000,
        rate_limit=dice.choice((None, 50)),
        rate_burst=2,
    )


def _keep(session_id: str) -> str:
    return session_id


_ELSEWHERE: dict[Beside, Callable[[str], str | None]] = {
    Beside.RENAMED: lambda session_id: f"{session_id}.",
    Beside.ABSENT: lambda _: None,
}


async def _run(
    dice: Random,
    beside: Beside,
    worlds: tuple[World, World],
    time: Time,
    make: Callable[[Random, Ids, set[str]], tuple[str, Step]],
    steps: int,
) -> None:
    done: list[str] = []
    ids = dice.choice((IDS[:1], IDS[:2], IDS))  # the fewer, the more often all meet
    for _ in range(steps):
        time.milliseconds += dice.choice((1, 3, 20))
        taken = await _taken(worlds[0])
        await _taken(worlds[1])  # looked at alike
        if dice.random() < 0.3:
            text, act = _others_step(dice, ids, taken)
            for world in worlds:
                with suppress(SessionError, NotImplementedError):
                    await act(world)
            done.append(text)
            continue
        text, step = make(dice, ids, taken)
        told = [await _told(step, world, beside) for world in worlds]
        done.append(f"alice: {text} -> {told[0]}")
        story = "\n".join(done)
        assert told[0] == told[1], f"{beside}: {told[1]} instead, after\n{story}"
    pictures = [await _picture(world, beside) for world in worlds]
    story = "\n".join(done)
    for one, other in zip(*pictures, strict=True):
        assert one == other, f"{beside}: at the end {one} is {other}, after\n{story}"


async def _taken(world: World) -> set[str]:
    return {each.id for each in await world.store.list_sessions() if each.principal != "alice"}


async def _told(step: Step, world: World, beside: Beside) -> object:
    """The answers to alice, as plain values."""
    try:
        async with asyncio.timeout(300):
            return _plain(world.keep(await step(world)), beside)
    except Exception as error:
        return _plain_error(error, beside)


def _plain_error(error: BaseException | None, beside: Beside) -> object:
    if error is None:
        return None
    if isinstance(error, LimitExceeded) and error.limit in ("max_sessions", "max_total_bytes"):
        assert error.current is None, "how much all hold together was told"
    held = [(name, _plain(each, beside)) for name, each in sorted(vars(error).items())]
    said: tuple[object, ...] = (str(error), error.args, held)
    if isinstance(error, RevisionConflict) and beside is Beside.ABSENT:
        said = (error.session_id,)
    chain = (_plain_error(error.__cause__, beside), _plain_error(error.__context__, beside))
    return type(error).__name__, said, chain


def _plain(value: Any, beside: Beside) -> object:
    match value:
        case Session():
            held = value.model_dump(mode="json", exclude={"incarnation"})
            held |= {"tags": sorted(value.tags)}
            return held | ({"revision": 0} if beside is Beside.ABSENT else {})
        case Frame():
            return value.seq, value.envelope.message
        case MessageEnvelope():
            return value.message
        case BaseException():
            return type(value).__name__, str(value)
        case SessionPage():  # where it ends says how many lie in between
            page = _plain(value.sessions, beside), value.cursor
            return None if beside is Beside.ABSENT else page
        case list() | tuple():
            values: list[Any] = [*value]
            return [_plain(each, beside) for each in values]
        case _:
            return value


async def _picture(world: World, beside: Beside) -> tuple[object, ...]:
    """All there is of alice's, and, where they are alike, all there is."""
    own = await world.alice.list_sessions()
    logs = [await world.alice.get_frames(each.id) for each in own]
    if beside is Beside.ABSENT:
        return _plain(own, beside), _plain(logs, beside)
    others: list[object] = []
    for each in await world.store.list_sessions():
        if each.principal != "alice":
            shown = each.model_dump(mode="json", exclude={"incarnation"})
            shown |= {"id": world.shown(each.id)}
            others.append((shown, _plain(await world.store.get_frames(each.id), beside)))
    now = await world.store.statistics()
    counted = (now.sessions, now.frames, now.bytes, now.counters, now.refusals)
    pending: object = None
    if world.manager is not None:
        numbers = await world.manager.statistics()
        pending = numbers.requests, numbers.rate_limited
    return _plain(own, beside), _plain(logs, beside), others, counted, world.heard, pending


def _others_step(
    dice: Random, ids: Ids, taken: set[str]
) -> tuple[str, Callable[[World], Awaitable[object]]]:
    """Something others do with their sessions."""
    on, owner = dice.choice(ids), dice.choice(("bob", None))
    state, count = dice.choice(STATES), dice.choice((1, 1, 3))
    kind = dice.choice(("add", "add", "state", "delete", "record")) if on in taken else "create"
    messages = [_message(dice) for _ in range(count)]

    async def act(world: World) -> object:
        name = world.rename(on)
        if name is None:
            return None
        store: Any = world.manager if kind == "record" and world.manager else world.store
        envelopes = [_envelope(name, each) for each in messages]
        match kind:
            case "create":
                if on in {each.id for each in await world.alice.list_sessions()}:
                    return None  # alice's
                new = Session.new(transport_type="stdio", id=name, principal=owner, tags={"t"})
                return await store.create_session(new)
            case "state":
                return await store.modify_session(
                    name, lambda each: each.model_copy(update={"state": state})
                )
            case "delete":
                return await store.delete_session(name)
            case "record" if world.manager is not None:
                return [await store.record(each) for each in envelopes]
            case _:
                return [await store.add_frame(each) for each in envelopes]

    return f"others: {kind} {on}", act


def _message(dice: Random) -> dict[str, Any]:
    request_id: Any = dice.choice((0, 1, "1"))
    padding = "x" * dice.choice((0, 0, 9, 60))
    message = dice.choice(
        (
            {"method": "note", "params": [dice.randrange(1000), padding]},
            {"method": "note", "params": [padding]},
            {"method": "ping", "id": request_id},
            {"result": {"x": padding}, "id": request_id},
            {"method": "notifications/cancelled", "params": {"requestId": request_id}},
            {"method": "notifications/initialized"},
            {"result": {"protocolVersion": "2025-11-25"}, "id": request_id},
            {"method": "initialize", "id": request_id, "params": {"protocolVersion": "2025-11-25"}},
        )
    )
    direction = dice.choice(("client-to-server", "server-to-client"))
    return {"jsonrpc": "2.0", **message, "direction": direction}


def _envelope(session_id: str, message: dict[str, Any]) -> MessageEnvelope:
    bare = {key: value for key, value in message.items() if key != "direction"}
    direction = message["direction"]
    stream = "x" if direction == "client-to-server" else None
    return MessageEnvelope.of(session_id, bare, direction=direction, timestamp=WHEN, stream=stream)


def _fields(dice: Random) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if dice.random() < 0.4:
        fields["metadata"] = {"n": dice.randrange(3), "é": "y" * dice.choice((0, 5, 40))}
    if dice.random() < 0.3:
        fields["tags"] = {*dice.sample(("t", "u"), dice.randrange(3))}
    if dice.random() < 0.3:
        fields["state"] = dice.choice(STATES)
    if dice.random() < 0.1:
        fields["principal"] = dice.choice((None, "bob"))
    return fields


def _change(dice: Random) -> tuple[str, Callable[[Session], Any]]:
    kind, fields = dice.choice(("set", "set", "set", "same", "raise", "bad")), _fields(dice)

    def change(session: Session) -> Any:
        match kind:
            case "set":
                return session.model_copy(update=fields)
            case "raise":
                raise ZeroDivisionError
            case "bad":
                return None
            case _:
                return session

    return f"{kind} {fields}", change


def _snapshot(dice: Random, on: str) -> Callable[[World], Session]:
    """A session as alice has read it at some time, or has made it up, changed a little."""
    fields, place, revision = _fields(dice), dice.random(), dice.randrange(10**9, 10**10)
    forged = dice.random() < 0.2

    def snapshot(world: World) -> Session:
        kept = world.kept.get(on)
        if not kept or forged:
            made_up = {"revision": revision} if forged else {}
            new = Session.new(transport_type="sse", id=on, principal="alice")
            return new.model_copy(update=fields | made_up)
        at = -1 if place < 0.6 else int(place * len(kept))
        return kept[at].model_copy(update=fields)

    return snapshot


def _query(dice: Random) -> SessionQuery:
    query: dict[str, Any] = {}
    if dice.random() < 0.3:
        query["states"] = {*dice.sample(STATES, 3)}
    if dice.random() < 0.3:
        query["tags_any"] = {"t"}
    if dice.random() < 0.2:
        query["principal"] = dice.choice(("alice", "bob"))
    return SessionQuery.model_validate(query)


async def _walk(
    world: World, query: SessionQuery, order: SessionOrder, limit: int
) -> list[Session]:
    found: list[Session] = []
    cursor: str | None = None
    while True:
        page = await world.alice.find_sessions(query, order=order, cursor=cursor, limit=limit)
        found += page.sessions
        cursor = page.cursor
        if cursor is None:
            return found


def _watch(on: str, after: int, *, anew: bool) -> Step:
    """Take a step of a watcher, if it ends at once: nothing else is waited for."""

    async def step(world: World) -> object:
        if anew or on not in world.watchers:
            world.watchers[on] = world.alice.watch_frames(on, after=after), after
        watcher, seen = world.watchers[on]
        with suppress(SessionError):
            now = await world.alice.get_session(on)
            there = now.frame_count and now.last_seq > seen
            if not there and not now.state.is_terminal:
                return "would wait"
        try:
            frame = await anext(watcher)
        except StopAsyncIteration:
            del world.watchers[on]
            return "over"
        except SessionError:
            del world.watchers[on]
            raise
        world.watchers[on] = watcher, frame.seq
        return frame

    return step


_STORE_METHODS = (
    *("create_session", "create_session", "create_session", "get_or_create_session"),
    *("put_session", "put_session"),
    *("get_session", "get_sessions_batch", "get_sessions_batch"),
    *("update_session", "update_sessions_batch", "update_sessions_batch", "modify_session"),
    *("delete_session", "touch_session", "add_frame", "add_frame", "add_frames", "add_frames"),
    *("get_frames", "read_frames", "count_frames", "delete_frames", "trim_frames"),
    "remove_frames",
    *("find_sessions", "walk", "list_sessions", "count_sessions"),
    *("watch", "watch", "watch", "watch", "watch", "watch and delete", "whole"),
)


def _store_step(dice: Random, ids: Ids, taken: set[str]) -> tuple[str, Step]:
    """Anything alice can call on a store."""
    name = dice.choice(_STORE_METHODS)
    on = dice.choice(ids) if dice.random() < 0.92 else dice.choice(MALFORMED)
    if name in ("create_session", "get_or_create_session", "put_session"):
        free = [each for each in ids if each not in taken]
        if not free:
            return "nothing", lambda w: w.alice.count_sessions()
        on = dice.choice(free)
    elif on in MALFORMED and name in ("update_session", "add_frame", "watch"):
        on = ids[0]  # of no value with such an id
    text, step = _store_call(dice, name, on)
    return f"{name}({on!r}) {text}", step


def _store_call(dice: Random, name: str, on: str) -> tuple[str, Step]:
    several = [dice.choice((*IDS, *IDS, on)) for _ in range(dice.randrange(4))]
    number, limit = dice.choice((0, 1, 2, 5)), dice.choice((0, 1, 2, 100))
    messages = [_message(dice) for _ in range(dice.choice((0, 1, 1, 2, 3)))]
    match name:
        case "create_session" | "get_or_create_session" | "put_session":
            new = Session.new(transport_type="stdio", id=on).model_copy(update=_fields(dice))
            return "", lambda w: getattr(w.alice, name)(new)
        case "get_sessions_batch":
            return f"{several}", lambda w: w.alice.get_sessions_batch(several)
        case "update_session":
            make = _snapshot(dice, on)
            return "", lambda w: w.alice.update_session(make(w))
        case "update_sessions_batch":
            makes = [_snapshot(dice, each) for each in several if each in IDS]
            return f"{several}", lambda w: w.alice.update_sessions_batch([m(w) for m in makes])
        case "modify_session":
            text, change = _change(dice)
            return text, lambda w: w.alice.modify_session(on, change)
        case "add_frame":
            envelope = _envelope(on, _message(dice))
            return "", lambda w: w.alice.add_frame(envelope)
        case "add_frames":
            text, change = _change(dice)
            more: dict[str, Any] = {"change": change} if dice.random() < 0.5 else {}
            more |= {"expected_last_seq": number} if dice.random() < 0.3 else {}
            envelopes = [_envelope(on if on in IDS else "a", each) for each in messages]
            return f"{text} {more}", lambda w: w.alice.add_frames(on, envelopes, **more)
        case "read_frames":
            newest, reverse = dice.random() < 0.3, dice.random() < 0.3
            before, stream = dice.choice((None, dice.randrange(1, 6))), dice.choice((None, "x"))
            told = f"{number} {before} {limit} {newest} {reverse} {stream}"
            return told, lambda w: w.alice.read_frames(
                on,
                after=number,
                before=before,
                limit=limit,
                newest=newest,
                reverse=reverse,
                stream=stream,
            )
        case "count_frames":
            stream = dice.choice((None, "x"))
            return f"{stream}", lambda w: w.alice.count_frames(on, stream=stream)
        case "trim_frames":
            return f"{number}", lambda w: w.alice.trim_frames(on, up_to=number)
        case "remove_frames":
            return f"{number}", lambda w: w.alice.remove_frames(on, {1, max(1, number)})
        case "find_sessions" | "walk":
            query, size, cursor = _query(dice), max(1, limit), dice.choice((None, "0", "2", "x"))
            if name == "walk":
                order = dice.choice([*SessionOrder])
                return f"{query} {order}", lambda w: _walk(w, query, order, size)
            return f"{query} {cursor}", lambda w: w.alice.find_sessions(
                query, cursor=cursor, limit=limit
            )
        case "list_sessions" | "count_sessions":
            return "", lambda w: getattr(w.alice, name)()
        case "watch":
            return "", _watch(on, number, anew=dice.random() < 0.15)
        case "watch and delete":
            watch = _watch(on if on in IDS else "a", 0, anew=True)

            async def watch_and_delete(world: World) -> object:
                seen = await watch(world)
                await world.alice.delete_session(on)
                return seen

            return "", watch_and_delete
        case "whole":
            return "", lambda w: _whole(w, number)
        case _:
            return "", lambda w: getattr(w.alice, name)(on)


async def _whole(world: World, which: int) -> object:
    match which:
        case 0:
            return await world.alice.statistics()
        case 1:
            return await world.alice.expire_sessions(idle=0)
        case 2:
            return await world.alice.purge_sessions(ended_for=0)
        case _:
            return repr(world.alice), world.alice.mailbox


_MANAGER_METHODS = (
    *("create_session", "create_session", "get_or_create_session", "get_session"),
    *("modify_session", "record", "record", "record", "record", "record", "record", "record"),
    *("complete_session", "fail_session", "negotiate_version", "delete_session"),
    *("pending_requests", "pending_requests", "match", "sessions_awaiting"),
)


def _manager_step(dice: Random, ids: Ids, taken: set[str]) -> tuple[str, Step]:
    """Anything alice can call on a manager."""
    name, on = dice.choice(_MANAGER_METHODS), dice.choice(ids)
    if name in ("create_session", "get_or_create_session"):
        free = [each for each in ids if each not in taken]
        if not free:
            return "nothing", lambda w: w.alice.count_sessions()
        on = dice.choice(free)
    text, step = _manager_call(dice, name, on)
    return f"{name}({on!r}) {text}", step


def _manager_call(dice: Random, name: str, on: str) -> tuple[str, Step]:
    message = _message(dice)

    def now(answer: Callable[[PrincipalManager], object]) -> Step:
        async def step(world: World) -> object:
            return answer(world.view)

        return step

    match name:
        case "create_session" | "get_or_create_session":
            fields = {key: value for key, value in _fields(dice).items() if key != "state"}
            return f"{fields}", lambda w: getattr(w.view, name)(
                transport_type="stdio", id=on, **fields
            )
        case "modify_session":
            text, change = _change(dice)
            return text, lambda w: w.view.modify_session(on, change)
        case "record":
            return f"{message}", lambda w: w.view.record(_envelope(on, message))
        case "fail_session":
            return "", lambda w: w.view.fail_session(on, "reason")
        case "negotiate_version":
            version = dice.choice(("2025-11-25", "2024-11-05", "x"))
            return version, lambda w: w.view.negotiate_version(on, version)
        case "pending_requests":
            which = dice.choice((on, None))
            return f"{which}", now(lambda m: m.pending_requests(which))
        case "match":
            return f"{message}", now(lambda m: m.match(_envelope(on, message)))
        case "sessions_awaiting":
            asked = dice.choice((0, 1, "1"))
            way = dice.choice(("client-to-server", "server-to-client"))
            return f"{asked} {way}", now(lambda m: m.sessions_awaiting(asked, direction=way))
        case _:
            return "", lambda w: getattr(w.view, name)(on)
