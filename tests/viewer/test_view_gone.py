"""What the page says of what is not there: a deleted session, a store or server that went away."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from typing import TypeAlias

from playwright.sync_api import Page, expect
from sessionkeeper.interface.atomic_store import AtomicSessionStore

from .conftest import Tape, answer, request

Serve: TypeAlias = Callable[..., str]
Visit: TypeAlias = Callable[..., Page]


def delete(tape: Tape) -> None:
    """Delete the session, as `rm` does."""

    async def work(store: AtomicSessionStore) -> None:
        await store.delete_session("talk")

    tape.do(work)


def test_a_deleted_session_says_so(tape: Tape, serve: Serve, visit: Visit) -> None:
    """What was read stays, as a deleted one; another with its id is another session."""
    tape.create()
    tape.send(request(1, name="old"), answer(1))
    page = visit(serve())
    expect(page.locator(".row")).to_have_count(1)
    delete(tape)
    about = page.locator(".about")
    expect(about).to_contain_text("was deleted")
    expect(about).to_contain_text("clock")
    expect(about.locator(".live")).to_have_count(0)
    expect(page.locator(".row")).to_contain_text("old")
    tape.create()
    tape.send(request(1, name="new"), answer(1))
    page.locator(".card").click()
    expect(page.locator(".row")).to_contain_text("new")
    expect(about).not_to_contain_text("was deleted")


def test_what_was_read_stays_when_the_server_ends(
    tape: Tape, start: Callable[..., subprocess.Popen[str]], visit: Visit
) -> None:
    """Also while the page tries to reach it again."""
    tape.create()
    tape.send(request(1, name="add"), answer(1))
    process = start("view", tape.url)
    assert process.stdout is not None
    page = visit(process.stdout.readline().strip(), expected=("Failed to load resource",))
    expect(page.locator(".row")).to_have_count(1)
    with page.expect_event("requestfailed"):
        process.send_signal(signal.SIGINT)
        process.wait()
    expect(page.locator(".trouble")).to_contain_text("still shown")
    with page.expect_event("requestfailed"):
        pass
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".about")).to_contain_text("1 call")


def test_a_count_of_a_log_that_is_being_read_says_so(
    tape: Tape, serve: Serve, visit: Visit
) -> None:
    """The page has no total before it has read all."""
    tape.create()
    tape.send(request(1, name="add"), answer(1))
    page = visit(serve())
    expect(page.locator(".about")).to_contain_text("1 call")
    expect(page.locator(".about")).not_to_contain_text("so far")
    page.add_init_script(
        """const parse = JSON.parse;
        JSON.parse = (text) => parse(text.replace(/"live":true,"ended"/, '"live":false,"ended"'))"""
    )
    page.reload()
    expect(page.locator(".about")).to_contain_text("1 call so far")
