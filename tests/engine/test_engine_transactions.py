"""A batch as one transaction on the runner's own thread: it stands whole, or not at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import OwnerCrashed, Reentrant, WrongLoop

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory, ThreadedActor


async def outcomes(replies: Sequence[asyncio.Future[Any]]) -> list[object]:
    """Values, and the errors' classes."""
    got = await asyncio.gather(*replies, return_exceptions=True)
    return [type(each) if isinstance(each, BaseException) else each for each in got]


async def test_a_batch_is_one_transaction_on_one_other_thread(
    threaded: ThreadedActor, actors: ActorFactory
) -> None:
    """Begin, every command, commit; told on the loop before the replies; then tidied up."""
    await threaded.actor.open()
    assert await outcomes([threaded.actor.ask(actors.note(n)) for n in range(50)]) == [
        *range(1, 51)
    ]
    await threaded.actor.aclose()
    calls = [call for call in threaded.storage.calls if call != "tidy"]
    assert calls == ["open", "begin", "commit", "after", "close"]
    assert len(threaded.storage.threads) == 1
    assert threading.get_ident() not in threaded.storage.threads


async def test_no_reply_before_the_commit(threaded: ThreadedActor, actors: ActorFactory) -> None:
    """Acknowledged means that it stands."""
    await threaded.actor.open()
    seen: list[list[object]] = []
    reply = threaded.actor.ask(actors.note("a"))
    reply.add_done_callback(lambda _: seen.append([*threaded.storage.kept]))
    await reply
    assert seen == [["a"]]
    assert threaded.storage.calls.index("after") > threaded.storage.calls.index("commit")


async def test_an_expected_error_does_not_affect_other_commands(
    threaded: ThreadedActor, actors: ActorFactory
) -> None:
    """Hazard 7."""
    await threaded.actor.open()
    wrong = actors.fail(ValueError())
    replies: list[asyncio.Future[Any]] = [threaded.actor.ask(c) for c in (actors.note(1), wrong)]
    replies.append(threaded.actor.ask(actors.note(2)))
    assert await outcomes(replies) == [1, ValueError, 2]
    assert threaded.storage.kept == [1, 2]


@pytest.mark.parametrize("step", ["begin", "commit"])
@pytest.mark.parametrize("tries", [1, 3])
async def test_a_batch_that_is_repeated_stands_once(
    threaded: ThreadedActor, actors: ActorFactory, step: str, tries: int
) -> None:
    """Each try is rolled back before the next one, and nobody is told anything in between."""
    await threaded.actor.open()
    await threaded.actor.ask(actors.note("before"))
    storage = threaded.storage
    storage.calls.clear()
    storage.fails, storage.tries = {step}, tries
    replies: list[asyncio.Future[Any]] = [threaded.actor.ask(actors.note(n)) for n in range(3)]
    told: list[int] = []
    storage.before_repeating = lambda: told.append(sum(reply.done() for reply in replies))
    assert await outcomes(replies) == [2, 3, 4]
    assert storage.kept == ["before", 0, 1, 2]
    assert told == [0] * tries
    assert storage.calls.count("rollback") == tries
    assert storage.calls.count("after") == 1


async def test_a_caller_that_gave_up_is_left_out_of_the_next_try(
    threaded: ThreadedActor, actors: ActorFactory
) -> None:
    """Its command had no effect yet, so it has none at all."""
    await threaded.actor.open()
    storage = threaded.storage
    storage.fails, storage.tries = {"commit"}, 1
    replies: list[asyncio.Future[Any]] = [threaded.actor.ask(actors.note(n)) for n in range(3)]
    gave_up = threading.Event()

    def give_up() -> None:
        replies[1].cancel()
        gave_up.set()

    def wait_for_it() -> None:
        assert storage.post is not None
        storage.post(give_up)
        assert gave_up.wait(60)

    storage.before_repeating = wait_for_it
    assert await outcomes(replies) == [1, asyncio.CancelledError, 2]
    assert storage.kept == [0, 2]


