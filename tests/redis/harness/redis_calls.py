"""Random calls of every method of a store, right and wrong ones, which Hypothesis can shrink."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from hypothesis import strategies as st
from sessionkeeper import (
    AtomicSessionStore,
    FramesFull,
    MessageEnvelope,
    Session,
    SessionClosed,
    SessionQuery,
    SessionsFull,
    SessionState,
    StoreLimits,
)

__all__ = ["BEGIN", "Program", "Snapshots", "Step", "programs"]

Snapshots: TypeAlias = dict[str, list[Session]]
"""By id: what one store showed of a session, the latest last."""
Call: TypeAlias = Callable[[AtomicSessionStore, Snapshots], Awaitable[object]]
Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

BEGIN = 1_764_000_000
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
IDS = ("a", "b", "c:{}", "d%")
STATES = tuple(SessionState)
BAD_IDS = ("", "not an id!", "x" * 129, "é", 5, None)
BAD_THINGS = (None, 5, "text")
SPANS = (0, 0, 0, 0.001, 0.005, 0.06, 1)
EXPIRIES = [datetime.fromtimestamp(BEGIN + each, UTC) for each in (-1, 0, 0.005, 0.0605, 1e6)]
TICKS = (0, 0, 0.001, 0.005, 0.06)
PRINCIPALS = ("alice", "bob")


class Text(str):
    """A str that is no plain one."""

    __slots__ = ()


class Mine(Session):
    """A session with something of the caller's own."""

    mine: int = 0


@dataclass(frozen=True)
class Step:
    """A call that can be made of any store, and how far both clocks go on before it."""

    text: str
    call: Call | None = None
    principal: object = None
    tick: float = 0
    limits: StoreLimits | None = None
    """The store goes on with these from now on, and nothing is called."""

    def __repr__(self) -> str:
        whose = "" if self.principal is None else f"{self.principal!r}'s "
        after = f" after {self.tick} s" if self.tick else ""
        return f"{whose}{self.text}{after}"


@dataclass(frozen=True)
class Program:
    """Calls one after the other, on stores with low limits."""

    limits: StoreLimits
    steps: Sequence[Step]
    ten: bool
    """Whether a third party's ten methods can do all of it, so that its owner takes part."""

    def __repr__(self) -> str:
        steps = "".join(f"\n    {step!r}" for step in self.steps)
        limits = self.limits.model_dump(exclude_defaults=True, mode="json")
        return f"{'ten methods, ' if self.ten else ''}limits {limits}{steps}"


@st.composite
def programs(draw: Draw) -> Program:
    """A program: with all methods, or with those a third party's store can do."""
    ten = draw(st.booleans())
    makers = [*_MAKERS, *(() if ten else _NOT_OF_TEN)]
    long = draw(st.sampled_from((0, 1, 1, 1, 1)))
    begin = draw(st.lists(_begin(), min_size=3 * long, max_size=4))
    step = st.sampled_from(makers).flatmap(lambda make: make(ten))
    steps = draw(st.lists(step, min_size=8 * long, max_size=16))
    return Program(draw(_limits()), [*begin, *steps], ten)


@st.composite
def _limits(draw: Draw) -> StoreLimits:
    return StoreLimits(
        sessions_full=draw(st.sampled_from(SessionsFull)),
        frames_full=draw(st.sampled_from(FramesFull)),
        max_sessions=draw(st.sampled_from((100, 3, 2, 1))),
        max_frames_per_session=draw(st.sampled_from((100, 3, 2, 1))),
        max_session_bytes=draw(st.sampled_from((100_000, 200, 100))),
        max_total_bytes=draw(st.sampled_from((100_000, 400, 150))),
        max_frames_per_batch=draw(st.sampled_from((100, 2))),
        max_frame_bytes=draw(st.sampled_from((1000, 80))),
        max_json_depth=draw(st.sampled_from((100, 3))),
        max_metadata_bytes=draw(st.sampled_from((100_000, 1000, 40))),
        max_tags=draw(st.sampled_from((1_000, 1_000, 1))),
    )


def _note(
    session_id: str, number: int, size: int, deep: bool, stream: str | None
) -> MessageEnvelope:
    inner: Any = [[[number]]] if deep else number
    message = {"jsonrpc": "2.0", "method": "n", "params": [inner, "x" * size]}
    return MessageEnvelope.of(
        session_id, message, direction="client-to-server", timestamp=WHEN, stream=stream
    )


