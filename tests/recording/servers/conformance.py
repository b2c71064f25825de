"""Runs the protocol's conformance suite against a server, and reads its checks."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

from tests.recording.servers.packages import node, node_modules

__all__ = ["RELEASED", "REVISION_2026", "Suite", "run_suite"]


@dataclass(frozen=True)
class Suite:
    """A release of the suite, and what it is asked to check."""

    requirement: str
    options: tuple[str, ...] = ()


RELEASED = Suite("@modelcontextprotocol/conformance@0.1.16")
REVISION_2026 = Suite(
    "@modelcontextprotocol/conformance@0.2.0-alpha.12", ("--requirements", "2026-07-28")
)


async def run_suite(suite: Suite, url: str, folder: Path) -> dict[str, str]:
    """Return what became of each check, by scenario, number and name of the check."""
    folder.mkdir(parents=True)
    program = node_modules(suite.requirement) / "@modelcontextprotocol/conformance/dist/index.js"
    process = await asyncio.create_subprocess_exec(
        *(node(), str(program), "server", "--url", url, "-o", str(folder), *suite.options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()  # it ends with 1 when a check failed
    found: dict[str, str] = {}
    for path in folder.glob("*/checks.json"):
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", path.parent.name)
        for number, check in enumerate(json.loads(path.read_text())):
            found[f"{scenario} {number} {check['id']}"] = check["status"]
    assert found, output.decode(errors="replace")[-2000:]
    return found
