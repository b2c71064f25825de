"""Ten thousand calls, and more than one screen of anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from playwright.sync_api import Page, expect
from sessionkeeper import MessageEnvelope
from sessionkeeper.interface.atomic_store import AtomicSessionStore

from .conftest import Tape, answer, request

Serve: TypeAlias = Callable[..., str]
Visit: TypeAlias = Callable[..., Page]


def test_ten_thousand_calls_are_drawn_and_a_screen_of_them_is_listed(
    tape: Tape, serve: Serve, visit: Visit
) -> None:
    """Only the rows in view are nodes, wherever one scrolls; the timeline has all."""
    tape.create()
    tape.send(*(each for n in range(10_000) for each in (request(n, name=f"t{n % 7}"), answer(n))))
    page = visit(serve())
    expect(page.locator(".kinds")).to_contain_text("All 10,000")
    expect(page.locator(".lanes")).to_have_attribute("data-drawn", "10000")
    expect(page.locator(".row").first).to_have_attribute("aria-setsize", "10000")
    assert page.locator(".row").count() < 60
    page.locator(".list").focus()
    page.keyboard.press("Home")
    expect(page.locator(".row.chosen")).to_have_attribute("aria-posinset", "1")
    page.keyboard.press("End")
    expect(page.locator(".row.chosen")).to_have_attribute("aria-posinset", "10000")
    assert page.locator(".row").count() < 60
    page.locator("select.name").select_option("t3")
    expect(page.locator(".row").first).to_have_attribute("aria-setsize", "1429")
    page.keyboard.press("Escape")

    async def more(store: AtomicSessionStore) -> None:
        for to, what in (request("new", name="late"), answer("new")):
            await store.add_frame(MessageEnvelope.of("talk", what, direction=to))

    tape.do(more)
    expect(page.locator(".kinds")).to_contain_text("All 10,001")


def test_many_sessions_are_listed_and_found(tape: Tape, serve: Serve, visit: Visit) -> None:
    """By the names of both sides and by tags."""

    async def fill(store: AtomicSessionStore) -> None:
        from sessionkeeper import Session

        for n in range(120):
            await store.create_session(
                Session.new(
                    transport_type="stdio",
                    client_info={"name": f"client {n}"},
                    tags={"nightly"} if n % 40 == 0 else set(),
                )
            )

    tape.do(fill)
    page = visit(serve())
    expect(page.locator(".card")).to_have_count(120)
    page.locator(".find-session").fill("client 11")
    expect(page.locator(".card")).to_have_count(11)
    page.locator(".find-session").fill("NIGHTLY")
    expect(page.locator(".card")).to_have_count(3)
