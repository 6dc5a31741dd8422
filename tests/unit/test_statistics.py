"""Intervals and tests against scipy's, and against values from the literature."""

import random

import pytest
from scipy.stats import binomtest

from helpers.statistics import compare, mcnemar_exact, rate, wilson


@pytest.mark.parametrize("n", [1, 7, 50, 1000])
def test_wilson_intervals_equal_those_of_scipy(n: int) -> None:
    for right in {0, 1, n // 3, n - 1, n}:
        expected = binomtest(right, n).proportion_ci(0.95, "wilson")
        assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_interval_holds_its_rate_and_stays_within_0_and_1() -> None:
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 right answers of 2"):
        wilson(3, 2)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    rng = random.Random(7)
    for _ in range(50):
        only_first, only_second = rng.randrange(30), rng.randrange(30)
        if only_first + only_second:
            expected = binomtest(only_first, only_first + only_second, 0.5).pvalue
            assert mcnemar_exact(only_first, only_second) == pytest.approx(expected)
    assert mcnemar_exact(0, 0) == 1.0


def test_models_are_compared_on_the_rows_that_both_have() -> None:
    found = compare([1.0, 0.0, None, 1.0, 0.0], [1.0, 1.0, 1.0, None, 1.0])
    assert (found.n, found.only_first, found.only_second) == (3, 0, 2)
    assert repr(found).startswith("of 3 rows, 0 right only before and 2 only after")


def test_a_rate_reads_like_a_sentence() -> None:
    assert repr(rate(46, 100)) == "46.0% (36.6% – 55.7%, n = 100)"
    assert repr(rate(0, 0)) == "– (n = 0)"
