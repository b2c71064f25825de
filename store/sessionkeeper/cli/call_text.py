"""Calls as the commands print them: as JSON, and what became of them in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..printing import styled
from ..recording.analysis import Call, CallOutcome
from ..values.states import Direction
from .screen import join

if TYPE_CHECKING:
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["ARROW_STYLES", "OUTCOME_STYLES", "call_fields", "describe_outcome", "style_call"]

ARROW_STYLES = {Direction.CLIENT_TO_SERVER: "green", Direction.SERVER_TO_CLIENT: "magenta"}
OUTCOME_STYLES = {
    CallOutcome.RESULT: "",
    CallOutcome.TOOL_ERROR: "red",
    CallOutcome.ERROR: "red",
    CallOutcome.CANCELLED: "yellow",
    CallOutcome.UNANSWERED: "yellow",
    CallOutcome.UNKNOWN: "yellow",
    CallOutcome.OPEN: "blue",
}


def call_fields(call: Call) -> dict[str, object]:
    """Return a call as JSON has it; the latency is in seconds."""
    fields: dict[str, object] = msgspec.to_builtins(call)
    latency = call.latency
    return {**fields, "latency": None if latency is None else latency.total_seconds()}


def style_call(method: str, name: str | None, *, narrow: bool = False) -> Text:
    """Return the method and the name of a call; if `narrow`, the method only without a name."""
    if not name:
        return styled(method, "bold")
    styled_name = styled(name, "cyan")
    return styled_name if narrow else join(styled(method, "bold"), " ", styled_name)


def describe_outcome(call: Call) -> str:
    """Say what became of a call: `ok`, the error with its text, or that it has no answer."""
    steps = f", {call.progress:,} progress" if call.progress else ""
    match call.outcome:
        case CallOutcome.RESULT:
            return f"ok{steps}"
        case CallOutcome.TOOL_ERROR:
            return f"tool error{steps}{_reason(call)}"
        case CallOutcome.ERROR:
            return _describe_error(call, steps)
        case outcome:
            return f"{_WITHOUT_ANSWER.get(outcome, outcome)}{steps}"


_WITHOUT_ANSWER = {
    CallOutcome.UNANSWERED: "no answer",
    CallOutcome.UNKNOWN: "no answer seen",
}


def _describe_error(call: Call, steps: str) -> str:
    if call.error_text == f"HTTP {call.error_code}":
        return f"{call.error_text}{steps}"
    code = "" if call.error_code is None else f" {call.error_code}"
    return f"error{code}{steps}{_reason(call)}"


def _reason(call: Call) -> str:
    return f": {call.error_text}" if call.error_text else ""
