"""The interval of a paired difference covers, computed exactly over all outcomes; a plain one does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest

from heatproof.errors import InputError
from heatproof.statistics.paired import paired_difference

TRIALS = 16
RATES = [(0.02, 0.02), (0.02, 0.2), (0.3, 0.3), (0.5, 0.05), (0.0, 0.1), (0.9, 0.1)]

Interval = Callable[[int, int], tuple[float, float]]


def _exact(only_first: int, only_second: int) -> tuple[float, float]:
    found = paired_difference(only_first, only_second, TRIALS)
    return found.low, found.high


def _wald(only_first: int, only_second: int) -> tuple[float, float]:
    """Return the textbook interval: two standard errors to each side."""
    value = (only_first - only_second) / TRIALS
    error = math.sqrt(max(0.0, only_first + only_second - TRIALS * value**2)) / TRIALS
    return value - 1.96 * error, value + 1.96 * error


def _outcomes(first: float, second: float) -> Iterator[tuple[int, int, float]]:
    for one in range(TRIALS + 1):
        for other in range(TRIALS + 1 - one):
            ways = math.comb(TRIALS, one) * math.comb(TRIALS - one, other)
            rest = max(0.0, 1 - first - second) ** (TRIALS - one - other)
            yield one, other, ways * first**one * second**other * rest


def _coverage(interval: Interval, first: float, second: float) -> float:
    truth = first - second
    return sum(
        chance
        for one, other, chance in _outcomes(first, second)
        if interval(one, other)[0] - 1e-12 <= truth <= interval(one, other)[1] + 1e-12
    )


@pytest.mark.parametrize("rates", RATES)
def test_the_coverage_is_at_least_what_is_said(rates: tuple[float, float]) -> None:
    assert sum(chance for *_, chance in _outcomes(*rates)) == pytest.approx(1)
    assert _coverage(_exact, *rates) >= 0.95


def test_a_plain_interval_fails_where_few_differ() -> None:
    """The negative control: with no difference seen it has no width."""
    assert _coverage(_wald, 0.0, 0.1) < 0.9


def test_it_leaves_out_zero_where_the_exact_test_rejects() -> None:
    for better in range(17):
        tail = sum(math.comb(16, k) for k in range(better, 17)) / 2**16  # McNemar, one-sided
        assert (paired_difference(better, 16 - better, 40).low > 0) == (tail < 0.0125)


def test_known_values() -> None:
    none = paired_difference(0, 0, 80)
    reach = 1 - 0.0125 ** (1 / 80)  # 0 of 80 at half of a twentieth, on one side
    assert none.value == 0
    assert none.low == pytest.approx(-reach)
    assert none.high == pytest.approx(reach)
    turned = paired_difference(3, 12, 100), paired_difference(12, 3, 100)
    assert turned[0].low == pytest.approx(-turned[1].high)
    assert turned[0].value == -0.09
    assert str(turned[1]).startswith("+0.090 [")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ((1, 1, 0), "trials"),
        ((-1, 1, 9), "only_first"),
        ((1, -2, 9), "only_second"),
        ((5, 5, 9), "only_first"),
        ((1, 1, 9, 1.0), "confidence"),
    ],
)
def test_bad_input(given: tuple[int, int, int], name: str) -> None:
    with pytest.raises(InputError) as caught:
        paired_difference(*given)
    assert caught.value.name == name
