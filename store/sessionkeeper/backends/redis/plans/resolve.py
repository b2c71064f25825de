"""Looks up the outcome of an operation whose answer was lost: the command and its plan."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from soleowner import CallerError

from ....operations.command import StoreCommand
from ....operations.tables import Tables
from ....values.errors import OutcomeUnknown
from ..client.call import Argument
from ..context import PlanContext
from ..delivery.request import Plan, Request
from ..delivery.writer_log import OperationId, fixed_keys
from ..scripts import script
from .replies import ValueReply, read_reply

__all__ = ["Resolve", "resolve"]

RESOLVE = script("resolve")


class Resolve(StoreCommand[bool], frozen=True, gc=False):
    operation_id: str

    @property
    def touches(self) -> Sequence[str]:
        return ()  # it concerns an operation, not a session

    def apply(self, tables: Tables, /) -> bool:
        raise NotImplementedError("only a store on a server can lose an answer")


def resolve(plan_context: PlanContext, command: Resolve, scope: str) -> Plan[bool]:
    try:
        buckets = plan_context.keys.buckets
        writer, ring, number, operation = OperationId(command.operation_id).parts(len(buckets))
    except ValueError as error:
        raise CallerError(error) from None
    bucket = buckets[number]
    fixed = fixed_keys(bucket, writer)
    epoch = secrets.token_hex(8)
    request: list[Argument] = ["EVALSHA", RESOLVE.digest, len(fixed), *fixed]
    request += (epoch, operation, operation % ring)
    (answer,) = yield [Request(bucket, RESOLVE, None, request)]
    outcome: int = read_reply(ValueReply, answer, "").value
    if outcome < 0:
        raise OutcomeUnknown(command.operation_id)
    return bool(outcome)
