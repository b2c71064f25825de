"""Decodes compressed bodies for the record. What is forwarded stays encoded.

No decoder returns more than `_PIECE` bytes at once, so a body that grows a thousandfold fills no
memory. `br` and `zstd` need the libraries that clients use for them, too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Protocol, cast

__all__ = ["Undecodable", "decode_whole", "decoder_for"]

_PIECE = 256 * 1024
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class Undecodable(ValueError):
    """The encoding is not known here, or the bytes are not of it; its text quotes no body."""


class Decoder(Protocol):
    """Decodes the parts of one body."""

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


def decode_whole(encoding: str, body: bytes, limit: int) -> bytes | None:
    """Decode a body; None if it is larger than `limit` bytes. Raises `Undecodable`."""
    decoder = decoder_for(encoding)
    if decoder is None:
        return body
    pieces: list[bytes] = []
    size = 0
    for piece in decoder(body):
        size += len(piece)
        if size > limit:
            return None
        pieces.append(piece)
    return b"".join(pieces)


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Zlib:
    """gzip, of several members too, and deflate, with the header of zlib or without."""

    def __init__(self, name: str, bits: int) -> None:
        self._name = name
        self._bits = bits
        self._first = b""
        self._stream: _Stream | None = None

    def __call__(self, part: bytes, /) -> Iterator[bytes]:
        try:
            while part:
                if self._stream is None:
                    part = self._first + part
                    if len(part) < 2:
                        self._first = part
                        return
                    self._first = b""
                    self._stream = zlib.decompressobj(self._bits_for(part))
                if piece := self._stream.decompress(part, _PIECE):
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


class _Foreign:
    """A decoder of another library, which has one function for the next bytes."""

    def __init__(self, name: str, decode: Callable[[bytes], bytes]) -> None:
        self._name = name
        self._decode = decode

    def __call__(self, part: bytes, /) -> Iterator[bytes]:
        # A small part at a time: it may grow much, and these have no bound of their own.
        for at in range(0, len(part), 1024):
            try:
                yield self._decode(part[at : at + 1024])
            except Exception:
                raise Undecodable(f"the body is not {self._name}, as its header says") from None


def _brotli() -> Decoder:
    for library in "brotli", "brotlicffi":
        try:
            module = import_module(library)
        except ModuleNotFoundError:
            continue
        return _Foreign("br", cast("Callable[[bytes], bytes]", module.Decompressor().process))
    raise Undecodable("the body is encoded with br, and the package brotli is not installed")


def _zstd() -> Decoder:
    try:
        module = import_module("zstandard")
    except ModuleNotFoundError:
        text = "the body is encoded with zstd, and the package zstandard is not installed"
        raise Undecodable(text) from None
    stream = module.ZstdDecompressor().decompressobj()
    return _Foreign("zstd", cast("Callable[[bytes], bytes]", stream.decompress))


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": lambda: _Zlib("gzip", _GZIP),
    "x-gzip": lambda: _Zlib("gzip", _GZIP),
    "deflate": lambda: _Zlib("deflate", _ZLIB),
    "br": _brotli,
    "zstd": _zstd,
}
