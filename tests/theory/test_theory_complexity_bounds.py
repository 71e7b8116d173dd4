"""The covering bound at its best mesh, Massart's bound, and the exact value that both must exceed."""

from __future__ import annotations

import itertools
import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.optimize import minimize_scalar
from scipy.special import lambertw

from heatproof.errors import DataError, InputError
from heatproof.theory.complexity import (
    ClassConstants,
    constants_of,
    covering_bound,
    covering_formula,
    linear_value,
    massart_bound,
)

ORDINARY = st.floats(1e-3, 1e3)
EXTREME = st.floats(1e-150, 1e150)


def _searched(constants: ClassConstants, count: int) -> float:
    """Return the infimum over (0, b_w·b_x], by a bounded search in ln ε and the edge."""
    edge = math.log(constants.reach)
    found = minimize_scalar(
        lambda log: covering_formula(constants, count, math.exp(log)),
        bounds=(edge - 60.0, edge),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return min(float(found.fun), covering_formula(constants, count, constants.reach))


@given(
    weight=ORDINARY,
    inputs=ORDINARY,
    dimension=st.integers(1, 10**6),
    count=st.integers(1, 10**9),
    value=st.none() | st.floats(1e-3, 10),
)
def test_the_closed_form_is_the_infimum(
    weight: float, inputs: float, dimension: int, count: int, value: float | None
) -> None:
    constants = ClassConstants(weight, inputs, dimension, value)
    found = covering_bound(constants, count)
    assert found.formula == pytest.approx(_searched(constants, count), rel=1e-6)
    assert 0 < found.mesh <= constants.reach * (1 + 1e-12)
    assert found.value == min(found.formula, constants.size)


@given(
    weight=EXTREME,
    inputs=EXTREME,
    dimension=st.integers(1, 10**12),
    count=st.integers(1, 10**40) | st.integers(10**300, 10**330),
    value=st.none() | EXTREME,
)
def test_extreme_constants_give_a_bound_that_its_neighbours_do_not_beat(
    weight: float, inputs: float, dimension: int, count: int, value: float | None
) -> None:
    constants = ClassConstants(weight, inputs, dimension, value)
    found = covering_bound(constants, count)
    assert math.isfinite(found.value)
    assert 0 < found.value <= constants.size
    for factor in (0.5, 0.99, 1.01, 2.0):
        mesh = found.mesh * factor
        if 0 < mesh <= constants.reach:
            assert found.formula <= covering_formula(constants, count, mesh) * (1 + 1e-9)
    assert massart_bound(constants, count) <= constants.size


@pytest.mark.parametrize(("share", "inside"), [(0.99, True), (1.01, False), (1.4, False), (1.6, False)])
def test_the_root_counts_only_inside_the_box(share: float, inside: bool) -> None:
    """c = share·(2·ln 3/9): above 0.244 the root leaves (0, b_w·b_x], above 1/e (share 1.507) it is gone."""
    c = share * 2 * math.log(3) / 9
    count = 10**6
    dimension = round(9 * count * c)  # b = b_w·b_x = 1
    found = covering_bound(ClassConstants(1.0, 1.0, dimension), count)
    c = dimension / (9 * count)
    assert (c < 1 / math.e) == (share < 1.5)
    if inside:
        assert found.mesh == pytest.approx(3 * math.exp(lambertw(-c, -1).real / 2), rel=1e-9)
        assert found.mesh < 1
    else:
        assert found.mesh == pytest.approx(1.0)
        assert found.formula > 1
        assert found.value == 1


def test_the_other_branch_is_no_minimum() -> None:
    """W₀ solves the same equation, at an ε outside of the box, and gives more."""
    constants, count = ClassConstants(1.0, 1.0, 64), 1000
    c = 64 / (9 * count)
    other = 3 * math.exp(lambertw(-c, 0).real / 2)
    assert other > constants.reach
    assert covering_formula(constants, count, other) > covering_bound(constants, count).formula


def test_the_bound_by_hand() -> None:
    """d = 64, N = 1000, b = b_w·b_x = 1: ε* = 0.0965, 0.7598."""
    found = covering_bound(ClassConstants(1.0, 1.0, 64), 1000)
    by_hand = math.sqrt(2 * 64 * math.log(3 / found.mesh) / 1000) + found.mesh
    assert found.value == pytest.approx(by_hand)
    assert (round(found.mesh, 4), round(found.value, 4)) == (0.0965, 0.7598)


def test_values_count_for_no_more_than_the_reach() -> None:
    """A complexity does not see constants: with b_w·b_x = 0.01, b = 1 is worth 0.01."""
    assert covering_bound(ClassConstants(0.01, 1.0, 10, 1.0), 100) == covering_bound(
        ClassConstants(0.01, 1.0, 10), 100
    )


def test_massart_by_hand() -> None:
    constants = ClassConstants(2.0, 0.5, 64)
    assert massart_bound(constants, 800) == pytest.approx(math.sqrt(2 * math.log(128) / 800))
    assert massart_bound(constants, 1) == 1.0


def _enumerated(x: torch.Tensor, weight_bound: float) -> float:
    """Return the mean over all 2^N signs of the best of the 2d corners."""
    values = []
    for signs in itertools.product((-1.0, 1.0), repeat=len(x)):
        mean = (torch.tensor(signs)[:, None].double() * x).mean(dim=0)
        values.append(max(float(weight_bound * s * m) for m in mean for s in (-1, 1)))
    return float(np.mean(values))


@pytest.mark.parametrize(("count", "dimension"), [(1, 1), (1, 3), (4, 1), (7, 5), (9, 2)])
def test_small_samples_are_enumerated(count: int, dimension: int) -> None:
    x = torch.randn(count, dimension, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    found = linear_value(x, 1.5)
    assert found.value == pytest.approx(_enumerated(x, 1.5), rel=1e-12)
    assert (found.low, found.high, found.draws) == (found.value, found.value, 0)


def test_drawn_signs_agree_with_all_signs() -> None:
    """At a false-alarm level of 10⁻⁶; and not with a sample that is a twentieth larger."""
    x = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = linear_value(x, 1.0, draws=1 << 11)
    drawn = linear_value(1.0 * x, 1.0, draws=(1 << 11) - 1, confidence=1 - 1e-6)
    assert exact.draws == 0 < drawn.draws
    assert drawn.low <= exact.value <= (drawn.high or 0.0)
    sharp = linear_value(x.repeat(3, 1), 1.0, draws=200_000, confidence=1 - 1e-6)
    wrong = 1.05 * sharp.value
    assert not sharp.low <= wrong <= (sharp.high or math.inf)


def test_the_interval_covers_at_least_as_often_as_it_says() -> None:
    """Of 400 intervals of confidence 0.5, fewer than half miss (binomial, level 10⁻⁶: at most 247)."""
    x = torch.randn(12, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    truth = linear_value(x, 1.0, draws=1 << 11).value
    found = [linear_value(x, 1.0, draws=20, seed=seed, confidence=0.5) for seed in range(400)]
    missed = sum(not one.low <= truth <= (one.high or 0.0) for one in found)
    assert missed <= 247


@given(
    count=st.integers(1, 10), dimension=st.integers(1, 6), weight=st.floats(0.1, 10), seed=st.integers(0, 99)
)
def test_the_exact_value_is_below_both_bounds(count: int, dimension: int, weight: float, seed: int) -> None:
    x = torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    constants = constants_of(x, weight)
    exact = linear_value(x, weight).value
    assert exact <= massart_bound(constants, count) * (1 + 1e-12)
    assert exact <= covering_bound(constants, count).value * (1 + 1e-12)


def test_half_of_massarts_bound_would_be_caught() -> None:
    """The negative control: one input in one dimension has complexity b_w·b_x."""
    x = torch.ones(1, 1, dtype=torch.float64)
    assert linear_value(x, 1.0).value > 0.5 * massart_bound(constants_of(x, 1.0), 1)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, True, "1"])
@pytest.mark.parametrize("name", ["weight_bound", "input_bound", "value_bound"])
def test_bad_constants_are_refused_by_name(name: str, value: float) -> None:
    given: dict[str, float] = {"weight_bound": 1.0, "input_bound": 1.0, "value_bound": 1.0, name: value}
    with pytest.raises(Exception, match=name) as caught:
        ClassConstants(given["weight_bound"], given["input_bound"], 3, given["value_bound"])
    assert isinstance(caught.value, InputError) or isinstance(value, str)


def test_what_no_float_holds_is_refused() -> None:
    with pytest.raises(InputError, match="weight_bound × input_bound"):
        ClassConstants(1e200, 1e200, 3)
    with pytest.raises(InputError, match="dimension"):
        ClassConstants(1.0, 1.0, 10**400)
    with pytest.raises(InputError, match="dimension"):
        ClassConstants(1.0, 1.0, 0)


@pytest.mark.parametrize("count", [0, -3])
def test_no_inputs_are_refused(count: int) -> None:
    constants = ClassConstants(1.0, 1.0, 3)
    with pytest.raises(InputError, match="count"):
        covering_bound(constants, count)
    with pytest.raises(InputError, match="count"):
        massart_bound(constants, count)
    with pytest.raises(InputError, match="at least one row"):
        linear_value(torch.zeros(0, 3), 1.0)


def test_bad_inputs_are_refused() -> None:
    with pytest.raises(DataError, match="NaN"):
        linear_value(torch.tensor([[1.0], [math.nan]]), 1.0)
    with pytest.raises(InputError, match="weight_bound"):
        linear_value(torch.ones(3, 2), 0.0)
    with pytest.raises(InputError, match="input_bound"):
        constants_of(torch.zeros(3, 2), 1.0)
    with pytest.raises(InputError, match="confidence"):
        linear_value(torch.ones(3, 2), 1.0, confidence=1.0)
