"""Moments of draws: U-statistics against their definition, and spectra that are biased to known sides."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import t as student
from torch import Tensor, nn

from heatproof.theory import measure_diffusivity
from heatproof.theory.effective_diffusivity._estimate import mean_over_inputs, ratio_over_inputs
from heatproof.theory.effective_diffusivity._moments import Moments, held_out, moments


def draws(count: int, size: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=generator, dtype=torch.float64).exp()


def measured(y: Tensor, number: int = 16) -> Moments:
    return moments(y - y.mean(dim=0), number)


@pytest.mark.parametrize(("count", "size"), [(4, 3), (6, 2), (7, 5), (5, 1)])
def test_are_the_means_over_all_quadruples_of_draws(count: int, size: int) -> None:
    """Each quadruple of independent draws is unbiased for any law: so are these."""
    y = draws(count, size)
    products, lengths = [], []
    for i, j, k, m in permutations(range(count), 4):
        one, other = y[i] - y[j], y[k] - y[m]
        products.append(float(one @ other) ** 2 / 4)
        lengths.append(float(one @ one) * float(other @ other) / 4)
    found = measured(y)
    assert found.trace_of_square == pytest.approx(sum(products) / len(products), rel=1e-9)
    assert found.squared_trace == pytest.approx(sum(lengths) / len(lengths), rel=1e-9)
    assert found.trace == pytest.approx(float(y.var(dim=0).sum()), rel=1e-12)


def test_the_plug_in_estimate_is_another_number() -> None:
    y = draws(12, 40)
    covariance = torch.cov(y.T)
    assert float(covariance.square().sum()) > 1.5 * measured(y).trace_of_square


@pytest.mark.parametrize("count", [4, 9, 50])
def test_effective_rank_of_one_direction_is_one_for_any_draws(count: int) -> None:
    y = draws(count, 1) * torch.linspace(-1, 2, 20, dtype=torch.float64) + 3
    found = measured(y)
    assert found.squared_trace / found.trace_of_square == pytest.approx(1, rel=1e-9)
    assert float(found.from_all[0]) == pytest.approx(found.trace, rel=1e-9)
    assert float(found.from_all[1]) < 1e-12 * found.trace


@pytest.mark.parametrize("seed", range(5))
def test_effective_rank_is_never_below_one(seed: int) -> None:
    found = measured(draws(8, 3, seed))
    assert found.squared_trace >= found.trace_of_square >= 0


def test_spectra_enclose_that_of_white_noise() -> None:
    """C = I. Each held-out variance is χ²/degrees of freedom: of mean 1 within Laurent & Massart's bound.

    Level 10⁻⁶ for all held-out variances; the eigenvalues of all draws are far from 1, as they must be.
    """
    size, count, repeats, number = 30, 40, 100, 8
    generator = torch.Generator().manual_seed(1)
    all_draws, halves = [], []
    for _ in range(repeats):
        y = torch.randn(count, size, generator=generator, dtype=torch.float64)
        found = measured(y, number)
        all_draws.append(found.from_all)
        halves.append(found.from_halves)
    upper, lower = torch.stack(all_draws).mean(dim=0), torch.stack(halves).mean(dim=0)
    level, freedom = math.log(2 * 2 * number / 1e-6), repeats * (count // 2 - 1)
    allowed = 2 * math.sqrt(level / freedom) + 2 * level / freedom
    assert bool(((lower - 1).abs() <= allowed).all())
    assert not bool(((upper[:3] - 1).abs() <= allowed).any())
    assert float(upper[0]) > 2.5


def test_spectra_enclose_a_known_one() -> None:
    true = torch.tensor([9.0, 4.0, 1.0, 0.25, 0.25, 0.25, 0.25, 0.25], dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    found = [
        measured(torch.randn(24, 8, generator=generator, dtype=torch.float64) * true.sqrt())
        for _ in range(400)
    ]
    upper = torch.stack([one.from_all for one in found]).mean(dim=0).cumsum(0)
    lower = torch.stack([one.from_halves for one in found]).mean(dim=0).cumsum(0)
    sums = true.cumsum(0)
    assert bool((upper[:3] > sums[:3]).all())
    assert bool((lower[:3] < sums[:3]).all())
    assert float(upper[-1]) == pytest.approx(float(sums[-1]), rel=0.05)  # the trace has no bias


def test_held_out_variances_are_those_of_the_eigenvectors_written_out() -> None:
    y = draws(10, 4)
    y = y - y.mean(dim=0)
    first, second = y[:5], y[5:]
    expected = torch.zeros(5, dtype=torch.float64)
    for one, other in ((first, second), (second, first)):
        vectors = torch.linalg.eigh(torch.cov(one.T)).eigenvectors.flip(1)
        expected[:4] += (vectors.T @ torch.cov(other.T) @ vectors).diagonal() / 2
    torch.testing.assert_close(held_out(y @ y.T), expected, rtol=1e-7, atol=1e-10)


def test_intervals_over_inputs_by_hand() -> None:
    """Student's, two-sided; that of a ratio a/b has the error of the mean of (a_i − (a/b)·b_i)/b."""
    top, bottom = np.array([1.0, 4.0, 2.5]), np.array([2.0, 3.0, 1.0])
    quantile = student.ppf(0.95, 2)
    mean = mean_over_inputs(top, 0.9)
    assert (mean.low + mean.high) / 2 == pytest.approx(mean.value) == pytest.approx(2.5)
    assert mean.high - mean.value == pytest.approx(quantile * 1.5 / math.sqrt(3))
    ratio = ratio_over_inputs(top, bottom, 0.9)
    assert ratio is not None
    assert ratio.value == pytest.approx(1.25)
    error = np.std((top - 1.25 * bottom) / 2, ddof=1) / math.sqrt(3)
    assert ratio.high - ratio.value == pytest.approx(quantile * error)


def test_the_false_alarm_of_a_table_is_shared_by_its_layers() -> None:
    """10⁻³ for each of k layers alone: half of 10⁻³/k for the difference of the traces, both ways."""
    x = torch.randn(9, 6, generator=torch.Generator().manual_seed(4))
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.3), nn.Dropout(0.2))
    widths = []
    for names in (["0"], ["0", "1", "2"]):
        found = measure_diffusivity(model, x, layers=names, draws=8, block_time=1.0).layers[0].formula
        assert found is not None
        widths.append(found.difference.high - found.difference.low)
    one, three = (student.ppf(1 - 1e-3 / layers / 4, 8) for layers in (1, 3))
    assert widths[1] / widths[0] == pytest.approx(three / one)


def test_no_noise_is_zero() -> None:
    found = measured(torch.full((6, 3), 2.0, dtype=torch.float64))
    assert (found.trace, found.squared_trace, found.trace_of_square) == (0, 0, 0)
    assert not found.from_all.any()
    assert not found.from_halves.any()


def test_only_as_many_eigenvalues_as_asked_for_and_as_there_are() -> None:
    assert len(measured(draws(20, 3)).from_all) == 3
    assert len(measured(draws(20, 9), 5).from_all) == len(measured(draws(20, 9), 5).from_halves) == 5
    assert len(measured(draws(20, 50)).from_halves) == 10
