"""One program on every kind of store, and the first answer that is not the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from contextvars import Context
from pathlib import Path
from typing import Any, NamedTuple, cast

from redis_calls import BEGIN, Program, Snapshots, Step
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Frame,
    MessageEnvelope,
    OwnedSessionStore,
    PlainSessionStore,
    PostgresSessionStore,
    RedisSessionStore,
    Session,
    SessionEvent,
    SessionEventKind,
    SessionPage,
    SessionQuery,
    SessionState,
    SessionStore,
    SQLiteSessionStore,
    StoreLimits,
    StoreStatistics,
)
from sessionkeeper.values.clock import Clock

__all__ = ["Place", "differences"]


class Shown(NamedTuple):
    """A session as it was shown."""

    text: str
    state: SessionState
    active: object
    revision: int
    change: int
    """The how manieth revision that was shown."""


class Raised(NamedTuple):
    """An error as it reached the caller."""

    kind: str
    values: object
    text: str


class Told(NamedTuple):
    """An event as a listener heard it."""

    kind: SessionEventKind
    session_id: str
    session: object
    before: SessionState | None


class Newest(NamedTuple):
    """The sessions by last activity."""

    sessions: list[tuple[str, SessionState]]


class Counts(NamedTuple):
    """The counters of a store."""

    sessions: object
    frames: object
    bytes: object
    counters: object
    refusals: dict[str, int]


class Time:
    """Both clocks of all stores; they go on between steps only."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self) -> Clock:
        """The clock as a store needs it; the two clocks begin at different times."""
        return Clock(wall=lambda: BEGIN + self.seconds, steady=lambda: 100 + self.seconds)


class Place:
    """The storage of the stores of one program."""

    def __init__(self, url: str, prefix: str, file: Path, database: str) -> None:
        self.url, self.prefix, self.file, self.database = url, prefix, file, database


class Lives:
    """The incarnations and revisions that one store showed.

    Two stores have other incarnations, and yet the same lives; where revisions leave numbers out,
    they are others, and yet in the same order.
    """

    def __init__(self) -> None:
        self._shown: dict[str, list[str]] = {}
        self._revisions: dict[int, int] = {}

    def change(self, session: Session) -> int:
        """Which one of all revisions it has, in the order in which they were shown."""
        return self._revisions.setdefault(session.revision, len(self._revisions))

    def changes(self) -> list[int]:
        """All of them, by their numbers."""
        return [self._revisions[each] for each in sorted(self._revisions)]

    def number(self, session: Session) -> int:
        """Which one of the sessions of its id it is, in the order in which they were shown."""
        shown = self._shown.setdefault(session.id, [])
        if session.incarnation not in shown:
            shown.append(session.incarnation)
        return shown.index(session.incarnation)


