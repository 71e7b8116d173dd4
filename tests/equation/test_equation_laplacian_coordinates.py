"""The Laplacian along a random subset of the axes: unbiased over subsets, with Cochran's variance."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm
from torch import Tensor

from heatproof.equation.laplacian import Axes, Coordinates, estimate
from heatproof.errors import InputError

FALSE_ALARM = 1e-5
STEP = 0.4


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wavy(x: Tensor) -> Tensor:
    """Return values that curve differently along each axis, and are no quadratic."""
    rates = torch.arange(1, x.shape[1] + 1, dtype=x.dtype)
    return torch.stack([torch.sin(x * rates).sum(dim=1) + x.prod(dim=1), (x**4 / rates).sum(dim=1)], dim=1)


def along_axes(point: Tensor) -> Tensor:
    """Return a_i = [u(x + h e_i) + u(x − h e_i) − 2u(x)]/h² of one point (d,), as (d, values)."""
    rows = []
    for axis in STEP * torch.eye(len(point), dtype=point.dtype):
        pair = wavy((point + axis)[None]) + wavy((point - axis)[None])
        rows.append((pair - 2 * wavy(point[None]))[0] / STEP**2)
    return torch.stack(rows)


def variance(parts: Tensor, m: int) -> Tensor:
    """Return (d²/m)(1 − m/d)·V, as the class states it."""
    d = len(parts)
    return d**2 / m * (1 - m / d) * parts.var(dim=0)


@given(dimension=st.integers(2, 7), m=st.integers(1, 7), seed=st.integers(0, 99))
@settings(max_examples=30)
def test_mean_and_variance_over_all_subsets(dimension: int, m: int, seed: int) -> None:
    m = min(m, dimension)
    parts = along_axes(torch.randn(dimension, generator=generator(seed), dtype=torch.float64))
    subsets = [list(one) for one in itertools.combinations(range(dimension), m)]
    sums = torch.stack([dimension / m * parts[one].sum(dim=0) for one in subsets])
    assert torch.allclose(sums.mean(dim=0), parts.sum(dim=0))
    assert torch.allclose(sums.var(dim=0, correction=0), variance(parts, m), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("m", [1, 2, 4])
def test_estimates_have_that_mean_and_variance(m: int) -> None:
    """Two tests for each value at FALSE_ALARM; sampling with replacement would be refused."""
    point, draws = torch.tensor([0.3, -0.8, 1.1, 0.4, -0.2], dtype=torch.float64), 40_000
    found = estimate(Coordinates(coordinates=m), wavy, point.expand(draws, -1), STEP, generator(m))
    parts, limit = along_axes(point), float(norm.isf(FALSE_ALARM / 2))
    truth, spread = parts.sum(dim=0), variance(parts, m)
    assert bool(((found.mean(dim=0) - truth).abs() < limit * (spread / draws).sqrt()).all())
    assert bool(((found.mean(dim=0) - 1.5 * truth).abs() > limit * (spread / draws).sqrt()).all())
    squares = (found - truth).square()
    error = squares.std(dim=0) / math.sqrt(draws)
    assert bool(((squares.mean(dim=0) - spread).abs() < limit * error).all())
    replaced = 25 / m * parts.var(dim=0, correction=0)
    if m > 1:
        assert bool(((squares.mean(dim=0) - replaced).abs() > limit * error).all())


def test_every_subset_is_as_likely() -> None:
    """χ² over the 10 pairs of 5 axes, at FALSE_ALARM; each row has a subset of its own, no axis twice."""
    x = torch.zeros(20_000, 5, dtype=torch.float64)
    offsets = Coordinates(coordinates=2).offsets(x, STEP, generator())
    assert offsets.shape == (2, *x.shape)
    assert bool((offsets.count_nonzero(dim=2) == 1).all())
    chosen = (offsets / STEP).sum(dim=0)
    assert float(chosen.max()) == 1
    assert bool((chosen.sum(dim=1) == 2).all())
    counts = torch.unique(chosen, dim=0, return_counts=True)[1].double()
    assert len(counts) == 10
    assert float(((counts - 2000) ** 2 / 2000).sum()) < float(chi2.isf(FALSE_ALARM, 9))


def test_all_coordinates_are_the_axes() -> None:
    x = torch.randn(6, 1, 2, 2, generator=generator(), dtype=torch.float64)

    def u(z: Tensor) -> Tensor:
        return wavy(z.flatten(1))

    every = estimate(Coordinates(coordinates=4), u, x, STEP, generator())
    assert torch.allclose(every, estimate(Axes(), u, x, STEP), rtol=1e-12)
    some = estimate(Coordinates(coordinates=3), u, x, STEP, generator())
    assert float((some - every).abs().min()) > 1e-6


def test_more_coordinates_than_there_are() -> None:
    with pytest.raises(InputError, match=r"^coordinates: got 3; allowed: 1 to 2, the dimension"):
        estimate(Coordinates(coordinates=3), wavy, torch.zeros(1, 2), STEP, generator())
    with pytest.raises(InputError, match=r"^coordinates: got 0"):
        Coordinates(coordinates=0)
