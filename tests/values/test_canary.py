"""No message body, password or token ever appears in an error or a `repr` (Guarantees 1.8)."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from sessionkeeper import (
    Direction,
    FrozenDict,
    HookFailure,
    LimitExceeded,
    LockedSessionStore,
    ManagerConfig,
    MemoryBackend,
    MessageContext,
    MessageEnvelope,
    PendingRequest,
    Session,
    SessionError,
    SessionManager,
    StoreLimits,
    VersionState,
    freeze,
)
from sessionkeeper.operations import AddFrame, AddFrames, CreateSession
from sessionkeeper.operations.frame_record import pack

Silent = Callable[[BaseException], bool]


def attempts(canary: str) -> list[Callable[[], object]]:
    """Everything that can be made wrong with the canary in it."""
    good = Session.new(transport_type="stdio", id="a")
    note = MessageEnvelope.of(
        "a", {"jsonrpc": "2.0", "method": canary}, direction="client-to-server"
    )
    bad_json: dict[str, Any] = {canary: object(), "x": {canary: float("nan")}}

    def new(**fields: Any) -> Callable[[], object]:
        return lambda: Session.new(**({"transport_type": "stdio"} | fields))

    def of(
        message: Any = b'{"jsonrpc":"2.0","method":"x"}', **context: Any
    ) -> Callable[[], object]:
        fields: dict[str, Any] = {"direction": "client-to-server", "strict": True} | context
        return lambda: MessageEnvelope.of("a", message, **fields)

    return [
        *(new(**{field: canary}) for field in ("transport_type", "state", "tags", "metadata")),
        *(new(**{field: canary}) for field in ("client_info", "server_info", "version_state")),
        *(new(**{field: [canary]}) for field in ("id", "failure", "principal", "metadata")),
        *(new(**{field: canary + "\ud800"}) for field in ("id", "failure", "principal")),
        *(new(**{field: canary * 1000}) for field in ("id", "failure", "upstream_session_id")),
        *(new(metadata=bad) for bad in (bad_json, {"x": [bad_json]}, {canary + "\ud800": 1})),
        *(new(tags=tags) for tags in ([canary * 50], [[canary]], {canary: 1})),
        new(version_state={"negotiated": canary * 10}),
        new(id=canary + " "),
        of(canary),
        of(canary.encode() + b"\xff"),
        of(canary + "\ud800", strict=False),
        of({"jsonrpc": "2.0", "method": "x", 1: canary, "1": canary}, strict=False),
        of({"jsonrpc": canary}),
        of({"jsonrpc": "2.0", "method": "x", "id": [canary]}),
        of({"jsonrpc": "2.0", "method": canary, "x": object()}),
        of([canary]),
        of(direction=canary),
        of(timestamp=canary),
        of(protocol_version=canary * 10),
        of(metadata={canary: 1}),
        of(metadata={canary: [canary]}),
        of(delivery={"via": "http", "status": canary}),
        of(delivery={"via": "stdio", "command": canary}),
        of(delivery={"via": "sse", "retry": canary}),
        lambda: setattr(good, "metadata", {canary: canary}),
        lambda: setattr(note, "message", canary.encode()),
        lambda: setattr(FrozenDict({canary: canary}), "x", canary),
        lambda: good.model_copy(update={"state": canary}),
        lambda: good.model_copy(update={"metadata": bad_json}),
        lambda: Session.model_validate(canary),
        lambda: Session.model_validate_json(canary),
        lambda: Session.model_validate_json(f'{{"id": "{canary} ", "transport_type": 1}}'),
        lambda: MessageContext.model_validate({"session_id": canary + " ", "direction": canary}),
        lambda: MessageEnvelope.model_validate({"message": canary.encode(), "context": canary}),
        lambda: MessageEnvelope.model_validate({"message_base64": canary, "context": note.context}),
        lambda: note.model_copy(update={"message": canary.encode()}),
        lambda: note.model_copy(update={"oddity": canary * 100}),
        lambda: note.model_copy(update={"media_type": canary + "\n"}),
        lambda: VersionState().negotiate(canary * 10),
        lambda: VersionState(negotiated=canary).negotiate("1"),
        lambda: freeze({canary: object()}),
        lambda: freeze({canary: canary + "\ud800"}),
        lambda: StoreLimits(max_sessions=canary),  # type: ignore[arg-type]  # wrong on purpose
        lambda: MemoryBackend(capacity=canary),  # type: ignore[arg-type]  # wrong on purpose
        lambda: ManagerConfig(close_timeout=canary),  # type: ignore[arg-type]  # wrong on purpose
    ]


def test_no_error_of_a_value_shows_what_it_was_made_of(canary: str, silent: Silent) -> None:
    """Neither the library's errors nor pydantic's: texts, reprs, tracebacks."""
    for n, attempt in enumerate(attempts(canary)):
        with pytest.raises((ValueError, TypeError, AttributeError, SessionError)) as refused:
            attempt()
        assert silent(refused.value), f"attempt {n}: {refused.value!r}"


async def test_no_error_of_a_store_or_a_manager_shows_a_payload(
    canary: str, silent: Silent
) -> None:
    """`LimitExceeded`, a change that went wrong, an ill-formed id, a foreign frame."""
    limits = StoreLimits(max_frame_bytes=60, max_metadata_bytes=60)
    note = MessageEnvelope.of(
        "a", {"jsonrpc": "2.0", "method": canary * 9}, direction="client-to-server"
    )
    small = MessageEnvelope.of(
        "b", {"jsonrpc": "2.0", "method": canary}, direction="client-to-server"
    )
    async with (
        LockedSessionStore(limits=limits) as store,
        SessionManager.with_store(store) as manager,
    ):
        await store.create_session(Session.new(transport_type="stdio", id="a", principal=canary))
        calls = [
            store.add_frame(note),
            store.add_frames("a", [note]),
            store.add_frames("a", [small]),
            store.get_session(canary + " "),
            store.get_sessions_batch([canary + "\n"]),
            store.modify_session(
                "a", lambda s: s.model_copy(update={"metadata": {canary: canary * 9}})
            ),
            store.modify_session("a", lambda s: s.model_copy(update={"state": canary})),
            manager.record(note),
            manager.create_session(transport_type=canary),
            manager.create_session(transport_type="stdio", id=canary + " "),
            manager.create_session(transport_type="stdio", metadata={canary: canary * 9}),
            manager.fail_session("a", canary * 1000),
            manager.negotiate_version("a", canary * 70),
        ]
        for n, call in enumerate(calls):
            with pytest.raises((ValueError, LimitExceeded)) as refused:
                await call
            assert silent(refused.value), f"call {n}: {refused.value!r}"
        with pytest.raises(ValueError, match="direction") as refused:
            manager.sessions_awaiting(canary, direction=canary)
        assert silent(refused.value)
        pending = PendingRequest("a", Direction.CLIENT_TO_SERVER, canary, canary, 0.0)
        failure = HookFailure("created", pending, OSError(canary))
        shown = [store, manager, await manager.statistics(), failure, failure.about]
        assert canary not in "".join(map(repr, shown))


async def test_an_id_is_shortened_wherever_it_is_shown(silent: Silent) -> None:
    """A session's id can be a bearer secret, so a text shows only how it begins."""
    key = "12345678" + "c4n4ry-s3cr3t"
    note = MessageEnvelope.of(key, {"jsonrpc": "2.0", "method": "x"}, direction="client-to-server")
    async with SessionManager() as manager:
        store = manager.store
        created = await manager.create_session(transport_type="stdio", id=key)
        fresh = await store.modify_session(key, lambda s: s.model_copy(update={"state": "active"}))
        refused: list[BaseException] = []
        for call in (
            store.create_session(created),
            store.update_session(created),
            store.update_session(fresh.model_copy(update={"state": "initializing"})),
            store.add_frames(key, [note], expected_last_seq=9),
            store.get_session(key + "0"),
        ):
            with pytest.raises(Exception, match="12345678…") as told:
                await call
            refused.append(told.value)
        await manager.complete_session(key)
        with pytest.raises(Exception, match="12345678…") as told:
            await manager.record(note)
        assert all(silent(error) for error in [*refused, told.value])
        assert {getattr(error, "session_id", None) for error in refused} == {key, key + "0"}