class Subject:
    """One kind of store, with its initial or changed limits."""

    def __init__(self, name: str, time: Time) -> None:
        self.name = name
        self.time = time
        self.snapshots: Snapshots = {}
        self.heard: list[object] = []
        self.lives = Lives()
        self.store: AtomicSessionStore

    async def open(self, limits: StoreLimits, place: Place) -> None:
        """Begin with these limits."""
        raise NotImplementedError

    async def go_on(self, limits: StoreLimits) -> None:
        """Take other limits."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """End."""
        await self.store.aclose()

    async def begin(self, store: AtomicSessionStore) -> None:
        """Listen to an open store."""
        self.store = store
        store.subscribe(self._listen)

    async def do(self, step: Step) -> object:
        """Take a step; return the answer or the error as plain values."""
        try:
            view = self.store
            if step.principal is not None:
                principal: Any = step.principal
                view = view.for_principal(principal)
            assert step.call is not None
            return plain(await step.call(view, self.snapshots), self.lives)
        except (Exception, asyncio.CancelledError) as error:
            return Raised(type(error).__name__, sorted(vars(error).items()), str(error))

    async def follow(self, step: Step) -> tuple[object, object]:
        """Take a step, and look."""
        return await self.do(step), await self.look()

    async def look(self) -> object:
        """See all sessions, which later steps go on from."""
        sessions = await self.store.list_sessions()
        for each in sessions:
            self.snapshots.setdefault(each.id, []).append(each)
        return plain(sessions, self.lives)

    def same(self, answer: object, right: object) -> bool:
        """Whether it answered what memory did."""
        return answer == right

    def halved(self, answer: object) -> bool:
        """Whether it did half of a step, and says so."""
        return False

    async def picture(self) -> object:
        """See all a store tells."""
        sessions = await self.store.list_sessions()
        lives = self.lives
        logs: list[object] = []
        for each in sessions:
            frames = await self.store.read_frames(each.id)
            streams = [await self.store.count_frames(each.id, stream=name) for name in ("x", "xy")]
            logs.append((plain(frames, lives), streams))
        own = [await self.store.for_principal(each).count_sessions() for each in ("alice", "bob")]
        counts = plain(await self.store.statistics(), lives)
        newest = await self.store.find_sessions(SessionQuery(), order="last-activity", limit=1_000)
        order = Newest([(each.id, each.state) for each in newest.sessions])
        shown = plain(sessions, lives), lives.changes()
        return *shown, logs, own, order, counts, [*self.heard]

    def _listen(self, event: SessionEvent, _: Context) -> None:
        shown = plain(event.session, self.lives)
        self.heard.append(Told(event.kind, event.session.id, shown, event.before))


class InMemory(Subject):
    """A store in memory, whose tables get the new limits."""

    def __init__(self, name: str, time: Time, kind: Any = ActorSessionStore) -> None:
        super().__init__(name, time)
        self._kind = kind

    async def open(self, limits: StoreLimits, place: Place) -> None:
        await self.begin(await self._kind(limits=limits, clock=self.time.clock()).open())

    async def go_on(self, limits: StoreLimits) -> None:
        store: Any = self.store
        actor = isinstance(store, ActorSessionStore)
        tables = store._actor._runner._state if actor else store._tables
        tables.limits = limits


class Owned(Subject):
    """A third party's store of ten methods, which are those of one in memory, and its owner."""

    def __init__(self, name: str, time: Time, only_ten: Callable[[SessionStore], SessionStore]):
        super().__init__(name, time)
        self._only_ten = only_ten

    async def open(self, limits: StoreLimits, place: Place) -> None:
        self._inner: Any = PlainSessionStore(limits=limits, clock=self.time.clock())
        owner = OwnedSessionStore(self._only_ten(self._inner), clock=self.time.clock())
        await self.begin(await owner.open())

    async def go_on(self, limits: StoreLimits) -> None:
        self._inner._tables.limits = limits

    def halved(self, answer: object) -> bool:
        return isinstance(answer, Raised) and answer.kind == "OutcomeUnknown"

    def same(self, answer: object, right: object) -> bool:
        """Whether it is the same in what an owner can know of another's store.

        It has no room but the inner store's, which is asked last: what a change raises comes
        before. What is evicted there, it learns when it looks.
        """
        if isinstance(right, Raised) and isinstance(answer, Raised):
            return right.text == answer.text or right.kind == "LimitExceeded"
        return _known(answer) == _known(right)


def _known(value: Any) -> object:
    match value:
        case Shown():
            # Ending a session is an update of the inner store, and so it is activity.
            return value._replace(active=None) if value.state is SessionState.TIMED_OUT else value
        case Counts():
            return value.sessions, value.frames
        case Newest():
            return [each for each in value.sessions if each[1] is not SessionState.TIMED_OUT]
        case Told():
            return value.kind, value.session_id, value.before
        case list() | tuple():
            values: list[Any] = [*value]
            kept = [each for each in values if not _is_eviction(each)]
            return [_known(each) for each in kept]
        case _:
            return value


def _is_eviction(value: object) -> bool:
    return isinstance(value, Told) and value.kind is SessionEventKind.EVICTED


class Reopened(Subject):
    """A store whose sessions outlive it."""

    def __init__(self, name: str, time: Time) -> None:
        super().__init__(name, time)
        self._refused: Counter[str] = Counter()

    async def open(self, limits: StoreLimits, place: Place) -> None:
        self._place = place
        await self.begin(await self._make(limits).open())

    async def go_on(self, limits: StoreLimits) -> None:
        self._refused.update((await self.store.statistics()).refusals)
        await self.store.aclose()
        await self.open(limits, self._place)

    async def do(self, step: Step) -> object:
        return self._all(await super().do(step))

    async def picture(self) -> object:
        *shown, counts, heard = cast("tuple[object, ...]", await super().picture())
        return *shown, self._all(counts), heard

    def _all(self, answer: object) -> object:
        """Add the refusals from before the store was opened again."""
        if not isinstance(answer, Counts):
            return answer
        return answer._replace(refusals=dict(self._refused + Counter(answer.refusals)))

    def _make(self, limits: StoreLimits) -> AtomicSessionStore:
        raise NotImplementedError


