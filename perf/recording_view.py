"""Times the page of `sessionkeeper view`: `python perf/recording_view.py`.

It needs the extra `test` and a Chromium on the PATH. It prints medians: how long a session of
10,000 calls takes from navigation until all of them are drawn and listed, and how long one more
call takes from the acknowledgement of its write, by another process than the server, until its row
is painted.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Page, async_playwright
from sessionkeeper import MessageEnvelope
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.stores.config import backend_from_url
from sessionkeeper.stores.factory import StorageFactory
from view_store import write_many_calls

SHOWN = """count => new Promise((done) => {
    const look = () => {
        const drawn = Number(document.querySelector(".lanes").dataset.drawn);
        const listed = Number(document.querySelector(".row")?.getAttribute("aria-setsize"));
        if (drawn >= count && listed >= count) requestAnimationFrame(() => done(performance.now()));
        else requestAnimationFrame(look);
    };
    look();
})"""
ROW_SHOWN = """count => new Promise((done) => {
    const look = () => {
        const row = document.querySelector(".row:last-child");
        if (Number(row?.getAttribute("aria-setsize")) >= count) {
            requestAnimationFrame(() => done(Date.now()));
        } else requestAnimationFrame(look);
    };
    look();
})"""


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    wanted = parser.parse_args()
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        sys.exit("no chromium on the PATH")
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder, 'many.db')}"
        async with await StorageFactory.create(backend_from_url(url)) as store:
            await write_many_calls(store, wanted.calls)
            server = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-m", "sessionkeeper", "view", url],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            try:
                async with async_playwright() as playwright:
                    browser = await playwright.chromium.launch(
                        executable_path=found, args=["--no-sandbox", "--disable-gpu"]
                    )
                    firsts: list[float] = []
                    for _ in range(wanted.rounds):
                        page = await browser.new_page()
                        firsts.append(await first_picture(page, address, wanted.calls))
                        await page.close()
                    page = await browser.new_page()
                    await first_picture(page, address, wanted.calls)
                    lives = [
                        await one_more(page, store, wanted.calls + n)
                        for n in range(3 * wanted.rounds)
                    ]
                    await browser.close()
            finally:
                server.terminate()
                server.wait()
    print(f"first picture of {wanted.calls:,} calls: {statistics.median(firsts):,.0f} ms")
    print(f"one more call live: {statistics.median(lives):,.0f} ms")


async def first_picture(page: Page, address: str, calls: int) -> float:
    """Return the milliseconds from the start of the navigation until all calls are shown."""
    await page.goto(address)
    shown: float = await page.evaluate(SHOWN, calls)
    return shown


async def one_more(page: Page, store: AtomicSessionStore, calls: int) -> float:
    """Return the milliseconds from the acknowledged write of a request until its row is shown."""
    number = 1_000_000 + calls
    params = {"name": "echo", "arguments": {"text": "x" * 180}}
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    envelope = MessageEnvelope.of("many", message, direction="client-to-server")
    shown = asyncio.create_task(page.evaluate(ROW_SHOWN, calls + 1))
    await asyncio.sleep(0.3)
    await store.add_frames("many", [envelope])
    written = time.time() * 1_000
    return float(await shown) - written


if __name__ == "__main__":
    asyncio.run(main())
