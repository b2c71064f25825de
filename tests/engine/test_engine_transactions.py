"""A batch as one transaction on the runner's own thread: it stands whole, or not at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import OwnerCrashed, Reentrant, WrongLoop

if TYPE_CHECKING:
    from tests.engine.conftest import Bench, Desk


async def outcomes(replies: Sequence[asyncio.Future[Any]]) -> list[object]:
    """Values, and the errors' classes."""
    got = await asyncio.gather(*replies, return_exceptions=True)
    return [type(each) if isinstance(each, BaseException) else each for each in got]


async def test_a_batch_is_one_transaction_on_one_other_thread(desk: Desk, bench: Bench) -> None:
    """Begin, every command, commit; told on the loop before the replies; then tidied up."""
    await desk.actor.open()
    assert await outcomes([desk.actor.ask(bench.note(n)) for n in range(50)]) == [*range(1, 51)]
    await desk.actor.aclose()
    calls = [call for call in desk.book.calls if call != "tidy"]
    assert calls == ["open", "begin", "commit", "after", "close"]
    assert len(desk.book.threads) == 1
    assert threading.get_ident() not in desk.book.threads


async def test_no_reply_before_the_commit(desk: Desk, bench: Bench) -> None:
    """Acknowledged means that it stands."""
    await desk.actor.open()
    seen: list[list[object]] = []
    reply = desk.actor.ask(bench.note("a"))
    reply.add_done_callback(lambda _: seen.append([*desk.book.kept]))
    await reply
    assert seen == [["a"]]
    assert desk.book.calls.index("after") > desk.book.calls.index("commit")


async def test_an_expected_error_does_not_affect_other_commands(desk: Desk, bench: Bench) -> None:
    """Hazard 7."""
    await desk.actor.open()
    wrong = bench.fail(ValueError())
    replies: list[asyncio.Future[Any]] = [desk.actor.ask(c) for c in (bench.note(1), wrong)]
    replies.append(desk.actor.ask(bench.note(2)))
    assert await outcomes(replies) == [1, ValueError, 2]
    assert desk.book.kept == [1, 2]


@pytest.mark.parametrize("step", ["begin", "commit"])
async def test_a_storage_failure_refuses_every_command_of_the_batch(
    desk: Desk, bench: Bench, step: str
) -> None:
    """Nothing stands, each caller has an error of its own, and the next batch is served."""
    await desk.actor.open()
    await desk.actor.ask(bench.note("before"))
    desk.book.fails = {step}
    replies = [desk.actor.ask(bench.note(n)) for n in range(3)]
    assert await outcomes(replies) == [desk.Refused] * 3
    assert len({id(reply.exception()) for reply in replies}) == 3
    desk.book.fails = set()
    assert await desk.actor.ask(bench.note("after")) == 2
    assert desk.book.kept == ["before", "after"]


async def test_a_bug_rolls_back_the_whole_batch(desk: Desk, bench: Bench) -> None:
    """The owner crashes as on the loop, and what was said to have no effect has none."""
    await desk.actor.open()
    replies: list[asyncio.Future[Any]] = [desk.actor.ask(bench.note(1))]
    replies += [desk.actor.ask(bench.fail(KeyError("bug"))), desk.actor.ask(bench.note(3))]
    assert await outcomes(replies) == [OwnerCrashed] * 3
    with pytest.raises(OwnerCrashed):
        desk.actor.ask(bench.note(4))
    await desk.actor.aclose()
    assert desk.book.kept == []
    assert desk.book.calls[-1] == "close"


async def test_a_caller_cancelled_before_its_batch_has_no_effect(desk: Desk, bench: Bench) -> None:
    """Guarantees 5.2; and a batch nobody waits for is no transaction."""
    await desk.actor.open()
    replies = [desk.actor.ask(bench.note(n)) for n in range(3)]
    replies[1].cancel()
    assert await outcomes(replies) == [1, asyncio.CancelledError, 2]
    desk.book.calls.clear()
    desk.actor.ask(bench.note("nobody")).cancel()
    await desk.actor.aclose()
    assert "begin" not in desk.book.calls
    assert desk.book.kept == [0, 2]


async def test_a_command_that_asks_its_owner_gets_reentrant(desk: Desk, bench: Bench) -> None:
    """Guarantees 2.5: from the owner's thread it is `Reentrant`, from any other `WrongLoop`."""
    await desk.actor.open()
    caught: list[Exception] = []

    def ask() -> None:
        try:
            desk.actor.ask(bench.note("inner"))
        except RuntimeError as error:
            caught.append(error)

    await desk.actor.ask(bench.do(ask))
    await asyncio.to_thread(ask)
    assert [type(error) for error in caught] == [Reentrant, WrongLoop]


async def test_a_callback_after_the_commit_cannot_ask_the_owner(
    desk: Desk, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the loop, as the owner: it would wait for itself. Callers are answered all the same."""
    await desk.actor.open()
    caught: list[str] = []

    def after() -> None:
        try:
            desk.actor.ask(bench.note("inner"))
        except Reentrant as error:
            caught.append(type(error).__name__)

    monkeypatch.setattr(desk.book, "commit", lambda: after)
    assert await desk.actor.ask(bench.note(1)) == 1
    assert await desk.actor.ask(bench.note(2)) == 2
    assert caught == ["Reentrant"] * 2


async def test_the_storage_has_its_turn_between_batches(desk: Desk, bench: Bench) -> None:
    """After each batch, and again after the pause it asks for, until a batch comes."""
    desk.book.pauses = [0.0, 0.0, None]
    await desk.actor.open()
    while desk.book.pauses:
        await asyncio.sleep(0)
    await desk.actor.ask(bench.note(1))
    await desk.actor.aclose()
    assert desk.book.calls[:4] == ["open", "tidy", "tidy", "tidy"]
    assert [call for call in desk.book.calls[4:] if call != "after"] == [
        "begin",
        "commit",
        "tidy",
        "close",
    ]
