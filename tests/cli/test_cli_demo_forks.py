"""The fork server of the demo: one import, many processes, each with its own end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sessionkeeper.demo.launcher import Launcher

Launch = Callable[[str], Launcher]

COUNTED = "with open({log!r}, 'a') as log: log.write('imported\\n')\n"
WITH_A_THREAD = (
    "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
)
ENDS = {
    "pass": 0,
    "raise SystemExit(3)": 3,
    "raise SystemExit('no')": 1,
    "raise ValueError('bad')": 1,
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": -9,
}


@pytest.fixture
async def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Launch]:
    """Make a package `served` with such an `__init__`, and a fork server that imports it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    async with AsyncExitStack() as stack:

        def launch(init: str) -> Launcher:
            (tmp_path / "served").mkdir()
            (tmp_path / "served" / "__init__.py").write_text(init)
            (tmp_path / "served" / "__main__.py").write_text("import sys\nexec(sys.argv[1])\n")
            with (tmp_path / "errors").open("w") as errors:
                launcher = Launcher(tmp_path / "fork", ["served"], errlog=errors.fileno())
            stack.push_async_callback(launcher.aclose)
            return launcher

        yield launch


async def code_of(launcher: Launcher, program: str) -> int:
    """Run the package with a program, and return the code of its end."""
    with open(os.devnull, "w") as nothing:
        fd = nothing.fileno()
        process = launcher.start(["-m", "served", program], stdout=fd, stderr=fd)
    return await process.wait()


async def test_every_process_ends_with_its_own_code(launch: Launch, tmp_path: Path) -> None:
    """An end in order, an exit, an error, a signal; and the module was imported once for all."""
    launcher = launch(COUNTED.format(log=str(tmp_path / "log")))
    assert {end: await code_of(launcher, end) for end in ENDS} == ENDS
    assert (tmp_path / "log").read_text() == "imported\n"


async def test_where_an_import_starts_a_thread_each_process_is_a_new_one(
    launch: Launch, tmp_path: Path
) -> None:
    """A fork would copy one thread only, with the locks that the others held."""
    launcher = launch(WITH_A_THREAD + COUNTED.format(log=str(tmp_path / "log")))
    assert {end: await code_of(launcher, end) for end in ENDS} == ENDS
    assert (tmp_path / "log").read_text() == "imported\n" * (1 + len(ENDS))


@pytest.mark.parametrize("end", ["kill", "close", "fork server"])
async def test_a_process_is_killed_when_it_is_asked_for_or_its_requester_has_gone(
    launch: Launch, end: str
) -> None:
    """By a request, by a closed connection, by the end of the fork server."""
    launcher = launch("")
    reads, writes = os.pipe()
    with open(os.devnull, "w") as nothing, open(reads, "rb", buffering=0) as output:
        sleep = "import os, time\nos.write(1, b'!')\nwhile True: time.sleep(60)"
        process = launcher.start(["-m", "served", sleep], stdout=writes, stderr=nothing.fileno())
        os.close(writes)
        assert output.read(1) == b"!"
        if end == "kill":
            assert await process.kill() == -9
        elif end == "close":
            process.close()
        else:
            await launcher.aclose()
        assert output.read(1) == b""  # the process had the other end
    process.close()


async def test_a_waiting_caller_gets_an_error_when_the_fork_server_ends(launch: Launch) -> None:
    """No wait without an end."""
    launcher = launch("")
    with open(os.devnull, "w") as nothing:
        fd = nothing.fileno()
        process = launcher.start(["-m", "served", "while True: pass"], stdout=fd, stderr=fd)
    os.kill(launcher.pid, signal.SIGKILL)
    with pytest.raises(ConnectionError):
        await process.wait()
