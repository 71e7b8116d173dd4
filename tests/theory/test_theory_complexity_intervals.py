"""Intervals of complexities against their formulas written out, and input that is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import t as student
from torch import Tensor, nn

from heatproof.errors import InputError
from heatproof.theory.complexity import (
    ClassConstants,
    ComplexityRow,
    base_rows,
    check_orderings,
    constants_of,
    covering_formula,
    draw_ends,
    evolved_rows,
    expected_reach,
    features,
    finite_class_value,
    identity_ends,
    jensen_bound,
    linear_value,
    measured_constants,
    searched_value,
)


def _clip(values: Tensor) -> Tensor:
    return values.clamp(-1.0, 1.0)


def _points(count: int = 30, dimension: int = 3) -> Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _spread_out(x: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    return x[:, None] + 0.5 * torch.randn(len(x), draws, x.shape[1], generator=generator, dtype=x.dtype)


def test_the_interval_of_the_linear_class_is_mcdiarmids() -> None:
    """c_i = 2·b_w·‖x_i‖_∞/N: half = √(Σc_i²/(2M)·ln(2/α))."""
    x, draws = _points(), 50
    found = linear_value(x, 1.5, draws=draws, confidence=0.9)
    moves = (2 * 1.5 * x.abs().amax(dim=1) / len(x)).square().sum()
    half = math.sqrt(float(moves) / (2 * draws) * math.log(2 / 0.1))
    assert found.high == pytest.approx(found.value + half, rel=1e-12)
    assert found.low == pytest.approx(found.value - half, rel=1e-12)


def test_the_interval_of_a_finite_class_is_mcdiarmids() -> None:
    members, draws = _points(4, 20), 50
    found = finite_class_value(members, draws=draws, confidence=0.9)
    moves = (2 * members.abs().amax(dim=0) / 20).square().sum()
    half = math.sqrt(float(moves) / (2 * draws) * math.log(2 / 0.1))
    assert (found.high or 0) - found.value == pytest.approx(half, rel=1e-12)
    assert found.value - found.low == pytest.approx(half, rel=1e-12)


def test_the_interval_of_the_reach_is_a_union_over_inputs() -> None:
    """Each of 2N ends fails with α/(2N): Gaussian concentration with the spread, Student's law without."""
    x, draws = _points(7), 12
    norms = draw_ends(_spread_out, x, draws, torch.Generator().manual_seed(0)).abs().amax(dim=2)
    means = norms.mean(dim=1)
    half = 0.5 * math.sqrt(2 * math.log(2 * 7 / 0.1) / draws)
    proved = expected_reach(_spread_out, x, draws=draws, spread=0.5, confidence=0.9)
    assert proved.value == pytest.approx(float(means.max()))
    assert proved.high == pytest.approx(float(means.max()) + half)
    assert proved.low == pytest.approx(float(means.max()) - half)
    halves = student.ppf(1 - 0.1 / 14, draws - 1) * norms.std(dim=1) / math.sqrt(draws)
    drawn = expected_reach(_spread_out, x, draws=draws, confidence=0.9)
    assert drawn.high == pytest.approx(float((means + halves).max()))
    assert drawn.low == pytest.approx(float((means - halves).max()))


def test_jensens_bound_is_proportional_to_the_weights() -> None:
    one, three = (jensen_bound(_spread_out, _points(), weight, draws=20) for weight in (1.0, 3.0))
    assert three.value == pytest.approx(3 * one.value)
    assert three.high == pytest.approx(3 * (one.high or 0.0))


@pytest.mark.parametrize(("weight", "size"), [(0.1, None), (5.0, 1.0)])
def test_a_search_is_as_sure_as_the_smaller_bound_of_its_values(weight: float, size: float | None) -> None:
    """|ρ| ≤ b and |ρ − ρ(0)| ≤ b_w·b_x, whichever is less: never twice that."""
    x = _points()
    found = base_rows(x, weight, _clip, 1.0, subject=("G", "S"))[-1]
    expected = constants_of(x, weight).reach if size is None else size
    assert found.value - found.low == pytest.approx(expected * math.sqrt(2 * math.log(20) / (64 * 30)))


