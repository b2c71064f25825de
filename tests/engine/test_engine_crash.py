"""An error one caller must hear is not a crash; a crash is heard by everyone, at once.

Guarantees 13.2: if the owner dies, everything queued is answered at once, and so is every later
call. Nobody waits for ever.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest
from soleowner import Actor, CallerError, OwnerCrashed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import ActorFactory


class Unlikely(BaseException):
    """Not an `Exception`."""


async def outcomes(replies: list[asyncio.Future[object]]) -> list[object]:
    """The result of each caller: its value, or the type of its error."""
    got = await asyncio.gather(*replies, return_exceptions=True)
    return [type(each) if isinstance(each, BaseException) else each for each in got]


async def test_an_expected_error_reaches_its_caller_alone(actors: ActorFactory) -> None:
    """Hazard 7: errors are answered one by one; the others of the batch are served."""
    actor = await actors.open()
    error = ValueError("expected")

    replies = [
        actor.ask(command)
        for command in (actors.do(lambda: 1), actors.fail(error), actors.do(lambda: 3))
    ]

    assert await outcomes(replies) == [1, ValueError, 3]
    assert replies[1].exception() is error
    assert actor.statistics().state == "open"


@pytest.mark.parametrize("error", [KeyError("mine"), Unlikely("mine")])
async def test_an_error_of_the_callers_own_code_is_handed_to_the_caller(
    actors: ActorFactory, error: BaseException
) -> None:
    """Guarantees 4.5: its exception reaches the caller itself; the owner lives on."""
    actor = await actors.open()

    with pytest.raises(type(error)) as caught:
        await actor.ask(actors.fail(CallerError(error)))

    assert caught.value is error
    assert await actor.ask(actors.note("after")) == 1


async def test_a_stop_iteration_becomes_what_a_future_can_carry(actors: ActorFactory) -> None:
    """Guarantees 4.5: a `change` that raises StopIteration neither hangs its caller nor crashes."""
    actor = await actors.open()
    error = StopIteration("mine")

    with pytest.raises(RuntimeError, match="own code raised StopIteration") as caught:
        await actor.ask(actors.fail(CallerError(error)))

    assert caught.value.__cause__ is error
    assert await actor.ask(actors.note("after")) == 1


@pytest.mark.parametrize("error", [KeyError("bug"), StopIteration("bug"), asyncio.CancelledError()])
async def test_a_crash_fails_every_waiting_caller(
    actors: ActorFactory, error: BaseException
) -> None:
    """Hazard 4 (openai-agents-python#4199): whatever ends the owner answers all.

    In the batch before the crash, the one that crashes, behind it, in the mailbox, in line.
    A CancelledError that a command raises is a bug like any other: nobody cancelled the owner.
    """
    actor = await actors.open(capacity=4)
    await actors.hold(actor)
    commands = [
        actors.do(lambda: 1),
        actors.fail(error),
        *(actors.do(lambda: actors.state.append("never")) for _ in range(6)),
    ]
    replies = [actor.ask(command) for command in commands]
    assert (actor.statistics().depth, actor.statistics().waiting) == (4, 4)

    actors.release()

    assert await outcomes(replies) == [1] + [OwnerCrashed] * 7
    assert "never" not in actors.state
    assert (actor.statistics().depth, actor.statistics().waiting) == (0, 0)
    assert actor.statistics().state == "crashed"


async def test_each_caller_gets_an_error_of_its_own(actors: ActorFactory) -> None:
    """One exception raised in many tasks would grow one traceback from all; the cause is shared."""
    actor = await actors.open()
    bug = KeyError("bug")
    replies = [actor.ask(actors.fail(bug)), actor.ask(actors.do(lambda: 1))]
    await asyncio.wait(replies)

    first, second = (reply.exception() for reply in replies)

    assert first is not second
    assert first is not None
    assert second is not None
    assert first.__cause__ is second.__cause__ is bug


async def test_every_later_call_is_refused_at_once(actors: ActorFactory) -> None:
    """Hazard 5 (Pykka's `tell` race): close flag and drain are one step."""
    actor = await actors.open()
    await asyncio.wait({actor.ask(actors.fail(KeyError("bug")))})

    with pytest.raises(OwnerCrashed):
        actor.ask(actors.note("too late"))
    with pytest.raises(OwnerCrashed) as caught:
        actor.ask_nowait(actors.note("too late"))

    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_caller_that_asks_again_at_once_is_served(actors: ActorFactory) -> None:
    """Hazards 4 and 5: `ask` checks life and enqueues in one synchronous step.

    Told of the crash, each caller asks again before anyone else has had a turn.
    """
    actor = await actors.open(capacity=1)
    await actors.hold(actor)

    async def persistent() -> None:
        with pytest.raises(OwnerCrashed):
            await actor.ask(actors.note("first"))
        with pytest.raises(OwnerCrashed):
            await actor.ask(actors.note("second"))

    bug = actor.ask(actors.fail(KeyError("bug")))
    callers = [asyncio.create_task(persistent()) for _ in range(5)]
    await asyncio.sleep(0)
    actors.release()

    await asyncio.gather(*callers)
    assert isinstance(bug.exception(), OwnerCrashed)
    assert actors.state == ["held"]


@pytest.mark.parametrize("turns", range(8))
async def test_a_call_at_any_moment_around_a_crash_is_answered(
    actors: ActorFactory, turns: int
) -> None:
    """Hazard 4: served before, or refused after; never neither."""
    actor = await actors.open(capacity=1)
    actors.runner.exit.clear()
    replies = [actor.ask(actors.note("before")), actor.ask(actors.note("before"))]
    bug = actor.ask(actors.fail(KeyError("bug")))
    for _ in range(turns):
        await asyncio.sleep(0)

    with pytest.raises(OwnerCrashed):
        await actor.ask(actors.note("around"))

    assert await asyncio.gather(*replies) == [1, 2]
    assert isinstance(bug.exception(), OwnerCrashed)


async def test_callers_are_answered_before_the_runner_closes(actors: ActorFactory) -> None:
    """Guarantees 13.2: at once, however long a disk or a thread takes to close."""
    actor = await actors.open()
    actors.runner.exit.clear()
    replies = [actor.ask(actors.fail(KeyError("bug"))), actor.ask(actors.do(lambda: 1))]

    assert await outcomes(replies) == [OwnerCrashed, OwnerCrashed]
    assert actors.runner.events == ["open", "closing"]


async def test_closing_a_crashed_actor_waits_until_the_runner_has_closed(
    actors: ActorFactory,
) -> None:
    """`aclose` stops the owner: afterwards nothing of it is left, and it is no misuse."""
    actor = await actors.open()
    actors.runner.exit.clear()
    await asyncio.wait({actor.ask(actors.fail(KeyError("bug")))})
    closing = asyncio.create_task(actor.aclose())
    await actors.runner.at_exit.wait()
    assert not closing.done()

    actors.runner.exit.set()
    await closing

    assert actors.runner.events == ["open", "closing", "closed"]


async def test_closing_returns_although_the_owner_crashed(actors: ActorFactory) -> None:
    """Hazard 6 (openai-agents-python#4199): await the owner, never `join`."""
    actor = await actors.open()
    await asyncio.wait({actor.ask(actors.fail(KeyError("bug")))})

    await actor.aclose()
    await actor.aclose(timeout=0)

    with pytest.raises(OwnerCrashed):
        actor.ask(actors.note("too late"))


async def test_closing_returns_although_the_owner_crashes_meanwhile(actors: ActorFactory) -> None:
    """Hazard 6: with commands in the mailbox that nobody will take."""
    actor = await actors.open(capacity=1)
    await actors.hold(actor)
    replies = [actor.ask(actors.fail(KeyError("bug")))]
    replies += [actor.ask(actors.do(lambda: 1)) for _ in range(3)]
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)
    actors.release()

    await closing

    assert await outcomes(replies) == [OwnerCrashed] * 4
    assert actor.statistics().state == "crashed"


async def test_leaving_the_context_of_a_crashed_actor_raises_nothing_more(
    actors: ActorFactory,
) -> None:
    """The callers were told; the body's own error must not be replaced."""
    with pytest.raises(OwnerCrashed) as caught:
        async with actors.actor() as actor:
            await actor.ask(actors.fail(KeyError("bug")))

    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_base_exception_answers_everyone_and_surfaces(actors: ActorFactory) -> None:
    """Hazard 7: a `BaseException` is a crash, and it is not swallowed."""
    actor = await actors.open(capacity=1)
    await actors.hold(actor)
    replies = [actor.ask(actors.fail(Unlikely("loud")))]
    replies += [actor.ask(actors.do(lambda: 1)) for _ in range(3)]
    owner = actors.owner()
    actors.release()

    assert await outcomes(replies) == [OwnerCrashed] * 4
    await actor.aclose()
    assert isinstance(owner.exception(), Unlikely)


async def test_a_base_exception_nobody_looks_at_reaches_the_loops_handler(
    actors: ActorFactory,
) -> None:
    """It surfaces without anyone asking the task."""
    loop = asyncio.get_running_loop()
    seen: list[BaseException] = []
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))

    async def crash_and_forget() -> None:
        async with Actor(actors.runner) as actor:
            with pytest.raises(OwnerCrashed):
                await actor.ask(actors.fail(Unlikely("loud")))

    await crash_and_forget()
    await asyncio.sleep(0)  # its done callbacks have their turn
    gc.collect()

    assert [type(error) for error in seen] == [Unlikely]


