"""Writes a store of conversations like those of a real agent, for the pictures of the page.

Everything is made by one seed, so the pictures can be made again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from sessionkeeper import MessageEnvelope, Session, SessionState
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.version import VersionState

__all__ = ["Conversation", "write_many_calls", "write_store"]

TO_SERVER, TO_CLIENT = "client-to-server", "server-to-client"
PATHS = ("src/app.py", "src/routes/users.py", "tests/test_users.py", "README.md", "pyproject.toml")
QUERIES = (
    "connection pool exhausted",
    "asyncio cancel scope leak",
    "sqlite WAL checkpoint starvation",
)


@dataclass
class Conversation:
    """One session that is written message by message, at times of its own."""

    client: tuple[str, str]
    server: tuple[str, str]
    now: datetime
    random: Random
    id: str
    envelopes: list[MessageEnvelope] = field(default_factory=list)
    ids: int = 0
    own_ids: int = 0

    def send(self, direction: str, message: object) -> None:
        """Add a message, or bytes that are none."""
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.envelopes.append(
            MessageEnvelope.of(self.id, raw, direction=direction, timestamp=self.now)
        )

    def wait(self, ms: float) -> None:
        """Let time pass."""
        self.now += timedelta(milliseconds=ms)

    def log(self, line: str) -> None:
        """Add a line of the server's stderr."""
        self.envelopes.append(
            MessageEnvelope.of_payload(
                self.id,
                line.encode(),
                media_type="text/plain; charset=utf-8",
                direction=TO_CLIENT,
                timestamp=self.now,
                stream="stderr",
            )
        )

    def ask(self, method: str, params: object = None, *, direction: str = TO_SERVER) -> object:
        """Send a request and return its id."""
        if direction == TO_SERVER:
            self.ids += 1
            request_id: object = self.ids
        else:
            self.own_ids += 1
            request_id = f"s-{self.own_ids}"
        message = {"jsonrpc": "2.0", "id": request_id, "method": method}
        self.send(direction, message if params is None else {**message, "params": params})
        return request_id

    def answer(self, request_id: object, result: object, *, direction: str = TO_CLIENT) -> None:
        """Send a result."""
        self.send(direction, {"jsonrpc": "2.0", "id": request_id, "result": result})

    def fail(self, request_id: object, code: int, message: str) -> None:
        """Send a JSON-RPC error."""
        error = {"code": code, "message": message}
        self.send(TO_CLIENT, {"jsonrpc": "2.0", "id": request_id, "error": error})

    def tell(self, method: str, params: object = None, *, direction: str = TO_CLIENT) -> None:
        """Send a notification."""
        message = {"jsonrpc": "2.0", "method": method}
        self.send(direction, message if params is None else {**message, "params": params})

    def call(
        self, tool: str, arguments: object, text: str, ms: float, *, error: bool = False
    ) -> None:
        """Call a tool and get its text."""
        request_id = self.ask("tools/call", {"name": tool, "arguments": arguments})
        self.wait(ms)
        result: dict[str, object] = {"content": [{"type": "text", "text": text}]}
        self.answer(request_id, {**result, "isError": True} if error else result)
        self.wait(self.random.uniform(0.3, 4))

    def greet(self, tools: list[dict[str, object]]) -> None:
        """Do the handshake and list the tools."""
        name, version = self.client
        greeting = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"sampling": {}, "elicitation": {}},
        }
        request_id = self.ask(
            "initialize", {**greeting, "clientInfo": {"name": name, "version": version}}
        )
        self.wait(self.random.uniform(60, 180))
        info = {"name": self.server[0], "version": self.server[1]}
        self.answer(
            request_id,
            {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info},
        )
        self.wait(2)
        self.tell("notifications/initialized", direction=TO_SERVER)
        self.wait(1)
        request_id = self.ask("tools/list")
        self.wait(5)
        self.answer(request_id, {"tools": tools})
        self.wait(3)


def tool(name: str, about: str, *names: str) -> dict[str, object]:
    """Return the definition of a tool whose arguments are texts."""
    properties = {each: {"type": "string", "description": f"The {each} to use."} for each in names}
    schema = {"type": "object", "properties": properties, "required": list(names)}
    return {"name": name, "description": about, "inputSchema": schema}


RESEARCH = [
    tool("search_issues", "Search the issues of a repository. " * 6, "query", "repository"),
    tool("read_issue", "Read one issue with its comments. " * 3, "number"),
    tool(
        "summarize", "Summarize several issues with the help of the client's model. " * 4, "query"
    ),
    tool("compare_releases", "Compare two releases, file by file. " * 5, "from", "to"),
    tool("open_branch", "Open a branch.", "name"),
    tool("list_labels", "List all labels of a repository. " * 2, "repository"),
]
FILES = [
    tool("read_file", "Read a file as text. " * 3, "path"),
    tool("write_file", "Write a file, and create it if it does not exist. " * 3, "path", "content"),
    tool("search_files", "Search for files by a glob pattern. " * 4, "pattern"),
    tool("move_file", "Move a file. " * 2, "from", "to"),
]


