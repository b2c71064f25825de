"""The kit can fail: each of these stores breaks one sentence of the contract, and is found out."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = sorted((Path(__file__).parent / "broken").glob("broken_*.py"))

# One process runs them all for the first test: half a minute, and more beside other work.
Noticed = dict[tuple[str, str], str]


def _broken() -> list[tuple[str, str, str]]:
    """The file of each broken store, the store, and each test that must notice."""
    found: list[tuple[str, str, str]] = []
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        for store, tests in re.findall(r'breaking\(\s*(\w+),\s*((?:"[^"]+",?\s*)+)', text):
            found += [(str(file), f"Test{store}", test) for test in re.findall(r'"([^"]+)"', tests)]
    return found


@pytest.fixture(scope="module")
def noticed(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Noticed:
    """What the kit says of each of them, all run in one process of its own.

    Of a test that is named without its parameter, one case has to notice.
    """
    report = tmp_path_factory.mktemp("kit") / "report.xml"
    options = ["-p", "no:cacheprovider", "--tb=line", f"--loop={pytestconfig.getoption('--loop')}"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *options,
            f"--junitxml={report}",
            *map("::".join, _broken()),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    said: Noticed = {}
    wanted = {each[1:] for each in _broken()}
    for case in ElementTree.parse(report).iter("testcase"):
        failure = case.find("failure")
        store, name = str(case.get("classname")).rpartition(".")[2], str(case.get("name"))
        test = (store, name if (store, name) in wanted else name.partition("[")[0])
        text = "" if failure is None else str(failure.text)
        said[test] = said.get(test, "") + text
    return said


@pytest.mark.parametrize(("store", "test"), [each[1:] for each in _broken()])
def test_a_store_that_breaks_a_promise_fails(noticed: Noticed, store: str, test: str) -> None:
    """The test of that promise fails, and quotes it."""
    assert (store, test) in noticed, "the kit has no such test"
    assert "The contract says: " in noticed[store, test], "it was not noticed"


def test_every_broken_store_is_run(noticed: Noticed) -> None:
    """None is passed over because of how it is written down."""
    assert {*noticed} == {each[1:] for each in _broken()}
    assert len({store for store, _ in noticed}) > 40
    stores = [
        name
        for file in FILES
        for name in re.findall(r"^class (?!Test)(\w+)\(", file.read_text(encoding="utf-8"), re.M)
        if not name.endswith(("View", "Violation"))
    ]
    parts = {"Changing", "Staying", "Watching"}  # and parts of stores that are planted
    parts |= {"EverySecond", "OneAfterAnother", "Polite", "Telling"}
    parts |= {"Selfish", "SelfishWhenCancelled", "SelfishWhenClosed"}
    assert {store for store, _ in noticed} == {
        f"Test{name}" for name in stores if name not in parts
    }
