"""Every limit of a store: one over is refused, and nothing has changed (Guarantees 8.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    LimitExceeded,
    MessageEnvelope,
    Session,
    StoreLimits,
    StoreStatistics,
)
from sessionkeeper.values.jsonrpc import MAX_DEPTH, MAX_MESSAGE_BYTES

from tests.support.sessions import new_session, note
from tests.support.stores import Design


async def moment(store: AtomicSessionStore) -> tuple[StoreStatistics, list[Session]]:
    """What the store holds, without the counters of its mailbox."""
    held = replace(await store.statistics(), mailbox=None, refusals={})
    return held, await store.list_sessions()


class Refusing:
    """Expects `LimitExceeded` naming a limit, and the store as it was."""

    def __init__(self, store: AtomicSessionStore, limit: str, current: int, maximum: int) -> None:
        self.store, self.expected = store, (limit, current, maximum)

    async def __aenter__(self) -> None:
        self.before = await moment(self.store)

    async def __aexit__(self, _: object, error: object, __: object) -> bool:
        assert isinstance(error, LimitExceeded)
        assert (error.limit, error.current, error.maximum) == self.expected
        assert error.limit in str(error)
        assert await moment(self.store) == self.before
        return True


async def test_sessions(design: Design) -> None:
    """`max_sessions`; deleting one makes room."""
    async with design(limits=StoreLimits(max_sessions=2)) as store:
        await store.create_session(new_session("a"))
        await store.get_or_create_session(new_session("b"))
        async with Refusing(store, "max_sessions", 2, 2):
            await store.create_session(new_session("c"))
        async with Refusing(store, "max_sessions", 2, 2):
            await store.get_or_create_session(new_session("c"))
        _, created = await store.get_or_create_session(new_session("b"))
        assert not created
        await store.delete_session("a")
        await store.create_session(new_session("c"))


async def test_frames_per_session(design: Design) -> None:
    """`max_frames_per_session`, by one or by many; each session has its own."""
    async with design(limits=StoreLimits(max_frames_per_session=3)) as store:
        for key in "ab":
            await store.create_session(new_session(key))
        await store.add_frames("a", [note(), note()])
        async with Refusing(store, "max_frames_per_session", 2, 3):
            await store.add_frames("a", [note(), note()])
        await store.add_frame(note())
        async with Refusing(store, "max_frames_per_session", 3, 3):
            await store.add_frame(note())
        assert await store.add_frame(note(id="b")) == 1
        await store.delete_frames("a")
        assert await store.add_frames("a", [note()] * 3) == range(4, 7)


async def test_bytes_of_a_frame(design: Design) -> None:
    """`max_frame_bytes`, of each frame of a batch too."""
    async with design(limits=StoreLimits(max_frame_bytes=100)) as store:
        await store.create_session(new_session("a"))
        await store.add_frame(note(size=100))
        async with Refusing(store, "max_frame_bytes", 101, 100):
            await store.add_frame(note(size=101))
        await store.add_frames("a", [note(size=100)] * 3)
        async with Refusing(store, "max_frame_bytes", 101, 100):
            await store.add_frames("a", [note(size=50), note(size=101)])


async def test_bytes_of_a_session(design: Design) -> None:
    """`max_session_bytes`: of the messages it holds now."""
    async with design(limits=StoreLimits(max_session_bytes=200)) as store:
        for key in "ab":
            await store.create_session(new_session(key))
        await store.add_frame(note(size=99))
        async with Refusing(store, "max_session_bytes", 99, 200):
            await store.add_frame(note(size=102))
        await store.add_frame(note(size=101))
        async with Refusing(store, "max_session_bytes", 200, 200):
            await store.add_frame(note())
        await store.add_frame(note(id="b", size=200))
        await store.delete_frames("a")
        await store.add_frame(note(size=200))


async def test_bytes_in_all(design: Design) -> None:
    """`max_total_bytes`: of all sessions; deleting one gives its bytes back."""
    async with design(limits=StoreLimits(max_total_bytes=200)) as store:
        for key in "abc":
            await store.create_session(new_session(key))
        await store.add_frame(note(id="a", size=120))
        await store.add_frame(note(id="b", size=80))
        async with Refusing(store, "max_total_bytes", 200, 200):
            await store.add_frame(note(id="c"))
        await store.delete_session("a")
        async with Refusing(store, "max_total_bytes", 80, 200):
            await store.add_frames("c", [note(id="c", size=60), note(id="c", size=61)])
        await store.delete_frames("b")
        await store.add_frame(note(id="c", size=200))


async def test_frames_of_a_batch(design: Design) -> None:
    """`max_frames_per_batch`: frames in one `add_frames`."""
    async with design(limits=StoreLimits(max_frames_per_batch=3)) as store:
        await store.create_session(new_session("a"))
        await store.add_frames("a", [note()] * 3)
        async with Refusing(store, "max_frames_per_batch", 4, 3):
            await store.add_frames("a", [note()] * 4)


@pytest.mark.parametrize("depth", [1, 5, 127])
async def test_depth_of_a_message(design: Design, depth: int) -> None:
    """`max_json_depth`: a tighter limit than the 128 of every message."""

    def nested(levels: int) -> MessageEnvelope:
        inner = "" if levels == 1 else ',"params":' + "[" * (levels - 1) + "]" * (levels - 1)
        text = f'{{"jsonrpc":"2.0","method":"x]]}}}}[[{{{{"{inner}}}'
        return MessageEnvelope.of("a", text, direction="client-to-server")

    async with design(limits=StoreLimits(max_json_depth=depth)) as store:
        await store.create_session(new_session("a"))
        await store.add_frame(nested(depth))
        async with Refusing(store, "max_json_depth", depth + 1, depth):
            await store.add_frame(nested(depth + 1))
        async with Refusing(store, "max_json_depth", depth + 1, depth):
            await store.add_frames("a", [nested(1), nested(depth + 1)])


@pytest.mark.parametrize("field", ["metadata", "client_info", "server_info"])
async def test_bytes_of_metadata(design: Design, field: str) -> None:
    """`max_metadata_bytes`: metadata, client and server info together, as JSON."""

    def weighing(size: int) -> dict[str, Any]:
        return {field: {"é": "x" * (size - len('{"é":""}'.encode()))}}

    async with design(limits=StoreLimits(max_metadata_bytes=100)) as store:
        await store.create_session(new_session("a", **weighing(100)))
        async with Refusing(store, "max_metadata_bytes", 101, 100):
            await store.create_session(new_session("b", **weighing(101)))
        async with Refusing(store, "max_metadata_bytes", 101, 100):
            await store.get_or_create_session(new_session("b", **weighing(101)))
        session = await store.get_session("a")
        async with Refusing(store, "max_metadata_bytes", 101, 100):
            await store.update_session(session.model_copy(update=weighing(101)))
        async with Refusing(store, "max_metadata_bytes", 101, 100):
            await store.modify_session("a", lambda s: s.model_copy(update=weighing(101)))
        async with Refusing(store, "max_metadata_bytes", 101, 100):
            await store.add_frames(
                "a", [note()], change=lambda s: s.model_copy(update=weighing(101))
            )
        await store.update_session(session.model_copy(update=weighing(99)))


async def test_metadata_is_weighed_together(design: Design) -> None:
    """Three small parts may be too much together."""
    part = {"x": "y" * 32}
    async with design(limits=StoreLimits(max_metadata_bytes=100)) as store:
        await store.create_session(new_session("a", metadata=part, client_info=part))
        async with Refusing(store, "max_metadata_bytes", 120, 100):
            await store.modify_session("a", lambda s: s.model_copy(update={"server_info": part}))


@pytest.mark.parametrize(
    "field", [name for name in StoreLimits.model_fields if name.startswith("max_")]
)
def test_a_limit_is_a_positive_number(field: str) -> None:
    """Validated configuration; the outermost limits of a message cannot be widened."""
    for wrong in (0, -1, "many", None, 1.5):
        with pytest.raises(ValueError, match=field):
            StoreLimits.model_validate({field: wrong})
    assert getattr(StoreLimits.model_validate({field: 2}), field) == 2


def test_no_limit_widens_what_a_message_may_be() -> None:
    """Depth and size of a message are bounded before any store sees it."""
    with pytest.raises(ValueError, match="max_json_depth"):
        StoreLimits(max_json_depth=MAX_DEPTH + 1)
    with pytest.raises(ValueError, match="max_frame_bytes"):
        StoreLimits(max_frame_bytes=MAX_MESSAGE_BYTES + 1)
