"""One task owns the state; everyone else sends it commands and awaits the replies.

A small actor engine for asyncio. It knows nothing of what it is used for.
"""

from __future__ import annotations

from .actor import Actor
from .command import Command
from .envelope import Batch, Envelope, fail, succeed
from .errors import (
    ActorError,
    CallerError,
    MailboxClosed,
    MailboxFull,
    OwnerCrashed,
    Reentrant,
    WrongLoop,
)
from .mailbox import Mailbox
from .runner import LoopRunner, Runner
from .statistics import ActorStatistics
from .thread_runner import ThreadRunner
from .transactions import Post, Transactions

__all__ = [
    # the engine
    "Actor",
    "ActorStatistics",
    "Command",
    "Mailbox",
    # where a batch is applied
    "Batch",
    "Envelope",
    "LoopRunner",
    "Post",
    "Runner",
    "ThreadRunner",
    "Transactions",
    "fail",
    "succeed",
    # errors
    "ActorError",
    "CallerError",
    "MailboxClosed",
    "MailboxFull",
    "OwnerCrashed",
    "Reentrant",
    "WrongLoop",
]
