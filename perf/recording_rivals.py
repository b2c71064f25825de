"""What a recorder adds to a call of 1 KB: ours and three others beside none at all, in one run.

    python perf/recording_rivals.py [--over stdio|http] [--mcp-rec PATH] [--mcphawk PATH]
                                    [--mcp-cassette PATH] [--rounds 20] [--calls 25] [--json]

Each PATH is the program of a package in an environment of its own; what has none is left out, with
its name. All recorders run at the same time, one talks at a time, in turns. Prints the medians, and
exits with 1 when ours adds more than it may, or is behind one that it has to be ahead of.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from recording_wires import HttpWire, StdioWire, Wire, free_port, http_server, stdio_server

ADDED_AT_MOST = {"stdio": 0.3, "http": 1.5}
"""Milliseconds."""
MAY_BE_AHEAD = {"stdio": {"mcp-rec"}, "http": set[str]()}
RIVALS = ("mcp-rec", "mcphawk", "mcp-cassette")
DIRECT, OURS = "direct", "sessionkeeper"


@dataclass(frozen=True)
class Times:
    """Milliseconds: a call, in the middle of all; and from the start to the first answer."""

    call: float
    start: float


def stdio_recorders(rivals: dict[str, str], folder: Path) -> dict[str, list[str]]:
    """What stands before the command of a server, by name."""
    store = f"sqlite:///{folder}/ours.db"
    ours = [sys.executable, "-m", "sessionkeeper", "record", "-q", "--store", store, "--"]
    options = {
        "mcp-rec": ["record", "-o", str(folder / "mcp-rec.jsonl"), "--"],
        "mcphawk": ["wrap", "--"],
        "mcp-cassette": ["record", "--cassette", str(folder / "stdio.json"), "--"],
    }
    return {DIRECT: [], OURS: ours} | {name: [rivals[name], *options[name]] for name in rivals}


@contextmanager
def stdio_wires(rivals: dict[str, str], folder: Path) -> Iterator[dict[str, Wire]]:
    """One server for each recorder, on stdio."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(StdioWire([*recorder, *stdio_server()], folder))
            for name, recorder in stdio_recorders(rivals, folder).items()
        }


def http_recorders(
    rivals: dict[str, str], folder: Path, url: str
) -> dict[str, Callable[[int], tuple[list[str], str]]]:
    """The command of each recorder on a port, and the path to talk to."""
    store = f"sqlite:///{folder}/ours-http.db"
    cassette = str(folder / "http.json")

    def ours(port: int) -> tuple[list[str], str]:
        listen = f"127.0.0.1:{port}"
        command = ["-m", "sessionkeeper", "record", "-q", "--store", store, "--listen", listen, url]
        return [sys.executable, *command], "/mcp"

    def mcphawk(port: int) -> tuple[list[str], str]:
        return [rivals["mcphawk"], "proxy", "--target", url, "--port", str(port)], "/p/server"

    def mcp_cassette(port: int) -> tuple[list[str], str]:
        options = ["record", "--cassette", cassette, "--url", url, "--port", str(port)]
        return [rivals["mcp-cassette"], *options], "/mcp"

    found = {OURS: ours, "mcphawk": mcphawk, "mcp-cassette": mcp_cassette}
    return {name: each for name, each in found.items() if name == OURS or name in rivals}


@contextmanager
def http_wires(rivals: dict[str, str], folder: Path) -> Iterator[dict[str, Wire]]:
    """One server, and a recorder of each kind before it."""
    with ExitStack() as stack:
        port = stack.enter_context(http_server(folder))
        wires: dict[str, Wire] = {DIRECT: stack.enter_context(HttpWire([], port, "/mcp", folder))}
        for name, make in http_recorders(rivals, folder, f"http://127.0.0.1:{port}/mcp").items():
            own = free_port()
            command, path = make(own)
            wires[name] = stack.enter_context(HttpWire(command, own, path, folder))
        yield wires


def measure(wires: dict[str, Wire], rounds: int, calls: int) -> dict[str, Times]:
    """Call through each wire in turns."""
    for wire in wires.values():
        for _ in range(calls):
            wire.call()
    time.sleep(1)  # the stores are open, and nothing waits
    times: dict[str, list[float]] = {name: [] for name in wires}
    for _ in range(rounds):
        for name, wire in wires.items():
            for _ in range(calls):
                begun = time.perf_counter()
                wire.call()
                times[name].append((time.perf_counter() - begun) * 1000)
    return {name: Times(median(each), wires[name].start * 1000) for name, each in times.items()}


def missed(over: str, times: dict[str, Times]) -> list[str]:
    """Say which target ours misses."""
    added = times[OURS].call - times[DIRECT].call
    found: list[str] = []
    if added > ADDED_AT_MOST[over]:
        found.append(f"adds {added:.2f} ms over {over}; at most {ADDED_AT_MOST[over]} ms")
    found += [
        f"is behind {name} over {over}"
        for name, each in times.items()
        if name not in (DIRECT, OURS, *MAY_BE_AHEAD[over]) and each.call < times[OURS].call
    ]
    return found


def show(over: str, times: dict[str, Times]) -> None:
    """Print the medians of one transport."""
    direct = times[DIRECT].call
    print(f"over {over}: a call of 1 KB")
    for name, each in times.items():
        added = "" if name == DIRECT else f", {each.call - direct:5.2f} ms added"
        print(f"  {name:14} {each.call:6.2f} ms{added:20} (first answer: {each.start:.0f} ms)")


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--over", choices=("stdio", "http"), action="append")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mcp-rec", metavar="PATH")
    parser.add_argument("--mcphawk", metavar="PATH")
    parser.add_argument("--mcp-cassette", metavar="PATH")
    options = vars(parser.parse_args())
    rivals = {name: found for name in RIVALS if (found := options[name.replace("-", "_")])}
    for name in RIVALS:
        if name not in rivals:
            print(f"left out: {name} (give --{name} PATH)", file=sys.stderr)
    everything: dict[str, dict[str, Times]] = {}
    for over in options["over"] or ("stdio", "http"):
        wires = stdio_wires if over == "stdio" else http_wires
        with TemporaryDirectory(prefix="rivals-") as name, wires(rivals, Path(name)) as open_wires:
            everything[over] = measure(open_wires, options["rounds"], options["calls"])
        if not options["json"]:
            show(over, everything[over])
    misses = [miss for over, times in everything.items() for miss in missed(over, times)]
    if options["json"]:
        times = {over: {n: vars(t) for n, t in each.items()} for over, each in everything.items()}
        print(json.dumps({"times": times, "missed": misses}))
    for miss in misses:
        print(f"missed: {OURS} {miss}", file=sys.stderr)
    return 1 if misses else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    sys.exit(main())
