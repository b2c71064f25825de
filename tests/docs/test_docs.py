"""What a user reads is true: its code runs and prints what it says, its references lead somewhere.

A fenced block `python` is run as a program of its own; a block `output` below it is all it prints.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import sessionkeeper
import sessionlab
import soleowner
from sessionkeeper import leases, otel, recording
from sessionkeeper.recording import http, redaction, stdio
from sessionlab import conformance, explore
from sessionlab.conformance import AtomicSessionStoreConformance
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

GUIDES = sorted((ROOT / "docs/guides").glob("*.md"))
TEACHING = [ROOT / "README.md", ROOT / "docs/index.md", *GUIDES]

COMMANDS = [
    "python3 -m venv .venv && .venv/bin/pip install -qe '.[demo]' && .venv/bin/sessionkeeper demo",
    "python3 -m venv .venv && .venv/bin/pip install -qe '.[test]' && .venv/bin/pytest",
]

SITE = ROOT / ".ci/mkdocs.yml"

INTEGRATIONS = ROOT / "docs/api/integrations.md"

_RECORDING = (recording, http, redaction, stdio)
DEADLINES = ROOT / "docs/deadlines.md"

GUARANTEES = ROOT / "docs/guarantees.md"

PROOFS = ROOT / "docs/proofs.md"

SOURCES = ["actors", "store", "tests", "perf", "docs"]

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


class Program:
    """Runs the blocks of a page one after the other, each with nothing of the others."""

    def __init__(self) -> None:
        self._evaluate = PythonEvaluator()
        self._printed: str | None = None

    def run(self, example: Example) -> None:
        """Run one block and keep what it prints."""
        example.namespace.clear()
        example.namespace["__name__"] = "__main__"
        stdout = io.StringIO()
        with redirect_stdout(stdout):
            self._evaluate(example)
        self._printed = stdout.getvalue()

    def compare(self, example: Example) -> None:
        """Compare a block `output` with what the block before it printed."""
        printed, self._printed = self._printed, None
        assert printed == example.parsed


def _examples(page: Path) -> Iterator[Example]:
    program = Program()
    parsers = [
        CodeBlockParser(language="python", evaluator=program.run),
        CodeBlockParser(language="output", evaluator=program.compare),
    ]
    yield from Sybil(parsers=parsers).parse(page).examples()


@pages
@pytest.mark.usefixtures("redis_url")
def test_every_example_runs_and_prints_what_the_page_says(page: Path) -> None:
    if page.parent.name == "integrations" and page.name != "index.md":
        pytest.importorskip(f"sessionkeeper.integrations.{page.stem}", exc_type=ImportError)
    for example in _examples(page):
        example.evaluate()


@pytest.mark.parametrize("page", TEACHING, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_pages_that_teach_begin_with_an_example(page: Path) -> None:
    text = _read(page)
    first = re.search(r"^```\w+$", text, re.M)
    assert first
    if page.parent.name == "guides":
        assert text[: first.start()].count("\n") <= 12
    # tests/cli and tests/viewer run those commands
    if page.name not in {"command-line.md", "viewing.md"}:
        assert list(_examples(page))


def test_a_false_example_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```output\n2\n```\n")
    run, compare = _examples(page)
    run.evaluate()
    with pytest.raises(AssertionError):
        compare.evaluate()


def test_the_example_of_the_readme_has_about_twenty_lines() -> None:
    first = next(_examples(ROOT / "README.md")).parsed
    assert len([line for line in first.splitlines() if line.strip()]) <= 22


def test_no_picture_loads_anything_from_the_network() -> None:
    pictures = list((ROOT / "docs/images").glob("*.svg"))
    assert pictures
    assert not [each for each in pictures if re.search(r"(url|href=)\W*https?:", _read(each))]


def test_the_readme_fits_one_screen() -> None:
    assert len(_read(ROOT / "README.md").splitlines()) <= 115


def test_the_readme_gives_the_two_commands() -> None:
    blocks = re.findall(r"^```shell\n(.*?)^```$", _read(ROOT / "README.md"), re.M | re.S)
    assert [block.strip() for block in blocks] == COMMANDS


@pytest.mark.parametrize("name", ["google_adk", "langgraph", "mcp", "openai_agents", "starlette"])
def test_the_reference_has_every_public_name_of_an_integration(name: str) -> None:
    module = pytest.importorskip(f"sessionkeeper.integrations.{name}", exc_type=ImportError)
    shown = re.findall(rf"^::: {re.escape(module.__name__)}\.(\w+)$", _read(INTEGRATIONS), re.M)
    assert sorted(shown) == sorted(module.__all__)


def test_the_reference_has_every_public_name() -> None:
    pages = set((ROOT / "docs/api").glob("*.md")) - {INTEGRATIONS}
    text = "".join(_read(page) for page in pages)
    shown = re.findall(r"^::: (\S+)$", text, re.M)
    public = (
        sessionkeeper,
        soleowner,
        sessionlab,
        explore,
        conformance,
        *_RECORDING,
        leases,
        otel,
    )
    assert sorted(shown) == sorted(
        f"{module.__name__}.{name}" for module in public for name in module.__all__
    )


@pytest.mark.skipif(not SITE.exists(), reason="the site is not part of what is installed")
def test_every_page_is_in_the_menu_of_the_site() -> None:
    listed = re.findall(r"^ +- .+: (\S+\.md)$", _read(SITE), re.M)
    assert sorted(listed) == sorted(str(page.relative_to(ROOT / "docs")) for page in PAGES[1:])


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), target
        if anchor:
            assert anchor in _anchors(goal), target


@pytest.mark.skipif(not (ROOT / "store").is_dir(), reason="the sources are not beside the tests")
def test_every_place_that_contributing_names_exists() -> None:
    rows = re.findall(r"^\| .*$", _read(ROOT / "docs/contributing.md"), re.M)
    places = {each for row in rows for each in re.findall(r"`([\w./]+)`", row)} - {"soleowner"}
    assert len(places) > 30
    roots = ("", "store", "store/sessionkeeper")
    assert not [
        each for each in sorted(places) if not any((ROOT / root / each).exists() for root in roots)
    ]


@pages
def test_every_test_named_exists(page: Path) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _read(page)):
        assert name in _tests_in(ROOT / path), f"{path}::{name}"
    assert len(re.findall(r"`tests/[^`]*::", _read(page))) == len(
        re.findall(r"`tests/[\w/]+\.py::\w+`", _read(page))
    )


def test_every_hazard_named_is_in_the_list() -> None:
    """`Hazards 1, 2 and 6` is three rows of the page."""
    rows = set(re.findall(r"^\| (\d+) \|", _read(ROOT / "docs/hazards.md"), re.M))
    assert len(rows) == 23
    named = {number for _, number in _references(r"hazards?", r"\d+\b(?!\.\d)")}
    assert len(named) > 15
    assert named <= rows


def test_every_guarantee_named_is_in_the_contract() -> None:
    """`Guarantees 4.1 and 13.1` is two promises of the page, `Guarantees 9` is a section."""
    contract = _read(GUARANTEES)
    numbers = set(re.findall(r"^(?:- \*\*|\| )(\d+\.\d+)\b", contract, re.M))
    numbers |= set(re.findall(r"^## (\d+)\. ", contract, re.M))
    named = list(_references(r"guarantees?", r"\d+(?:\.\d+)?\b"))
    assert len(named) > 80
    assert not [(path, number) for path, number in named if number not in numbers]


def test_nothing_points_to_a_list_that_is_not_here() -> None:
    assert not list(_references(r"contracts?,?", r"\d+(?:\.\d+)?\b"))


def test_the_numbers_of_the_contract_go_on_by_one() -> None:
    section, item = 0, 0
    for heading, number in re.findall(
        r"^(?:## (\d+)\. |(?:- \*\*|\| )(\d+\.\d+)\b)", _read(GUARANTEES), re.M
    ):
        if heading:
            section, item = section + 1, 0
            assert heading == str(section)
        else:
            item += 1
            assert number == f"{section}.{item}"
    assert section > 15


def test_the_contract_is_short() -> None:
    assert len(_read(GUARANTEES).splitlines()) <= 330


def test_each_section_of_the_contract_is_linked_to_its_proofs() -> None:
    """Both pages have the same sections, apart from the last one, which promises nothing."""
    headed, proved = (
        re.findall(r"^## (\d+\. .+)$", _read(page), re.M) for page in (GUARANTEES, PROOFS)
    )
    assert headed[:-1] == proved
    sections = re.split(r"^## ", _read(GUARANTEES), flags=re.M)[1:-1]
    for section in sections:
        anchor = _anchor(section.splitlines()[0])
        assert f"(proofs.md#{anchor})" in section, section


def test_every_promise_names_the_test_that_proves_it() -> None:
    sections = re.split(r"^## ", _read(PROOFS), flags=re.M)[1:]
    for section in sections:
        items = re.findall(r"^- .*?(?=^- |^#|^$|\Z)", section, re.M | re.S)
        assert len(items) >= 3, section
        for item in items:
            assert re.search(r"`tests/[\w/]+\.py::\w+`", item), item


DEADLINE = re.compile(
    r"\w*timeout|\w*patience|grace|\w*interval|idle|age|retention|ended_for|ttl|drain\w*|window|budget"
)


def test_every_deadline_names_its_test() -> None:
    rows = [row for row in _read(DEADLINES).splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 6, row
        assert all(cells), row
        assert re.search(r"`tests/[\w/]+\.py::\w+`", cells[5]), row


def test_every_deadline_that_can_be_set_is_in_the_table() -> None:
    found = {
        name for each in (sessionkeeper, soleowner, *_RECORDING, otel) for name in _deadlines(each)
    }
    assert {"close_timeout", "patience", "drain", "ttl", "interval", "grace"} <= found
    table = _read(DEADLINES)
    assert not [name for name in sorted(found) if not re.search(rf"\b{name}(=|\))", table)]


def _deadlines(module: ModuleType) -> Iterator[str]:
    """The parameters of a module's public classes, of their methods, that take a time."""
    for public in module.__all__:
        thing = getattr(module, public)
        if not inspect.isclass(thing):
            continue
        yield from filter(DEADLINE.fullmatch, getattr(thing, "model_fields", ()))
        for name, method in inspect.getmembers(thing, inspect.isfunction):
            if name == "__init__" or not name.startswith("_"):
                yield from filter(DEADLINE.fullmatch, inspect.signature(method).parameters)


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", _read(page), flags=re.M | re.S)


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.M)
    return {_anchor(heading) for heading in headings}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _references(word: str, number: str) -> Iterator[tuple[str, str]]:
    """Each number that follows a word, as in `Guarantees 4.1, 5.2 and 9`, with where it is."""
    pattern = re.compile(rf"\b{word}\s+({number}(?:(?:, | and |, and ){number})*)", re.I)
    for top in SOURCES:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix not in {".py", ".md", ".lua", ".toml"} or path == Path(__file__):
                continue
            for numbers in pattern.findall(_read(path)):
                for found in re.findall(number, numbers):
                    yield str(path.relative_to(ROOT)), found


@cache
def _tests_in(path: Path) -> set[str]:
    tree = ast.parse(_read(path))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in ast.walk(tree) if isinstance(node, functions)}
    if path.name.startswith(
        "test_conformance_own"
    ):  # there the tests of the kit run, which it inherits
        names |= set(dir(AtomicSessionStoreConformance))
    return names
