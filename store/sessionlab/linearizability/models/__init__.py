"""Sequential models that a history is judged against.

Rule: a model is a pure function from a state and an operation to the next states. Read `model`,
then `register` or `kv`.
"""

from __future__ import annotations

__all__: list[str] = []
