"""What operations take here and in another checkout: `python perf/checkouts.py OTHER`.

Times are CPU times of a process for each checkout, which take turns, with the order of the turns
alternating; pairs of new processes come several times. The ratio is the median of all turns, with
the quarters. `--only WORD` measures what has the word in its name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

from checkouts_side import SIZES, TIMES
from own_server import own_server

__all__ = ["main"]

HERE = Path(__file__).resolve().parents[1]


class Side:
    """A process that measures the store of one checkout."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, what: str) -> float:
        """Measure this once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(what, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"no answer for {what}")
        return float(answer)


@contextmanager
def side(checkout: Path, url: str) -> Iterator[Side]:
    """Start one; it ends with the block."""
    paths = os.pathsep.join(str(checkout / part) for part in ("store", "actors"))
    with tempfile.TemporaryDirectory(prefix="perf-") as folder:
        command = [sys.executable, str(HERE / "perf" / "checkouts_side.py"), folder, url]
        pipe = subprocess.PIPE
        environment = {**os.environ, "PYTHONPATH": paths}
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        ) as process:
            yield Side(process)


def measure(other: Path, whats: list[str], pairs: int, turns: int) -> dict[str, list[list[float]]]:
    """Return what was measured of each, there and here."""
    found: dict[str, list[list[float]]] = {what: [[], []] for what in whats}
    for pair in range(pairs):
        with ExitStack() as stack:
            server = stack.enter_context(own_server("redis"))
            sides = [
                stack.enter_context(side(checkout, f"{server.url[:-1]}{number}"))
                for number, checkout in enumerate((other, HERE))
            ]
            for what in whats:
                for turn in range(turns + 1 if what in TIMES else 1):
                    order = (0, 1) if (turn + pair) % 2 else (1, 0)
                    for number in order:
                        took = sides[number].ask(what)
                        if turn > 0 or what in SIZES:  # the first turn of a process warms it
                            found[what][number].append(took)
    return found


def main() -> None:
    """Measure and print a table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--turns", type=int, default=9)
    asked = parser.parse_args()
    whats = [what for what in (*TIMES, *SIZES) if asked.only in what]
    found = measure(asked.other.resolve(), whats, asked.pairs, asked.turns)
    for what, (there, here) in found.items():
        ratios = [b / a for a, b in zip(there, here, strict=True)]
        low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        scale, unit = (1e6, " us") if what in TIMES else (1, "")
        print(
            f"{what:36} {median(there) * scale:9.2f}{unit} {median(here) * scale:9.2f}{unit}"
            f" {median(ratios):7.3f}  ({low:.3f} to {high:.3f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
