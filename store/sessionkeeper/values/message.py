"""A protocol message as it crossed the wire, with its context."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self, cast

from pydantic import (
    AfterValidator,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from .errors import InvalidMessage
from .gap import Gap
from .jsonrpc import (
    MAX_MESSAGE_BYTES,
    NOT_UTF8,
    REPEATED_NAME,
    MessageKind,
    RequestId,
    RpcHead,
    encode_message,
    is_batch,
    read_heads,
    validate_message,
)
from .message_context import MessageContext, make_context
from .oddities import GAP, JSON, OWN_MEDIA_TYPES, REMOVED, as_text, classify
from .states import Direction
from .value import Value

__all__ = ["Frame", "MessageEnvelope"]


MediaType = Annotated[str, StringConstraints(strict=True, pattern=r"^[ -~]{1,255}$")]
Oddity = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255)]


def _plain(message: bytes) -> bytes:
    # A subclass may have its own `__len__`, but a store counts bytes.
    return message if type(message) is bytes else memoryview(message).tobytes()


class MessageEnvelope(Value):
    """The bytes that crossed the wire, with their context.

    Nearly always a JSON-RPC message or a batch of them, of the media type `application/json`. What
    should be one and is not has an `oddity`: the reason. Bytes of another media type without an
    oddity are opaque: any bytes, which nobody parses.
    In JSON, bytes that are not UTF-8 are the member `message_base64`, others `message`.

    Raises `InvalidMessage` for `application/json` that is no message and has no oddity, and for
    more than 256 MiB; `ValueError` for a bad context, media type or oddity.
    """

    message: Annotated[bytes, Field(strict=True, repr=False), AfterValidator(_plain)]
    context: MessageContext
    media_type: MediaType = JSON
    oddity: Oddity | None = Field(default=None, repr=False)  # any, for another media type
    """Why the bytes are no JSON-RPC message; None for one, a batch of them, and opaque bytes."""

    @model_validator(mode="before")
    @classmethod
    def _read_json(cls, found: Any, info: ValidationInfo) -> Any:
        if info.mode != "json" or not isinstance(found, dict):
            return found
        fields = dict(cast("dict[str, object]", found))
        text, encoded = fields.get("message"), fields.pop("message_base64", None)
        if isinstance(encoded, str) and text is None:
            fields["message"] = b64decode(encoded, validate=True)
        elif isinstance(text, str) and encoded is None:
            fields["message"] = text.encode()
        return fields

    @model_validator(mode="after")
    def _check_message(self) -> Self:
        if self.media_type == REMOVED:
            self._check_removed()
        elif self.is_message:
            validate_message(self.message)
        elif len(self.message) > MAX_MESSAGE_BYTES:
            raise InvalidMessage(f"larger than {MAX_MESSAGE_BYTES} bytes")
        return self

    @model_serializer(mode="wrap")
    def _write_json(
        self, write: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, object]:
        if not info.mode_is_json() or as_text(self.message) is not None:
            return cast("dict[str, object]", write(self))
        rest = write(self.trusted(self.__dict__ | {"message": b""}))
        encoded = b64encode(self.message).decode()
        return {
            ("message_base64" if name == "message" else name): (
                encoded if name == "message" else value
            )
            for name, value in rest.items()
        }

    @classmethod
    def of(
        cls,
        session_id: str,
        message: bytes | str | Mapping[str, object],
        *,
        direction: Direction | str,
        strict: bool = False,
        **context: object,
    ) -> Self:
        """Make an envelope for any message; `context` takes the fields of `MessageContext`.

        Bytes and a str are kept unchanged; a dict is written as compact JSON. Bytes that are no
        JSON-RPC message are kept with their oddity, or, if `strict`, raise `InvalidMessage`. A
        str with a lone surrogate, a dict that is not JSON, and more than 256 MiB always raise it.
        Raises `TypeError` for any other type, `ValueError` for a bad context.
        """
        given = message if type(message) is bytes else _as_bytes(message)
        media_type, oddity = classify(given)
        if oddity is not None:
            # A dict may have two keys with the same JSON name, such as 1 and "1".
            is_ambiguous = oddity == REPEATED_NAME and isinstance(message, Mapping)
            if strict or is_ambiguous:
                raise InvalidMessage(oddity)
        known = {
            "message": given,
            "context": make_context(session_id, direction, context),
            "media_type": media_type,
            "oddity": oddity,
        }
        # Everything is checked; a subclass may have checks of its own.
        if cls is MessageEnvelope:
            return _make(known)  # type: ignore[return-value]  # by the test above
        return cls.model_validate(known)

    @classmethod
    def of_gap(
        cls, session_id: str, gap: Gap, *, direction: Direction | str, **context: object
    ) -> Self:
        """Make the gap frame for lines that were not kept. Raises `ValueError`."""
        return cls(
            message=gap.to_json(),
            context=make_context(session_id, direction, context),
            media_type=GAP,
            oddity=gap.reason,
        )

    @classmethod
    def of_payload(
        cls,
        session_id: str,
        payload: bytes,
        *,
        media_type: str,
        direction: Direction | str,
        **context: object,
    ) -> Self:
        """Make the envelope of an opaque payload; `context` takes the fields of `MessageContext`.

        The bytes are kept as they are and never parsed. Raises `TypeError` for a payload that is no
        `bytes`, `InvalidMessage` for more than 256 MiB, `ValueError` for a bad context or media
        type, also for `application/json`, which JSON-RPC messages have, and for those of this
        library, which begin with `application/vnd.sessionkeeper.`.
        """
        if not isinstance(payload, bytes):
            raise TypeError(f"a payload is bytes, not {type(payload).__name__}")
        if media_type == JSON or str(media_type).startswith(OWN_MEDIA_TYPES):
            raise ValueError("the media type of a payload is another than those of messages")
        known = {
            "message": _plain(payload),
            "context": make_context(session_id, direction, context),
            "media_type": media_type,
            "oddity": None,
        }
        fits = type(media_type) is str and 0 < len(media_type) <= 255 and media_type.isascii()
        if cls is MessageEnvelope and fits and media_type.isprintable():
            if len(payload) > MAX_MESSAGE_BYTES:
                raise InvalidMessage(f"larger than {MAX_MESSAGE_BYTES} bytes")
            # Everything is checked, in half the time.
            return cls.trusted(known)
        return cls.model_validate(known)

    def as_removed(self) -> Self:
        """Return what is left of the frame when its content is removed.

        It has no bytes, and of its context the session, the direction, the timestamp and the
        stream. Its kind is `MessageKind.REMOVED`.
        """
        left = {name: getattr(self.context, name) for name in _LEFT}
        return type(self)(message=b"", context=MessageContext(**left), media_type=REMOVED)

    def _check_removed(self) -> None:
        context = self.context
        more = context.delivery or context.protocol_version or context.metadata
        if self.message or self.oddity is not None or more:
            raise ValueError("a removed frame has only a direction, a timestamp and a stream")

    @property
    def is_message(self) -> bool:
        """Whether the bytes are a JSON-RPC message, or a batch of them; O(1)."""
        return self.oddity is None and self.media_type == JSON

    @property
    def kind(self) -> MessageKind:
        """The kind of the frame; read from the bytes of a message, O(bytes)."""
        if self.media_type == REMOVED:
            return MessageKind.REMOVED
        if self.oddity is not None:
            return MessageKind.GAP if self.media_type == GAP else MessageKind.ODD
        if not self.is_message:
            return MessageKind.OPAQUE
        return MessageKind.BATCH if is_batch(self.message) else self.heads()[0].kind

    @property
    def method(self) -> str | None:
        """The method of a request or notification; read from the bytes, O(bytes)."""
        method = None if (head := self._only_head()) is None else head.method
        return method if isinstance(method, str) else None

    @property
    def request_id(self) -> RequestId | None:
        """The id with its type kept (`1` is not `"1"`); read from the bytes, O(bytes)."""
        return None if (head := self._only_head()) is None else head.request_id

    def heads(self) -> Sequence[RpcHead]:
        """Read the head of each message: one, those of a batch, or none for any other frame.

        O(bytes).
        """
        return read_heads(self.message) if self.is_message else ()

    def _only_head(self) -> RpcHead | None:
        if not self.is_message or is_batch(self.message):
            return None
        return self.heads()[0]


_make = MessageEnvelope.maker()
_LEFT = ("session_id", "direction", "timestamp", "stream")
"""The fields of a context that a removed frame keeps."""


class Frame(Value):
    """A message with the number its store gave it: from 1, without a gap, never used twice."""

    seq: int
    envelope: MessageEnvelope


def _as_bytes(message: bytes | str | Mapping[str, object]) -> bytes:
    if isinstance(message, str):
        return _utf8(message)
    if isinstance(message, Mapping):
        return encode_message(dict(message))
    if isinstance(message, bytes):
        return _plain(message)
    raise TypeError(f"a message is bytes, str or a dict, not {type(message).__name__}")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidMessage(NOT_UTF8) from None
