"""The recorder on stdio here and in another checkout: `python perf/recording_speed.py OTHER`.

Both take turns, with the order of the turns alternating. A call of 1 KB waits for its answer; a
flood of calls does not, and ends when the recorder has. Prints the medians, with the quarters, and
the ratio. The processor time is that of the recorder's process, without the server's. Linux only.

    python perf/recording_speed.py OTHER [--turns 5] [--messages 10000] [--calls 1500]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from statistics import median, quantiles

from recording_stdio import ANSWERING, Client, request
from start import ENVIRONMENT

HERE = Path(__file__).resolve().parents[1]
SERVER = [sys.executable, "-I", "-S", "-c", ANSWERING]
STORES = ("memory", "sqlite")
_TICK = os.sysconf("SC_CLK_TCK")


class Measured(defaultdict[str, list[float]]):
    """Numbers by what they are."""

    def __init__(self) -> None:
        super().__init__(list)


def client_of(checkout: Path | None, store: str, folder: str) -> Client:
    """A client of the server alone, or behind the recorder of a checkout."""
    if checkout is None:
        return Client(SERVER)
    paths = os.pathsep.join(str(checkout / part) for part in ("store", "actors"))
    ENVIRONMENT["PYTHONPATH"] = paths
    command = [sys.executable, "-m", "sessionkeeper", "record", "--json"]
    if store == "sqlite":
        path = Path(tempfile.mkdtemp(dir=folder)) / "tape.db"
        command += ["--store", f"sqlite:///{path}"]
    return Client([*command, "--", *SERVER])


def processor_time(pid: int) -> float:
    """Seconds of a process, its threads included, that has ended and is not yet waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def end(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    """Close the client's side; return the processor time, and how many were not recorded."""
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.close()
    told = process.stderr.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    spent = processor_time(process.pid)
    process.wait()
    return spent, json.loads(told.splitlines()[-1])["not_recorded"] if told else 0


def flood(client: Client, messages: int, found: Measured) -> None:
    """Send without waiting, then end."""
    data = b"".join(request(number) for number in range(messages))
    client.call(0)
    time.sleep(0.7)  # the store is open
    before = processor_time(client.process.pid)
    sender = threading.Thread(target=client.send, args=(data,))
    begun = time.perf_counter()
    sender.start()
    client.read_lines(messages)
    found["forwarded a second"].append(2 * messages / (time.perf_counter() - begun))
    sender.join()
    spent, lost = end(client.process)
    found["recorded a second"].append(2 * messages / (time.perf_counter() - begun))
    found["us of processor a message, flood"].append((spent - before) * 1e6 / messages / 2)
    found["not recorded"].append(lost)


def call(client: Client, alone: Client, calls: int, found: Measured) -> None:
    """Call one after the other, in turns with a server alone."""
    for number in range(200):
        client.call(number)
        alone.call(number)
    time.sleep(0.7)
    before = processor_time(client.process.pid)
    times: list[float] = []
    bare: list[float] = []
    for _ in range(calls // 50):
        times += [client.call(number) for number in range(50)]
        bare += [alone.call(number) for number in range(50)]
    spent, _ = end(client.process)
    end(alone.process)
    found["us added to a call, median"].append((median(times) - median(bare)) * 1000)
    late = quantiles(times, n=100)[98] - quantiles(bare, n=100)[98]
    found["us added to a call, p99"].append(late * 1000)
    found["us of processor a message, calls"].append((spent - before) * 1e6 / calls / 2)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, metavar="OTHER")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=1_500)
    parser.add_argument("--store", choices=STORES, action="append")
    given = parser.parse_args()
    sides = (given.other.resolve(), HERE)
    with tempfile.TemporaryDirectory() as folder:
        for store in given.store or STORES:
            found = (Measured(), Measured())
            for turn in range(given.turns):
                for number in (0, 1) if turn % 2 else (1, 0):
                    if given.messages:
                        one = client_of(sides[number], store, folder)
                        flood(one, given.messages, found[number])
                    if given.calls:
                        one = client_of(sides[number], store, folder)
                        call(one, client_of(None, "", folder), given.calls, found[number])
            print(f"into {store} (load {os.getloadavg()[0]:.1f})")
            for what in found[0]:
                there, here = found[0][what], found[1][what]
                ratio = median(here) / median(there) if median(there) else float("nan")
                print(f"  {what:34} {spread(there):26} {spread(here):26} {ratio:6.2f}", flush=True)


def spread(numbers: list[float]) -> str:
    """The median, and the least and the greatest."""
    return f"{median(numbers):,.0f} ({min(numbers):,.0f} to {max(numbers):,.0f})"


if __name__ == "__main__":
    main()