class SQLite(Reopened):
    """In a file."""

    def _make(self, limits: StoreLimits) -> AtomicSessionStore:
        file, clock = self._place.file, self.time.clock()
        return SQLiteSessionStore(file, durability="os", limits=limits, clock=clock)


class Redis(Reopened):
    """On a server."""

    def _make(self, limits: StoreLimits) -> AtomicSessionStore:
        return RedisSessionStore(
            self._place.url, prefix=self._place.prefix, limits=limits, clock=self.time.clock()
        )


class Postgres(Reopened):
    """In a schema of a database, where revisions leave numbers out: a batch takes many at once."""

    def same(self, answer: object, right: object) -> bool:
        """Whether it is the same but for the numbers of revisions."""
        return _without_revisions(answer) == _without_revisions(right)

    def _make(self, limits: StoreLimits) -> AtomicSessionStore:
        return PostgresSessionStore(
            self._place.database, limits=limits, clock=self.time.clock(), patience=60
        )


def _without_revisions(value: Any) -> object:
    match value:
        case Shown():
            return value._replace(revision=0)
        case Raised() if value.kind == "RevisionConflict":
            held = dict(cast("list[tuple[str, object]]", value.values))
            return value.kind, held["session_id"]
        case Told():
            return value._replace(session=_without_revisions(value.session))
        case list() | tuple():
            parts: list[Any] = [*value]
            return [_without_revisions(each) for each in parts]
        case _:
            return value


def plain(value: Any, lives: Lives) -> object:
    """Make values of an answer that can be compared and read."""
    match value:
        case Session():
            held = value.model_dump(mode="json", exclude_defaults=True)
            active, revision = held.pop("last_activity", None), held.pop("revision", 0)
            # As text: 1, 1.0 and True are not the same, nor is another order of keys.
            own = {"tags": sorted(value.tags), "incarnation": lives.number(value)}
            return Shown(repr(held | own), value.state, active, revision, lives.change(value))
        case Frame():
            return value.seq, value.envelope.message
        case MessageEnvelope():
            return value.message
        case SessionPage():
            return plain(value.sessions, lives), value.cursor
        case StoreStatistics():
            return Counts(
                value.sessions, value.frames, value.bytes, value.counters, dict(value.refusals)
            )
        case list() | tuple():
            values: list[Any] = [*value]
            return [plain(each, lives) for each in values]
        case _:
            return value


async def differences(
    program: Program, place: Place, only_ten: Callable[[SessionStore], SessionStore]
) -> str | None:
    """Run a program on every kind of store; return the first difference, or None."""
    time = Time()
    memory = InMemory("memory", time)
    others: list[Subject] = [
        InMemory("plain", time, PlainSessionStore),
        SQLite("sqlite", time),
        Redis("redis", time),
        Postgres("postgres", time),
    ]
    if program.ten:
        others.append(Owned("owned", time, only_ten))
    async with AsyncExitStack() as stack:
        for each in (memory, *others):
            await each.open(program.limits, place)
            stack.push_async_callback(each.aclose)
        for number, step in enumerate(program.steps):
            time.seconds = round(time.seconds + step.tick, 3)
            if step.limits is not None:
                for each in (memory, *others):
                    await each.go_on(step.limits)
                continue
            everyone = memory, *others
            # Side by side: each store is asked one thing at a time, and none waits for another.
            (right, there), *told = await asyncio.gather(*(each.follow(step) for each in everyone))
            for each, (answer, sees) in zip(others, told, strict=True):
                if each.halved(answer):
                    return None
                if not each.same(answer, right):
                    return f"{each.name} at {number}, {step}: {answer}, not {right}"
                if not each.same(sees, there):
                    return f"{each.name} after {number}, {step}, holds {sees}, not {there}"
        right, *pictures = await asyncio.gather(*(each.picture() for each in (memory, *others)))
        for each, picture in zip(others, pictures, strict=True):
            if not each.same(picture, right):
                return f"{each.name} at the end shows {picture}, not {right}"
    return None
