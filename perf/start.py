"""What the start of a command costs: processor time of `sessionkeeper record -q -- true`.

It is compared, in turns, with an interpreter that imports only what the command line is built on:
that much nobody who uses these libraries can avoid.

    python perf/start.py [--rounds 10]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys

COMMANDS = {
    "record -q -- true": ["-m", "sessionkeeper", "record", "-q", "--", "true"],
    "import sessionkeeper": ["-c", "import sessionkeeper"],
    "import the libraries": ["-c", "import asyncio, pydantic, msgspec, typer"],
}
BASE = "import the libraries"
# Installed packages have their byte code. Python must be free to write it for a working tree too.
ENVIRONMENT = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}


def measure(arguments: list[str]) -> float:
    """Run Python once; return its user and system time, its children's too, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], check=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    for arguments in COMMANDS.values():
        measure(arguments)  # the first run compiles
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            times[name].append(measure(arguments))
    base = statistics.median(times[BASE])
    for name, each in times.items():
        median = statistics.median(each)
        print(
            f"{name:22} {median:6.0f} ms, {min(each):.0f} to {max(each):.0f}: {median / base:.2f} x"
        )


if __name__ == "__main__":
    main()