def test_what_travels_inside_shows_no_payload(canary: str) -> None:
    """A debugger or a crash reporter takes the `repr` of what it finds: commands too."""
    session = Session.new(transport_type="stdio", metadata={canary: canary}, principal=canary)
    note = MessageEnvelope.of(
        "a", {"jsonrpc": "2.0", "method": canary}, direction="client-to-server"
    )
    record = pack(note)
    for inside in (
        record,
        AddFrame("a", record, 5),
        AddFrames("a", [record], None, None, copy_context(), 5),
        CreateSession(session, "", copy_context()),
    ):
        assert canary not in repr(inside) + str(inside)
    assert repr(record) == f"<FrameRecord {len(note.message)} bytes>"


def test_the_canary_detects_a_leak(canary: str, silent: Silent) -> None:
    """The check itself can fail: text, notes, causes and contexts."""
    assert silent(ValueError("x"))
    assert not silent(ValueError(canary))
    assert not silent(KeyError(canary))
    noted = ValueError("x")
    noted.add_note(canary)
    assert not silent(noted)
    caused, meanwhile = ValueError("x"), ValueError("x")
    caused.__cause__ = meanwhile.__context__ = KeyError(canary)
    assert not silent(caused)
    assert not silent(meanwhile)
    assert canary in "".join(traceback.format_exception(meanwhile))
