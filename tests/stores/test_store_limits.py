"""What the conformance kit leaves open about limits: what the error tells, and every method.

That each limit holds, and that removing makes room, is said in the kit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    LimitExceeded,
    MessageEnvelope,
    Session,
    StoreLimits,
    StoreStatistics,
)
from sessionkeeper.values.json_depth import MAX_DEPTH
from sessionkeeper.values.jsonrpc import MAX_MESSAGE_BYTES

from tests.support.sessions import new_session, note
from tests.support.stores import Design


async def moment(store: AtomicSessionStore) -> tuple[StoreStatistics, list[Session]]:
    """The content of the store, without the counters of its mailbox."""
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


def nested(levels: int) -> MessageEnvelope:
    """A message that nests so deep, with brackets in a string that do not count."""
    inner = "" if levels == 1 else ',"params":' + "[" * (levels - 1) + "]" * (levels - 1)
    text = f'{{"jsonrpc":"2.0","method":"x]]}}}}[[{{{{"{inner}}}'
    return MessageEnvelope.of("a", text, direction="client-to-server")


class Excess(NamedTuple):
    """A limit, a call that fits, one that exceeds it, and the values in its error."""

    limit: str
    maximum: int
    fits: list[MessageEnvelope]
    call: Callable[[AtomicSessionStore], Awaitable[object]]
    current: int


def appending(*envelopes: MessageEnvelope) -> Callable[[AtomicSessionStore], Awaitable[object]]:
    """One frame by `add_frame`, several by `add_frames`."""
    if len(envelopes) == 1:
        return lambda store: store.add_frame(envelopes[0])
    return lambda store: store.add_frames("a", envelopes)


def sized(*sizes: int) -> list[MessageEnvelope]:
    """Messages of so many bytes."""
    return [note(size=size) for size in sizes]


EXCESSES = {
    "create_session": Excess(
        "max_sessions", 1, [], lambda store: store.create_session(new_session("b")), 1
    ),
    "get_or_create_session": Excess(
        "max_sessions", 1, [], lambda store: store.get_or_create_session(new_session("b")), 1
    ),
    "one frame more": Excess("max_frames_per_session", 3, sized(0, 0, 0), appending(note()), 3),
    "two frames more": Excess("max_frames_per_session", 3, sized(0, 0), appending(*sized(0, 0)), 2),
    "a frame": Excess("max_frame_bytes", 100, sized(100, 100), appending(*sized(101)), 101),
    "one frame of two": Excess(
        "max_frame_bytes", 100, sized(100, 100), appending(*sized(50, 101)), 101
    ),
    "bytes of a session": Excess("max_session_bytes", 200, sized(99), appending(*sized(102)), 99),
    "bytes of a full session": Excess(
        "max_session_bytes", 200, sized(99, 101), appending(note()), 200
    ),
    "a batch": Excess("max_frames_per_batch", 3, sized(0, 0, 0), appending(*sized(0) * 4), 4),
    **{
        f"depth of {depth}": Excess(
            "max_json_depth", depth, [nested(depth)], appending(nested(depth + 1)), depth + 1
        )
        for depth in (1, 5, 127)
    },
    "depth of one of two": Excess(
        "max_json_depth", 5, [nested(5)], appending(nested(1), nested(6)), 6
    ),
}


@pytest.mark.parametrize("excess", EXCESSES.values(), ids=EXCESSES)
async def test_limit_error_tells_the_limit_and_the_current_value(
    design: Design, excess: Excess
) -> None:
    """`LimitExceeded` has the name, the current value and the maximum; counters are unchanged."""
    async with design(limits=StoreLimits.model_validate({excess.limit: excess.maximum})) as store:
        await store.create_session(new_session())
        await store.add_frames("a", excess.fits)
        async with Refusing(store, excess.limit, excess.current, excess.maximum):
            await excess.call(store)


async def test_total_bytes_error_counts_the_bytes_of_all_sessions(design: Design) -> None:
    """`max_total_bytes`: one frame or several, in a session that holds nothing itself."""
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


@pytest.mark.parametrize("field", ["metadata", "client_info", "server_info"])
async def test_metadata_limit_holds_in_every_method(design: Design, field: str) -> None:
    """`max_metadata_bytes` counts bytes of UTF-8, in each of the three fields."""

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


@pytest.mark.parametrize(
    ("count", "size", "limit", "current", "maximum"),
    [(21, 10, "max_tags", 21, 20), (20, 51, "max_metadata_bytes", 1_020, 1_000)],
    ids=["in number", "in bytes"],
)
async def test_tags_are_bounded(
    design: Design, count: int, size: int, limit: str, current: int, maximum: int
) -> None:
    """By `max_tags` and `max_metadata_bytes`, in every method; the error names the field."""

    def tags(count: int, size: int) -> dict[str, Any]:
        return {"tags": frozenset(f"{n:04}é".ljust(size - 1, "x") for n in range(count))}

    wrong = tags(count, size)

    def change(session: Session) -> Session:
        return session.model_copy(update=wrong)

    async with design(limits=StoreLimits(max_tags=20, max_metadata_bytes=1_000)) as store:
        session = await store.create_session(new_session("a", **tags(20, 50)))
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: store.create_session(new_session("b", **wrong)),
            lambda: store.get_or_create_session(new_session("b", **wrong)),
            lambda: store.update_session(change(session)),
            lambda: store.modify_session("a", change),
            lambda: store.add_frames("a", [note()], change=change),
        ]
        for call in calls:
            async with Refusing(store, limit, current, maximum):
                await call()
        text = f"{limit} exceeded by tags: limit {maximum}, current {current}"
        with pytest.raises(LimitExceeded, match=text):
            await store.update_session(change(session))
        more = session.tags | {"one more than there may be"}
        async with Refusing(store, "max_tags", 21, 20):
            await store.modify_session("a", lambda s: s.model_copy(update={"tags": more}))


LONG = {"failure": 1_024, "principal": 1_024, "upstream_session_id": 1_024}


@pytest.mark.parametrize("field", LONG)
def test_the_error_for_a_text_that_is_too_long_says_which_how_long_and_what_is_allowed(
    field: str,
) -> None:
    """The error shows nothing of the text."""
    new_session("a", **{field: "y" * LONG[field]})
    for wrong in ("y" * (LONG[field] + 1), "é" * 5_000_000):
        with pytest.raises(ValueError, match=field) as error:
            new_session("a", **{field: wrong})
        assert f"{len(wrong):,} characters, and at most {LONG[field]:,}" in str(error.value)
        assert "yy" not in str(error.value)


def test_so_does_the_error_for_a_tag_and_a_version() -> None:
    with pytest.raises(ValueError, match="50,000,000 characters, and at most 128") as error:
        new_session("a", tags=["t", "y" * 50_000_000])
    assert "tags" in str(error.value)
    with pytest.raises(ValueError, match="65 characters, and at most 64") as error:
        new_session("a", version_state={"requested": "y" * 65})
    assert "requested" in str(error.value)


@pytest.mark.parametrize(
    "field", [name for name in StoreLimits.model_fields if name.startswith("max_")]
)
def test_limits_are_positive_integers(field: str) -> None:
    """Anything else is `ValueError`, which names the field."""
    for wrong in (0, -1, "many", None, 1.5):
        with pytest.raises(ValueError, match=field):
            StoreLimits.model_validate({field: wrong})
    assert getattr(StoreLimits.model_validate({field: 2}), field) == 2


def test_limits_cannot_exceed_the_bounds_of_every_message() -> None:
    """A message is bounded in depth and size before any store sees it."""
    with pytest.raises(ValueError, match="max_json_depth"):
        StoreLimits(max_json_depth=MAX_DEPTH + 1)
    with pytest.raises(ValueError, match="max_frame_bytes"):
        StoreLimits(max_frame_bytes=MAX_MESSAGE_BYTES + 1)
