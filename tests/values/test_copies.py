"""Copies of values: as immutable, as valid, and complete when they travel."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from pydantic import model_validator
from sessionkeeper import (
    Frame,
    HttpDelivery,
    ManagerConfig,
    MemoryBackend,
    MessageContext,
    MessageEnvelope,
    PlainSessionStore,
    Session,
    SQLiteBackend,
    SseDelivery,
    StdioDelivery,
    StoreLimits,
    VersionState,
)
from sessionkeeper.values.value import Value

SESSION = Session.new(
    transport_type="sse",
    id="a",
    state="active",
    principal="p",
    client_info={"c": [1]},
    version_state=VersionState(requested="1"),
    tags={"t"},
    metadata={"m": {"n": [None, 1.5]}},
)
ENVELOPE = MessageEnvelope.of(
    "a",
    {"jsonrpc": "2.0", "id": 1, "method": "é"},
    direction="client-to-server",
    timestamp=datetime(2026, 1, 2, tzinfo=UTC),
    delivery=StdioDelivery(command=("a", "b"), pid=1),
    protocol_version="1",
    metadata={"k": "v"},
)
VALUES: list[Value] = [
    SESSION,
    ENVELOPE,
    ENVELOPE.context,
    Frame(seq=1, envelope=ENVELOPE),
    VersionState(negotiated="1", transport="1"),
    HttpDelivery(method="GET", path="/", status=200),
    SseDelivery(event_id="1", event_type="e", retry=5),
    StoreLimits(max_sessions=5),
    MemoryBackend(capacity=5),
    SQLiteBackend(path="f"),
    ManagerConfig(close_timeout=None),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_copy_is_equal_and_immutable(value: Value) -> None:
    """copy, deepcopy, pickle, model_copy, and both dumps read back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        copies = [
            copy.copy(value),
            copy.deepcopy(value),
            pickle.loads(pickle.dumps(value)),
            value.model_copy(),
            value.model_copy(deep=True),
            value.copy(),
            type(value).model_validate(value.model_dump()),
            type(value).model_validate_json(value.model_dump_json()),
            type(value).model_validate_json(json.dumps(value.model_dump(mode="json"))),
            type(value).model_construct(**dict(value)),
        ]
    for each in copies:
        assert each == value
        assert type(each) is type(value)
        assert hash(each) == hash(value)
        for name in type(value).model_fields:
            with pytest.raises(ValueError, match="frozen"):
                setattr(each, name, None)
            with pytest.raises(ValueError, match="frozen"):
                delattr(each, name)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_dump_belongs_to_the_caller(value: Value) -> None:
    """A dump shares nothing: changed at will, the value stays."""

    def ruin(thing: Any) -> None:
        for part in list(thing.values() if isinstance(thing, dict) else thing):
            if isinstance(part, dict | list):
                ruin(part)
        thing.clear()

    before = value.model_dump_json()
    ruin(value.model_dump())
    ruin(value.model_dump(mode="json"))
    value.model_fields_set.clear()
    assert value.model_dump_json() == before
    assert type(value).model_json_schema()["type"] == "object"


def test_a_copy_with_changes_is_validated() -> None:
    """Pydantic's own `model_copy` and `copy` would not; what was never checked reaches no store."""
    wrong: list[dict[str, Any]] = [
        {"state": "garbage"},
        {"metadata": {"a": object()}},
        {"id": "not an id"},
        {"colour": "red"},
    ]
    for update in wrong:
        with pytest.raises(ValueError, match="validation error"):
            SESSION.model_copy(update=update)
        with pytest.raises(ValueError, match="validation error"):
            SESSION.copy(update=update)
    mine: dict[str, Any] = {"a": []}
    copied = SESSION.model_copy(update={"metadata": mine})
    mine["a"].append(1)
    assert copied.metadata == {"a": []}
    assert SESSION.copy(update={"tags": ["x"]}).tags == {"x"}


class Named(Session):
    """A session with a rule over two fields."""

    @model_validator(mode="after")
    def _active_ones_have_a_principal(self) -> Self:
        if self.state == "active" and self.principal is None:
            raise ValueError("an active session has a principal")
        return self


def test_a_copy_is_held_to_the_rules_a_subclass_adds() -> None:
    """A session's fields are checked one by one; those of a subclass together, as it may want."""
    fields = {name: getattr(SESSION, name) for name in Session.model_fields}
    named = Named.model_validate(fields)
    assert type(named.model_copy(update={"tags": {"x"}})) is Named
    with pytest.raises(ValueError, match="an active session has a principal"):
        named.model_copy(update={"principal": None})


class Sly(str):
    """A string that takes itself for another one, once."""

    asked = False

    def __eq__(self, other: object) -> bool:
        first, self.asked = not self.asked, True
        return (first and other == "metadata") or str.__eq__(self, other)

    def __hash__(self) -> int:
        return hash("metadata")


def test_a_copy_has_the_fields_of_its_class_and_no_other() -> None:
    """Whatever the names in `update` are, and wherever among good ones a bad one stands."""
    names: list[Any] = [Sly("colour"), Sly("metadata"), 5, None, "colour", "__class__"]
    for name in names:
        updates: list[dict[Any, Any]] = [{name: {}}, {"tags": {"x"}, name: {}}]
        for update in updates:
            try:
                copied = SESSION.model_copy(update=update)
            except (ValueError, TypeError):
                continue
            assert list(vars(copied)) == list(Session.model_fields)
            assert {type(field) for field in vars(copied)} == {str}


def test_a_value_is_never_made_unchecked() -> None:
    """`model_construct` validates."""
    with pytest.raises(ValueError, match="validation error"):
        MessageContext.model_construct(session_id="a b", direction="up")
    assert VersionState.model_construct({"requested"}, requested="1").requested == "1"


async def test_what_comes_from_a_store_is_a_value_like_any_other() -> None:
    """Read back without validation, and complete all the same."""
    async with PlainSessionStore() as store:
        session = await store.create_session(SESSION)
        await store.add_frame(ENVELOPE)
        (frame,) = await store.read_frames("a")
    values: list[Value] = [session, frame, frame.envelope, frame.envelope.context]
    for value in values:
        test_every_copy_is_equal_and_immutable(value)
        test_a_dump_belongs_to_the_caller(value)
        assert value.model_fields_set == set(type(value).model_fields)
        assert value.model_dump(exclude_unset=True).keys() == value.model_dump().keys()
    assert frame.envelope == ENVELOPE
    given = {"id", "transport_type", "state"}
    assert Session.new(transport_type="sse", id="b", state="active").model_fields_set == given
