"""What was taken out of a session: a value under a reserved key of its metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from ...values.lease import REDACTION_KEY

if TYPE_CHECKING:
    from ...values.session import Session

__all__ = ["REDACTION_KEY", "Manifest", "manifest_of"]


class Manifest(NamedTuple):
    """The rules that a recorder applied, and how many places of each kind it took out."""

    rules: tuple[str, ...]
    places: Mapping[str, int]
    """Up to the last heartbeat while the recorder runs, or if it was killed; else of all."""

    def to_json(self) -> dict[str, object]:
        """Return the value in the metadata."""
        return {"rules": list(self.rules), "places": dict(sorted(self.places.items()))}


def manifest_of(session: Session) -> Manifest | None:
    """Return the manifest of a session; None if it was recorded without a redactor."""
    held = session.metadata.get(REDACTION_KEY)
    if not isinstance(held, Mapping):
        return None
    fields = cast("Mapping[str, object]", held)
    rules, places = fields.get("rules"), fields.get("places")
    if not isinstance(rules, Sequence) or not isinstance(places, Mapping):
        return None
    counts = cast("Mapping[object, object]", places)
    return Manifest(
        tuple(map(str, cast("Sequence[object]", rules))),
        {str(kind): count for kind, count in counts.items() if isinstance(count, int)},
    )
