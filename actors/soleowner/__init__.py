"""One task owns the state; everyone else sends it commands and awaits the replies.

A small actor engine for asyncio. It does not depend on the library that uses it.
"""

from __future__ import annotations

from .actor import Actor
from .command import Command
from .envelope import Batch, Envelope, Reply, fail, succeed
from .errors import (
    ActorError,
    CallerError,
    LoopStopped,
    MailboxClosed,
    MailboxFull,
    OwnerCrashed,
    Reentrant,
    WouldBlock,
    WrongLoop,
)
from .loops import LoopPort
from .mailbox import Mailbox
from .observer import Observer
from .pair import ActorPair
from .runner import LoopRunner, Runner
from .statistics import ActorState, ActorStatistics
from .thread_runner import ThreadRunner
from .threads import ThreadPort
from .transactions import Post, Transactions

__all__ = [
    # the engine
    "Actor",
    "ActorPair",
    "ActorState",
    "ActorStatistics",
    "Command",
    "LoopPort",
    "Mailbox",
    "Observer",
    "ThreadPort",
    # where a batch is applied
    "Batch",
    "Envelope",
    "LoopRunner",
    "Post",
    "Reply",
    "Runner",
    "ThreadRunner",
    "Transactions",
    "fail",
    "succeed",
    # errors
    "ActorError",
    "CallerError",
    "LoopStopped",
    "MailboxClosed",
    "MailboxFull",
    "OwnerCrashed",
    "Reentrant",
    "WouldBlock",
    "WrongLoop",
]
