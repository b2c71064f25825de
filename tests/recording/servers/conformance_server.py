"""A server with what the protocol's conformance suite calls: `… PORT` on HTTP, `… stdio`.

The names are the suite's. It speaks every revision that `mcp` speaks.
"""

from __future__ import annotations

import asyncio
import base64
import sys

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(16)).decode()
SOUND = base64.b64encode(b"RIFF" + bytes(40)).decode()
server = MCPServer("conformance", version="1")


class Answer(BaseModel):
    """What a user is asked for."""

    username: str
    email: str


def text(what: str) -> types.TextContent:
    """Text as content."""
    return types.TextContent(type="text", text=what)


def image() -> types.ImageContent:
    """An image as content."""
    return types.ImageContent(type="image", data=PIXEL, mime_type="image/png")


def embedded(uri: str) -> types.EmbeddedResource:
    """A resource as content."""
    resource = types.TextResourceContents(uri=uri, mime_type="text/plain", text="an embedded text")
    return types.EmbeddedResource(type="resource", resource=resource)


@server.tool()
def test_simple_text() -> str:
    """Return text."""
    return "This is a simple text response for testing."


@server.tool()
def test_image_content() -> list[types.ImageContent]:
    """Return an image."""
    return [image()]


@server.tool()
def test_audio_content() -> list[types.AudioContent]:
    """Return a sound."""
    return [types.AudioContent(type="audio", data=SOUND, mime_type="audio/wav")]


@server.tool()
def test_embedded_resource() -> list[types.EmbeddedResource]:
    """Return a resource."""
    return [embedded("test://embedded-resource")]


@server.tool()
def test_multiple_content_types() -> list[types.ContentBlock]:
    """Return several kinds of content."""
    return [
        text("Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource"),
    ]


@server.tool()
async def test_tool_with_logging(ctx: Context) -> str:
    """Log three messages."""
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(message)
        await asyncio.sleep(0.05)
    return "logged"


@server.tool()
async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress in three steps."""
    for step in (0, 50, 100):
        await ctx.report_progress(step, 100, f"Completed step {step} of 100")
        await asyncio.sleep(0.05)
    return "done"


@server.tool()
def test_error_handling() -> str:
    """Fail."""
    raise ValueError("This tool intentionally returns an error for testing")


@server.tool()
async def test_sampling(prompt: str, ctx: Context) -> str:
    """Ask the client's model."""
    message = types.SamplingMessage(role="user", content=text(prompt))
    result = await ctx.session.create_message(messages=[message], max_tokens=100)
    return f"LLM response: {getattr(result.content, 'text', '')}"


@server.tool()
async def test_elicitation(message: str, ctx: Context) -> str:
    """Ask the client's user."""
    result = await ctx.elicit(message, Answer)
    return f"User response: {result.action}"


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """Bytes."""
    return base64.b64decode(PIXEL)


@server.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:
    """A text with an id."""
    return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'


@server.prompt()
def test_simple_prompt() -> str:
    """A prompt."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
async def complete(
    ref: types.PromptReference | types.ResourceTemplateReference,
    argument: types.CompletionArgument,
    context: types.CompletionContext | None,
) -> types.Completion:
    """Complete nothing."""
    return types.Completion(values=["paris", "park"], total=2, has_more=False)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
