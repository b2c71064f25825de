"""Messages whose sender wants to harm the page, or whoever reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest
from playwright.sync_api import Page, expect
from sessionkeeper import MessageEnvelope, SessionState
from sessionkeeper.interface.atomic_store import AtomicSessionStore

from .conftest import TO_CLIENT, TO_SERVER, Tape, answer, request

Serve: TypeAlias = Callable[..., str]
Visit: TypeAlias = Callable[..., Page]

MARKUP = (
    "</script><script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
)
HIDDEN = "a\u202eb\x07c\u200bd\U000e0041e\x1b[31mf"


def test_markup_is_text(tape: Tape, serve: Serve, visit: Visit) -> None:
    """In names, methods, tools, arguments, results and tags, on every page."""
    tape.create(client_info={"name": MARKUP, "version": MARKUP}, tags={MARKUP[:60]})
    tape.send(
        request(MARKUP, name=MARKUP, arguments={MARKUP: MARKUP}),
        answer(MARKUP, MARKUP, isError=True),
        (TO_SERVER, {"jsonrpc": "2.0", "method": MARKUP, "id": 2}),
        (TO_CLIENT, {"jsonrpc": "2.0", "id": 2, "error": {"code": 1, "message": MARKUP}}),
        (TO_CLIENT, MARKUP),
        request(3, "tools/list"),
        (
            TO_CLIENT,
            {
                "jsonrpc": "2.0",
                "id": 3,
                "result": {"tools": [{"name": MARKUP, "description": MARKUP, "inputSchema": {}}]},
            },
        ),
    )
    page = visit(serve())
    page.locator(".row").first.click()
    expect(page.locator(".message").nth(1)).to_contain_text("onerror=")
    for row in range(4):
        page.locator(".row").nth(row).click()
        page.keyboard.press("Enter")
    for key in "234":
        page.keyboard.press(key)
        expect(page.locator(".report h1")).to_be_visible()
    assert "taken" not in page.title().partition("<")[0]
    assert page.locator("main img, .card img, main script").count() == 0


def test_characters_that_do_not_show_are_shown(tape: Tape, serve: Serve, visit: Visit) -> None:
    """Controls, marks of direction, tags: nothing can look like something else."""
    tape.create(client_info={"name": HIDDEN})
    tape.send(request(1, name=HIDDEN, arguments={"x": HIDDEN}), (TO_CLIENT, f"log {HIDDEN}"))
    page = visit(serve())
    expect(page.locator(".card")).to_contain_text("a‹U+202E›b‹U+0007›c‹U+200B›d‹U+E0041›e")
    expect(page.locator(".row").first).to_contain_text("a‹U+202E›b")
    page.locator(".row").last.click()
    expect(page.locator(".message .hidden-character").first).to_have_text("U+202E")
    shown = page.evaluate("document.body.innerText + document.title")
    assert not any(each in shown for each in "\u202e\x07\u200b\U000e0041\x1b")


def test_bytes_that_are_no_text_are_shown_as_bytes(tape: Tape, serve: Serve, visit: Visit) -> None:
    """Invalid UTF-8 is an odd frame, byte by byte."""
    tape.create()
    tape.send((TO_CLIENT, b'{"a":"\xb0\xa1"}'), (TO_CLIENT, b""))
    page = visit(serve())
    page.locator(".row").first.click()
    expect(page.locator(".hex").first).to_contain_text("7b 22 61 22 3a 22 b0 a1")
    expect(page.locator(".odd-reason").first).to_have_text("odd: not UTF-8")
    page.locator(".row").nth(1).click()
    expect(page.locator(".message").first).to_contain_text("0 B")


def test_numbers_escapes_and_repeated_names_stay_as_they_were(
    tape: Tape, serve: Serve, visit: Visit
) -> None:
    """The page never parses and writes again what it shows."""
    tape.create()
    params = '{"n":1e2,"big":12345678901234567890,"e":"\\u00e9\\/"}'
    sent = '{"jsonrpc":"2.0","id":1,"method":"m","params":' + params + "}"
    tape.send((TO_SERVER, sent), (TO_CLIENT, '{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}'))
    page = visit(serve())
    page.locator(".row").first.click()
    message = page.locator(".message").first
    for each in ("1e2", "12345678901234567890", '"\\u00e9\\/"'):
        expect(message).to_contain_text(each)
    for each in ('"a": 1,', '"a": 2'):
        expect(page.locator(".message").nth(1)).to_contain_text(each)


def test_names_of_prototypes_are_names(tape: Tape, serve: Serve, visit: Visit) -> None:
    """Nothing that a peer names becomes a member of the page's own objects."""
    tape.create(client_info={"name": "__proto__"}, tags={"constructor"})
    names = ("__proto__", "constructor", "toString", "hasOwnProperty")
    tape.send(
        *(
            each
            for n, name in enumerate(names)
            for each in (
                request(name, name=name, arguments={"__proto__": {"polluted": n}}),
                answer(name, _meta={"__proto__": {"polluted": True}}),
            )
        )
    )
    page = visit(serve())
    expect(page.locator(".row.result")).to_have_count(4)
    page.locator("select.name").select_option("__proto__")
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".row").click()
    expect(page.locator(".message").first).to_contain_text('"polluted": 0')
    assert page.evaluate("({}).polluted === undefined")


