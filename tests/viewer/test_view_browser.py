"""The page in a real browser: what it shows of a store, and how it is used."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeAlias

import pytest
from playwright.sync_api import Page, expect
from sessionkeeper import MessageEnvelope, SessionState
from sessionkeeper.interface.atomic_store import AtomicSessionStore

from .conftest import DESKTOP, PHONE, TO_CLIENT, TO_SERVER, Tape, answer, request

Serve: TypeAlias = Callable[..., str]
Visit: TypeAlias = Callable[..., Page]

LOOKS = list(itertools.product((PHONE, DESKTOP), ("light", "dark")))
looks = pytest.mark.parametrize(
    ("size", "scheme"), LOOKS, ids=[f"{size[0]}-{scheme}" for size, scheme in LOOKS]
)


def fits(page: Page) -> bool:
    """Whether nothing makes the page wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.fixture
def talk(tape: Tape) -> Tape:
    """A session with one call of each outcome, and with other messages."""
    tape.create()
    tape.send(
        request(1, name="add", arguments={"a": 40}, _meta={"progressToken": "p"}),
        (
            TO_CLIENT,
            {
                "jsonrpc": "2.0",
                "method": "notifications/progress",
                "params": {"progressToken": "p", "progress": 1, "total": 2, "message": "half"},
            },
        ),
        answer(1, "forty"),
        request(2, name="divide", arguments={"by": 0}),
        answer(2, "division by zero", isError=True),
        request(3, "tools/list"),
        (TO_CLIENT, {"jsonrpc": "2.0", "id": 3, "error": {"code": -32601, "message": "no list"}}),
        (TO_CLIENT, {"jsonrpc": "2.0", "id": "s", "method": "sampling/createMessage"}),
        (TO_SERVER, {"jsonrpc": "2.0", "id": "s", "result": {"role": "assistant"}}),
        (TO_CLIENT, "Starting up..."),
        request(4, name="wait", arguments={}),
    )
    return tape


@looks
def test_calls_are_listed_with_their_outcomes(
    talk: Tape, serve: Serve, visit: Visit, size: tuple[int, int], scheme: str
) -> None:
    """On a phone the sessions come first; nothing is wider than the window."""
    page = visit(serve(), size, scheme)
    if size == PHONE:
        page.locator(".card").tap()
    rows = page.locator(".row")
    expect(rows).to_have_count(6)
    expect(rows.nth(0)).to_contain_text("add")
    expect(rows.nth(0)).to_contain_text('{"a":40}')
    expect(rows.nth(1)).to_contain_text("division by zero")
    expect(rows.nth(2)).to_contain_text("-32601 no list")
    expect(rows.nth(3)).to_contain_text("←")
    expect(rows.nth(4)).to_contain_text("not JSON: Starting up...")
    expect(rows.nth(5)).to_contain_text("open")
    expect(page.locator(".about")).to_contain_text("5 calls")
    assert fits(page)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(16, 18, 22)") is (scheme == "dark")


@looks
def test_a_call_opens_with_its_request_and_its_answer(
    talk: Tape, serve: Serve, visit: Visit, size: tuple[int, int], scheme: str
) -> None:
    """Side by side where there is room, one below the other on a phone, with progress steps."""
    page = visit(serve(), size, scheme)
    if size == PHONE:
        page.locator(".card").tap()
    page.locator(".row").first.click()
    first, second = page.locator(".message").nth(0), page.locator(".message").nth(1)
    expect(first).to_contain_text('"name": "add"')
    expect(second).to_contain_text('"text": "forty"')
    expect(page.locator(".meanwhile")).to_contain_text("1 of 2 · half")
    boxes = first.bounding_box(), second.bounding_box()
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert (boxes[0]["y"] == boxes[1]["y"]) is (size == DESKTOP)
    assert fits(page)
    page.get_by_role("button", name="Answer and its bytes").click()
    expect(page.locator(".raw")).to_contain_text('{"content":[{"type":"text"')
    page.get_by_role("button", name="Hex").click()
    expect(page.locator(".hex")).to_contain_text("7b 22 6a 73 6f 6e 72 70")
    page.get_by_role("button", name="Close the details").click()
    expect(page.locator(".detail")).to_be_hidden()


