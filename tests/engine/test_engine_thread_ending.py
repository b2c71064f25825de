"""However a runner's own thread comes to its end: nobody waits for ever, nothing is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import MailboxClosed, OwnerCrashed

if TYPE_CHECKING:
    from tests.engine.conftest import Bench, Desk

    LoopFactory = Callable[[], asyncio.AbstractEventLoop]


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
        thread.join(300)
    return not any(thread.is_alive() for thread in threads)


async def test_closing_in_the_middle_of_a_batch_interrupts_it(desk: Desk, bench: Bench) -> None:
    """What was applied stands and is answered; what was not is answered with `MailboxClosed`."""
    await desk.actor.open()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> object:
        loop.call_soon_threadsafe(begun.set)
        assert desk.book.interrupted.wait(1800)
        bench.state.append("waited")
        return "waited"

    replies: list[asyncio.Future[Any]] = [desk.actor.ask(bench.do(wait))]
    replies += [desk.actor.ask(bench.note(n)) for n in range(3)]
    await begun.wait()
    await desk.actor.aclose(timeout=0)
    assert await outcomes(replies) == ["waited", *[MailboxClosed] * 3]
    assert desk.book.kept == ["waited"]
    assert ended()


async def test_a_thread_that_never_returns_blocks_nobody(
    bench: Bench, desk_class: type[Desk]
) -> None:
    """Hazard 12: who is told "certainly not applied" is told the truth, whenever it comes back."""
    desk = desk_class(bench, grace=0.05)
    await desk.actor.open()
    desk.book.hold.clear()
    replies = [desk.actor.ask(bench.note(n)) for n in range(2)]
    while "begin" not in desk.book.calls:
        await asyncio.sleep(0)
    await desk.actor.aclose(timeout=0)
    assert await outcomes(replies) == [MailboxClosed] * 2
    desk.book.hold.set()
    assert ended()
    assert desk.book.kept == []
    assert "commit" not in desk.book.calls
    assert desk.book.calls[-3:] == ["rollback", "tidy", "close"]


async def test_a_hanging_commit_has_an_unknown_outcome(
    bench: Bench, desk_class: type[Desk]
) -> None:
    """It has begun, and may stand: "certainly not applied" would be a guess."""
    desk = desk_class(bench, grace=0.05)
    await desk.actor.open()
    desk.book.hold_commit.clear()
    replies = [desk.actor.ask(bench.note(n)) for n in range(2)]
    while "commit" not in desk.book.calls:
        await asyncio.sleep(0)
    await desk.actor.aclose(timeout=0)
    assert await outcomes(replies) == [LookupError] * 2
    desk.book.hold_commit.set()
    assert ended()
    assert desk.book.kept == [0, 1]


@pytest.mark.parametrize("where", ["hold", "hold_commit"])
async def test_a_deadline_of_closing_bounds_the_wait_for_the_thread(
    bench: Bench, desk_class: type[Desk], where: str
) -> None:
    """The grace is for those who set no deadline; with one, a hung thread is left at once."""
    desk = desk_class(bench, grace=3600.0)
    await desk.actor.open()
    held: threading.Event = getattr(desk.book, where)
    held.clear()
    reply = desk.actor.ask(bench.note(0))
    while {"hold": "begin", "hold_commit": "commit"}[where] not in desk.book.calls:
        await asyncio.sleep(0)
    async with asyncio.timeout(300):
        await desk.actor.aclose(timeout=0.01)
    assert (await outcomes([reply]))[0] in (MailboxClosed, LookupError)
    held.set()
    assert ended()


async def test_a_deadline_reaches_a_closing_that_waits_already(
    bench: Bench, desk_class: type[Desk]
) -> None:
    """The thread is closing the storage when the deadline passes, and does not come back."""
    desk = desk_class(bench, grace=3600.0)
    desk.book.hold_close.clear()
    await desk.actor.open()
    patient = asyncio.create_task(desk.actor.aclose())
    while "close" not in desk.book.calls:
        await asyncio.sleep(0)
    async with asyncio.timeout(300):
        await desk.actor.aclose(timeout=0.01)
        await patient
    desk.book.hold_close.set()
    assert ended()


@pytest.mark.parametrize("where", ["tidy", "rollback"])
async def test_a_storage_that_breaks_its_contract_crashes_the_owner_only(
    desk: Desk, bench: Bench, where: str
) -> None:
    """It must not raise there. The thread would end with it, and nobody be answered any more."""
    desk.book.fails = {where, "commit"} if where == "rollback" else {where}
    await desk.actor.open()
    with pytest.raises(OwnerCrashed):
        await desk.actor.ask(bench.note("a"))
    assert desk.actor.statistics().state == "crashed"
    await desk.actor.aclose()
    assert ended()
    assert desk.book.calls[-1] == "close"


async def test_an_opening_that_fails_leaves_no_thread(desk: Desk) -> None:
    """Its error is raised by `open`."""
    desk.book.fails = {"open"}
    with pytest.raises(desk.Trouble):
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
    assert desk.book.interrupted.wait(1800)
    desk.book.hold.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert desk.book.calls[-1] == "close"
    assert ended()


def test_a_loop_closed_under_a_working_thread_ends_it(
    bench_class: type[Bench], desk_class: type[Desk], loop_factory: LoopFactory
) -> None:
    """Hazard 12 (aiosqlite#290, #387): nothing is raised on the thread, the storage is closed."""
    loop = loop_factory()
    bench = bench_class()
    desk = desk_class(bench)
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