def test_the_covering_row_has_the_constants_of_the_end_points() -> None:
    """b_x and d are those of X_T, here 40 times further and of one number more than x."""

    def ends(x: Tensor, draws: int, generator: torch.Generator) -> Tensor:
        del generator
        longer = torch.cat([40.0 * x, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
        return longer[:, None].expand(-1, draws, -1)

    x = _points(300, 2)
    row = evolved_rows(ends, x, 0.01, _clip, 1.0, subject=("G", "S"), spread=0.0)[0]
    reach = 40.0 * float(x.abs().max())
    assert row.constants["input_bound"] == pytest.approx(reach)
    assert row.constants["dimension"] == 3
    constants = ClassConstants(0.01, reach, 3, 1.0)
    searched = min(covering_formula(constants, 300, 1e-4 * number) for number in range(1, 5000))
    assert row.value == pytest.approx(searched, rel=1e-4)
    assert row.value < constants.size


def test_a_trivial_bound_says_so() -> None:
    cut = base_rows(_points(), 5.0, _clip, 1.0, subject=("G", "S"))
    assert [row.is_trivial for row in cut if row.name in ("covering", "search")] == [True, False]
    (massart,) = (row for row in base_rows(_points(), 1.0, subject=("w·x", "S")) if row.name == "Massart")
    assert not massart.is_trivial
    assert not replace(massart, constants={}).is_trivial


def test_exact_numbers_of_one_class_must_agree() -> None:
    row = base_rows(_points(5), 1.0, subject=("w·x", "S"))[0]
    assert check_orderings((row, row)) == ()
    other: ComplexityRow = replace(row, value=2 * row.value, low=2 * row.low, high=2 * (row.high or 0.0))
    assert check_orderings((row, other))


def test_a_rho_without_slope_or_a_caller_without_gradients_is_searched_all_the_same() -> None:
    flat = searched_value(identity_ends, _points(), torch.zeros_like, 1.0, 1.0, path_draws=1)
    assert flat.value == 0.0
    own = searched_value(identity_ends, _points(), _clip, 1.0, 1.0, path_draws=1)
    with torch.no_grad():
        assert searched_value(identity_ends, _points(), _clip, 1.0, 1.0, path_draws=1) == own


@pytest.mark.parametrize("rho", [lambda _: 1.0, lambda z: z.mean(), lambda z: (z > 0).long()])
def test_a_rho_that_is_no_function_of_each_number_is_refused(rho: object) -> None:
    with pytest.raises(InputError, match="rho: got"):
        searched_value(identity_ends, _points(), rho, 1.0, 1.0, path_draws=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("mesh", [0.0, -1.0, math.nan, 3.1])
def test_a_mesh_outside_of_the_formula_is_refused(mesh: float) -> None:
    with pytest.raises(InputError, match="mesh: got"):
        covering_formula(ClassConstants(1.0, 1.0, 3), 10, mesh)


def test_seeds_are_whole_numbers_of_any_size() -> None:
    x = _points()
    with pytest.raises(InputError, match="seed: got -1"):
        linear_value(x, 1.0, seed=-1)
    with pytest.raises(InputError, match="seed: got -1"):
        expected_reach(_spread_out, x, seed=-1)
    assert linear_value(x, 1.0, seed=(1 << 63) + 5) == linear_value(x, 1.0, seed=5)


def test_a_network_in_training_mode_and_its_inputs_are_left_as_they_were() -> None:
    """Features are those of evaluation mode; batch statistics, modes and x do not change."""
    torch.manual_seed(0)
    inner = nn.Sequential(nn.ReLU(inplace=True), nn.BatchNorm1d(4), nn.Dropout(0.5))
    network = nn.Sequential(inner, nn.Linear(4, 2)).train()
    inner[2].eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    flags, x = [module.training for module in network.modules()], torch.randn(6, 4)
    kept = x.clone()
    measured_constants(network, x)
    rows = features(network, network[1], x)  # type: ignore[arg-type]
    assert torch.equal(x, kept)
    assert flags == [module.training for module in network.modules()]
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    with torch.no_grad():
        assert torch.allclose(rows[:, :4], inner.eval()(x.clone()).double())
