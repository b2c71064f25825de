"""A batch as one transaction on the runner's own thread: it stands whole, or not at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from soleowner import (
    Actor,
    Command,
    MailboxClosed,
    OwnerCrashed,
    Post,
    Reentrant,
    ThreadRunner,
    Transactions,
    WrongLoop,
)

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

    LoopFactory = Callable[[], asyncio.AbstractEventLoop]

R = TypeVar("R")


class Trouble(Exception):
    """What the storage fails with."""


class Refused(Exception):
    """What callers are told of it."""


class Book(Transactions[list[object]]):
    """A list with transactions, which notes what is asked of it and fails when it is told to."""

    def __init__(self, state: list[object]) -> None:
        self.state = state
        self.kept: list[object] = []
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.hold = threading.Event()
        self.hold.set()
        self.threads: set[int] = set()
        self.interrupted = threading.Event()
        self.pauses: list[float | None] = []
        self.post: Post | None = None

    def _note(self, name: str) -> None:
        self.calls.append(name)
        self.threads.add(threading.get_ident())
        if name in self.fails:
            raise Trouble(name)

    def open(self, post: Post, /) -> None:
        self.post = post
        assert self.hold.wait(30)
        self._note("open")

    def begin(self, commands: Sequence[Command[list[object], Any]], /) -> None:
        self._note("begin")
        assert self.hold.wait(30)

    def apply(self, command: Command[list[object], R], /) -> R:
        return command.apply(self.state)

    def commit(self) -> Callable[[], None] | None:
        self._note("commit")
        self.kept = [*self.state]
        return lambda: self.calls.append("after")

    def rollback(self) -> None:
        self._note("rollback")
        self.state[:] = self.kept

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        return Refused if isinstance(error, Trouble) else None

    def tidy(self) -> float | None:
        self.calls.append("tidy")
        return self.pauses.pop(0) if self.pauses else None

    def close(self) -> None:
        self._note("close")

    def interrupt(self) -> None:
        self.interrupted.set()

    def lost(self) -> Exception:
        return LookupError("lost")


class Desk:
    """An actor on a book."""

    def __init__(self, bench: Bench, *, grace: float = 10.0) -> None:
        self.book = Book(bench.state)
        self.runner = ThreadRunner(self.book, expected=(ValueError,), grace=grace)
        self.actor: Actor[list[object]] = bench.actor(self.runner)


@pytest.fixture
def desk(bench: Bench) -> Desk:
    """An actor, not yet open."""
    return Desk(bench)


async def outcomes(replies: Sequence[asyncio.Future[Any]]) -> list[object]:
    """Values, and the errors' classes."""
    got = await asyncio.gather(*replies, return_exceptions=True)
    return [type(each) if isinstance(each, BaseException) else each for each in got]


def owners() -> list[threading.Thread]:
    """Threads of runners that are there."""
    return [thread for thread in threading.enumerate() if thread.name == "owner"]


def ended() -> bool:
    """Whether every runner's thread comes to its end now."""
    threads = owners()
    for thread in threads:
        thread.join(30)
    return not any(thread.is_alive() for thread in threads)


async def test_a_batch_is_one_transaction_on_one_other_thread(desk: Desk, bench: Bench) -> None:
    """Begin, every command, commit; told on the loop before the replies; then tidied up."""
    await desk.actor.open()
    assert await outcomes([desk.actor.ask(bench.note(n)) for n in range(50)]) == [*range(1, 51)]
    await desk.actor.aclose()
    calls = [call for call in desk.book.calls if call != "tidy"]
    assert calls == ["open", "begin", "commit", "after", "close"]
    assert len(desk.book.threads) == 1
    assert threading.get_ident() not in desk.book.threads
    assert ended()


async def test_no_reply_before_the_commit(desk: Desk, bench: Bench) -> None:
    """Acknowledged means that it stands."""
    await desk.actor.open()
    seen: list[list[object]] = []
    reply = desk.actor.ask(bench.note("a"))
    reply.add_done_callback(lambda _: seen.append([*desk.book.kept]))
    await reply
    assert seen == [["a"]]
    assert desk.book.calls.index("after") > desk.book.calls.index("commit")


async def test_an_expected_error_leaves_the_others_standing(desk: Desk, bench: Bench) -> None:
    """Hazard 7."""
    await desk.actor.open()
    wrong = bench.fail(ValueError())
    replies: list[asyncio.Future[Any]] = [desk.actor.ask(c) for c in (bench.note(1), wrong)]
    replies.append(desk.actor.ask(bench.note(2)))
    assert await outcomes(replies) == [1, ValueError, 2]
    assert desk.book.kept == [1, 2]