_ids = st.sampled_from(IDS)
_any_id = st.one_of(*(_ids,) * 9, st.sampled_from(BAD_IDS), st.sampled_from(IDS).map(Text))
_small = st.integers(0, 5)
_streams = st.sampled_from((*(None, "x", "x", "xy") * 3, "z", "", 5, "\ud800"))


def _notes(session_id: Any) -> st.SearchStrategy[MessageEnvelope]:
    good = session_id if session_id in IDS else "a"
    return st.builds(
        _note,
        st.sampled_from((*(good,) * 20, "b")),
        st.integers(0, 9),
        st.sampled_from((0, 0, 9, 60)),
        st.sampled_from((*(False,) * 6, True)),
        st.sampled_from((None, "x", "xy")),
    )


@st.composite
def _fields(draw: Draw) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if draw(st.booleans()):
        numbers = st.sampled_from((0, 1, True, 1.0, -0.0))
        size = draw(st.sampled_from((0, 5, 40, 3000)))
        metadata: list[tuple[str, Any]] = [("n", draw(numbers)), ("é", "y" * size)]
        fields["metadata"] = dict(reversed(metadata) if draw(st.booleans()) else metadata)
    if draw(st.integers(0, 3)) == 1:
        fields["tags"] = frozenset(draw(st.sets(st.sampled_from(("t", "u", "vé")))))
    if draw(st.integers(0, 3)) == 1:
        fields["client_info"] = draw(st.sampled_from((None, {}, {"name": "c"})))
    if draw(st.integers(0, 3)) == 1:
        names = ("requested", "negotiated", "transport")
        versions = st.sampled_from((None, "1", "2"))
        fields["version_state"] = {name: draw(versions) for name in names}
    if draw(st.integers(0, 3)) == 1:
        fields["failure"] = draw(st.sampled_from((None, "why")))
    if draw(st.integers(0, 3)) == 1:
        fields["expires_at"] = draw(st.sampled_from((None, *EXPIRIES)))
    return fields


def _with(session: Session, **update: Any) -> Session:
    fields = {name: getattr(session, name) for name in Session.model_fields}
    return Session.model_validate(fields | update)


@st.composite
def _new(draw: Draw, session_id: str) -> Any:
    if draw(st.integers(0, 15)) == 15:
        return draw(st.sampled_from(BAD_THINGS))
    fields = draw(_fields())
    kind = Mine if draw(st.integers(0, 15)) == 15 else Session
    if draw(st.integers(0, 3)) == 3:
        fields["state"] = draw(st.sampled_from(STATES))
    if draw(st.integers(0, 2)) == 2:
        fields["principal"] = draw(st.sampled_from(PRINCIPALS))
    transport = draw(st.sampled_from(("stdio", "sse")))
    return kind.new(transport_type=transport, id=session_id, **fields)


@st.composite
def _update(draw: Draw, session_id: str) -> Callable[[Snapshots], Any]:
    """Make what an update is given of the snapshots a store showed."""
    fields, age = draw(_fields()), draw(st.sampled_from((0, 0, 0, 1, 3)))
    if draw(st.integers(0, 2)) == 2:
        fields["state"] = draw(st.sampled_from(STATES))
    if draw(st.integers(0, 7)) == 7:
        fields["principal"] = draw(st.sampled_from((None, *PRINCIPALS)))
    copied, bad = draw(st.integers(0, 3)) == 3, draw(st.integers(0, 15)) == 15

    def make(snapshots: Snapshots) -> Any:
        if bad:
            return "text"
        kept = snapshots.get(session_id) or [Session.new(transport_type="sse", id=session_id)]
        snapshot = kept[max(0, len(kept) - 1 - age)]
        if copied:
            snapshot = Session.model_validate_json(snapshot.model_dump_json())
        return _with(snapshot, **fields) if fields else snapshot

    make.__name__ = f"{fields} of {age} before{', copied' if copied else ''}{', bad' * bad}"
    return make


_BEGUN = (*(SessionState.INITIALIZING,) * 3, SessionState.ACTIVE, SessionState.CLOSED)
_KINDS = ("same", "count", "set", "state", "raise", "refuse", "stop", "none", "other", "mine")