def test_ids_of_any_kind_are_told_apart(tape: Tape, serve: Serve, visit: Visit) -> None:
    """1 is not "1"; a session's id may have slashes, quotes and percent signs."""
    odd_id = "a/../b?c=1&d#e%2F\"'<>"
    tape.create(odd_id)
    tape.send(
        request(1, name="number"),
        request("1", name="text"),
        request("", name="empty"),
        answer("1", "of the text"),
        id=odd_id,
    )
    page = visit(serve())
    expect(page.locator(".row")).to_have_count(3)
    expect(page.locator(".row.result")).to_contain_text("text")
    page.locator(".row.result").click()
    expect(page.locator(".detail-head")).to_contain_text('id "1"')
    expect(page.locator(".message").nth(1)).to_contain_text("of the text")


def test_ten_megabytes_are_read_on_request(tape: Tape, serve: Serve, visit: Visit) -> None:
    """First the beginning, then all of it, of which as much is set as one can read."""
    tape.create()
    tape.send(request(1, name="big"), answer(1, "x" * 10_000_000))
    page = visit(serve())
    page.locator(".row").click()
    expect(page.locator(".message").nth(1)).to_contain_text("10 MB")
    page.get_by_role("button", name="Load all 10 MB").click()
    expect(page.locator(".message .more-text").last).to_contain_text("more characters")
    assert page.evaluate("document.querySelector('.detail').textContent.length") < 1_000_000
    page.get_by_role("button", name="Answer and its bytes").click()
    expect(page.locator(".raw")).to_be_visible()


def test_deeply_nested_json_is_set(tape: Tape, serve: Serve, visit: Visit) -> None:
    """Of any depth: nothing is called once a level."""
    tape.create()
    tape.send((TO_CLIENT, "[" * 30_000 + "]" * 30_000))
    page = visit(serve())
    page.locator(".row").click()
    expect(page.locator(".message .line").first).to_have_text("[")
    expect(page.locator(".message .more-text").first).to_have_text("Show more lines")


@pytest.mark.parametrize("number", [1, 3])
def test_calls_of_one_instant_are_drawn(
    tape: Tape, serve: Serve, visit: Visit, number: int
) -> None:
    """A session of one call that nobody answered has no length at all."""
    tape.create()
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    async def fill(store: AtomicSessionStore) -> None:
        for each in range(number):
            to, what = request(each, name="a")
            envelope = MessageEnvelope.of("talk", what, direction=to, timestamp=moment)
            await store.add_frame(envelope)
        await store.modify_session(
            "talk", lambda session: session.model_copy(update={"state": SessionState.CLOSED})
        )

    tape.do(fill)
    page = visit(serve())
    expect(page.locator(".row")).to_have_count(number)
    expect(page.locator(".lanes")).to_have_attribute("data-drawn", str(number))
    page.locator(".row").first.click()
    page.keyboard.press("f")
    expect(page.locator(".message").first).to_be_visible()
