"""Sessions as a page in one file, which needs neither a server nor a network."""

from __future__ import annotations

import re
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest
from playwright.sync_api import Page, expect
from sessionkeeper.viewer import snapshot

from .conftest import DESKTOP, PHONE, TO_CLIENT, Tape, answer, request

Start: TypeAlias = Callable[..., "subprocess.Popen[str]"]
Visit: TypeAlias = Callable[..., Page]

MARKUP = "</script><!--<script>document.title='taken'"


@pytest.fixture
def talk(tape: Tape) -> Tape:
    """Two sessions; one ends in markup."""
    tape.create("first", client_info={"name": "other"})
    tape.send(request(1, name="x"), id="first")
    tape.create()
    tape.send(
        request(1, name="add", arguments={"a": MARKUP}),
        answer(1, MARKUP),
        request(2, name="divide"),
        answer(2, "division by zero", isError=True),
        (TO_CLIENT, b"\xff\xfe"),
    )
    return tape


def export(start: Start, *arguments: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it said."""
    process = start("export", *arguments)
    out, err = process.communicate()
    assert out == ""
    return process.returncode, err


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_a_file_shows_its_sessions(
    talk: Tape, start: Start, visit: Visit, tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    """Calls, messages, search and the other pages; nothing is fetched but the file."""
    file = tmp_path / "page.html"
    assert export(start, talk.url, "--html", str(file)) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    page = visit(file.as_uri(), size, scheme)
    expect(page.locator(".caution")).to_contain_text("complete messages")
    if size == PHONE:
        page.locator(".card").first.tap()
    expect(page.locator(".row")).to_have_count(3)
    page.locator(".row").first.click()
    expect(page.locator(".message").nth(1)).to_contain_text("</script><!--<script>")
    page.get_by_role("button", name="Close the details").click()
    page.keyboard.press("/")
    page.keyboard.type("Division")
    expect(page.locator(".matches")).to_have_text("in 1 message")
    for key, heading in (("2", "Problems"), ("3", "Context"), ("4", "Runs")):
        page.locator("nav button").nth(int(key) - 1).click()
        expect(page.locator(".report h1")).to_have_text(heading)
    page.locator(".visit", has_text="clock").first.click()
    expect(page.locator(".row").first).to_be_visible()
    assert "taken" not in page.title()
    assert bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_a_file_has_only_the_sessions_that_were_named(
    talk: Tape, start: Start, tmp_path: Path
) -> None:
    """Nor the path of the store, nor a session's whole id, and no block can be ended early."""
    file = tmp_path / "page.html"
    assert export(start, talk.url, "tal", "--html", str(file)) == (0, "")
    written = file.read_text("utf-8")
    assert "division by zero" in written
    assert '"other"' not in written
    assert str(tmp_path) not in written
    assert len(re.findall("</script>", written)) == 2
    assert re.search("connect-src 'none'", written)


def test_wrong_use_is_one_line(talk: Tape, start: Start, tmp_path: Path) -> None:
    """A file that exists is kept; two formats at once make no sense."""
    file = tmp_path / "page.html"
    file.write_text("mine")
    code, err = export(start, talk.url, "--html", str(file))
    assert (code, err.count("\n")) == (2, 1)
    assert file.read_text() == "mine"
    code, err = export(start, talk.url, "--html", str(tmp_path / "new.html"), "--csv")
    assert (code, err.count("\n")) == (2, 1)


def test_what_is_too_large_for_a_page_is_refused(
    talk: Tape, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it is in memory; no file stays."""
    from sessionkeeper.cli.app import run

    monkeypatch.setattr(snapshot, "LARGEST", 100)
    file = tmp_path / "page.html"
    with ThreadPoolExecutor(1) as pool:  # the browser has a loop in this thread
        assert pool.submit(run, ["export", talk.url, "--html", str(file)]).result() == 2
    assert "name fewer sessions" in capsys.readouterr().err
    assert not file.exists()
