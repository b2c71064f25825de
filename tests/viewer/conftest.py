"""A store in a file, the command that shows it in a process of its own, and a real browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias, TypeVar

import pytest
import sessionkeeper
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sessionkeeper import MessageEnvelope, Session
from sessionkeeper.cli.frame_limit import take_frames_of
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.stores.config import backend_from_url
from sessionkeeper.stores.factory import StorageFactory
from sessionkeeper.values.jsonrpc import MAX_MESSAGE_BYTES

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
DESKTOP, PHONE = (1280, 900), (390, 844)
VIOLATIONS = """document.addEventListener("securitypolicyviolation",
    (event) => console.error(`violation of ${event.violatedDirective}`))"""
TO_SERVER, TO_CLIENT = "client-to-server", "server-to-client"

# Only what hangs takes so long, however busy the machine is.
expect.set_options(timeout=120_000)

T = TypeVar("T")
Sent: TypeAlias = tuple[str, bytes | str | Mapping[str, object]]
Work: TypeAlias = Callable[[AtomicSessionStore], Awaitable[T]]


class Tape:
    """A store in a file, which the test writes by itself: the server is another process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def do(self, work: Work[T]) -> T:
        """Open the store, do something, and close it; in a thread, as the browser has a loop."""

        async def run() -> T:
            backend = take_frames_of(MAX_MESSAGE_BYTES, backend_from_url(self.url))
            async with await StorageFactory.create(backend) as store:
                return await work(store)

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(run())).result()

    def create(self, id: str = "talk", **fields: object) -> Session:
        """Create a session with the names of both sides."""
        fields = {
            "client_info": {"name": "editor", "version": "3"},
            "server_info": {"name": "clock", "version": "1"},
            **fields,
        }
        session = Session.new(transport_type="stdio", id=id, **fields)
        return self.do(lambda store: store.create_session(session))

    def get(self, id: str) -> Session:
        """Return a session."""
        return self.do(lambda store: store.get_session(id))

    def send(self, *messages: Sent, id: str = "talk") -> None:
        """Append messages: their direction, and the message as a dict, text or bytes."""
        envelopes = [MessageEnvelope.of(id, what, direction=to) for to, what in messages]

        async def append(store: AtomicSessionStore) -> None:
            for at in range(0, len(envelopes), 500):
                await store.add_frames(id, envelopes[at : at + 500])

        self.do(append)


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    """An empty store."""
    found = Tape(tmp_path / "tape.db")

    async def nothing(_: AtomicSessionStore) -> None:
        """Opening makes the file."""

    found.do(nothing)
    return found


def request(number: object, method: str = "tools/call", **params: object) -> Sent:
    """Return a request of the client."""
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return TO_SERVER, message


def answer(number: object, text: str = "done", **more: object) -> Sent:
    """Return the result of a tool."""
    result = {"content": [{"type": "text", "text": text}], **more}
    return TO_CLIENT, {"jsonrpc": "2.0", "id": number, "result": result}


Started: TypeAlias = "subprocess.Popen[str]"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Start `sessionkeeper ARGUMENTS…`; ended with the test."""
    roots = [str(Path(sessionkeeper.__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots))}
    started: list[Started] = []

    def start(*arguments: str) -> Started:
        process = subprocess.Popen(
            [sys.executable, "-m", "sessionkeeper", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate()


@pytest.fixture
def serve(tape: Tape, start: Callable[..., Started]) -> Callable[..., str]:
    """Show the store, and return the address of the page."""

    def serve(*arguments: str) -> str:
        process = start("view", tape.url, *arguments)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    return serve


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; in CI it must be installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing = "no chromium on the PATH: the page was not looked at in a browser"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address; at the end, nothing was complained of and nothing else was fetched.

    With `expected`, complaints that begin so are none.
    """
    complaints: list[str] = []
    fetched: list[str] = []
    allowed: list[str] = []
    pages: list[Page] = []
    hosts: set[str] = set()

    def visit(
        address: str,
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        *,
        expected: Sequence[str] = (),
    ) -> Page:
        allowed.extend(expected)
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            has_touch=size != DESKTOP,
        )
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(VIOLATIONS)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        hosts.add(address.partition("#")[0])
        page.goto(address)
        pages.append(page)
        return page

    yield visit
    for page in pages:
        page.context.close()
    assert [each for each in complaints if not each.startswith(tuple(allowed) or "\0")] == []
    assert [url for url in fetched if not url.startswith((*hosts, "data:"))] == []