@st.composite
def _changes(draw: Draw) -> Any:
    if draw(st.integers(0, 15)) == 15:
        return draw(st.sampled_from((5, "text")))
    kind, fields = draw(st.sampled_from(_KINDS)), draw(_fields())
    state, principal = draw(st.sampled_from(STATES)), draw(st.sampled_from((None, *PRINCIPALS)))

    def change(session: Session) -> Any:
        match kind:
            case "count":
                n: Any = session.metadata.get("n", 0)
                return _with(session, metadata={**session.metadata, "n": n + 1})
            case "set":
                return _with(session, **fields, principal=principal)
            case "state":
                return _with(session, state=state, **fields)
            case "raise":
                raise KeyError("mine")
            case "refuse":
                raise SessionClosed(session.id, session.state)
            case "stop":
                raise StopIteration
            case "none":
                return None
            case "other":
                return _with(session, id="other")
            case "mine":
                return Mine.model_validate(session.__dict__)
            case _:
                return session

    change.__name__ = f"{kind} {fields} {state} {principal}"
    return change


def _name(value: Any) -> str:
    return getattr(value, "__name__", None) or (
        f"{value!r} {value.model_dump(exclude_defaults=True)}"
        if isinstance(value, Session)
        else str(value.message)
        if isinstance(value, MessageEnvelope)
        else str([_name(each) for each in value])
        if isinstance(value, list)
        else repr(value)
    )


def _count(minimum: int) -> st.SearchStrategy[Any]:
    good = st.integers(minimum, 5)
    bad = st.sampled_from((minimum - 1, -1, True, "1", None, 10**9, 2**63))
    return st.one_of(*(good,) * 12, bad)


def _seconds() -> st.SearchStrategy[Any]:
    bad = st.sampled_from((-1, float("nan"), "1", True))
    return st.one_of(
        st.none(), *(st.sampled_from(SPANS),) * 12, st.sampled_from((1e9, float("inf"), 2**60)), bad
    )


def _call(name: str, *args: st.SearchStrategy[Any], **named: st.SearchStrategy[Any]) -> Any:
    """Make steps that call a method with drawn arguments."""

    @st.composite
    def make(draw: Draw, ten: bool) -> Step:
        given = [draw(each) for each in args]
        options = {key: draw(each) for key, each in named.items()}
        return _step(draw, name, given, options)

    return make


def _step(draw: Draw, name: str, given: list[Any], options: dict[str, Any]) -> Step:
    def call(store: AtomicSessionStore, snapshots: Snapshots) -> Awaitable[object]:
        values: Any = [_made(each, snapshots) for each in given]
        method: Any = getattr(store, name)
        answer: Awaitable[object] = method(*values, **options)
        return answer

    told = [_name(each) for each in given]
    told += [f"{key}={_name(value)}" for key, value in options.items()]
    principal: object = None
    if draw(st.integers(0, 5)) == 5:
        principal = draw(st.sampled_from((*("alice",) * 9, "bob", "bob", "", 5)))
    text = f"{name}({', '.join(told)})"
    return Step(text, call, principal, draw(st.sampled_from(TICKS)))


def _made(value: Any, snapshots: Snapshots) -> Any:
    if isinstance(value, list):
        return [_made(each, snapshots) for each in value]
    return value(snapshots) if getattr(value, "__qualname__", "").startswith("_update") else value


@st.composite
def _create(draw: Draw, ten: bool) -> Step:
    names = ("create_session", "get_or_create_session", "put_session")
    name = draw(st.sampled_from(names))
    return _step(draw, name, [draw(_new(draw(_ids)))], {})


@st.composite
def _begin(draw: Draw) -> Step:
    """Something that is there, so that what follows has more to do with."""
    principal, state = draw(st.sampled_from((None, None, "alice"))), draw(st.sampled_from(_BEGUN))
    session = Session.new(
        transport_type="stdio", id=draw(_ids), principal=principal, state=state, **draw(_fields())
    )
    tick = draw(st.sampled_from(TICKS))
    return Step(
        f"create_session({_name(session)})",
        lambda store, _: store.create_session(session),
        tick=tick,
    )


@st.composite
def _update_one(draw: Draw, ten: bool) -> Step:
    return _step(draw, "update_session", [draw(_update(draw(_ids)))], {})


