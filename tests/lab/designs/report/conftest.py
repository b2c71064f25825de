"""Pictures of real histories, made by stores that are wrong, one of 10,000 calls; a browser."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from sessionkeeper import MessageEnvelope, PlainSessionStore, Session, TransportType
from sessionkeeper.interface.atomic_store import Change
from sessionlab import Operation, RecordingStore, SessionStoreModel, check, find_anomalies
from sessionlab.designs.report import write_pictures, write_report
from sessionlab.designs.results import Bar, Cell, CellVerdict, Comparison, Picture, Row

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
DESKTOP = (1280, 900)

WORKLOADS = (
    ("modify", "No update is lost: a change sees what the one before it left."),
    ("append", "Frames count from 1, without a gap, in the order of the log."),
    ("batch", "A batch is stored whole or not at all, and read whole."),
)


class LostUpdate(PlainSessionStore):
    """Reads, waits, and writes over whatever is there."""

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        changed = change(await self.get_session(session_id))
        await asyncio.sleep(0)
        now = await self.get_session(session_id)
        return await self.update_session(changed.model_copy(update={"revision": now.revision}))


class TornBatch(PlainSessionStore):
    """Stores a batch frame by frame."""

    async def add_frames(
        self, session_id: str, envelopes: Sequence[MessageEnvelope], /, **_: object
    ) -> range:
        numbers = []
        for envelope in envelopes:
            numbers.append(await self.add_frame(envelope))
            await asyncio.sleep(0)
        return range(numbers[0], numbers[-1] + 1)


def one_more(session: Session) -> Session:
    """Count in the metadata."""
    turns = session.metadata.get("turns", 0)
    assert isinstance(turns, int)
    return session.model_copy(update={"metadata": {"turns": turns + 1}})


async def history_of(inner: PlainSessionStore) -> Sequence[Operation]:
    """Two clients change or append, a third one reads."""
    store = RecordingStore(inner)
    sid = (await store.create_session(Session(id="a", transport_type=TransportType.STDIO))).id

    async def modify() -> None:
        await store.modify_session(sid, one_more)

    async def append(number: int) -> None:
        message = {"jsonrpc": "2.0", "method": f"m/{number}"}
        frame = MessageEnvelope.of(sid, message, direction="client-to-server")
        await store.add_frames(sid, [frame, frame])

    async def read() -> None:
        await store.get_frames(sid)
        await store.get_session(sid)

    writers = (modify(), modify()) if isinstance(inner, LostUpdate) else (append(1), append(2))
    await asyncio.gather(*writers, read())
    return store.history().operations


def picture_of_counterexample(operations: Sequence[Operation]) -> Picture:
    """Draw a short history as far as an order works."""
    model = SessionStoreModel()
    found = check(operations, model)
    example = found.counterexample
    assert example is not None
    blocked = example.blocked[0]
    point, points = -1.0, {}
    for operation in example.order:
        point = max(point + 0.01, operation.call + 0.5)
        points[operation] = point
    return Picture(
        anomaly=str(find_anomalies(found, model, operations)[0].kind),
        why=blocked.why,
        expected=blocked.why.rpartition(", but ")[2],
        state=example.state,
        bars=tuple(
            Bar(
                client=each.client,
                name=each.name,
                argument=str(each.argument)[:80],
                result=str(each.result)[:80],
                call=each.call,
                returned=each.returned,
                outcome=each.outcome.value,
                point=points.get(each),
                blocked=each == blocked.operation,
            )
            for each in operations
        ),
        token="2.0.1.1",
        deviations=2,
        interleaving="client 0: modify_session, up to its first await\nclient 1: modify_session",
        operations=len(operations),
    )


@pytest.fixture(scope="session")
def lost_update() -> Picture:
    """Found by the checker in what a wrong store did."""
    return picture_of_counterexample(asyncio.run(history_of(LostUpdate())))


@pytest.fixture(scope="session")
def torn_batch() -> Picture:
    """The same of another store."""
    return picture_of_counterexample(asyncio.run(history_of(TornBatch())))


def long_picture(operations: int = 10_000, clients: int = 8) -> Picture:
    """A counter with one wrong answer far inside, some unknown outcomes and some refusals."""
    random = Random(4)
    free, now, held, wrong = [0] * clients, 0.0, 0, 0
    bars: list[Bar] = []
    stop = None
    for number in range(operations):
        client = min(range(clients), key=free.__getitem__)
        call = free[client] + random.randint(1, 9)
        returned = call + random.randint(8, 40)
        now = max(now + 0.01, call + random.random() * (returned - call))
        free[client] = returned
        blocked = number == operations * 7 // 10
        outcome = (
            random.choices(("ok", "unknown", "failed"), (95, 3, 2))[0] if not blocked else "ok"
        )
        placed = stop is None and now <= returned and outcome == "ok" and not blocked
        write = random.random() < 0.5 and not blocked
        held = held + 1 if write else held
        wrong = held - 2 if blocked else wrong
        stop = returned if blocked else stop
        bars.append(
            Bar(
                client=client,
                name="modify_session" if write else "get_session",
                argument="a, turns + 1" if write else "a",
                result={"unknown": "", "failed": "SessionClosed"}.get(
                    outcome, f"turns={wrong if blocked else held}"
                ),
                call=call,
                returned=None if outcome == "unknown" else returned,
                outcome=outcome,
                point=now if placed else None,
                blocked=blocked,
            )
        )
    return Picture(
        anomaly="stale read",
        why=f"get_session answered turns={wrong}, but the session holds turns={wrong + 2}",
        expected=f"turns={wrong + 2}",
        state=f"session a: revision {wrong + 3}, turns={wrong + 2}",
        bars=tuple(bars),
        token=None,
        deviations=None,
        interleaving="",
        operations=operations,
    )


@pytest.fixture(scope="session")
def ten_thousand() -> Picture:
    """A history of 10,000 calls."""
    return long_picture()


@pytest.fixture(scope="session")
def comparison(lost_update: Picture, torn_batch: Picture) -> Comparison:
    """One right design and two wrong ones, with every verdict there is."""

    def cells(*verdicts: CellVerdict, **pictures: Picture) -> tuple[Cell, ...]:
        return tuple(
            Cell(name, verdict, 200, "explored", pictures.get(name))
            for (name, _), verdict in zip(WORKLOADS, verdicts, strict=True)
        )

    holds, broken = CellVerdict.HOLDS, CellVerdict.BROKEN
    return Comparison(
        workloads=WORKLOADS,
        rows=(
            Row("actor", "One owner task.", True, cells(holds, holds, CellVerdict.UNKNOWN)),
            Row(
                "read, wait, write",
                "Lost update: the second write undoes the first.",
                False,
                cells(broken, holds, CellVerdict.NOT_OFFERED, modify=lost_update),
            ),
            Row(
                "batch one by one",
                "Torn batch: frame by frame.",
                False,
                cells(holds, holds, broken, batch=torn_batch),
            ),
        ),
        seeds=200,
        seconds=12.34,
        versions={"python": "3.11", "sessionkeeper": "0.1.0"},
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; in CI it must be installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing = "no chromium on the PATH: the report was not looked at in a browser"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # With no folder given, each start has a fresh profile.
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open a page; at the end, nothing was complained of and nothing was fetched but the page."""
    complaints: list[str] = []
    fetched: list[str] = []
    pages: list[Page] = []
    file = tmp_path / "page.html"

    def show(
        what: Comparison | Picture,
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        *,
        scripts: bool = True,
        anchor: str = "",
    ) -> Page:
        if isinstance(what, Comparison):
            write_report(what, file)
        else:
            write_pictures("one", [("a history", what)], file)
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            has_touch=size != DESKTOP,
            java_script_enabled=scripts,
        )
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(f"{file.as_uri()}{anchor}")
        pages.append(page)
        return page

    yield show
    for page in pages:
        page.context.close()
    assert complaints == []
    assert {url.partition("#")[0] for url in fetched} == {file.as_uri()}
