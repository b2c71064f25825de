"""Every kind of store answers the same: values, errors and their texts, events, counts."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from postgres_schemas import own_schema
from postgres_server import PostgresServer
from redis_calls import Program, Snapshots, Step, programs
from redis_differences import Place, differences
from redis_server import RedisServer
from sessionkeeper import (
    AtomicSessionStore,
    FramesFull,
    MessageEnvelope,
    Session,
    SessionsFull,
    SessionStore,
    StoreLimits,
)
from sessionkeeper.values.frozen import FrozenDict

PROGRAMS = int(os.environ.get("DIFFERENCES", "200"))
SEED = int(os.environ.get("DIFFERENCES_SEED", "0"))

_numbers = count()


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)
@seed(SEED)
@settings(max_examples=25, database=None, suppress_health_check=[*HealthCheck])
@given(program=programs())
async def test_every_store_answers_the_same(
    server: RedisServer,
    postgres_server: PostgresServer,
    key_prefix: str,
    tmp_path: Path,
    only_ten: Callable[[SessionStore], SessionStore],
    program: Program,
) -> None:
    """Which error wins, ties, activity and unchanged fields are decided in one place."""
    await answers_agree(server, postgres_server, key_prefix, tmp_path, only_ten, program)


@pytest.mark.long
@pytest.mark.timeout(900 + PROGRAMS)
@pytest.mark.parametrize("engine", ["valkey"], indirect=True)
@seed(SEED)
@settings(max_examples=PROGRAMS, database=None, suppress_health_check=[*HealthCheck])
@given(program=programs())
async def test_every_store_answers_the_same_in_many_programs(
    server: RedisServer,
    postgres_server: PostgresServer,
    key_prefix: str,
    tmp_path: Path,
    only_ten: Callable[[SessionStore], SessionStore],
    program: Program,
) -> None:
    """The same with `DIFFERENCES` programs."""
    await answers_agree(server, postgres_server, key_prefix, tmp_path, only_ten, program)


async def answers_agree(
    server: RedisServer,
    postgres_server: PostgresServer,
    key_prefix: str,
    tmp_path: Path,
    only_ten: Callable[[SessionStore], SessionStore],
    program: Program,
) -> None:
    """Run a program on all stores."""
    number = next(_numbers)
    file = tmp_path / f"{number}.db"
    with own_schema(postgres_server) as schema:
        database = postgres_server.url_of("postgres", schema=schema)
        place = Place(server.url, f"{key_prefix[:-1]}-{number}", file, database)
        found = await differences(program, place, only_ten)
    for each in tmp_path.glob(f"{number}.db*"):
        each.unlink()
    assert found is None, f"{found}\nin {program!r}"


def new(session_id: str, **fields: Any) -> Step:
    """A session is created."""
    session = Session.new(transport_type="stdio", id=session_id, **fields)
    return Step(f"create {session_id}", lambda store, _: store.create_session(session))


def step(text: str, call: Callable[[AtomicSessionStore], Awaitable[object]], **more: Any) -> Step:
    """Something is done with a store."""
    return Step(text, lambda store, _: call(store), **more)


def kept(text: str, session_id: str, **update: Any) -> Step:
    """A session is updated by what this very store showed of it."""

    def call(store: AtomicSessionStore, snapshots: Snapshots) -> Awaitable[object]:
        return store.update_session(snapshots[session_id][-1].model_copy(update=update))

    return Step(text, call)


def fails(_: Session) -> Session:
    """A change that raises."""
    raise KeyError("mine")


IDLE = StoreLimits(max_sessions=4, sessions_full=SessionsFull.EVICT_IDLE)
FOUR = [new(each) for each in "dcba"]
EVICT = [new("new"), new("more"), step("list", lambda store: store.list_sessions())]
DECIDED = {
    "a full log refuses before its change runs": Program(
        StoreLimits(max_frames_per_session=1),
        [
            new("a"),
            step("fill", lambda store: store.add_frame(note(1, "a"))),
            step("add", lambda store: store.add_frames("a", [note(2, "a")], change=fails)),
            step("modify", lambda store: store.modify_session("a", lambda each: each)),
            step("add", lambda store: store.add_frames("a", [note(2, "a")], change=fails)),
        ],
        ten=True,
    ),
    "and so do the bytes of a log": Program(
        StoreLimits(max_session_bytes=60),
        [
            new("a"),
            step("fill", lambda store: store.add_frame(note(1, "a"))),
            step("add", lambda store: store.add_frames("a", [note(2, "a")], change=fails)),
        ],
        ten=True,
    ),
    "an ill-formed id is refused at the call": Program(
        StoreLimits(),
        [step("get", lambda store: store.get_sessions_batch(["missing", "no id!"]))],
        ten=True,
    ),
    "before all else that is wrong with it": Program(
        StoreLimits(),
        [
            step("read", lambda store: store.read_frames("no id!", after=-1)),
            step("add", lambda store: store.add_frames("no id!", [note(1, "a")])),
        ],
        ten=True,
    ),
    "what one sweep ended is purged by id": Program(
        StoreLimits(),
        [
            *FOUR,
            step("expire", lambda store: store.expire_sessions(idle=1), tick=1),
            step("purge", lambda store: store.purge_sessions(ended_for=0, limit=2)),
            step("list", lambda store: store.list_sessions()),
        ],
        ten=True,
    ),
    "and evicted by id": Program(
        IDLE,
        [*FOUR, step("expire", lambda store: store.expire_sessions(idle=1), tick=1), *EVICT],
        ten=False,
    ),
    "what one batch updated is evicted by id": Program(
        IDLE,
        [
            *FOUR,
            step(
                "update",
                lambda store: update_all(store, "cadb"),
                tick=1,
            ),
            *EVICT,
        ],
        ten=False,
    ),
    "what is the same JSON is unchanged, small": Program(
        StoreLimits(),
        [
            new("a", metadata={"a": "x" * 1500}),
            Step("lower", limits=StoreLimits(max_metadata_bytes=1000)),
            step("list", lambda store: store.list_sessions()),
            kept("update", "a", tags=frozenset({"t"})),
        ],
        ten=True,
    ),
    "or large": Program(
        StoreLimits(),
        [
            new("a", metadata={"a": "x" * 5000}),
            Step("lower", limits=StoreLimits(max_metadata_bytes=1000)),
            step("list", lambda store: store.list_sessions()),
            kept("update", "a", tags=frozenset({"t"})),
        ],
        ten=True,
    ),
    "and 1 is not True": Program(
        StoreLimits(),
        [
            new("a", metadata={"a": "x" * 5000, "n": 1}),
            Step("lower", limits=StoreLimits(max_metadata_bytes=1000)),
            kept("update", "a", metadata=FrozenDict({"a": "x" * 5000, "n": True})),
            kept("update", "a", metadata=FrozenDict({"n": 1, "a": "x" * 5000})),
        ],
        ten=True,
    ),
    "no frame is no activity": Program(
        StoreLimits(),
        [
            new("a"),
            step("add", lambda store: store.add_frames("a", []), tick=1),
            step("expire", lambda store: store.expire_sessions(idle=2), tick=1),
        ],
        ten=True,
    ),
    "and needs no room": Program(
        StoreLimits(frames_full=FramesFull.DROP_OLDEST),
        [
            new("a"),
            step("fill", lambda store: store.add_frame(note(1, "a"))),
            step("fill", lambda store: store.add_frame(note(2, "a"))),
            Step("lower", limits=StoreLimits(max_frames_per_session=1)),
            step("add", lambda store: store.add_frames("a", [])),
            step("count", lambda store: store.count_frames("a")),
        ],
        ten=True,
    ),
    "a view refuses what concerns the whole store": Program(
        StoreLimits(),
        [
            step("expire", lambda store: store.expire_sessions(limit=-1), principal="alice"),
            step("count", lambda store: store.statistics(), principal="alice"),
        ],
        ten=True,
    ),
    "a number beyond what scripts count to is told as it was asked": Program(
        StoreLimits(),
        [
            new("a"),
            step("add", lambda store: store.add_frames("a", [], expected_last_seq=2**63)),
        ],
        ten=True,
    ),
    "moments are compared in microseconds": Program(
        StoreLimits(),
        [
            new("a"),
            step("expire", lambda store: store.expire_sessions(idle=0.07), tick=0.07),
        ],
        ten=True,
    ),
    "a change that stops is told alike": Program(
        StoreLimits(),
        [new("a"), step("modify", lambda store: store.modify_session("a", stops))],
        ten=True,
    ),
}


def stops(_: Session) -> Session:
    """A change that raises what no coroutine may."""
    raise StopIteration


def note(number: int, session_id: str) -> MessageEnvelope:
    """A message of 43 bytes."""
    message = {"jsonrpc": "2.0", "method": "n", "params": [number]}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


async def update_all(store: AtomicSessionStore, ids: str) -> object:
    """Update sessions in this order, in one step."""
    sessions = await store.get_sessions_batch([*ids])
    return await store.update_sessions_batch(sessions)


@pytest.mark.parametrize("decided", DECIDED)
async def test_the_decided_differences_are_these(
    decided: str,
    server: RedisServer,
    postgres_url: str,
    key_prefix: str,
    tmp_path: Path,
    only_ten: Callable[[SessionStore], SessionStore],
) -> None:
    """Each of these was answered in another way by one of the stores."""
    place = Place(server.url, key_prefix[:-1], tmp_path / "a.db", postgres_url)
    assert await differences(DECIDED[decided], place, only_ten) is None
