"""`sessionkeeper export --otel` and `--otlp`: calls as spans, into a file or to a collector."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .console import complain, interruptible, say
from .export_output import output_stream
from .progress import progress
from .stores import BAD_INPUT, find_session, open_store, run_command

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["export_spans"]

_PACKAGES = ("opentelemetry", "google", "requests")


def export_spans(url: str, asked: list[str], output: Path | None, collector: str | None) -> int:
    """Write the spans of these sessions, or of all; to the collector, if one is given."""
    if collector is not None and output is not None:
        raise typer.BadParameter("does not go with --output", param_hint="--otlp")
    try:
        from ..recording.formats import otlp
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _PACKAGES:
            raise
        complain("OpenTelemetry is not installed: pip install 'sessionkeeper[otlp]'")
        return BAD_INPUT
    if collector is None:
        return run_command(_write(url, asked, output))
    try:
        otlp.traces_url(collector)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--otlp") from None
    return run_command(_send(url, asked, collector))


async def _write(url: str, asked: list[str], output: Path | None) -> int:
    from ..recording.formats.otlp import as_json_line

    with output_stream(output) as stream:

        async def write(spans: Sequence[ReadableSpan]) -> None:
            line = as_json_line(spans)
            with interruptible():
                stream.write(f"{line}\n")

        await _export(url, asked, write)
        with interruptible():
            stream.flush()
    return 0


async def _send(url: str, asked: list[str], collector: str) -> int:
    from ..recording.formats.otlp import CollectorClient, CollectorFailed

    try:
        async with CollectorClient(collector) as client:
            sent = await _export(url, asked, client.send)
    except CollectorFailed as error:
        complain(f"the collector: {error}")
        return BAD_INPUT
    say(f"sent {sent:,} spans")
    return 0


async def _export(
    url: str, asked: list[str], write: Callable[[Sequence[ReadableSpan]], Awaitable[None]]
) -> int:
    from ..recording.formats.otlp import BATCH
    from ..recording.formats.spans import spans

    batch: list[ReadableSpan] = []
    written = 0
    async with open_store(url) as store:
        found = {each.id: each for each in [await find_session(store, name) for name in asked]}
        frames = sum(each.frame_count for each in found.values())
        if not asked:
            frames = (await store.statistics()).frames
        with progress("exporting", frames) as advance:
            async for span in spans(store, found if asked else None, on_frames=advance):
                batch.append(span)
                if len(batch) == BATCH:
                    await write(batch)
                    written += len(batch)
                    batch = []
            if batch:
                await write(batch)
    return written + len(batch)
