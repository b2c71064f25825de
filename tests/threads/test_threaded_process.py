"""A process that ends or forks while it has a store with a loop thread of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sessionkeeper
import soleowner
from sessionkeeper import StorageFactory

PROGRAM = """
import asyncio, os, sys, threading
from sessionkeeper import MessageEnvelope, Session, StoreClosed, threaded
from sessionkeeper.stores.threads import store_thread
from soleowner import WrongLoop

how, url = sys.argv[1:]

def frame(n):
    message = {"jsonrpc": "2.0", "id": n, "method": "ping"}
    return MessageEnvelope.of("a", message, direction="client-to-server")

store_thread.LAST_CALLS = 300.0  # the machine may be busy
store = threaded(url).start()
facade = store.blocking
facade.get_or_create_session(Session.new(transport_type="in-process", id="a"))

def child():
    try:
        for refused in (lambda: asyncio.run(store.count_sessions()), facade.count_sessions):
            try:
                refused()
            except WrongLoop as error:
                assert "forked" in str(error)
            else:
                os._exit(3)
        assert not store.is_open
        store.close()
        asyncio.run(store.aclose())
        store.__exit__()
        with threaded("memory://") as own:  # one of its own works
            assert own.blocking.count_sessions() == 0
        os._exit(0)
    finally:
        os._exit(2)

if how == "fork":
    pid = os.fork()
    if pid == 0:
        child()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert facade.add_frame(frame(1)) == 1
    store.close()
elif how == "fork-and-exit":  # the child ends as a program does, by its own `atexit`
    pid = os.fork()
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert facade.add_frame(frame(1)) == 1
elif how == "exit":
    facade.add_frame(frame(1))
elif how == "exit-in-use":  # daemons that never end, on loops and without
    def hammer():
        try:
            while True:
                facade.add_frame(frame(1))
        except StoreClosed:
            pass
    async def hammer_awaiting():
        while True:
            await store.add_frame(frame(1))
    def on_a_loop():
        try:
            asyncio.run(hammer_awaiting())
        except StoreClosed:
            pass
    for work in (hammer, hammer, on_a_loop, on_a_loop):
        threading.Thread(target=work, daemon=True).start()
    while facade.count_frames("a") < 100:
        pass
elif how == "exit-of-a-thread":  # `threading` waits for it, and the store is still there for it
    end = threading.Event()
    def late():
        threading.main_thread().join()
        for n in range(10):
            facade.add_frame(frame(n))
        print(facade.count_frames("a"))
    threading.Thread(target=late).start()
"""

FRAMES = {"fork": 1, "fork-and-exit": 1, "exit": 1, "exit-in-use": 100, "exit-of-a-thread": 10}


@pytest.mark.parametrize("how", FRAMES)
async def test_a_process_ends_and_forks_as_it_likes(
    store_url: str, tmp_path: Path, how: str
) -> None:
    """Nothing hangs, nothing is printed, a child is refused; what was stored is there."""
    places = {str(Path(module.__file__ or "").parents[1]) for module in (sessionkeeper, soleowner)}
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-W", "ignore:.*multi-threaded:DeprecationWarning"),
            *("-c", PROGRAM, how, store_url),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    noise = [line for line in done.stderr.splitlines() if "WAL-reset" not in line]
    assert (done.returncode, noise) == (0, [])
    assert not [*tmp_path.glob("*-wal")]  # closed, not only left
    if store_url != "memory://":
        async with await StorageFactory.create(store_url) as store:
            assert await store.count_frames("a") >= FRAMES[how]
