"""The limit of the lines in memory: our rules without an owner, beside the same peers.

`python perf/without_owner.py` needs the extra `perf-peers`. It measures the store, the same store
without an owner (`plain`: no mailbox, no batch, no order of its callers), and the peers in turn,
from bytes and with messages made before. What the owner costs is the store over `plain`; what a
peer's ratio of `plain` says, no owner can exceed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import uvloop
from harness import options
from sessionlab.bench.side_by_side.measures import Measure, adding, appending
from sessionlab.bench.side_by_side.rates import measure_ratio
from sessionlab.bench.targets import make_subject, parse_target

__all__ = ["main"]

OURS = ("memory", "plain")
PEERS = ("langgraph", "google-adk")
CALLS = 12_800
LINES: dict[str, Measure] = {"from bytes": appending, "add_frame, made before": adding}


async def measure(line: Measure, rounds: int) -> dict[str, list[float]]:
    """Return operations a second of each side, round after round, one round not counted."""
    rates: dict[str, list[float]] = {name: [] for name in (*OURS, *PEERS)}
    for _ in range(rounds + 1):
        for name, found in rates.items():
            found.append(await line(make_subject(parse_target(name), Path()), CALLS))
    return {name: found[1:] for name, found in rates.items()}


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for what, line in LINES.items():
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rates = runner.run(measure(line, rounds))
        for ours in OURS:
            for theirs in (*PEERS, "plain"):
                if ours != theirs:
                    ratio = measure_ratio(rates[ours], rates[theirs])
                    print(f"{what:24} {ours:>6} / {theirs:12} {ratio}", flush=True)


if __name__ == "__main__":
    main()