def test_an_exit_raised_by_a_command_ends_the_program(
    actors_class: Callable[[], ActorFactory], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """SystemExit and KeyboardInterrupt go through, and everyone is answered first."""
    actors = actors_class()
    replies: list[asyncio.Future[object]] = []
    owners: list[asyncio.Task[None]] = []

    async def main() -> None:
        actor = await actors.open()
        owners.append(actors.owner())
        replies.append(actor.ask(actors.fail(SystemExit(3))))
        replies.append(actor.ask(actors.do(lambda: 1)))
        await asyncio.wait(replies)

    with (
        pytest.raises(SystemExit, match="3"),
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        runner.run(main())

    assert [type(reply.exception()) for reply in replies] == [OwnerCrashed, OwnerCrashed]
    assert [type(owner.exception()) for owner in owners] == [SystemExit]
    assert actors.runner.events == ["open", "closing", "closed"]


async def test_a_crash_is_logged_by_type_without_its_message(
    actors: ActorFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """No message body in an error's text, nor in a log line; the cause is there for who asks."""
    actor = await actors.open()

    with pytest.raises(OwnerCrashed) as caught:
        await actor.ask(actors.fail(KeyError("secret")))

    ours = [record for record in caplog.records if record.name == "soleowner"]
    assert [record.levelname for record in ours] == ["ERROR"]
    assert "KeyError" in caplog.text
    assert "KeyError" in str(caught.value)
    assert "secret" not in caplog.text + str(caught.value)
