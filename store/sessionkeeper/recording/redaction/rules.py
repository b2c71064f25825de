"""What a redactor is told to take out: presets, names of members, JSON paths, functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, cast

from .forms import EMAILS, KEYS, TOKENS, URLS
from .names import SECRET_NAMES, fold_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jsonpath_rfc9535 import JSONPathQuery

    from .forms import Form

    Function: TypeAlias = Callable[[bytes, str], bytes]
    """Takes a message and its direction, and returns the message to store."""

__all__ = ["PRESETS", "InvalidRule", "Rules", "read_rules"]

PRESETS = {
    "secrets": "tokens, keys and passwords",
    "tokens": "tokens of known forms, JSON web tokens, Bearer and Basic",
    "keys": "private keys, and keys of known forms: AWS, Google, OpenAI, Anthropic, Stripe …",
    "passwords": "members such as password, token, authorization, apiKey; api_key=… in text;"
    " user:password@ in URLs",
    "emails": "e-mail addresses",
}
"""The presets, and what each takes out."""

_PARTS = {"secrets": ("tokens", "keys", "passwords")}
_FORMS = {"tokens": TOKENS, "keys": KEYS, "passwords": URLS, "emails": EMAILS}
_FUNCTION = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*(?:\.[^\W\d]\w*)*)")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_KIND = 64


class InvalidRule(ValueError):
    """A rule that is no preset, name, JSON path or function; the text says what is wrong."""


@dataclass(slots=True)
class Rules:
    """Rules that have been read."""

    texts: tuple[str, ...]
    forms: list[Form]
    pairs: bool
    """Whether `api_key=…` is looked for in text."""
    names: dict[str, str]
    """The kind for each folded name."""
    paths: list[JSONPathQuery]
    functions: list[tuple[str, Function]]


def read_rules(texts: Iterable[str]) -> Rules:
    """Read rules, and import what they name. Raises `InvalidRule`."""
    rules = Rules(tuple(dict.fromkeys(texts)), [], False, {}, [], [])
    for text in rules.texts:
        if text in PRESETS:
            for preset in _PARTS.get(text, (text,)):
                _add_preset(rules, preset)
        elif text.startswith("name:"):
            _add_name(rules, text)
        elif text.startswith("$"):
            _add_path(rules, text)
        elif (found := _FUNCTION.fullmatch(text)) is not None:
            rules.functions.append((text, _load(text, found[1], found[2])))
        else:
            raise InvalidRule(_unknown(text))
    return rules


def _add_preset(rules: Rules, preset: str) -> None:
    rules.forms += [form for form in _FORMS[preset] if form not in rules.forms]
    if preset == "passwords":
        rules.pairs = True
        for name in SECRET_NAMES:
            rules.names.setdefault(fold_name(name), name)


def _add_name(rules: Rules, text: str) -> None:
    name = text.removeprefix("name:").strip()
    folded = fold_name(name)
    if not folded:
        raise InvalidRule(f"{text!r} names no member: write name:password")
    rules.names[folded] = _UNSAFE.sub("-", name)[:_MAX_KIND]


def _add_path(rules: Rules, text: str) -> None:
    from .paths import PathMissing, WrongPath, parse_path

    try:
        rules.paths.append(parse_path(text))
    except PathMissing:
        raise InvalidRule(
            f"{text!r}: JSON paths are not installed: pip install 'sessionkeeper[redact]'"
        ) from None
    except WrongPath as error:
        raise InvalidRule(f"{text!r} is no JSON path (RFC 9535): {error}") from None


def _load(text: str, module: str, name: str) -> Function:
    try:
        found: object = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        hint = f"there is no module {error.name}; its folder must be in PYTHONPATH"
        raise InvalidRule(f"{text!r} cannot be imported: {hint}") from None
    except AttributeError:
        raise InvalidRule(f"{text!r} cannot be imported: {module} has no {name}") from None
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise InvalidRule(f"{text!r} cannot be imported: {why}") from None
    if not callable(found):
        raise InvalidRule(f"{text!r} is no function")
    return cast("Function", found)


def _unknown(text: str) -> str:
    near = get_close_matches(text, PRESETS, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return (
        f"unknown rule {text!r}{meant}; give a preset ({', '.join(PRESETS)}), name:MEMBER,"
        " a JSON path as $.params.arguments.key, or a function as module:function"
    )
