"""Which of a server's numbers are worth a look, in sentences.

The limits are round numbers, well above what careful servers need.
"""

from __future__ import annotations

from collections.abc import Iterator

from .context_cost import ContextCost, ToolCost, as_tokens

__all__ = ["remarks"]

_DEFINITIONS = 40_000
_DESCRIPTION = 4_000
_SCHEMA = 8_000
_RESULT = 100_000
"""Bytes; the first of all tools of a server, the others of one tool."""
_MANY = 5
_SHOWN = 3


def remarks(cost: ContextCost) -> Iterator[str]:
    """Yield what is worth a look about a server, the costliest first."""
    listed = [each for each in cost.tools if each.is_listed]
    if cost.definition_bytes >= _DEFINITIONS:
        yield (
            f"{len(listed)} tools take about {cost.definition_tokens:,} tokens of every"
            " conversation, before any is called"
        )
    yield from _unused(cost, listed)
    for each in sorted(cost.tools, key=lambda tool: -tool.largest_text)[:_SHOWN]:
        if each.largest_text >= _RESULT:
            tokens = as_tokens(each.largest_text)
            yield f"one result of {each.name} had about {tokens:,} tokens"
    for each in sorted(listed, key=lambda tool: -tool.description_bytes)[:_SHOWN]:
        if each.description_bytes >= _DESCRIPTION:
            tokens = as_tokens(each.description_bytes)
            yield f"the description of {each.name} has about {tokens:,} tokens"
    for each in sorted(listed, key=lambda tool: -tool.schema_bytes)[:_SHOWN]:
        if each.schema_bytes >= _SCHEMA:
            yield f"the schemas of {each.name} have about {as_tokens(each.schema_bytes):,} tokens"
    if without := [each.name for each in listed if not each.description_bytes]:
        yield f"without a description: {_names(without)}"
    if cost.is_stale:
        yield "the list of tools changed after it was last read: the model knows an old one"
    if listed and (unknown := [each.name for each in cost.tools if not each.is_listed]):
        yield f"called, but not in the last list: {_names(unknown)}"


def _unused(cost: ContextCost, listed: list[ToolCost]) -> Iterator[str]:
    never = [each for each in listed if not each.calls]
    is_used = len(never) < len(listed)
    if is_used and len(never) >= _MANY and 2 * len(never) >= len(listed):
        tokens = as_tokens(sum(each.definition_bytes for each in never))
        yield (
            f"{len(never)} of {len(listed)} tools were never called: about {tokens:,} tokens of"
            " every conversation"
        )


def _names(names: list[str]) -> str:
    more = len(names) - _SHOWN
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
