"""Which serializers the saver takes."""

from __future__ import annotations

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

__all__ = ["without_pickle"]


def without_pickle(serde: SerializerProtocol) -> SerializerProtocol:
    """Return a serializer. Raises `ValueError` for LangGraph's own with its fallback to pickle.

    What a pickle contains runs when it is read, and other programs can write to a store.
    """
    inner = serde.serde if isinstance(serde, EncryptedSerializer) else serde
    if isinstance(inner, JsonPlusSerializer) and inner.pickle_fallback:
        raise ValueError("a serializer with pickle_fallback runs what it reads")
    return serde
