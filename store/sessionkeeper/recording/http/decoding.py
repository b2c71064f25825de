"""Decodes compressed bodies for the record. What is forwarded stays encoded.

No decoder returns more than `_PIECE` bytes at once, so a body that grows a thousandfold fills no
memory. `br` and `zstd` need the libraries that clients use for them, too.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import ClassVar, Protocol, cast

__all__ = ["Undecodable", "decode_whole", "decoder_for"]

_PIECE = 256 * 1024
_CUT_SHORT = "the encoded body ends too early"
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class Undecodable(ValueError):
    """The encoding is not known here, or the bytes are not of it; its text quotes no body."""


class Decoder(Protocol):
    """Decodes the parts of one body."""

    @property
    def is_at_end(self) -> bool:
        """Whether the bytes until now are whole; they may go on nevertheless."""
        ...

    def __call__(self, part: bytes, /) -> Iterator[bytes]:
        """Yield what the next bytes decode to. Raises `Undecodable`."""
        ...


def decoder_for(encoding: str) -> Decoder | None:
    """Return a decoder for a `Content-Encoding`; None if the body is not encoded.

    Raises `Undecodable` for one that is not known here.
    """
    names = [each.strip().lower() for each in encoding.split(",")]
    wanted = [name for name in names if name not in {"", "identity"}]
    if not wanted:
        return None
    make = _DECODERS.get(wanted[0]) if len(wanted) == 1 else None
    if make is None:
        raise Undecodable("an encoding of the body that the recorder does not know")
    return make()


def decode_whole(encoding: str, body: bytes, limit: int) -> tuple[bytes | None, str | None]:
    """Decode a body; None if it is larger than `limit` bytes. Raises `Undecodable`.

    Of one that is cut short, return what it decodes to, and that it is cut.
    """
    decoder = decoder_for(encoding)
    if decoder is None:
        return body, None
    pieces: list[bytes] = []
    size = 0
    for piece in decoder(body):
        size += len(piece)
        if size > limit:
            return None, None
        pieces.append(piece)
    if decoder.is_at_end:
        return b"".join(pieces), None
    if not size:
        raise Undecodable(_CUT_SHORT)
    return b"".join(pieces), _CUT_SHORT


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _Zlib:
    """gzip, of several members too, and deflate, with the header of zlib or without."""

    def __init__(self, name: str, bits: int) -> None:
        self._name = name
        self._bits = bits
        self._first = b""
        self._stream: _Stream | None = None

    @property
    def is_at_end(self) -> bool:
        return self._stream is None and not self._first

    def __call__(self, part: bytes, /) -> Iterator[bytes]:
        piece = b""
        try:
            # A piece that is full may have left more of it in the decoder, without any input.
            while part or len(piece) == _PIECE:
                if self._stream is None:
                    part = self._first + part
                    if len(part) < 2:
                        self._first = part
                        return
                    self._first = b""
                    self._stream = zlib.decompressobj(self._bits_for(part))
                piece = self._stream.decompress(part, _PIECE)
                if piece:
                    yield piece
                part = self._stream.unconsumed_tail
                if self._stream.eof:
                    part = self._stream.unused_data.lstrip(b"\0")  # some servers fill up a block
                    self._stream = None
        except zlib.error:
            raise Undecodable(f"the body is not {self._name}, as its header says") from None

    def _bits_for(self, part: bytes) -> int:
        if self._bits == _GZIP:
            return _GZIP
        # RFC 9110 means zlib; some servers send the bare stream.
        has_header = part[0] & 15 == 8 and int.from_bytes(part[:2]) % 31 == 0
        return _ZLIB if has_header else _RAW


class _Foreign(ABC):
    """A decoder of another library."""

    name: ClassVar[str]

    def __call__(self, part: bytes, /) -> Iterator[bytes]:
        # A small part at a time: it may grow much, and these have no bound of their own.
        for at in range(0, len(part), 1024):
            left = part[at : at + 1024]
            while left:
                try:
                    piece, left = self._decode(left)
                except Exception:
                    text = f"the body is not {self.name}, as its header says"
                    raise Undecodable(text) from None
                yield piece

    @property
    @abstractmethod
    def is_at_end(self) -> bool: ...

    @abstractmethod
    def _decode(self, part: bytes) -> tuple[bytes, bytes]:
        """Return what some bytes decode to, and those that are not taken yet."""


class _Brotli(_Foreign):
    name = "br"

    def __init__(self) -> None:
        for library in "brotli", "brotlicffi":
            with suppress(ModuleNotFoundError):
                self._stream = import_module(library).Decompressor()
                return
        raise Undecodable("the body is encoded with br, and the package brotli is not installed")

    @property
    def is_at_end(self) -> bool:
        return bool(self._stream.is_finished())

    def _decode(self, part: bytes) -> tuple[bytes, bytes]:
        return cast("bytes", self._stream.process(part)), b""


class _Zstd(_Foreign):
    """zstd, of several frames too: some servers end one with each event."""

    name = "zstd"

    def __init__(self) -> None:
        try:
            self._library = import_module("zstandard")
        except ModuleNotFoundError:
            text = "the body is encoded with zstd, and the package zstandard is not installed"
            raise Undecodable(text) from None
        self._frame: _Stream | None = None

    @property
    def is_at_end(self) -> bool:
        return self._frame is None

    def _decode(self, part: bytes) -> tuple[bytes, bytes]:
        if self._frame is None:
            self._frame = cast("_Stream", self._library.ZstdDecompressor().decompressobj())
        frame = self._frame
        piece = frame.decompress(part)
        if not frame.eof:
            return piece, b""
        self._frame = None
        return piece, frame.unused_data


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: _Zlib("gzip", _GZIP),
    "x-gzip": lambda: _Zlib("gzip", _GZIP),
    "deflate": lambda: _Zlib("deflate", _ZLIB),
    "br": _Brotli,
    "zstd": _Zstd,
}
