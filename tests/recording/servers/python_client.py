"""The official Python client holds a conversation: `python python_client.py PLAN`.

A plan is JSON: `command` or `url`, and `steps`. It prints one line of JSON: what each step gave,
and how often the server asked for what. `typescript_client.mjs` does the same.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from pydantic import FileUrl

MAX_SHOWN = 200
CONTENT: dict[str, str | int | float | bool | list[str] | None] = {
    "name": "Ada",
    "check": True,
    "value": True,
}


class Talk:
    """One conversation, and what the server asked in it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.asked: Counter[str] = Counter()
        self.client = Client(
            _server(plan),
            mode=plan.get("mode", "auto"),
            sampling_callback=self._sample,
            elicitation_callback=self._elicit,
            list_roots_callback=self._roots,
            client_info=types.Implementation(name="python-client", version="1"),
            cache=None,
        )

    async def take(self, step: list[Any]) -> str:
        """Take one step; return what came of it, shortened."""
        what, *arguments = step
        try:
            if what == "call":
                name, given = arguments
                result = await self.client.call_tool(name, given, progress_callback=self._step)
                return _told(result)
            if what == "cancel":
                return await self._cancel(*arguments)
            if what == "tools":
                return str(sorted(tool.name for tool in (await self.client.list_tools()).tools))
            if what == "resources":
                return str(len((await self.client.list_resources()).resources))
            if what == "prompts":
                return str(len((await self.client.list_prompts()).prompts))
            raise ValueError(what)
        except MCPError as error:
            return f"error {error.error.code}"

    async def _cancel(self, name: str, arguments: dict[str, Any]) -> str:
        """Call a tool, and cancel the call at its first step of progress."""
        begun = asyncio.Event()

        async def step(progress: float, total: float | None, message: str | None) -> None:
            await self._step(progress, total, message)
            begun.set()

        call = asyncio.create_task(self.client.call_tool(name, arguments, progress_callback=step))
        await begun.wait()
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call
        return "cancelled"

    async def _step(self, progress: float, total: float | None, message: str | None) -> None:
        self.asked["progress"] += 1

    async def _sample(
        self, context: object, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult:
        self.asked["sampling"] += 1
        text = types.TextContent(type="text", text="a sampled \u00e4nswer \U0001f642")
        return types.CreateMessageResult(role="assistant", content=text, model="none")

    async def _elicit(
        self, context: object, params: types.ElicitRequestParams
    ) -> types.ElicitResult:
        self.asked["elicitation"] += 1
        return types.ElicitResult(action="accept", content=CONTENT)

    async def _roots(self, context: object) -> types.ListRootsResult:
        self.asked["roots"] += 1
        return types.ListRootsResult(roots=[types.Root(uri=FileUrl("file:///tmp"), name="tmp")])


def _server(plan: dict[str, Any]) -> Any:
    if "url" in plan:
        return streamable_http_client(plan["url"], max_sse_event_size=1 << 26)
    command, *arguments = plan["command"]
    return StdioServerParameters(command=command, args=arguments, env=plan.get("env"))


def _told(result: types.CallToolResult) -> str:
    text = "".join(each.text for each in result.content if isinstance(each, types.TextContent))
    shown = text if len(text) <= MAX_SHOWN else f"{len(text)} characters"
    return f"tool error: {shown}" if result.is_error else shown


async def main(plan: dict[str, Any]) -> None:
    """Hold the conversation, and print what came of it."""
    talk = Talk(plan)
    async with talk.client:
        steps = [await talk.take(step) for step in plan["steps"]]
    print(json.dumps({"steps": steps, "asked": talk.asked}))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
