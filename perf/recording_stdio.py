"""What `record` adds to traffic on stdio: time of a call, messages a second, and memory.

The calls are of 1 KB and one after the other, in turns with a server that nothing records. Then
the client sends without waiting, and last a server sends one line of 100 MB, and 100 MB of lines.
Exits with 1 if a target is missed. Linux only.

    python perf/recording_stdio.py [--rounds 40] [--calls 50] [--messages 20000]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from start import ENVIRONMENT

ADDED = 0.3
"""Milliseconds that a recorder may add to a call."""
HELD = 32
"""Megabytes that it may need for one answer of 100."""
TEXT = "x" * 900
RESULT = json.dumps({"content": [{"type": "text", "text": TEXT}]})
ANSWERING = f"""
import json, sys
for line in sys.stdin.buffer:
    number = json.loads(line)["id"]
    sys.stdout.buffer.write(b'{{"jsonrpc":"2.0","id":%d,"result":{RESULT}}}\\n' % number)
    sys.stdout.buffer.flush()
"""
STREAMING = """
import os, sys
def write(data):
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest):]
for line in sys.stdin.buffer:
    size = int(line)
    write(b'{"jsonrpc":"2.0","method":"n","params":"')
    for _ in range(size // 50000):
        write(b"x" * 50000)
    write(b'"}\\n')
"""
MEGABYTE = 1_000_000


class Client:
    """The client of a server's command, with what is needed to measure."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._sends = self.process.stdin.fileno()
        self._reads = self.process.stdout.fileno()

    def call(self, number: int) -> float:
        """Call, wait for the answer, and return the milliseconds."""
        asked = request(number)
        begun = time.perf_counter()
        os.write(self._sends, asked)
        self.read_lines(1)
        return (time.perf_counter() - begun) * 1000

    def send(self, data: bytes) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._sends, rest) :]

    def read_lines(self, count: int) -> None:
        """Read this many lines."""
        while count > 0:
            chunk = os.read(self._reads, 1 << 20)
            if not chunk:
                raise RuntimeError("the server ended")
            count -= chunk.count(b"\n")

    def memory(self, name: str) -> float:
        """Megabytes: `VmRSS` now, or `VmHWM` at most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024 / MEGABYTE

    def forget_peak(self) -> None:
        """Let `VmHWM` begin anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def request(number: int) -> bytes:
    """A call of 1 KB."""
    params = {"name": "echo", "arguments": {"text": TEXT}}
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    return json.dumps(message).encode() + b"\n"


def commands(script: str, folder: str) -> dict[str, list[str]]:
    """A server alone, and behind a recorder into each store."""
    server = [sys.executable, "-I", "-S", "-c", script]
    record = [sys.executable, "-m", "sessionkeeper", "record", "--json"]
    return {
        "alone": server,
        "memory": [*record, "--", *server],
        "sqlite": [*record, "--store", f"sqlite:///{folder}/tape.db", "--", *server],
    }


@contextmanager
def running(command: list[str]) -> Iterator[Client]:
    """A server with its client; it is ended with the block."""
    client = Client(command)
    try:
        yield client
    finally:
        client.process.kill()
        client.process.communicate()


def summary_of(client: Client) -> dict[str, object]:
    """End the client's side in order, and return the recorder's summary."""
    _, errors = client.process.communicate()
    return dict(json.loads(errors.splitlines()[-1]))


def measure_calls(folder: str, rounds: int, calls: int) -> float:
    """Print the time of a call; return the milliseconds that a recorder adds at most."""
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(running(command))
            for name, command in commands(ANSWERING, folder).items()
        }
        for client in clients.values():
            for number in range(300):
                client.call(number)
        time.sleep(1)  # the stores are open, and nothing waits
        times: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(rounds):
            for name, client in clients.items():
                times[name] += [client.call(number) for number in range(calls)]
    medians = {name: statistics.median(each) for name, each in times.items()}
    added = {name: median - medians["alone"] for name, median in medians.items()}
    for name, each in times.items():
        late = statistics.quantiles(each, n=100)[98]
        print(f"call, {name:7} {medians[name]:6.3f} ms, +{added[name]:.3f} ms; p99 {late:.3f} ms")
    return max(added.values())


def measure_messages(folder: str, messages: int) -> None:
    """Print how many messages pass in a second, when nobody waits for an answer."""
    data = b"".join(request(number) for number in range(messages))
    for name, command in commands(ANSWERING, folder).items():
        with running(command) as client:
            client.call(0)
            time.sleep(1)
            sender = threading.Thread(target=client.send, args=(data,))
            begun = time.perf_counter()
            sender.start()
            client.read_lines(messages)
            seconds = time.perf_counter() - begun
            sender.join()
            told = "" if name == "alone" else f", {summary_of(client)['not_recorded']} not recorded"
        print(f"messages, {name:7} {2 * messages / seconds:8,.0f} a second, both ways{told}")


def measure_memory(folder: str) -> float:
    """Print the memory of large lines; return the megabytes that one of 100 MB needs at most."""
    held = 0.0
    sizes = {"one line of 100 MB": [100], "10 lines of 10 MB": [10] * 10, "100 of 1 MB": [1] * 100}
    for what, lines in sizes.items():
        for name, command in commands(STREAMING, folder).items():
            if name == "alone":
                continue
            with running(command) as client:
                client.send(b"0\n")
                client.read_lines(1)
                time.sleep(1)
                client.forget_peak()
                idle = client.memory("VmRSS")
                for megabytes in lines:
                    client.send(b"%d\n" % (megabytes * MEGABYTE))
                    client.read_lines(1)
                time.sleep(0.5)
                peak = client.memory("VmHWM")
                lost = summary_of(client)
            held = max(held, peak - idle) if lines == [100] else held
            print(
                f"{what:18} {name:7} idle {idle:.0f} MB, +{peak - idle:.0f} MB at most;"
                f" {lost['gap_frames']} gaps, {lost['not_recorded']} not recorded"
            )
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        added = measure_calls(folder, arguments.rounds, arguments.calls)
        measure_messages(folder, arguments.messages)
        held = measure_memory(folder)
    print(
        f"+{added:.3f} ms, at most {ADDED}; +{held:.0f} MB, at most {HELD}"
        f" (load {os.getloadavg()[0]:.1f})"
    )
    sys.exit(added > ADDED or held > HELD)


if __name__ == "__main__":
    main()
