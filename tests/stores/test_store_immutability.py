"""Nothing a caller holds shares mutable state with the store (Guarantees 1.2).

`vars(value)`, `object.__setattr__`, calling `__init__` again and the members of enums are not
tried: who reaches past a class can change anything in Python.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict
from sessionkeeper import (
    AtomicSessionStore,
    FrozenDict,
    MessageEnvelope,
    Session,
    StdioDelivery,
    VersionState,
)

if TYPE_CHECKING:
    pass

MUTATORS: dict[str, tuple[Any, ...]] = {
    "append": ("x",), "extend": (["x"],), "insert": (0, "x"), "remove": ("x",), "pop": (),
    "popitem": (), "clear": (), "update": ({"x": "x"},), "setdefault": ("x", "x"), "sort": (),
    "reverse": (), "add": ("x",), "discard": ("x",), "difference_update": ({"x"},),
    "intersection_update": (set(),), "symmetric_difference_update": ({"x"},),
    "__setitem__": (0, "x"), "__delitem__": (0,), "__iadd__": (["x"],), "__imul__": (0,),
    "__ior__": ({"x": "x"},), "__iand__": (set(),), "__isub__": ({"x"},), "__ixor__": ({"x"},),
    "copy": (), "model_copy": (),
}  # fmt: skip


def parts(thing: Any) -> Iterator[Any]:
    """The objects that can be reached from one in one step."""
    if isinstance(thing, BaseModel):
        yield thing.model_dump()
        yield thing.model_fields_set
        yield from (value for _, value in thing)
    elif isinstance(thing, Mapping):
        yield from thing.items()
    elif isinstance(thing, Sequence | Set) and not isinstance(thing, str | bytes | range):
        yield from thing
    for name in dir(thing):
        public = not name.startswith("_") or name in ("_view", "_items")
        if public and not callable(getattr(type(thing), name, None)):
            with contextlib.suppress(Exception):
                yield getattr(thing, name)


def attack(thing: Any) -> int:
    """Try every way to change a thing; return how many it let pass."""
    succeeded = 0
    names = sorted(dir(thing), key=lambda name: name.startswith("_"))  # the inner works last
    names = [name for name in names if not name.startswith("__")]
    for name in [*names, "new_name"]:
        with contextlib.suppress(Exception):
            setattr(thing, name, "x")
            succeeded += 1
        with contextlib.suppress(Exception):
            delattr(thing, name)
            succeeded += 1
    keys = list(thing) if isinstance(thing, Mapping) else [0, slice(0, 1)]
    for key in keys:
        for method, rest in (("__setitem__", ("x",)), ("__delitem__", ())):
            with contextlib.suppress(Exception):
                getattr(thing, method)(key, *rest)
                succeeded += 1
    for method, arguments in MUTATORS.items():
        with contextlib.suppress(Exception):
            getattr(thing, method)(*arguments)
            succeeded += 1
    return succeeded


def assail(root: Any) -> int:
    """Attack all that can be reached, the leaves first; return how many things there were."""
    seen: dict[int, Any] = {}

    def walk(thing: Any, depth: int) -> None:
        if id(thing) in seen or depth > 12 or isinstance(thing, type | Enum):
            return
        seen[id(thing)] = thing  # kept alive, so that no id comes twice
        for part in list(parts(thing)):
            walk(part, depth + 1)
        attack(thing)

    walk(root, 0)
    return len(seen)


async def everything(store: AtomicSessionStore) -> list[Any]:
    """All that a store gives away."""
    return [
        await store.list_sessions(),
        await store.get_session("a"),
        await store.get_sessions_batch(["a", "a"]),
        await store.get_frames("a"),
        await store.read_frames("a"),
        await store.get_or_create_session(Session.new(transport_type="stdio", id="a")),
        await store.modify_session("a", lambda session: session),
        replace(await store.statistics(), mailbox=None, refusals={}),
    ]


def shown(things: list[Any]) -> list[str]:
    """The value as text, which shares nothing with it."""
    texts = []
    for thing in things:
        for each in thing if isinstance(thing, list | tuple) else [thing]:
            texts.append(each.model_dump_json() if isinstance(each, BaseModel) else repr(each))
    return texts


def rich(id: str = "a") -> tuple[dict[str, Any], dict[str, Any]]:
    """Mutable parts for a session and for a message's context."""
    tree = {"list": [1, {"deep": [[]]}], "dict": {"d": {}}, "text": "t"}
    session: dict[str, Any] = {
        "id": id,
        "transport_type": "stdio",
        "metadata": {"tree": tree},
        "client_info": {"name": "c", "list": [1]},
        "server_info": {"name": "s", "tree": tree},
        "tags": {"t"},
        "version_state": VersionState(requested="1"),
    }
    context: dict[str, Any] = {
        "direction": "client-to-server",
        "metadata": {"m": "m"},
        "delivery": StdioDelivery(command=("c", "d"), pid=1),
    }
    return session, context


async def test_no_caller_can_change_what_the_store_holds(any_store: AtomicSessionStore) -> None:
    """Everything that went in and everything that came out, attacked from every side."""
    fields, context = rich()
    message = {"jsonrpc": "2.0", "method": "x", "params": {"p": [1]}}
    session = Session.new(**fields)
    envelope = MessageEnvelope.of("a", message, **context)
    sessions = [session]
    created = await any_store.create_session(session)
    await any_store.add_frame(envelope)
    batch = [created.model_copy(update={"metadata": fields["metadata"]})]
    updated = await any_store.update_sessions_batch(batch)
    envelopes = [MessageEnvelope.of("a", message, **context)]
    await any_store.add_frames("a", envelopes)
    before = shown(await everything(any_store))

    reached = 0
    for thing in (fields, context, message, session, envelope, sessions, created, batch, updated):
        reached += assail(thing)
    assail(envelopes)
    assert shown(await everything(any_store)) == before
    for thing in await everything(any_store):
        reached += assail(thing)
    assert reached > 100
    assert shown(await everything(any_store)) == before


async def test_the_session_given_to_a_change_is_immutable(any_store: AtomicSessionStore) -> None:
    """This holds in a `change`, too, which runs as the owner; its result is copied."""
    fields, _ = rich()
    await any_store.create_session(Session.new(**fields))
    mine: dict[str, Any] = {"list": [1]}

    def change(session: Session) -> Session:
        assail(session)
        return session.model_copy(update={"metadata": mine})

    await any_store.modify_session("a", change)
    before = shown(await everything(any_store))
    mine["list"].append(2)
    mine["more"] = 1
    assert shown(await everything(any_store)) == before
    assert (await any_store.get_session("a")).metadata == {"list": [1]}


class Thawed(VersionState):
    """A subclass that may be changed."""

    model_config = ConfigDict(frozen=False)
    __setattr__ = BaseModel.__setattr__


def test_the_attack_changes_mutable_values() -> None:
    """The walker itself can fail: it changes what may be changed."""
    for victim, after in (({"a": [1]}, {}), ([1, 2], []), ({"x", "y"}, set())):
        assail(victim)
        assert victim == after or victim != {"a": [1]}
    thawed = Thawed(requested="1")
    assert attack(thawed) > 2
    assert thawed.requested != "1"


@pytest.mark.parametrize("value", [Session.new(transport_type="stdio"), FrozenDict({"a": [1]})])
def test_the_attack_finds_nothing_in_a_value(value: object) -> None:
    """Copying is the only method of all that answers."""
    copies = 2 if isinstance(value, BaseModel) else 0
    assert attack(value) == copies