@st.composite
def _update_several(draw: Draw, ten: bool) -> Step:
    # One by one, a third party's store does some of a batch and not the rest.
    ids = draw(st.lists(_ids, max_size=1 if ten else 3))
    given: Any = [draw(_update(each)) for each in ids]
    if draw(st.integers(0, 9)) == 9:
        given = draw(st.sampled_from(("text", 5, None)))
    return _step(draw, "update_sessions_batch", [given], {})


@st.composite
def _add_one(draw: Draw, ten: bool) -> Step:
    envelope = draw(_notes(draw(_ids)))
    if draw(st.integers(0, 15)) == 15:
        envelope = draw(st.sampled_from(BAD_THINGS))
    return _step(draw, "add_frame", [envelope], {})


@st.composite
def _add_several(draw: Draw, ten: bool) -> Step:
    on = draw(_any_id)
    envelopes: Any = draw(st.lists(_notes(on), max_size=1 if ten else 4))
    if draw(st.integers(0, 15)) == 15:
        envelopes = draw(st.sampled_from(("text", 5, None, ["text"])))
    options: dict[str, Any] = {}
    if draw(st.integers(0, 2)) == 2:
        options["expected_last_seq"] = draw(_count(0))
    if draw(st.booleans()):
        options["change"] = draw(_changes())
    return _step(draw, "add_frames", [on, envelopes], options)


@st.composite
def _modify(draw: Draw, ten: bool) -> Step:
    return _step(draw, "modify_session", [draw(_any_id), draw(_changes())], {})


@st.composite
def _find(draw: Draw, ten: bool) -> Step:
    if draw(st.integers(0, 9)) == 9:
        query: Any = draw(st.sampled_from(BAD_THINGS))
    else:
        moments = st.sampled_from((0, 0.001, 0.005, 0.06)).map(
            lambda span: datetime.fromtimestamp(BEGIN, UTC) + timedelta(seconds=span)
        )
        some = {
            "states": st.sets(st.sampled_from(STATES)),
            "statuses": st.sets(st.sampled_from(("active", "completed", "failed", "timeout"))),
            "transport_types": st.just({"sse"}),
            "tags_any": st.sets(st.sampled_from(("t", "u", "vé"))),
            "tags_all": st.sets(st.sampled_from(("t", "u", "vé"))),
            "principal": st.sampled_from(PRINCIPALS),
            "created_from": moments,
            "created_before": moments,
        }
        if not ten:  # an expiry is an update there, and so it is activity
            some |= {"active_from": moments, "active_before": moments}
        names = draw(st.sets(st.sampled_from([*some]), max_size=2))
        query = SessionQuery(**{name: draw(some[name]) for name in sorted(names)})
    bad = st.sampled_from(("x", "-1", 5, "9" * 18, "9" * 19, "¹"))
    cursor = draw(st.one_of(st.none(), st.none(), st.integers(0, 9).map(str), bad))
    limit = draw(st.one_of(st.integers(1, 4), st.sampled_from((0, 1001, True, 1000))))
    return _step(draw, "find_sessions", [query], {"cursor": cursor, "limit": limit})


@st.composite
def _walk(draw: Draw, ten: bool) -> Step:
    """All pages by last activity, with the number in each cursor; its moment is the store's own."""
    limit = draw(st.integers(1, 4))
    # A third party's store calls an expiry activity.
    live = [each for each in STATES if each is not SessionState.TIMED_OUT]
    query = SessionQuery(states=frozenset(live)) if ten else SessionQuery()

    async def call(store: AtomicSessionStore, _: Snapshots) -> object:
        pages: list[tuple[tuple[Session, ...], str | None]] = []
        cursor = None
        while not pages or cursor is not None:
            page = await store.find_sessions(
                query, order="last-activity", cursor=cursor, limit=limit
            )
            cursor = page.cursor
            number = None if cursor is None or ten else cursor.partition(":")[2]
            pages.append((page.sessions, number))
        # There, a view does not see the sessions of others after which a page may end.
        return [each for page, _ in pages for each in page] if ten else pages

    principal = draw(st.sampled_from((None, *PRINCIPALS)))
    return Step(f"walk({limit})", call, principal, draw(st.sampled_from(TICKS)))


@st.composite
def _purge(draw: Draw, ten: bool) -> Step:
    moments = st.sampled_from(
        (
            *(datetime.fromtimestamp(BEGIN + each, UTC) for each in (0, 0.001, 0.06, *(10,) * 9)),
            datetime(2026, 1, 1),
            5,
        )
    )
    options = {"ended_before": draw(st.one_of(st.none(), moments)), "ended_for": draw(_seconds())}
    return _step(draw, "purge_sessions", [], options | {"limit": draw(_count(1))})


