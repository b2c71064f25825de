"""Programs that use one URL as they like: loop after loop, several loops, forks, no closing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import sessionkeeper
import soleowner
import uvloop
from sessionkeeper import PostgresSessionStore, StorageFactory

from tests.support.sessions import new_session, note
from tests.support.thread_group import ThreadGroup
from tests.threads.test_threaded_store import no_thread_is_left

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [
    asyncio.new_event_loop,
    uvloop.new_event_loop,
]


async def add(url: str, count: int) -> list[int]:
    """Open the store of a URL, append to one session, and close it."""
    async with await StorageFactory.create(url) as store:
        await store.get_or_create_session(new_session())
        return await asyncio.gather(*(store.add_frame(note(n)) for n in range(count)))


@pytest.mark.parametrize("factory", LOOPS, ids=["asyncio", "uvloop"])
def test_one_loop_after_the_other_opens_the_same_url(
    postgres_url: str, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """As `asyncio.run` twice; nothing of the first is left."""
    for turn in range(3):
        with asyncio.Runner(loop_factory=factory) as runner:
            added = runner.run(add(postgres_url, 4))
        assert sorted(added) == [turn * 4 + n for n in range(1, 5)]
        assert no_thread_is_left()


def test_loops_of_both_kinds_in_several_threads_share_a_database(
    postgres_url: str, thread_group: ThreadGroup
) -> None:
    """Each with a store of its own; no number is missing and none is given twice."""

    def work(factory: Callable[[], asyncio.AbstractEventLoop]) -> list[int]:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(add(postgres_url, 16))

    asyncio.run(add(postgres_url, 0))
    running = [thread_group.begin(partial(work, each)) for each in LOOPS * 3]
    added = [number for each in running for number in each.result(300)]
    assert sorted(added) == [*range(1, 97)]
    assert no_thread_is_left()


PROGRAM = """
import asyncio, os, sys
from sessionkeeper import MessageEnvelope, PostgresSessionStore, Session, threaded
from soleowner import WrongLoop

how, loop, url = sys.argv[1:]

def frame(n):
    message = {"jsonrpc": "2.0", "id": n, "method": "ping"}
    return MessageEnvelope.of("a", message, direction="client-to-server")

async def main():
    store = await PostgresSessionStore(url).open()
    await store.get_or_create_session(Session.new(transport_type="in-process", id="a"))
    await store.add_frame(frame(1))
    if how == "fork":
        pid = os.fork()
        if pid == 0:
            call = store.count_sessions()
            try:
                call.send(None)
            except WrongLoop as error:
                os._exit(0 if "forked" in str(error) else 3)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        await store.add_frame(frame(2))
        await store.aclose()
    elif how == "fork-and-open":  # the child has a store of its own, beside what it inherited
        pid = os.fork()
        if pid == 0:
            with threaded(url) as own:
                own.blocking.add_frame(frame(3))
            os._exit(0)
        await asyncio.gather(*(store.add_frame(frame(n)) for n in range(8)))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        await store.add_frame(frame(9))
        await store.aclose()
    elif how == "child-of-its-own":  # a child has its own store: sockets are not shared
        pid = os.fork()
        if pid == 0:
            os.execv(sys.executable, [sys.executable, sys.argv[0], "leave", loop, url])
        await asyncio.gather(*(store.add_frame(frame(n)) for n in range(8)))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        await store.aclose()
    elif how == "leave":  # nobody closes it
        await store.add_frame(frame(2))
    elif how == "leave-while-it-works":
        tasks = [asyncio.ensure_future(store.add_frame(frame(n))) for n in range(64)]
        await asyncio.sleep(0)
    elif how == "exit":
        os._exit(0)

factory = asyncio.new_event_loop
if loop == "uvloop":
    import uvloop
    factory = uvloop.new_event_loop
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""

AT_LEAST = {
    "fork": 2,
    "fork-and-open": 11,
    "child-of-its-own": 11,
    "leave": 2,
    "leave-while-it-works": 1,
    "exit": 1,
}


@pytest.mark.any_loop
@pytest.mark.parametrize("loop", ["asyncio", pytest.param("uvloop", marks=pytest.mark.long)])
@pytest.mark.parametrize("how", AT_LEAST)
async def test_a_process_ends_and_forks_as_it_likes(
    postgres_url: str, tmp_path: Path, how: str, loop: str
) -> None:
    """Nothing hangs, nothing is printed, a forked child is refused, and nothing is lost."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    places = {str(Path(module.__file__ or "").parents[1]) for module in (sessionkeeper, soleowner)}
    done = await asyncio.to_thread(
        subprocess.run,
        [
            *(sys.executable, "-W", "error", "-W", "ignore:.*multi-threaded:DeprecationWarning"),
            *(str(program), how, loop, postgres_url),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    async with PostgresSessionStore(postgres_url) as store:
        assert await store.count_frames("a") >= AT_LEAST[how]
