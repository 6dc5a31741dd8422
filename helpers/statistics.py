"""How sure a measured rate is, and whether two models really differ on the same rows.

Both are closed forms, so no further package is needed: the Wilson score interval (E. B. Wilson, JASA 22, 1927), which
stays honest near 0 and 1 and for few rows, and McNemar's exact test (Q. McNemar, Psychometrika 12, 1947), which looks
only at the rows where exactly one of the two models is right.
"""

from dataclasses import dataclass
from math import comb, sqrt
from statistics import NormalDist


@dataclass(frozen=True)
class Rate:
    """`right` of `n` rows, with the bounds of its 95 % interval; `repr` reads like a sentence of a report."""

    right: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        return self.right / self.n if self.n else None

    def __repr__(self) -> str:
        if not self.n:
            return "– (n = 0)"
        return f"{self.value:.1%} ({self.low:.1%} – {self.high:.1%}, n = {self.n})"


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows: how often only one of them was right, and how surprising that is by chance."""

    n: int
    only_first: int
    only_second: int
    p_value: float

    def __repr__(self) -> str:
        return (
            f"of {self.n} rows, {self.only_first} right only before and {self.only_second} only after: "
            f"McNemar's exact p {'< 0.0001' if self.p_value < 1e-4 else f'= {self.p_value:.4f}'}"
        )


def wilson(right: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of the interval for `right` of `n`, both within 0 and 1; (0.0, 1.0) when there are no rows."""
    if not 0 <= right <= n:
        raise ValueError(f"{right} right answers of {n} rows is impossible")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = right / n
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    return middle - half if right else 0.0, middle + half if right < n else 1.0


def rate(right: int, n: int) -> Rate:
    """A rate with its 95 % interval."""
    return Rate(right, n, *wilson(right, n))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p value: the chance of a split at least this uneven if both models were equally good."""
    n, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(comb(n, k) for k in range(fewer + 1)) / 2**n
    return min(1.0, 2 * tail)


def compare(first: list[float | None], second: list[float | None]) -> Comparison:
    """McNemar's test over two lists of 0/1 scores of the same rows; a row without a score in either is left out."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    only_first = sum(a == 1 and b != 1 for a, b in pairs)
    only_second = sum(a != 1 and b == 1 for a, b in pairs)
    return Comparison(len(pairs), only_first, only_second, mcnemar_exact(only_first, only_second))
