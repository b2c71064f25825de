"""The quantiles of many numbers in bounded memory."""

from __future__ import annotations

import math
from collections import Counter

__all__ = ["EXACT_UP_TO", "RELATIVE_ERROR", "Quantiles"]

EXACT_UP_TO = 4_096
"""Maximum number of numbers kept as they are; up to it the quantiles are exact."""
RELATIVE_ERROR = 0.01
"""The largest error of a quantile of more numbers than that."""

_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GROWTH = math.log(_GROWTH)
_SMALLEST = 1e-6


class Quantiles:
    """Collects numbers, and tells below which of them how many are.

    Numbers beyond the first ones are counted in buckets that grow by a constant factor, so that no
    quantile is off by more than `RELATIVE_ERROR`. From a microsecond to a year, in seconds, there
    are 1,600 buckets. Numbers below a millionth count as zero.

    Source: Masson, Rim and Lee, "DDSketch", VLDB 2019.
    """

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[float] = []
        self._buckets: Counter[int | None] = Counter()

    @property
    def is_exact(self) -> bool:
        """Whether each quantile is one of the numbers."""
        return not self._buckets

    def add(self, number: float) -> None:
        """Take one more number."""
        self.count += 1
        if self._buckets:
            self._buckets[_bucket(number)] += 1
            return
        self._kept.append(number)
        if len(self._kept) > EXACT_UP_TO:
            self._buckets.update(map(_bucket, self._kept))
            self._kept.clear()

    def at(self, share: float) -> float | None:
        """Return the smallest number that at least this share of all do not exceed (0 to 1).

        None without numbers.
        """
        if not self.count:
            return None
        rank = max(1, math.ceil(share * self.count))
        if self.is_exact:
            return sorted(self._kept)[rank - 1]
        below = self._buckets[None]
        if below >= rank:
            return 0.0
        for bucket in sorted(each for each in self._buckets if each is not None):
            below += self._buckets[bucket]
            if below >= rank:
                return _middle(bucket)
        raise AssertionError("the buckets hold all numbers")


def _bucket(number: float) -> int | None:
    return None if number < _SMALLEST else math.ceil(math.log(number) / _LOG_GROWTH)


def _middle(bucket: int) -> float:
    # As far from both ends of the bucket, relative to each.
    return 2 * _GROWTH**bucket / (_GROWTH + 1)
