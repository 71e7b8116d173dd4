"""The numbers of the page, against numbers made by hand and against each other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heatproof._intervals import proportion
from heatproof.errors import InputError
from heatproof.report.contents import CertifiedInput, ReportContents, RobustPoint
from heatproof.report.summary import (
    abstentions,
    agreement,
    average_radius,
    certified_accuracy,
    certified_curve,
    run_labels,
    strongest,
)


def _input(index: int, radius: float, *, correct: bool = True, abstained: bool = False) -> CertifiedInput:
    label = 1 if correct else 0
    return CertifiedInput(index, label, 1, abstained, radius, agrees=index % 2 == 0)


FOUR = (
    _input(0, 0.5),
    _input(1, 1.0),
    _input(2, 9.0, correct=False),
    _input(3, 7.0, abstained=True),
)


@st.composite
def _inputs(draw: st.DrawFn) -> tuple[CertifiedInput, ...]:
    rows = st.tuples(st.floats(0, 4, allow_subnormal=False), st.booleans(), st.booleans())
    drawn = draw(st.lists(rows, min_size=1, max_size=40))
    return tuple(
        _input(place, radius, correct=correct, abstained=abstained)
        for place, (radius, correct, abstained) in enumerate(drawn)
    )


@pytest.mark.parametrize(
    ("radius", "expected"), [(0.0, 2), (0.49, 2), (0.5, 2), (0.51, 1), (1.0, 1), (1.01, 0), (8.0, 0)]
)
def test_certified_accuracy_is_of_the_open_ball(radius: float, expected: int) -> None:
    found = certified_accuracy(FOUR, radius)
    assert found == proportion(expected, 4)
    assert (found.successes, found.trials, found.confidence) == (expected, 4, 0.95)


def test_a_correct_input_of_radius_zero_counts_at_zero_only() -> None:
    inputs = (_input(0, 0.0), _input(1, 0.0, correct=False))
    assert certified_accuracy(inputs, 0.0).value == 0.5
    assert certified_accuracy(inputs, 1e-12).value == 0.0


def test_average_radius_by_hand() -> None:
    found = average_radius(FOUR)
    values = [0.5, 1.0, 0.0, 0.0]
    error = math.sqrt(sum((v - 0.375) ** 2 for v in values) / 3 / 4)
    assert found.value == pytest.approx(0.375, abs=1e-15)
    assert found.standard_error == pytest.approx(error, rel=1e-12)
    assert found.low == max(0.0, 0.375 - 1.959963984540054 * error)
    assert found.high == pytest.approx(0.375 + 1.959963984540054 * error, rel=1e-12)
    assert (found.count, found.confidence) == (4, 0.95)


def test_one_input_has_no_standard_error() -> None:
    found = average_radius((_input(0, 0.5),))
    assert found.value == 0.5
    assert all(math.isnan(x) for x in (found.standard_error, found.low, found.high))


def test_interval_of_the_average_radius_covers_at_its_level() -> None:
    """Exponential radii, N = 200, 400 repeats: near 0.945, outside 0.90…0.985 with chance below 2e-3.

    The seed is fixed, so the outcome is too; another seed may be swept.
    """
    chance = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        inputs = tuple(_input(place, float(r)) for place, r in enumerate(chance.exponential(1.0, 200)))
        found = average_radius(inputs)
        covered += found.low <= 1.0 <= found.high
    assert 0.90 <= covered / 400 <= 0.985


def test_abstentions_and_agreement_by_hand() -> None:
    assert abstentions(FOUR) == proportion(1, 4)
    assert agreement(FOUR) == proportion(2, 3)
    assert agreement((_input(0, 0.0, abstained=True),)) is None


@given(_inputs(), st.floats(0, 4), st.floats(0, 4))
def test_certified_accuracy_falls_with_the_radius(
    inputs: tuple[CertifiedInput, ...], first: float, second: float
) -> None:
    near, far = sorted((first, second))
    assert certified_accuracy(inputs, near).value >= certified_accuracy(inputs, far).value


@given(_inputs())
def test_average_radius_is_the_integral_of_certified_accuracy(inputs: tuple[CertifiedInput, ...]) -> None:
    curve = certified_curve(inputs, end=5.0)
    integral = float(np.sum(curve.share[:-1] * np.diff(curve.radius)))
    assert integral == pytest.approx(average_radius(inputs).value, abs=1e-9)


@given(_inputs(), st.floats(0, 4.9, exclude_min=True))
def test_the_curve_is_certified_accuracy(inputs: tuple[CertifiedInput, ...], radius: float) -> None:
    curve = certified_curve(inputs, end=5.0)
    assert curve.share[0] == certified_accuracy(inputs, 0.0).value
    place = int(np.searchsorted(curve.radius, radius, side="right")) - 1
    exact = certified_accuracy(inputs, math.nextafter(radius, math.inf))  # just beyond a step
    assert curve.share[place] == exact.value
    assert curve.low[place] == pytest.approx(exact.low, abs=1e-12)
    assert curve.high[place] == pytest.approx(exact.high, abs=1e-12)


@given(_inputs(), st.integers(1, 6))
def test_a_thinned_curve_never_overstates(inputs: tuple[CertifiedInput, ...], steps: int) -> None:
    curve = certified_curve(inputs, end=5.0, steps=steps)
    assert len(curve.radius) <= steps + 3
    for radius in np.linspace(1e-9, 4.99, 30):
        place = int(np.searchsorted(curve.radius, radius, side="right")) - 1
        assert curve.share[place] <= certified_accuracy(inputs, float(radius)).value


@pytest.mark.parametrize("radius", [-0.1, math.nan, math.inf])
def test_a_radius_to_ask_for_is_finite_and_not_negative(radius: float) -> None:
    with pytest.raises(InputError, match=r"^radius: got .* allowed: a finite number ≥ 0"):
        certified_accuracy(FOUR, radius)


@pytest.mark.parametrize("radius", [-0.1, math.nan, math.inf])
def test_a_certified_radius_is_finite_and_not_negative(radius: float) -> None:
    with pytest.raises(InputError, match=r"radius: got .* for input 7"):
        average_radius((*FOUR, _input(7, radius)))


def test_no_inputs_and_inputs_given_twice_are_refused() -> None:
    for ask in (average_radius, abstentions, agreement):
        with pytest.raises(InputError, match="inputs: got none"):
            ask(())
        with pytest.raises(InputError, match="inputs: got an index twice"):
            ask((FOUR[0], FOUR[0]))


def test_the_strongest_attack_counts() -> None:
    weak = RobustPoint("l2", 0.5, proportion(9, 10), "one step")
    strong = RobustPoint("l2", 0.5, proportion(4, 10), "many steps")
    other = RobustPoint("linf", 0.5, proportion(8, 10), "many steps")
    assert strongest((weak, strong, other)) == {("l2", 0.5): strong, ("linf", 0.5): other}
    assert strongest((strong, weak)) == {("l2", 0.5): strong}


def test_attacks_on_different_numbers_of_inputs_do_not_compare() -> None:
    many = RobustPoint("l2", 0.5, proportion(89, 120), "forty steps")
    few = RobustPoint("l2", 0.5, proportion(2, 5), "three steps")
    with pytest.raises(InputError, match="robust: got 120 and 5 inputs"):
        strongest((many, few))


def test_runs_of_one_name_get_labels_of_their_own(empty_contents: ReportContents) -> None:
    first = empty_contents.runs[0]
    runs = tuple(replace(first, name=name) for name in ("a", "a", "a (2)", "a"))
    labels = run_labels(replace(empty_contents, runs=runs))
    assert labels == ("a", "a (2)", "a (2) (2)", "a (3)")
