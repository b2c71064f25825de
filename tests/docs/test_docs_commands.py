"""Commands in the pages on speed can be run as they are written."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from sessionkeeper.cli.app import make_app

ROOT = Path(__file__).parents[2]
PAGES = (
    "performance.md",
    "benchmarking.md",
    "peers.md",
    "scaling.md",
    "checking.md",
    "fault-tests.md",
    *(f"measurements/{each.name}" for each in (ROOT / "docs/measurements").glob("*.md")),
)
PERF = ROOT / "perf"

pytestmark = pytest.mark.skipif(not PERF.is_dir(), reason="perf is not part of what is installed")


def test_each_script_is_there_and_takes_the_flags_it_is_shown_with() -> None:
    """A flag that a script does not know would end it, or, worse, change nothing."""
    bench = typer.main.get_command(make_app()).commands["bench"]  # type: ignore[attr-defined]  # a group, as click calls it
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
    assert {"--large", "--kept", "--only", "--half", "--frames-each"} <= seen


def test_the_charts_show_the_numbers_beside_the_records(tmp_path: Path) -> None:
    """What `perf/charts.py` draws now is what the pages show."""
    subprocess.run([sys.executable, PERF / "charts.py", "--to", tmp_path], check=True)
    drawn = sorted(tmp_path.iterdir())
    assert [each.name for each in drawn] == [
        "2026-11-30-growth.svg",
        "2026-11-30-pythons.svg",
        "beside-file-and-server.svg",
        "beside-memory.svg",
    ]
    for chart in drawn:
        assert chart.read_text("utf-8") == (ROOT / "docs/images" / chart.name).read_text("utf-8")


def flags_of(script: str) -> set[str]:
    """What it says that it takes, one way or the other."""
    given = re.findall(r'add_argument\(\s*"(--[a-z-]+)"', script)
    named = re.findall(r'\b([a-z]+)="|\*\*\{"([a-z-]+)":', script)
    return {*given, *(f"--{one or other}" for one, other in named)}


def test_the_extra_for_measuring_knows_every_setting_of_pytest() -> None:
    """`.[perf]` alone is what the pages tell one to install, and pytest refuses what no plugin has
    said it knows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras: dict[str, list[str]] = project["project"]["optional-dependencies"]
    plugins = {"asyncio": "pytest-asyncio", "timeout": "pytest-timeout"}
    settings = project["tool"]["pytest"]["ini_options"]
    needed = {
        plugins[name] for name in (each.partition("_")[0] for each in settings) if name in plugins
    }
    brought = {re.split("[^a-z-]", each)[0] for each in [*extras["perf"], *extras["conformance"]]}
    assert any("conformance" in each for each in extras["perf"])
    assert needed == {*plugins.values()} <= brought
