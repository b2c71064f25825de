"""A subclass of a value enters no store: it is rebuilt as the plain value (Guarantees 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sessionkeeper import (
    AtomicSessionStore,
    FrozenDict,
    MessageContext,
    MessageEnvelope,
    Session,
    VersionState,
)

from tests.support.sessions import note


async def held(store: AtomicSessionStore) -> list[str]:
    """All that a store holds, as text that shares nothing with it."""
    session, frames = await store.get_session("a"), await store.get_frames("a")
    return [session.model_dump_json(), *(frame.model_dump_json() for frame in frames)]


class Thawed(VersionState):
    """A subclass that may be changed."""

    model_config = ConfigDict(frozen=False)
    __setattr__ = BaseModel.__setattr__


class OpenContext(MessageContext):
    """A subclass that may be changed."""

    model_config = ConfigDict(frozen=False)
    __setattr__ = BaseModel.__setattr__


class OpenDict(FrozenDict):
    """A subclass with a store of its own."""

    def __init__(self, items: Mapping[str, object]) -> None:
        super().__init__(items)
        object.__setattr__(self, "own", dict(items))

    def __getitem__(self, key: str) -> Any:
        return self.own[key]  # type: ignore[attr-defined]  # set above


class OpenSession(Session):
    """A subclass that may be changed, with a field more."""

    model_config = ConfigDict(frozen=False)
    __setattr__ = BaseModel.__setattr__
    extra_list: list[str] = Field(default_factory=list)


class OpenEnvelope(MessageEnvelope):
    """A subclass that may be changed."""

    model_config = ConfigDict(frozen=False)
    __setattr__ = BaseModel.__setattr__


class Counted(bytes):
    """Bytes that lie about their number."""

    def __len__(self) -> int:
        return 0


async def test_an_instance_of_a_subclass_is_rebuilt_as_the_plain_value(
    any_store: AtomicSessionStore,
) -> None:
    """An instance of a subclass is rebuilt as the plain value before it is kept."""
    state, own = Thawed(requested="1"), OpenDict({"a": "1"})
    session = OpenSession.new(
        id="a", transport_type="stdio", version_state=state, metadata={"own": own}, client_info=own
    )
    context = OpenContext.model_validate(
        {"session_id": "a", "direction": "client-to-server", "metadata": own}
    )
    plain = note(size=100)
    sent = MessageEnvelope(message=Counted(plain.message), context=context)
    opened = OpenEnvelope(message=plain.message, context=context)
    created = await any_store.create_session(session)
    assert type(created) is Session
    await any_store.add_frame(sent)
    await any_store.add_frames("a", [opened])
    await any_store.add_frame(opened)
    before = await held(any_store)
    state.requested = session.failure = "changed"
    context.protocol_version = "changed"
    opened.message = b"changed"
    own.own["a"] = "changed"  # type: ignore[attr-defined]  # set by its maker
    assert await held(any_store) == before
    kept = await any_store.get_session("a")
    assert type(kept.version_state) is VersionState
    assert type(kept.client_info) is FrozenDict
    assert {type(envelope.message) for envelope in await any_store.get_frames("a")} == {bytes}
    assert (await any_store.statistics()).bytes in (300, None)
