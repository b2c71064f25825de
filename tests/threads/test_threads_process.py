"""A process with threads that wait ends, and its forked child is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sessionkeeper
import soleowner

PROGRAM = """
import asyncio, os, sys, threading
from sessionkeeper import ActorSessionStore, Session, StoreClosed, ThreadSafeSessionStore
from soleowner import WrongLoop

ended = []

def hammer(facade):
    try:
        while True:
            facade.get_session("a")
    except StoreClosed:
        ended.append(1)

async def main():
    async with ActorSessionStore() as store:
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        facade = ThreadSafeSessionStore(store)
        daemon = sys.argv[2] == "daemon"
        threads = [threading.Thread(target=hammer, args=(facade,), daemon=daemon) for _ in range(8)]
        for thread in threads:
            thread.start()
        while store.mailbox.commands < 100:
            await asyncio.sleep(0)
        if sys.argv[2] == "fork":
            pid = os.fork()
            if pid == 0:
                try:
                    facade.get_session("a")
                except WrongLoop as error:
                    os._exit(0 if "forked" in str(error) else 3)
                finally:
                    os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        if daemon:  # nobody closes anything: the interpreter ends with threads that wait
            os.close(1)
            sys.exit(0)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert len(ended) == 8

factory = asyncio.new_event_loop
if sys.argv[1] == "uvloop":
    import uvloop
    factory = uvloop.new_event_loop
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("how", ["closing", "daemon", "fork"])
def test_a_process_ends_though_threads_wait(pytestconfig: pytest.Config, how: str) -> None:
    """Closing ends them, leaving the interpreter does, and a forked child is refused."""
    places = {str(Path(module.__file__ or "").parents[1]) for module in (sessionkeeper, soleowner)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, pytestconfig.getoption("--loop"), how],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
