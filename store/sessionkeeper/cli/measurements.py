"""What was measured of calls and contexts, as `stats` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from ..printing import styled
from ..recording import ContextCost, Measurements, MethodStatistics, ToolCost
from ..recording.analysis.context_cost import as_tokens
from .call_text import ARROW_STYLES
from .frame_text import ARROWS
from .quantities import format_counted, format_duration, format_size
from .screen import Screen, join
from .table import Column, Table

__all__ = ["measurement_fields", "print_measurements"]

_SHOWN = 10
"""Tools and names of each server, unless all are wanted."""


def measurement_fields(measured: Measurements) -> dict[str, object]:
    """Return what was measured as JSON has it; durations are in seconds."""
    return {
        "methods": [_method_fields(each) for each in measured.methods],
        "contexts": [_context_fields(each) for each in measured.contexts],
    }


def print_measurements(screen: Screen, measured: Measurements, *, every: bool) -> None:
    """Print the calls by method, then each server with its tools."""
    _print_methods(screen, measured)
    for cost in measured.contexts:
        if cost.tools or cost.instructions_bytes:
            screen.print()
            _print_context(screen, cost, every=every)


def _print_methods(screen: Screen, measured: Measurements) -> None:
    if not measured.methods:
        screen.print(styled("no calls", "bold"))
        return
    table = Table(
        screen,
        Column("dir", 8),
        Column("method", 3, least=12),
        Column("tool or prompt", 2, least=12, optional=True, style="cyan"),
        Column("calls", 1, right=True),
        Column("errors", 4, right=True, optional=True),
        Column("no answer", 7, right=True, optional=True),
        Column("p50", 5, right=True),
        Column("p99", 6, right=True),
        Column("longest", 9, right=True),
        Column("sent", 11, right=True),
        Column("received", 10, right=True),
    )
    for row in measured.methods:
        table.add(
            styled(ARROWS[row.direction], ARROW_STYLES[row.direction]),
            row.method,
            row.name or "",
            f"{row.count:,}",
            styled(f"{row.errors:,}" if row.errors else "", "red"),
            styled(f"{row.unanswered:,}" if row.unanswered else "", "yellow"),
            _duration(row.p50),
            _duration(row.p99),
            _duration(row.longest),
            format_size(row.request_bytes),
            format_size(row.response_bytes),
        )
    table.end()
    if any(not row.is_exact for row in measured.methods):
        screen.note("p50 and p99 of more than 4,096 calls are within 1 %")


def _print_context(screen: Screen, cost: ContextCost, *, every: bool) -> None:
    listed = sum(tool.is_listed for tool in cost.tools)
    said = (
        f"{format_counted(cost.sessions, 'session')}, {format_counted(listed, 'tool')},"
        f" about {cost.definition_tokens:,} tokens a conversation"
        f" and {cost.result_tokens:,} of results"
    )
    screen.print(styled(cost.server or "a server without a name", "bold"))
    screen.print(styled(f"  {said}"))
    shown = cost.tools if every else cost.tools[:_SHOWN]
    table = Table(
        screen,
        Column("  tool", 1, least=12, style="cyan"),
        Column("calls", 2, right=True),
        Column("errors", 6, right=True, optional=True),
        Column("definition", 3, right=True),
        Column("description", 7, right=True),
        Column("schemas", 8, right=True),
        Column("results", 4, right=True, optional=True),
        Column("largest", 10, right=True, optional=True),
        Column("structured", 9, right=True, optional=True),
        Column("media", 9, right=True, optional=True),
        Column("~tokens", 5, right=True),
    )
    for tool in shown:
        table.add(
            f"  {tool.name}",
            styled(f"{tool.calls:,}", "" if tool.calls else "yellow"),
            styled(f"{tool.errors:,}" if tool.errors else "", "red"),
            _size(tool.definition_bytes),
            _size(tool.description_bytes),
            _size(tool.schema_bytes),
            _size(tool.text_bytes),
            _size(tool.largest_text),
            _size(tool.structured_bytes),
            _size(tool.media_bytes),
            f"{as_tokens(tool.definition_bytes + tool.text_bytes):,}",
        )
    table.end()
    if len(shown) < len(cost.tools):
        more = len(cost.tools) - len(shown)
        screen.note(f"and {format_counted(more, 'tool')} more; --all shows all")
    for remark in cost.remarks:
        screen.print(join(styled("  ! ", "yellow"), remark))


def _method_fields(row: MethodStatistics) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(row)
    durations = {name: _seconds(getattr(row, name)) for name in ("p50", "p99", "longest")}
    return {**fields, **durations}


def _context_fields(cost: ContextCost) -> dict[str, object]:
    fields: Mapping[str, object] = msgspec.to_builtins(cost)
    return {
        **fields,
        "tools": [_tool_fields(each) for each in cost.tools],
        "definition_bytes": cost.definition_bytes,
        "definition_tokens": cost.definition_tokens,
        "result_tokens": cost.result_tokens,
        "never_called": list(cost.never_called),
    }


def _tool_fields(tool: ToolCost) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(tool)
    tokens = {"definition_tokens": tool.definition_tokens, "result_tokens": tool.result_tokens}
    return {**fields, **tokens}


def _duration(duration: timedelta | None) -> str:
    return "" if duration is None else format_duration(duration)


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _size(size: int) -> str:
    return format_size(size) if size else ""