def research(talk: Conversation, *, live: bool) -> None:
    """A long conversation with everything that can happen in it."""
    talk.greet(RESEARCH)
    talk.log("INFO  research.server: 6 tools, token valid until 18:00")
    for turn in range(9):
        query = QUERIES[turn % len(QUERIES)]
        for number in range(talk.random.randint(2, 5)):
            talk.call(
                "search_issues",
                {"query": query, "repository": "acme/backend", "page": number + 1},
                "".join(f"#{talk.random.randint(100, 4000)} {query} ({n})\n" for n in range(6)),
                talk.random.lognormvariate(4.2, 0.6),
            )
        group = [
            talk.ask("tools/call", {"name": "read_issue", "arguments": {"number": str(n)}})
            for n in range(4)
        ]
        for request_id in group:
            talk.wait(talk.random.uniform(15, 90))
            if turn == 3 and request_id == group[2]:
                talk.log("ERROR research.github: GET /repos/acme/backend/issues/2: 403 rate limit")
                talk.answer(
                    request_id,
                    {
                        "content": [
                            {
                                "type": "text",
                                "text": "GitHub said 403: rate limit exceeded, retry after 41 s",
                            }
                        ],
                        "isError": True,
                    },
                )
            else:
                talk.answer(
                    request_id,
                    {
                        "content": [
                            {
                                "type": "text",
                                "text": f"Issue body of {request_id}\n\nSteps:\n1. start\n2. wait",
                            }
                        ]
                    },
                )
        talk.wait(talk.random.uniform(4, 20))
        if turn in (1, 4, 7):
            request_id = talk.ask(
                "tools/call",
                {
                    "name": "summarize",
                    "arguments": {"query": query},
                    "_meta": {"progressToken": f"p{turn}"},
                },
            )
            for step in range(4):
                talk.wait(talk.random.uniform(60, 200))
                talk.tell(
                    "notifications/progress",
                    {
                        "progressToken": f"p{turn}",
                        "progress": step + 1,
                        "total": 4,
                        "message": f"read {(step + 1) * 6} issues",
                    },
                )
            own = talk.ask(
                "sampling/createMessage",
                {
                    "messages": [
                        {
                            "role": "user",
                            "content": {
                                "type": "text",
                                "text": f"Summarize 24 issues about {query}.",
                            },
                        }
                    ],
                    "maxTokens": 800,
                },
                direction=TO_CLIENT,
            )
            talk.wait(talk.random.uniform(700, 1600))
            talk.answer(
                own,
                {
                    "role": "assistant",
                    "model": "claude",
                    "content": {
                        "type": "text",
                        "text": "Most are one bug: the pool is not returned after a cancel.",
                    },
                },
                direction=TO_SERVER,
            )
            talk.wait(30)
            talk.answer(
                request_id,
                {
                    "content": [
                        {
                            "type": "text",
                            "text": "One cause, three symptoms.\nA cancel loses the pool.",
                        }
                    ]
                },
            )
        if turn == 2:
            request_id = talk.ask(
                "tools/call", {"name": "open_branch", "arguments": {"name": "fix/pool"}}
            )
            talk.wait(12)
            talk.fail(request_id, -32602, "Unknown repository: give it as owner/name")
        if turn == 5:
            talk.send(TO_CLIENT, b"DEBUG cache warm: 4182 entries in 31 ms")
            request_id = talk.ask(
                "tools/call",
                {"name": "compare_releases", "arguments": {"from": "v3.1", "to": "v3.2"}},
            )
            talk.wait(2100)
            talk.tell(
                "notifications/cancelled",
                {"requestId": request_id, "reason": "the user pressed Esc"},
                direction=TO_SERVER,
            )
            talk.wait(40)
        if turn == 6:
            own = talk.ask(
                "elicitation/create",
                {
                    "message": "Open the branch on acme/backend?",
                    "requestedSchema": {
                        "type": "object",
                        "properties": {"ok": {"type": "boolean"}},
                    },
                },
                direction=TO_CLIENT,
            )
            talk.wait(1400)
            talk.answer(own, {"action": "accept", "content": {"ok": True}}, direction=TO_SERVER)
            own = talk.ask("roots/list", direction=TO_CLIENT)
            talk.wait(3)
            talk.answer(
                own,
                {"roots": [{"uri": "file:///home/ada/backend", "name": "backend"}]},
                direction=TO_SERVER,
            )
        talk.wait(talk.random.uniform(2_000, 30_000))
    talk.call(
        "compare_releases", {"from": "v3.1", "to": "v3.2"}, "+412 −77 in 31 files\n" * 700, 930
    )
    talk.ask(
        "tools/call",
        {
            "name": "search_issues",
            "arguments": {"query": "flaky teardown", "repository": "acme/backend"},
        },
    )
    talk.wait(300 if live else 4000)