@pytest.mark.parametrize("step", ["begin", "commit"])
async def test_when_the_storage_fails_everyone_is_refused(
    desk: Desk, bench: Bench, step: str
) -> None:
    """Nothing stands, each caller has an error of its own, and the next batch is served."""
    await desk.actor.open()
    await desk.actor.ask(bench.note("before"))
    desk.book.fails = {step}
    replies = [desk.actor.ask(bench.note(n)) for n in range(3)]
    assert await outcomes(replies) == [Refused] * 3
    assert len({id(reply.exception()) for reply in replies}) == 3
    desk.book.fails = set()
    assert await desk.actor.ask(bench.note("after")) == 2
    assert desk.book.kept == ["before", "after"]


async def test_a_bug_takes_the_whole_batch_back(desk: Desk, bench: Bench) -> None:
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
    assert ended()


async def test_who_gave_up_before_the_batch_begins_has_no_effect(desk: Desk, bench: Bench) -> None:
    """Contract 6.2; and a batch nobody waits for is no transaction."""
    await desk.actor.open()
    replies = [desk.actor.ask(bench.note(n)) for n in range(3)]
    replies[1].cancel()
    assert await outcomes(replies) == [1, asyncio.CancelledError, 2]
    desk.book.calls.clear()
    desk.actor.ask(bench.note("nobody")).cancel()
    await desk.actor.aclose()
    assert "begin" not in desk.book.calls
    assert desk.book.kept == [0, 2]


async def test_a_command_that_asks_its_owner_is_told_so(desk: Desk, bench: Bench) -> None:
    """Contract 6.7: from the owner's thread it is `Reentrant`, from any other `WrongLoop`."""
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


async def test_closing_in_the_middle_of_a_batch_interrupts_it(desk: Desk, bench: Bench) -> None:
    """What was applied stands and is answered; what was not is answered with `MailboxClosed`."""
    await desk.actor.open()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> object:
        loop.call_soon_threadsafe(begun.set)
        assert desk.book.interrupted.wait(30)
        bench.state.append("waited")
        return "waited"

    replies: list[asyncio.Future[Any]] = [desk.actor.ask(bench.do(wait))]
    replies += [desk.actor.ask(bench.note(n)) for n in range(3)]
    await begun.wait()
    await desk.actor.aclose(timeout=0)
    assert await outcomes(replies) == ["waited", *[MailboxClosed] * 3]
    assert desk.book.kept == ["waited"]
    assert ended()


async def test_a_thread_that_never_comes_back_holds_nobody(bench: Bench) -> None:
    """Hazard 12: after the grace the callers are told that nobody knows."""
    desk = Desk(bench, grace=0.05)
    await desk.actor.open()
    desk.book.hold.clear()
    replies = [desk.actor.ask(bench.note(n)) for n in range(2)]
    while "begin" not in desk.book.calls:
        await asyncio.sleep(0)
    await desk.actor.aclose(timeout=0)
    assert await outcomes(replies) == [LookupError] * 2
    desk.book.hold.set()
    assert ended()


async def test_an_opening_that_fails_leaves_no_thread(desk: Desk) -> None:
    """Its error is raised by `open`."""
    desk.book.fails = {"open"}
    with pytest.raises(Trouble):
        await desk.actor.open()
    assert ended()
    assert desk.book.calls == ["open"]


async def test_an_opening_that_is_cancelled_closes_what_it_opened(desk: Desk) -> None:
    """And ends its thread."""
    desk.book.hold.clear()
    opening = asyncio.create_task(desk.actor.open())
    while not owners():
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.sleep(0)
    assert desk.book.interrupted.wait(30)
    desk.book.hold.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert desk.book.calls[-1] == "close"
    assert ended()


def test_a_loop_closed_under_a_working_thread_ends_it(
    bench_class: type[Bench], loop_factory: LoopFactory
) -> None:
    """Hazard 12 (aiosqlite#290, #387): nothing is raised on the thread, the storage is closed."""
    loop = loop_factory()
    bench = bench_class()
    desk = Desk(bench)
    loop.run_until_complete(desk.actor.open())
    desk.book.hold.clear()

    async def ask() -> None:
        desk.actor.ask(bench.note("a"))
        while "begin" not in desk.book.calls:
            await asyncio.sleep(0)

    loop.run_until_complete(ask())
    assert len(owners()) == 1
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # abandoned on purpose
    loop.close()
    desk.book.hold.set()
    assert ended()
    assert desk.book.kept == ["a"]
    assert desk.book.calls[-1] == "close"


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