@pytest.mark.parametrize("step", ["begin", "commit"])
async def test_a_storage_failure_refuses_every_command_of_the_batch(
    threaded: ThreadedActor, actors: ActorFactory, step: str
) -> None:
    """Nothing stands, each caller has an error of its own, and the next batch is served."""
    await threaded.actor.open()
    await threaded.actor.ask(actors.note("before"))
    threaded.storage.fails = {step}
    replies = [threaded.actor.ask(actors.note(n)) for n in range(3)]
    assert await outcomes(replies) == [threaded.Refused] * 3
    assert len({id(reply.exception()) for reply in replies}) == 3
    threaded.storage.fails = set()
    assert await threaded.actor.ask(actors.note("after")) == 2
    assert threaded.storage.kept == ["before", "after"]


async def test_a_bug_rolls_back_the_whole_batch(
    threaded: ThreadedActor, actors: ActorFactory
) -> None:
    """The owner crashes as on the loop, and commands answered as having no effect have none."""
    await threaded.actor.open()
    replies: list[asyncio.Future[Any]] = [threaded.actor.ask(actors.note(1))]
    replies += [
        threaded.actor.ask(actors.fail(KeyError("bug"))),
        threaded.actor.ask(actors.note(3)),
    ]
    assert await outcomes(replies) == [OwnerCrashed] * 3
    with pytest.raises(OwnerCrashed):
        threaded.actor.ask(actors.note(4))
    await threaded.actor.aclose()
    assert threaded.storage.kept == []
    assert threaded.storage.calls[-1] == "close"


async def test_a_caller_cancelled_before_its_batch_has_no_effect(
    threaded: ThreadedActor, actors: ActorFactory
) -> None:
    """Guarantees 5.2; and a batch nobody waits for is no transaction."""
    await threaded.actor.open()
    replies = [threaded.actor.ask(actors.note(n)) for n in range(3)]
    replies[1].cancel()
    assert await outcomes(replies) == [1, asyncio.CancelledError, 2]
    threaded.storage.calls.clear()
    threaded.actor.ask(actors.note("nobody")).cancel()
    await threaded.actor.aclose()
    assert "begin" not in threaded.storage.calls
    assert threaded.storage.kept == [0, 2]


async def test_a_command_that_asks_its_owner_gets_reentrant(
    threaded: ThreadedActor, actors: ActorFactory
) -> None:
    """Guarantees 2.5: from the owner's thread it is `Reentrant`, from any other `WrongLoop`."""
    await threaded.actor.open()
    caught: list[Exception] = []

    def ask() -> None:
        try:
            threaded.actor.ask(actors.note("inner"))
        except RuntimeError as error:
            caught.append(error)

    await threaded.actor.ask(actors.do(ask))
    await asyncio.to_thread(ask)
    assert [type(error) for error in caught] == [Reentrant, WrongLoop]


async def test_a_callback_after_the_commit_cannot_ask_the_owner(
    threaded: ThreadedActor, actors: ActorFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the loop, as the owner: it would wait for itself. Callers are answered all the same."""
    await threaded.actor.open()
    caught: list[str] = []

    def after() -> None:
        try:
            threaded.actor.ask(actors.note("inner"))
        except Reentrant as error:
            caught.append(type(error).__name__)

    monkeypatch.setattr(threaded.storage, "commit", lambda: after)
    assert await threaded.actor.ask(actors.note(1)) == 1
    assert await threaded.actor.ask(actors.note(2)) == 2
    assert caught == ["Reentrant"] * 2


async def test_the_storage_has_its_turn_between_batches(
    threaded: ThreadedActor, actors: ActorFactory
) -> None:
    """After each batch, and again after the pause it asks for, until a batch comes."""
    threaded.storage.pauses = [0.0, 0.0, None]
    await threaded.actor.open()
    while threaded.storage.pauses:
        await asyncio.sleep(0)
    await threaded.actor.ask(actors.note(1))
    await threaded.actor.aclose()
    assert threaded.storage.calls[:4] == ["open", "tidy", "tidy", "tidy"]
    assert [call for call in threaded.storage.calls[4:] if call != "after"] == [
        "begin",
        "commit",
        "tidy",
        "close",
    ]