@st.composite
def _watch(draw: Draw, ten: bool) -> Step:
    """The existing frames that a watcher yields."""
    on, after, stream = draw(_any_id), draw(_count(0)), draw(_streams)

    async def call(store: AtomicSessionStore, _: Snapshots) -> object:
        watcher = store.watch_frames(on, after=after, stream=stream)
        session = await store.get_session(on)
        waiting = min(session.frame_count, session.last_seq - after)
        if stream is not None:
            frames = await store.read_frames(on, stream=stream)
            waiting = sum(frame.seq > after for frame in frames)
        return [await anext(watcher) for _ in range(waiting)]

    principal = draw(st.sampled_from((None, *PRINCIPALS)))
    return Step(f"watch_frames({on!r}, after={after!r}, stream={stream!r})", call, principal)


@st.composite
def _use_life(draw: Draw, ten: bool) -> Step:
    """The log of a session as it was shown, by its incarnation; also where another has its id.

    It is read or watched, or frames of it are trimmed or removed.
    """
    on, age = draw(_ids), draw(st.integers(0, 9))
    kind = draw(st.sampled_from(("read", "watch", *(() if ten else ("trim", "remove")))))
    other: Any = draw(st.sampled_from((*(None,) * 9, "0" * 16, "text", 5)))

    async def call(store: AtomicSessionStore, snapshots: Snapshots) -> object:
        incarnation = other
        if other is None and (kept := snapshots.get(on)):
            incarnation = kept[max(0, len(kept) - 1 - age)].incarnation
        if kind == "read":
            return await store.read_frames(on, limit=3, incarnation=incarnation)
        if kind == "trim":
            return await store.trim_frames(on, up_to=1, incarnation=incarnation)
        if kind == "remove":
            return await store.remove_frames(on, [1, 2], incarnation=incarnation)
        watcher = store.watch_frames(on, incarnation=incarnation)
        session = await store.get_session(on)
        waits = incarnation in (None, session.incarnation) and not session.frame_count
        return None if waits else await anext(watcher)

    principal = draw(st.sampled_from((None, None, *PRINCIPALS)))
    text = f"{kind} {on!r} of {age} before, {other!r}"
    return Step(text, call, principal)


@st.composite
def _put(draw: Draw, ten: bool) -> Step:
    return _step(draw, "put_session", [draw(_update(draw(_ids)))], {})


@st.composite
def _lower(draw: Draw, ten: bool) -> Step:
    limits: StoreLimits = draw(_limits())
    text = f"go on with {limits.model_dump(exclude_defaults=True, mode='json')}"
    return Step(text, limits=limits)


_ids_of_a_batch = st.one_of(
    *(st.lists(_any_id, max_size=4),) * 5, st.sampled_from(("text", 5, None, ["a", "a"]))
)
_MAKERS: tuple[Any, ...] = (
    *(_create, _add_several) * 4,
    *(_add_one, _modify, _update_one) * 3,
    *(_put, _use_life) * 2,
    *(_update_several, _find, _walk, _purge, _watch, _lower),
    *(_purge, _call("expire_sessions", idle=_seconds(), age=_seconds(), limit=_count(1))) * 2,
    _call("get_session", _any_id),
    _call("delete_session", _any_id),
    _call("list_sessions"),
    _call("count_sessions"),
    _call("get_sessions_batch", _ids_of_a_batch),
    _call("get_frames", _any_id),
    _call("read_frames", _any_id, after=_count(0), limit=_count(1), newest=st.booleans()),
    _call("read_frames", _any_id, before=_count(1), limit=_count(1), reverse=st.booleans()),
    _call("read_frames", _any_id, after=_count(0), limit=_count(1), stream=_streams),
    _call("read_frames", _any_id, before=_count(1), reverse=st.booleans(), stream=_streams),
    _call("count_frames", _any_id, stream=_streams),
    _call("delete_frames", _any_id),
    _call("statistics"),
)
_NOT_OF_TEN: tuple[Any, ...] = (
    _call("touch_session", _any_id),
    _call("trim_frames", _any_id, up_to=_count(0)),
    _call("remove_frames", _any_id, st.lists(st.integers(0, 5), max_size=4)),
    _update_several,
)
