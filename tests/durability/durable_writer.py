"""Appends for ever, and says on a pipe what was acknowledged; made to be killed.

The program forks a writer whenever it is asked to: a start of the interpreter takes ten times as
long as all the rest of a kill.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore
from sessionkeeper.backends.sqlite import frame_index
from sessionkeeper.backends.sqlite.writer import SQLiteWriter

from tests.durability.cut_workload import PASSED, answering_early

PARTS = 12
"""Frames of a batch."""
STATUS = struct.Struct("<i")
"""The message of the spawner: a process id, or how that process ended."""


def note(text: str, id: str = "a", stream: str | None = None) -> MessageEnvelope:
    message = {"jsonrpc": "2.0", "method": "note", "params": [text]}
    return MessageEnvelope.of(id, message, direction="client-to-server", stream=stream)


async def write(path: str, durability: str, name: str, say: Callable[[str], None]) -> None:
    """Single frames, and batches, from several tasks."""
    frame_index.MERGE_AT = 40  # often enough to be killed at
    say("0 opening.\n")
    async with SQLiteSessionStore(path, durability=durability) as store:
        await store.get_or_create_session(Session.new(transport_type="stdio", id="a"))

        async def singles() -> None:
            n = 0
            while True:
                text = f"{name}-single-{n}"
                say(f"{await store.add_frame(note(text))} {text}.\n")
                n += 1

        async def batches(task: int) -> None:
            n = 0
            while True:
                texts = [f"{name}-batch-{task}-{n}-{part}" for part in range(PARTS)]
                seqs = await store.add_frames("a", [note(text) for text in texts])
                say("".join(f"{seq} {text}.\n" for seq, text in zip(seqs, texts, strict=True)))
                n += 1

        await asyncio.gather(singles(), batches(0), batches(1), change(store, say))


async def change(store: SQLiteSessionStore, say: Callable[[str], None]) -> None:
    """Append to streams of a session, remove, trim and put it, and have another one expire."""
    kept, _ = await store.get_or_create_session(Session.new(transport_type="stdio", id="b"))

    async def do(name: str, n: int, operation: Awaitable[object]) -> None:
        await operation
        say(f"{n} ~{name}.\n")

    async def expire(n: int) -> None:
        await store.put_session(session("due", n, expires_at=PASSED))
        await store.expire_sessions()

    for n in itertools.count(kept.last_seq // 3 + 1):
        parts = [note(f"{n}-{part}", "b", f"s{part}") for part in range(3)]
        await do("append", n, store.add_frames("b", parts))
        await asyncio.gather(
            do("remove", n, store.remove_frames("b", [3 * n - 1, 3 * n])),
            do("put", n, store.put_session(session("b", n))),
            do("trim", n, store.trim_frames("b", up_to=max(3 * (n - 5), 0))),
            do("expire", n, expire(n)),
        )


def session(id: str, n: int, **fields: object) -> Session:
    return Session.new(transport_type="stdio", id=id, metadata={"n": n}, **fields)


def serve(link: socket.socket) -> None:
    """Fork a writer for each line, one at a time, until nobody asks any more."""
    while True:
        asked, descriptors, _, _ = socket.recv_fds(link, 4096, 1)
        if not asked:
            return
        (pipe,) = descriptors
        child = os.fork()
        if not child:
            be(asked.decode(), pipe)
        os.close(pipe)
        link.sendall(STATUS.pack(child))
        _, ended = os.waitpid(child, 0)
        link.sendall(STATUS.pack(os.waitstatus_to_exitcode(ended)))


def be(asked: str, pipe: int) -> None:
    """Be the writer that was asked for."""
    loop, durability, flaw, name, path = asked.split(" ", 4)
    try:
        if flaw in FLAWS:
            SQLiteWriter.open = flawed(FLAWS[flaw])  # type: ignore[method-assign]  # on purpose
        early = answering_early(flaw) if hasattr(SQLiteSessionStore, flaw) else nullcontext()
        with early, asyncio.Runner(loop_factory=factory(loop)) as runner:
            # One write is one line, or several whole ones: less than a pipe takes at once.
            say: Callable[[str], None] = lambda text: void(os.write(pipe, text.encode()))  # noqa: E731
            runner.run(write(path, durability, name, say))
    finally:
        os._exit(1)


def answer_before_commit(execute: Callable[..., object]) -> Callable[..., object]:
    """Commit when the next batch begins."""
    late: list[str] = []

    def run(statement: str, *words: object) -> object:
        if statement == "COMMIT":
            late.append(statement)
            return None
        while late:
            execute(late.pop())
        return execute(statement, *words)

    return run


def commit_each_frame(execute: Callable[..., object]) -> Callable[..., object]:
    """Have no transaction."""

    def run(statement: str, *words: object) -> object:
        return None if statement[:3] in ("BEG", "COM") else execute(statement, *words)

    return run


FLAWS = {"late": answer_before_commit, "autocommit": commit_each_frame}


def flawed(flaw: Callable[[Any], Any]) -> Callable[[SQLiteWriter, Any], None]:
    """Open a writer with this fault."""
    open_whole = SQLiteWriter.open

    def open_flawed(self: Any, post: Any) -> None:
        open_whole(self, post)
        self._execute = flaw(self._execute)

    return open_flawed


def void(_: object) -> None:
    """Nothing."""


def factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """How to make the loop of that name."""
    if loop == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


if __name__ == "__main__":
    serve(socket.socket(fileno=0))