def test_everything_can_be_done_with_keys(talk: Tape, serve: Serve, visit: Visit) -> None:
    """Choose, open, filter, search, other pages, help; Esc goes back."""
    page = visit(serve())
    expect(page.locator(".row")).to_have_count(6)
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".row.chosen")).to_contain_text("divide")
    assert "call=4" in page.url
    page.keyboard.press("Enter")
    expect(page.locator(".message").nth(1)).to_contain_text("As sent")
    page.keyboard.press("Escape")
    expect(page.locator(".detail")).to_be_hidden()
    page.keyboard.press("e")
    expect(page.locator(".row")).to_have_count(2)
    page.keyboard.press("u")
    expect(page.locator(".row")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    expect(page.locator(".row")).to_have_count(7)
    page.keyboard.press("/")
    page.keyboard.type("FORTY")
    expect(page.locator(".matches")).to_have_text("in 1 message")
    expect(page.locator(".row")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator(".row.chosen")).to_contain_text("add")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    for key, heading in (("2", "Problems"), ("3", "Context"), ("4", "Runs")):
        page.keyboard.press(key)
        expect(page.locator(".report h1")).to_have_text(heading)
    page.keyboard.press("1")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_problem_leads_to_its_message(talk: Tape, serve: Serve, visit: Visit) -> None:
    """Each page is of the sessions in the store."""
    page = visit(serve())
    page.get_by_role("button", name="Context", exact=True).click()
    expect(page.locator(".report")).to_contain_text("clock")
    page.get_by_role("button", name="Runs", exact=True).click()
    expect(page.locator(".visit")).to_contain_text("5 calls")
    page.get_by_role("button", name="Problems", exact=True).click()
    page.locator(".problem", has_text="division by zero").click()
    expect(page.locator(".row.chosen")).to_contain_text("divide")
    expect(page.locator(".detail")).to_contain_text("division by zero")


def test_new_calls_and_sessions_appear(tape: Tape, serve: Serve, visit: Visit) -> None:
    """An empty store says how to fill it; what another process writes then shows by itself."""
    page = visit(serve())
    expect(page.locator(".sessions")).to_contain_text("sessionkeeper record")
    tape.create()
    page.locator(".card").click()
    expect(page.locator(".list")).to_contain_text("Nothing has been sent yet")
    tape.send(request(1, name="add"))
    expect(page.locator(".row .outcome")).to_contain_text("open")
    tape.send(answer(1))
    expect(page.locator(".row.result")).to_have_count(1)
    page.locator(".row").click()
    tape.send(request(2, name="more"))
    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator(".row.chosen")).to_contain_text("add")
    tape.create("second", client_info={"name": "other"})
    expect(page.locator(".card")).to_have_count(2)


def test_a_call_that_is_shown_gets_its_answer(tape: Tape, serve: Serve, visit: Visit) -> None:
    """The details follow what happens."""
    tape.create()
    tape.send(request(1, name="add"))
    page = visit(serve())
    page.locator(".row").click()
    expect(page.locator(".message.none")).to_contain_text("still in progress")
    tape.send(answer(1, "at last"))
    expect(page.locator(".message").nth(1)).to_contain_text("at last")


def test_an_address_shows_its_call_again(talk: Tape, serve: Serve, visit: Visit) -> None:
    """Without the id of the session, which may be a secret."""
    page = visit(serve())
    page.locator(".row").nth(1).click()
    expect(page.locator(".detail")).to_contain_text("division by zero")
    assert "talk" not in page.url
    again = visit(page.url, PHONE, "dark")
    expect(again.locator(".detail")).to_contain_text("division by zero")


def test_sessions_without_calls_say_so(tape: Tape, serve: Serve, visit: Visit) -> None:
    """Nothing was sent, no call was sent, or all was trimmed."""
    tape.create("silent")
    tape.create("notified")
    tape.send((TO_SERVER, {"jsonrpc": "2.0", "method": "notifications/x"}), id="notified")
    tape.create("trimmed")
    tape.send(request(1, name="add"), id="trimmed")

    async def end(store: AtomicSessionStore) -> None:
        await store.trim_frames("trimmed", up_to=1)
        for each in ("silent", "notified", "trimmed"):
            await store.modify_session(
                each, lambda now: now.model_copy(update={"state": SessionState.CLOSED})
            )

    tape.do(end)
    address = serve()
    for name, text in (
        ("silent", "without a single message"),
        ("notified", "no calls, only other messages"),
        ("trimmed", "All frames of this session were trimmed"),
    ):
        session = tape.get(name)
        page = visit(f"{address}&session={session.incarnation}")
        expect(page.locator(".list")).to_contain_text(text)
    expect(page.locator(".about")).to_contain_text("The first 1 frames were trimmed")


def test_a_session_of_the_command_line_is_shown(tape: Tape, serve: Serve, visit: Visit) -> None:
    """By a prefix of its id; a stretch of time that is dragged over filters the list."""
    tape.create("alpha", client_info={"name": "first"})
    tape.create("beta")
    tape.send(*(each for n in range(30) for each in (request(n, name="x"), answer(n))), id="alpha")
    page = visit(serve("alp"))
    expect(page.locator(".about")).to_contain_text("first")
    expect(page.locator(".kinds")).to_contain_text("All 30")
    box = page.locator(".lanes").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(page.locator(".kinds .span")).to_contain_text("of time")
    assert page.locator(".row").count() < 30
    page.keyboard.press("0")
    expect(page.locator(".row").first).to_have_attribute("aria-setsize", "30")


def test_lines_of_stderr_are_shown(tape: Tape, serve: Serve, visit: Visit) -> None:
    """Between the calls, and beside the call during which they were written."""
    tape.create()
    line = MessageEnvelope.of_payload(
        "talk",
        b"ERROR: no such city",
        media_type="text/plain; charset=utf-8",
        direction=TO_CLIENT,
        stream="stderr",
    )
    tape.send(request(1, name="add"))
    tape.do(lambda store: store.add_frame(line))
    tape.send(answer(1))
    page = visit(serve())
    page.locator(".row").click()
    page.locator(".meanwhile button", has_text="no such city").click()
    expect(page.locator(".row.chosen.stderr")).to_contain_text("ERROR: no such city")
    expect(page.locator(".message").first).to_contain_text("ERROR: no such city")
