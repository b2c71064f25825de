"""The common ground of all values: validated once when made, frozen, and silent about payloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

__all__ = ["Value"]


class Value(BaseModel):
    """A frozen pydantic model.

    Making one raises pydantic's `ValidationError`, a `ValueError`, whose text never shows input.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        revalidate_instances="never",
        ser_json_inf_nan="strings",
    )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy with some fields replaced, *validated*, which pydantic's own does not.

        Raises `ValidationError` (a `ValueError`). `deep` has no effect: all is immutable.
        """
        return type(self).model_validate({**self.__dict__, **(update or {})})

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """Make one, *validated*: a value that was never checked must not reach a store."""
        return cls(**values)

    @classmethod
    def trusted(cls, fields: dict[str, Any], /) -> Self:
        """Make one from all its fields without validating them: they come from a value.

        For the store's own reading back; pydantic's `model_construct` costs six times as much.
        """
        value = cls.__new__(cls)
        _set_slot(value, "__dict__", fields)
        _set_slot(value, "__pydantic_fields_set__", _no_fields)
        _set_slot(value, "__pydantic_extra__", None)
        _set_slot(value, "__pydantic_private__", None)
        return value

    @property
    def model_fields_set(self) -> set[str]:
        """The fields given when it was made; a copy."""
        return set(self.__pydantic_fields_set__)


_set_slot = object.__setattr__
_no_fields: set[str] = set()
