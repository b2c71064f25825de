"""How long checking and recording take: `python perf/checking.py [FOLDER OF SHARED HISTORIES]`.

Absolute seconds of one process, of the processor and not of the clock: machines are shared.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from harness import options
from sessionkeeper import PlainSessionStore, Session
from sessionlab import (
    KeyValue,
    Model,
    Operation,
    Outcome,
    RecordingStore,
    Register,
    SessionStoreModel,
    Verdict,
    check,
    find_model,
    read_history,
)

CALLER = ("stdio", "active", None, None, None, None, (None, None, None), (), "{}", None)


def register_history(count: int, clients: int, values: int) -> list[Operation]:
    """Busy clients on one register: each calls, takes effect and returns in turns by chance."""
    random, now, state = Random(1), 0, None
    calls: dict[int, list[Any]] = {}
    done: list[Operation] = []
    while len(done) < count:
        now += 1
        client = random.randrange(clients)
        call = calls.get(client)
        if call is None:
            name = random.choice(("read", "write", "cas"))
            one, other = random.randrange(values), random.randrange(values)
            argument = {"read": None, "write": one, "cas": (one, other)}[name]
            calls[client] = [name, argument, now, None, None]
        elif call[4] is None:
            call[4] = Outcome.OK
            if call[0] == "read":
                call[3] = state
            elif call[0] == "write":
                state = call[1]
            elif state == call[1][0]:
                state = call[1][1]
            else:
                call[4] = Outcome.FAILED
        else:
            name, argument, begun, result, outcome = calls.pop(client)
            done.append(
                Operation(
                    client=client,
                    name=name,
                    argument=argument,
                    result=result,
                    call=begun,
                    returned=now,
                    outcome=outcome,
                )
            )
    return sorted(done, key=lambda operation: operation.call)


def kv_history(count: int, keys: int) -> list[Operation]:
    """Five clients that get and put under so many keys, each call overlapping four others."""
    random = Random(2)
    held: dict[str, str] = {}
    history: list[Operation] = []
    for n in range(count):
        key = f"k{random.randrange(keys)}"
        puts = random.random() < 0.5
        if puts:
            held[key] = f"v{random.randrange(50)}"
        history.append(
            Operation(
                client=n % 5,
                name="put" if puts else "get",
                argument=(key, held[key] if puts else None),
                result=None if puts else held.get(key, ""),
                call=2 * n,
                returned=2 * n + 9,
            )
        )
    return history


def append_log(count: int) -> list[Operation]:
    """One session: four appends at once, then now and then a count and a read of the newest."""
    random, now, seq = Random(3), 2, 0
    frames = [("a", "client-to-server", f'{{"id":{n}}}', "{}") for n in range(997)]

    def session(revision: int) -> Any:
        return ("a", CALLER, revision, 0, 0, 1.0, 1.0, None)

    def call(name: str, argument: Any, result: Any, client: int, at: int, end: int) -> Operation:
        return Operation(
            client=client, name=name, argument=argument, result=result, call=at, returned=end
        )

    history = [call("create_session", session(0), session(1), 0, 0, 1)]
    while len(history) < count:
        burst = [seq + n for n in range(1, 5)]
        random.shuffle(burst)
        for client, number in enumerate(burst):
            at = now + client
            frame = frames[number % 997]
            history.append(call("add_frame", frame, number, client, at, at + 4))
        seq += 4
        now += 9
        if random.random() < 0.2:
            newest = tuple((number, frames[number % 997]) for number in range(seq - 2, seq + 1))
            history.append(call("count_frames", "a", seq, 0, now, now + 1))
            history.append(call("read_frames", ("a", 0, 3, True), newest, 1, now + 2, now + 3))
            now += 4
    return history[:count]


def measure(what: str, target: str, run: Callable[[], object]) -> None:
    """Print a line: processor seconds of the best of three runs."""
    best = min(_seconds(run) for _ in range(3))
    print(f"{what:<52} {target:>8} {best:8.3f} s")


def _seconds(run: Callable[[], object]) -> float:
    gc.collect()
    begun = time.process_time()
    run()
    return time.process_time() - begun


def is_ok(history: list[Operation], model: Callable[[], Model[Any]]) -> None:
    """Check a history that is right."""
    result = check(history, model())
    assert result.verdict is Verdict.OK, result


def shared(folder: Path) -> None:
    """Read and check all real histories."""
    for entry in json.loads((folder / "verdicts.json").read_text())["files"]:
        history = read_history(folder / entry["file"])
        result = check(history, find_model(history.header.model), explain_illegal=False)
        assert (result.verdict is Verdict.OK) == entry["linearizable"], entry["file"]


async def recording(count: int) -> tuple[float, float]:
    """Microseconds of a call without and with recording."""
    plain = PlainSessionStore()
    await plain.create_session(Session.new(transport_type="stdio", id="a"))
    times: list[float] = []
    for store in (plain, RecordingStore(plain)):
        for _ in range(1_000):
            await store.get_session("a")
        gc.collect()
        gc.disable()
        begun = time.process_time()
        for _ in range(count):
            await store.get_session("a")
        times.append((time.process_time() - begun) / count * 1e6)
        gc.enable()
    return times[0], times[1]


def main() -> None:
    """Print all numbers."""
    parser = options(__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="with shared histories")
    folder: Path | None = parser.parse_args().folder
    if folder is not None:
        if not (folder / "verdicts.json").is_file():
            parser.error(f"{folder} has no verdicts.json")
        measure("all shared histories, read and checked", "< 4", lambda: shared(folder))
    small, large = register_history(10_000, 5, 5), register_history(100_000, 5, 5)
    measure("10,000 operations, 5 clients, 1 key", "< 0.3", lambda: is_ok(small, Register))
    measure("100,000 operations, 5 clients, 1 key", "< 2", lambda: is_ok(large, Register))
    many = kv_history(100_000, 1_000)
    measure("100,000 operations over 1,000 keys", "< 1", lambda: is_ok(many, KeyValue))
    log = append_log(1_000_000)
    measure("append log of 1,000,000 operations", "< 5", lambda: is_ok(log, SessionStoreModel))
    without, recorded = min(asyncio.run(recording(200_000)) for _ in range(3))
    event = (recorded - without) / 2
    print(f"{'recording, an event (a call has two)':<52} {'< 2':>8} {event:8.3f} µs")


if __name__ == "__main__":
    main()
