"""What a recorder costs before its server starts, against what the server's own start costs.

The first is the processor time of `sessionkeeper record` until its server's process exists; the
second that of the server from its exec to its answer of `initialize`, which is the least a client
waits. They are measured in turns. Exits with 1 above the target. Linux only.

    python perf/recording_start.py [--rounds 15] [--server "python -m mcp_server_time"]
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from start import ENVIRONMENT

TARGET = 0.5
"""The first at most, of the second."""
SERVER = "the server"
UNTIL_THE_SERVER = """
import subprocess, sys, time
class Started(subprocess.Popen):
    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        sys.stderr.write(f"{time.process_time() * 1000}\\n")
subprocess.Popen = Started
from sessionkeeper.cli import main
main()
"""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "perf", "version": "1"},
    },
}


def until_the_server(store: str) -> float:
    """Milliseconds of processor time of a recorder until its server's process exists."""
    command = [sys.executable, "-c", UNTIL_THE_SERVER, "record", "-q", "--store", store, "true"]
    ran = subprocess.run(
        command,
        check=True,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return float(ran.stderr.splitlines()[0])


def own_start(server: list[str]) -> float:
    """Milliseconds of processor time of a server until it has answered `initialize`."""
    process = subprocess.Popen(
        server, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        process.stdin.flush()
        assert b'"result"' in process.stdout.readline()
        return used(process.pid)
    finally:
        process.kill()
        process.communicate()


def used(pid: int) -> float:
    """Milliseconds that all threads of a process have run."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--server", default=f"{sys.executable} -m mcp_server_time")
    arguments = parser.parse_args()
    server = shlex.split(arguments.server)
    with tempfile.TemporaryDirectory() as folder:
        measures: dict[str, Callable[[], float]] = {
            "record": lambda: until_the_server("memory://"),
            "record --store": lambda: until_the_server(f"sqlite:///{folder}/tape.db"),
            SERVER: lambda: own_start(server),
        }
        for measure in measures.values():
            measure()  # the first run compiles
        times: dict[str, list[float]] = {name: [] for name in measures}
        for _ in range(arguments.rounds):
            for name, measure in measures.items():
                times[name].append(measure())
    medians = {name: statistics.median(each) for name, each in times.items()}
    worst = 0.0
    for name, each in times.items():
        ratio = medians[name] / medians[SERVER]
        worst = worst if name == SERVER else max(worst, ratio)
        print(
            f"{name:15} {medians[name]:5.0f} ms, {min(each):.0f} to {max(each):.0f}: {ratio:.2f} x"
        )
    print(
        f"{worst:.2f} of the server's own start; at most {TARGET} (load {os.getloadavg()[0]:.1f})"
    )
    sys.exit(worst > TARGET)


if __name__ == "__main__":
    main()
