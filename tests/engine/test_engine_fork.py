"""A forked child has a copy of the actor, and no owner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soleowner

FORK = """
import asyncio, os, sys
from soleowner import Actor, Command, LoopRunner, WrongLoop

class Count(Command):
    def apply(self, state, /):
        state.append(1)
        return len(state)

def refused(use):
    try:
        use()
    except WrongLoop as error:
        return "forked" in str(error) and "thread-safe" in str(error)
    except StopIteration:  # a coroutine that came to its end
        pass
    return False

async def of_its_own():
    async with Actor(LoopRunner([])) as actor:
        return await actor.ask(Count())

def child(actor):
    uses = [
        lambda: actor.ask(Count()),
        lambda: actor.ask_nowait(Count()),
        lambda: actor.aclose().send(None),
    ]
    well = all(map(refused, uses)) and actor.statistics().state == "forked"
    with asyncio.Runner(loop_factory=factory) as runner:
        return well and runner.run(of_its_own()) == 1

async def main():
    async with Actor(LoopRunner([])) as actor:
        queued = actor.ask(Count())
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if child(actor) else 2
            finally:
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status == 0, f"the child ended with {status}"
        assert await queued == 1
        assert await actor.ask(Count()) == 2

factory = asyncio.new_event_loop
if sys.argv[1] == "uvloop":
    import uvloop
    factory = uvloop.new_event_loop
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_refused_and_the_parent_goes_on(pytestconfig: pytest.Config) -> None:
    """Hazard 11 (cpython#66197, redis-py#2910): in a child every call raises.

    In a process of its own, so that pytest's does not fork. The child may open actors itself.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, pytestconfig.getoption("--loop")],
        env={"PYTHONPATH": str(Path(soleowner.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
