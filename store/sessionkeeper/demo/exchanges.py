"""Reads HTTP/1.1 from what a witness on TCP saw, with code that the recorder does not use."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Exchange", "Part", "exchanges_of"]


class _Seen(Protocol):
    @property
    def sent(self) -> bytearray: ...
    @property
    def received(self) -> bytearray: ...


@dataclass(frozen=True)
class Part:
    """A request or an answer; its body is without the chunks, and still compressed."""

    first_line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_whole: bool

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def content(self) -> bytes:
        """The body as its sender had it before it was compressed."""
        match self.header("content-encoding"):
            case None | "identity":
                return self.body
            case "gzip":
                if self.is_whole:
                    return gzip.decompress(self.body)
                return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(self.body)
            case other:
                raise ValueError(other)


@dataclass(frozen=True)
class Exchange:
    """A request and its answer, if there was one."""

    request: Part
    answer: Part | None

    @property
    def method(self) -> str:
        """As `POST`."""
        return self.request.first_line.split(" ")[0]

    @property
    def status(self) -> int:
        """Of the answer; 0 if there was none."""
        return int(self.answer.first_line.split(" ")[1]) if self.answer is not None else 0

    def messages(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """The messages to the server and to the client, each as its exact bytes."""
        sent = (self.request.content,) if self.request.body else ()
        if self.answer is None:
            return sent, ()
        kind = (self.answer.header("content-type") or "").split(";")[0].strip()
        if kind == "text/event-stream":
            return sent, tuple(_events(self.answer.content))
        received = (self.answer.content,) if self.answer.body or self.status >= 400 else ()
        return sent, received


def exchanges_of(connections: Iterable[_Seen]) -> list[Exchange]:
    """Return the exchanges of all connections, in the order of each."""
    found: list[Exchange] = []
    for seen in connections:
        requests = list(_parts(bytes(seen.sent), []))
        methods = [part.first_line.split(" ")[0] for part in requests]
        answers = list(_parts(bytes(seen.received), methods))
        for number, request in enumerate(requests):
            found.append(Exchange(request, answers[number] if number < len(answers) else None))
    return found


def _parts(data: bytes, methods: Sequence[str]) -> Iterator[Part]:
    """Yield requests, or the answers to requests with these methods."""
    number = 0
    while data:
        head, blank, data = data.partition(b"\r\n\r\n")
        if not blank:
            return
        first_line, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in lines]
        headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
        named = dict(headers)
        if first_line.startswith("HTTP/1.1 1"):
            continue  # an interim answer, as 100
        is_answer = first_line.startswith("HTTP/")
        empty = is_answer and (
            first_line.split(" ")[1] in ("204", "304")
            or (number < len(methods) and methods[number] == "HEAD")
        )
        number += 1
        if empty:
            body, whole = b"", True
        elif named.get("transfer-encoding", "").lower() == "chunked":
            body, data, whole = _dechunk(data)
        elif "content-length" in named:
            size = int(named["content-length"])
            body, data, whole = data[:size], data[size:], len(data) >= size
        elif is_answer:
            body, data, whole = data, b"", True
        else:
            body, whole = b"", True
        yield Part(first_line, headers, body, whole)


def _dechunk(data: bytes) -> tuple[bytes, bytes, bool]:
    """Return the body, what follows it, and whether it has come to its end."""
    pieces: list[bytes] = []
    at = 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end].split(b";")[0], 16)
        at = end + 2
        if not size:
            return b"".join(pieces), data[at + 2 :], True  # no server here sends trailers
        pieces.append(data[at : at + size])
        at += size + 2
    return b"".join(pieces), b"", False


def _events(content: bytes) -> Iterator[bytes]:
    """Yield the data of each event that has an end; of one with an id, also no data."""
    text = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for event in text.split(b"\n\n")[:-1]:
        fields = [line.partition(b":") for line in event.split(b"\n")]
        data = b"\n".join(value.removeprefix(b" ") for name, _, value in fields if name == b"data")
        if data or any(name in (b"id", b"retry") for name, _, _ in fields):
            yield data
