"""Appends for ever, and says on a pipe what was acknowledged; made to be killed."""

from __future__ import annotations

import asyncio
import sys

from sessionkeeper import MessageEnvelope, Session, SQLiteSessionStore


def note(text: str) -> MessageEnvelope:
    message = {"jsonrpc": "2.0", "method": "note", "params": [text]}
    return MessageEnvelope.of("a", message, direction="client-to-server")


async def write(path: str, durability: str, name: str) -> None:
    """Single frames, and batches of three, from several tasks."""
    print("0 opening.", flush=True)
    async with SQLiteSessionStore(path, durability=durability) as store:
        await store.get_or_create_session(Session.new(transport_type="stdio", id="a"))

        async def singles() -> None:
            n = 0
            while True:
                text = f"{name}-single-{n}"
                seq = await store.add_frame(note(text))
                print(f"{seq} {text}.", flush=True)
                n += 1

        async def batches(task: int) -> None:
            n = 0
            while True:
                texts = [f"{name}-batch-{task}-{n}-{part}" for part in range(3)]
                seqs = await store.add_frames("a", [note(text) for text in texts])
                for seq, text in zip(seqs, texts, strict=True):
                    print(f"{seq} {text}.", flush=True)
                n += 1

        await asyncio.gather(singles(), batches(0), batches(1))


if __name__ == "__main__":
    asyncio.run(write(*sys.argv[1:]))
