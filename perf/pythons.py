"""The same lines on every Python that is found: `python perf/pythons.py`, or on those named.

Each gets an environment of its own (`--folder` keeps them for the next run) and a process. The
processes take turns at each line. Numbers are processor microseconds an operation of 64 callers;
the ratio is to the first interpreter, the median of the turns with their quarters.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

from checkouts import Side
from harness import options
from pythons_side import LINES

HERE = Path(__file__).resolve().parents[1]
EXTRAS = ("uvloop", "redis", "bench")
TELL = (
    "import platform, sys, sysconfig;"
    "args = sysconfig.get_config_var('CONFIG_ARGS') or '';"
    "free = not getattr(sys, '_is_gil_enabled', lambda: True)();"
    "sys.version_info < (3, 11) and sys.exit(1);"
    "print(platform.python_version() + ('t' if free else '')"
    " + (', optimized' if '--enable-optimizations' in args else ''))"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line on one interpreter."""

    line: str
    python: str
    microseconds: float
    ratio: float
    """To the first interpreter: above 1, this one is slower."""
    low: float
    high: float


def found() -> list[str]:
    """The interpreters on the path and those of pyenv, one of each release, the oldest first."""
    minors = [f"3.{minor}{kind}" for minor in range(11, 16) for kind in ("", "t")]
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep)]
    versions = sorted((Path.home() / ".pyenv" / "versions").glob("3.*"))
    known: dict[str, str] = {}
    for path in chain(
        (each / "bin" / "python" for each in versions),
        (folder / f"python{minor}" for minor in minors for folder in folders),
    ):
        if path.exists() and (name := told(str(path))):
            known.setdefault(name, str(path))
    return [
        known[name]
        for name in sorted(known, key=lambda name: [*map(int, re.findall("[0-9]+", name))])
    ]


def told(python: str) -> str:
    """The release of an interpreter and how it was built; empty if it cannot be run."""
    done = subprocess.run([python, "-c", TELL], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def environment(python: str, folder: Path) -> str:
    """Make an environment with what the lines need; its interpreter."""
    place = folder / told(python).replace(", ", "-")
    inside = place / "bin" / "python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", "--without-pip", place], check=True)
        project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
        extras = chain.from_iterable(project["optional-dependencies"][each] for each in EXTRAS)
        needs = [each for each in extras if not each.startswith("sessionkeeper")]
        pip = [sys.executable, "-m", "pip", "--python", str(inside), "install", "-q"]
        subprocess.run([*pip, *project["dependencies"], *needs], check=True)
    return str(inside)


@contextmanager
def side(python: str) -> Iterator[Side]:
    """Start one; it ends with the block."""
    paths = os.pathsep.join(str(HERE / part) for part in ("store", "actors", "perf"))
    with tempfile.TemporaryDirectory(prefix="perf-") as folder:
        command = [python, str(HERE / "perf" / "pythons_side.py"), folder]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, "PYTHONPATH": paths}
        ) as process:
            yield Side(process)


def measure(pythons: Sequence[str], lines: Sequence[str], turns: int) -> Iterator[list[Row]]:
    """Yield the rows of each line; the first turn of a process warms it."""
    with ExitStack() as stack:
        sides = {told(each): stack.enter_context(side(each)) for each in pythons}
        names = list(sides)
        for line in lines:
            took: dict[str, list[float]] = {name: [] for name in names}
            for turn in range(turns + 1):
                first = turn % len(names)
                for name in [*names[first:], *names[:first]]:
                    took[name].append(sides[name].ask(line))
            yield [row(line, name, took[names[0]][1:], took[name][1:]) for name in names]


def row(line: str, name: str, base: Sequence[float], took: Sequence[float]) -> Row:
    """Combine the turns of one interpreter."""
    ratios = [b / a for a, b in zip(base, took, strict=True)]
    low, middle, high = (
        quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    )
    return Row(line, name, median(took) * 1e6, middle, low, high)


def main() -> int:
    """Measure and print a table."""
    parser = options(__doc__, json="for programs")
    parser.add_argument("pythons", nargs="*", help="interpreters; those that are found if none")
    parser.add_argument("--folder", type=Path, help="keep the environments there")
    parser.add_argument("--only", default="", help="lines with this text")
    parser.add_argument("--turns", type=int, default=9)
    asked = parser.parse_args()
    lines = [line for line in LINES if asked.only in line]
    with tempfile.TemporaryDirectory(prefix="perf-pythons-") as made:
        folder = asked.folder or Path(made)
        pythons = [environment(each, folder) for each in asked.pythons or found()]
        names = [told(each) for each in pythons]
        if not asked.json:
            print(f"{'':34}" + "".join(f"{name:>32}" for name in names), flush=True)
        rows: list[Row] = []
        for each in measure(pythons, lines, asked.turns):
            rows += each
            if not asked.json:
                cells = (
                    f"{one.microseconds:9.2f} us {one.ratio:5.2f} ({one.low:.2f} to {one.high:.2f})"
                    for one in each
                )
                print(f"{each[0].line:34}" + "".join(f"{cell:>32}" for cell in cells), flush=True)
        if asked.json:
            print(json.dumps([asdict(each) for each in rows], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
