"""Names what went wrong in a history that is not linearizable.

Rule: an anomaly is named only if the checker found a contradiction or a counterexample. Read
`kinds`, `naming`, then `sessions`. `sessionlab` exports the public names.
"""

from __future__ import annotations

__all__: list[str] = []
