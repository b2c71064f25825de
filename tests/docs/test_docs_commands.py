"""Commands in the pages on speed can be run as they are written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from sessionkeeper.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = ("performance.md", "benchmarking.md", "peers.md", "scaling.md", "checking.md")
PERF = ROOT / "perf"

pytestmark = pytest.mark.skipif(not PERF.is_dir(), reason="perf is not part of what is installed")


def test_each_script_is_there_and_takes_the_flags_it_is_shown_with() -> None:
    """A flag that a script does not know would end it, or, worse, change nothing."""
    bench = typer.main.get_command(app).commands["bench"]  # type: ignore[attr-defined]
    of_bench = {flag for option in bench.params for flag in option.opts}
    seen: set[str] = set()
    for page in PAGES:
        text = (ROOT / "docs" / page).read_text("utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            scripts = re.findall(r"perf/[a-z_]+\.py", line)
            known = set(of_bench) if "sessionkeeper bench" in line else set()
            for script in scripts:
                known |= flags_of((ROOT / script).read_text("utf-8"))
            if scripts or known:
                for flag in re.findall(r"(?<![\w-])--[a-z-]+", line):
                    assert flag in known, (page, flag)
                    seen.add(flag)
    assert {"--large", "--kept", "--only", "--few", "--half", "--frames-each"} <= seen


def flags_of(script: str) -> set[str]:
    """What it says that it takes, one way or the other."""
    given = re.findall(r'add_argument\(\s*"(--[a-z]+)"', script)
    return {*given, *(f"--{name}" for name in re.findall(r'\b([a-z]+)="', script))}