def files(talk: Conversation) -> None:
    """Reads and writes, of which some fail."""
    talk.greet(FILES)
    for number in range(40):
        path = PATHS[number % len(PATHS)]
        if number % 13 == 6:
            talk.call(
                "read_file",
                {"path": "src/old.py"},
                "ENOENT: no such file: src/old.py",
                2,
                error=True,
            )
        talk.call(
            "read_file",
            {"path": path},
            f"# {path}\n" * talk.random.randint(5, 90),
            talk.random.lognormvariate(1, 0.7),
        )
        if number % 5 == 0:
            talk.call(
                "write_file",
                {"path": path, "content": "x = 1\n" * 20},
                "ok",
                talk.random.uniform(3, 9),
            )
            talk.wait(talk.random.uniform(800, 9_000))


async def write_store(store: AtomicSessionStore, now: datetime | None = None) -> None:
    """Write some sessions of three clients, the last of them live."""
    random = Random(7)
    now = datetime.now(UTC) if now is None else now
    agent, desk = ("code-agent", "2.4.1"), ("desk-assistant", "0.9.3")
    plans = (
        (desk, ("calendar", "1.2.0"), 180, "files"),
        (desk, ("mail", "4.0.1"), 178, "files"),
        (("ci-bot", "1.0"), ("filesystem", "0.6.2"), 70, "files"),
        (agent, ("filesystem", "0.6.2"), 5, "files"),
        (agent, ("research", "3.2.0"), 6, "research"),
        (agent, ("research", "3.2.0"), 4.4, "live"),
    )
    for number, (client, server, minutes, kind) in enumerate(plans):
        talk = Conversation(
            client, server, now - timedelta(minutes=minutes), random, f"example-session-{number}"
        )
        if kind == "files":
            files(talk)
        else:
            research(talk, live=kind == "live")
        if kind == "live":
            shift = now - talk.now - timedelta(milliseconds=50)
            talk.envelopes = [_moved(each, shift) for each in talk.envelopes]
        await write_conversation(store, talk, live=kind == "live", failed=number == 4)


def _moved(envelope: MessageEnvelope, by: timedelta) -> MessageEnvelope:
    context = envelope.context
    moved = context.model_copy(update={"timestamp": context.timestamp + by})
    return envelope.model_copy(update={"context": moved})


async def write_conversation(
    store: AtomicSessionStore, talk: Conversation, *, live: bool, failed: bool = False
) -> None:
    """Store a conversation as a session with its own times."""
    first = talk.envelopes[0].context.timestamp
    last = talk.envelopes[-1].context.timestamp
    made = Session.new(
        transport_type="stdio",
        id=talk.id,
        client_info={"name": talk.client[0], "version": talk.client[1]},
        server_info={"name": talk.server[0], "version": talk.server[1]},
        version_state=VersionState(requested="2025-11-25", negotiated="2025-11-25"),
        tags={"example"} if live else set(),
    )
    await store.create_session(made)
    for at in range(0, len(talk.envelopes), 500):
        await store.add_frames(talk.id, talk.envelopes[at : at + 500])
    stored = await store.get_session(talk.id)
    state = SessionState.ACTIVE if live else SessionState.FAILED if failed else SessionState.CLOSED
    fields: dict[str, object] = {"state": state, "created_at": first, "last_activity": last}
    if failed:
        fields["failure"] = "the server exited with code 1 and left 1 request unanswered"
    if not live:
        fields["ended_at"] = last
    await store.archive_session(
        stored.model_copy(update=fields), expected_last_seq=len(talk.envelopes)
    )


async def write_many_calls(store: AtomicSessionStore, count: int, *, id: str = "many") -> None:
    """Write a session of so many calls, one in fifty of which fails."""
    random = Random(5)
    talk = Conversation(
        ("load", "1"), ("echo", "1"), datetime.now(UTC) - timedelta(minutes=9), random, id
    )
    talk.greet([tool("echo", "Say it again.", "text")])
    for number in range(count - 2):
        talk.call(
            "echo",
            {"text": "x" * 180},
            "y" * 200,
            random.lognormvariate(2, 1),
            error=number % 50 == 49,
        )
    await write_conversation(store, talk, live=True)
