"""Makes the pictures of the documentation from real runs: `python perf/pictures.py`.

It needs the extra `test` and a Chromium on the PATH. It takes about a minute and writes
`docs/images/`: pages as PNG, the terminal as SVG.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.text import Text  # noqa: TID251 - it draws what the command printed
from sessionkeeper.stores.config import backend_from_url
from sessionkeeper.stores.factory import StorageFactory
from view_store import write_store

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DESIGNS = ("actor", "sqlite", "read-modify-write", "listing-over-awaits")
STORES = ("memory", "locked", "sqlite", "read-modify-write")
COLUMNS = 100

# A small MCP server, and what its client sends.
SERVER = """
import json, sys
results = {
    "initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                   "serverInfo": {"name": "adder", "version": "1.0"}},
    "tools/list": {"tools": [{"name": each, "inputSchema": {"type": "object"}}
                             for each in ("add", "divide")]},
    "add": {"content": [{"type": "text", "text": "42"}]},
    "divide": {"isError": True, "content": [{"type": "text", "text": "division by zero"}]},
}
unknown = {"code": -32602, "message": "Unknown tool: power"}
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        name = message["params"].get("name", message["method"])
        reply = {"result": results[name]} if name in results else {"error": unknown}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply}), flush=True)
"""
CLIENT: tuple[tuple[str, dict[str, object]], ...] = (
    (
        "initialize",
        {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "docs", "version": "1"},
        },
    ),
    ("notifications/initialized", {}),
    ("tools/list", {}),
    ("tools/call", {"name": "add", "arguments": {"a": 40, "b": 2}}),
    ("tools/call", {"name": "divide", "arguments": {"a": 1, "b": 0}}),
    ("tools/call", {"name": "power", "arguments": {"a": 2, "b": 10}}),
)


def main() -> None:
    """Make all of them."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, browser_page() as page:
        compare = Path(folder, "compare.html")
        run("compare", *DESIGNS, "--seeds", "40", "--html", str(compare), code=None)
        page.goto(compare.as_uri())
        page.set_viewport_size({"width": 1780, "height": 700})
        page.screenshot(path=IMAGES / "compare.png")
        picture = page.locator("details.example[open] .picture")
        picture.screenshot(path=IMAGES / "counterexample.png")

        draw_view(page, f"sqlite:///{Path(folder, 'tape.db')}")

        bench = Path(folder, "bench.html")
        stores = [argument for name in STORES for argument in ("--store", name)]
        loads = ("--mix", "hot", "--callers", "1,8,64,256", "--seconds", "0.6", "--rounds", "2")
        run("bench", *stores, *loads, "--html", str(bench), code=None)
        page.goto(bench.as_uri())
        page.set_viewport_size({"width": 1360, "height": 900})
        page.screenshot(path=IMAGES / "bench.png")
    with TemporaryDirectory() as folder:
        write_terminal(IMAGES / "cli.svg", *commands(folder))


def draw_view(page: Page, url: str) -> None:
    """Show a store as `view` does: a call with its answer, and in dark colours the problems."""

    async def fill() -> None:
        async with await StorageFactory.create(backend_from_url(url)) as store:
            await write_store(store)

    with ThreadPoolExecutor(1) as pool:  # the browser has a loop in this thread
        pool.submit(lambda: asyncio.run(fill())).result()
    server = subprocess.Popen(
        [sys.executable, "-m", "sessionkeeper", "view", url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(server.stdout.readline().strip())
        page.locator(".row b", has_text="summarize").last.click()
        page.locator(".meanwhile").first.wait_for()
        page.locator(".store").evaluate("store => { store.textContent = 'tape.db'; }")
        page.mouse.move(0, 0)
        page.screenshot(path=IMAGES / "view.png")
        page.keyboard.press("t")
        page.keyboard.press("2")
        page.locator(".problem").first.wait_for()
        page.screenshot(path=IMAGES / "view-problems.png")
    finally:
        server.terminate()
        server.wait()


def commands(folder: str) -> Iterator[tuple[str, str]]:
    """Yield commands with what they print, after two recorded conversations."""
    url = f"sqlite:///{folder}/store.db"
    shown = "sqlite:///store.db"
    for length in (3, len(CLIENT)):
        converse(url, length)
    yield f"sessionkeeper ls {shown}", run("ls", url)
    yield f"sessionkeeper calls {shown} last", run("calls", url, "last").replace(url, shown)
    yield f"sessionkeeper show {shown} last", run("show", url, "last")


def converse(url: str, length: int) -> None:
    """Record a conversation of a client that waits for each answer."""
    command = (
        "record",
        "-q",
        "--require-store",
        "--store",
        url,
        "--",
        sys.executable,
        "-c",
        SERVER,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "sessionkeeper", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as recorded:
        if recorded.stdin is None or recorded.stdout is None:
            raise AssertionError
        for message in messages(length):
            recorded.stdin.write(f"{json.dumps(message)}\n")
            recorded.stdin.flush()
            if "id" in message:
                recorded.stdout.readline()
        recorded.stdin.close()
        recorded.stdout.read()  # to its end: a client that leaves before would have vanished


def messages(length: int) -> Iterator[dict[str, object]]:
    """Yield what the client sends; a request has an id, a notification has none."""
    for number, (method, params) in enumerate(CLIENT[:length]):
        request = {} if method.startswith("notifications/") else {"id": number}
        yield {"jsonrpc": "2.0", **request, "method": method, "params": params}


def run(*arguments: str, stdin: str = "", code: int | None = 0) -> str:
    """Run a command and return what it prints, colours included."""
    done = subprocess.run(
        [sys.executable, "-m", "sessionkeeper", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": f"{COLUMNS}", "TERM": "xterm-256color"},
        check=False,
    )
    if code is not None and done.returncode != code:
        sys.exit(f"{' '.join(arguments)}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


def write_terminal(file: Path, *outputs: tuple[str, str]) -> None:
    """Write commands and their output as an SVG."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    for command, output in outputs:
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")), soft_wrap=True)
        console.print(Text.from_ansi(output.rstrip()))
        console.print()
    picture = console.export_svg(title="sessionkeeper")
    # Its fonts come from the network: a reader's own will do.
    file.write_text(re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL), "utf-8")


@contextmanager
def browser_page() -> Iterator[Page]:
    """Open a page of Chromium, in light colours."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        sys.exit("no chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser.new_page(color_scheme="light")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
