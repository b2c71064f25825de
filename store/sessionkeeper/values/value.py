"""The base class of all values: validated when made, frozen, and without payloads in errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

__all__ = ["Value"]


class Value(BaseModel):
    """A frozen pydantic model.

    Making one raises pydantic's `ValidationError`, a `ValueError`, whose text never shows input.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        # A subclass may be mutable; an instance of one is rebuilt as the plain value.
        revalidate_instances="subclass-instances",
        ser_json_inf_nan="strings",
        # Most programs use a few of the values: each builds its validator at its first use.
        defer_build=True,
    )

    _every_field: ClassVar[set[str]] = set()
    _fields_apart: ClassVar[bool] = False
    """Whether each field is checked independently of the others; each class sets it itself."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls._every_field = set(cls.model_fields)
        cls._fields_apart = cls.__dict__.get("_fields_apart", False)

    if not TYPE_CHECKING:  # as pydantic does, so that a type checker sees a frozen class
        # Pydantic's own error shows the rejected value.
        def __setattr__(self, name, value):
            raise _frozen(self, name)

        def __delattr__(self, name):
            raise _frozen(self, name)

        def copy(self, *, update=None, deep=False):
            """Copy like `model_copy`; pydantic's old method would not validate."""
            return self.model_copy(update=update, deep=deep)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy with some fields replaced, *validated*, which pydantic's own does not.

        Raises `ValidationError` (a `ValueError`). `deep` has no effect: all is immutable.
        """
        kind, changes = type(self), dict(update or {})
        if kind._fields_apart and (checked := _checked(kind, changes)) is not None:
            # The other fields come from a value, so they are valid: a quarter of the time.
            return kind.trusted(self.__dict__ | checked)
        return kind.model_validate(self.__dict__ | changes)

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """Make one, *validated*: a value that was never checked must not reach a store."""
        return cls(**values)

    @classmethod
    def trusted(cls, fields: dict[str, Any], /) -> Self:
        """Make one from all its fields without validating them: they come from a value.

        Used when a store reads its own content; pydantic's `model_construct` takes six times as
        long.
        """
        value = _new(cls)
        _set_fields(value, fields)
        _set_fields_set(value, cls._every_field)
        _set_extra(value, None)
        _set_private(value, None)
        return value

    @classmethod
    def maker(cls) -> Callable[[dict[str, Any]], Self]:
        """Return a function that does what `trusted` does in two thirds of the time.

        Pydantic's metaclass makes each look at an attribute of a class slow.
        """
        every_field = cls._every_field

        def make(fields: dict[str, Any], /) -> Any:
            value = _new(cls)
            _set_fields(value, fields)
            _set_fields_set(value, every_field)
            _set_extra(value, None)
            _set_private(value, None)
            return value

        return make

    @property
    def model_fields_set(self) -> set[str]:
        """The fields given when it was made; a copy."""
        return set(self.__pydantic_fields_set__)


# The slots of a pydantic model, set without looking each up by its name.
_new = object.__new__
_set_fields = vars(BaseModel)["__dict__"].__set__
_set_fields_set = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_extra = vars(BaseModel)["__pydantic_extra__"].__set__
_set_private = vars(BaseModel)["__pydantic_private__"].__set__


def _checked(kind: type[Value], changes: dict[Any, Any]) -> dict[str, Any] | None:
    # None if something is wrong: the full validation then says what.
    checked: dict[str, Any] = {}
    try:
        for name, field in changes.items():
            if type(name) is not str:  # it may take itself for another one
                return None
            checked[name] = _make_validator(kind, name)(field)
    except (KeyError, ValidationError):
        return None
    return checked


@cache
def _make_validator(kind: type[Value], name: str) -> Callable[[object], object]:
    field = kind.model_fields[name]
    # `None` has no effect; `Annotated` refuses a field without metadata.
    annotated = cast("Any", Annotated)[field.annotation, None, *field.metadata]
    return TypeAdapter[Any](annotated).validator.validate_python


def _frozen(value: Value, name: str) -> ValidationError:
    return ValidationError.from_exception_data(
        type(value).__name__,
        [{"type": "frozen_instance", "loc": (name,), "input": None}],
        hide_input=True,
    )
