"""What each server puts into the context of a model: its tools, and the results of their calls.

A client gives the definitions of all tools to its model in every conversation, and each result that
was asked for. Bytes are exact, as recorded. Tokens are an estimate: four bytes each.
"""

from __future__ import annotations

import msgspec

__all__ = ["BYTES_PER_TOKEN", "ContextCost", "ToolCost", "as_tokens"]

BYTES_PER_TOKEN = 4
"""A rule of thumb for English and JSON; every model has its own."""


def as_tokens(size: int) -> int:
    """Estimate the tokens of a text of this many bytes."""
    return size // BYTES_PER_TOKEN


class ToolCost(msgspec.Struct, frozen=True, kw_only=True):
    """One tool: its definition as last listed, and all its calls."""

    name: str
    is_listed: bool
    """Whether the server's last list has it."""
    definition_bytes: int
    """Of the tool's whole object in the list; 0 if it was never listed."""
    description_bytes: int
    schema_bytes: int
    """Of the schemas of input and output."""
    calls: int
    errors: int
    text_bytes: int
    """Of the text in all results, in UTF-8."""
    structured_bytes: int
    """Of the `structuredContent` in all results. Most clients give a model the text instead."""
    media_bytes: int
    """Of images, sounds and other binary content, as Base64. Models do not count them by bytes."""
    largest_text: int
    """Bytes of text in the largest of the results."""

    @property
    def definition_tokens(self) -> int:
        """The tokens of the definition, about."""
        return as_tokens(self.definition_bytes)

    @property
    def result_tokens(self) -> int:
        """The tokens of the text of all results, about."""
        return as_tokens(self.text_bytes)


class ContextCost(msgspec.Struct, frozen=True, kw_only=True):
    """One server, over all its sessions."""

    server: str | None
    """Its name, or the URL or program if it gave none; None if nothing is known."""
    sessions: int
    instructions_bytes: int
    """Of the instructions in its last answer to `initialize`."""
    tools: tuple[ToolCost, ...]
    """Those of the last list, and those that were called without being in it; the costliest first.
    Of a list whose pages were not all asked for, the pages that were."""
    list_changes: int
    """How often it announced that its list of tools had changed."""
    is_stale: bool
    """Whether it did so after the last list, in the session of that list."""
    remarks: tuple[str, ...]
    """What is worth a look, in sentences."""

    @property
    def definition_bytes(self) -> int:
        """Bytes of all definitions: what each conversation costs before any call."""
        return sum(each.definition_bytes for each in self.tools)

    @property
    def definition_tokens(self) -> int:
        """The tokens of all definitions and of the instructions, about."""
        return as_tokens(self.definition_bytes + self.instructions_bytes)

    @property
    def result_tokens(self) -> int:
        """The tokens of the text of all results, about."""
        return as_tokens(sum(each.text_bytes for each in self.tools))

    @property
    def never_called(self) -> tuple[str, ...]:
        """Names of the listed tools that nobody called."""
        return tuple(each.name for each in self.tools if each.is_listed and not each.calls)
