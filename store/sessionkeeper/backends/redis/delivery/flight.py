"""Calls that are out together, beside others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..client.call import Call
from ..client.pipeline import Pipeline
from .request import Request

__all__ = ["Flight"]


@dataclass(frozen=True, slots=True)
class Flight:
    """Calls that were sent together, each with its requests."""

    calls: Sequence[tuple[Call, Sequence[Request]]]
    pipeline: Pipeline
