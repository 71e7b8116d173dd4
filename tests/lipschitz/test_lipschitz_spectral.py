"""Spectral norms from above: never below the truth, and tight; a power iteration is caught."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heatproof.errors import LipschitzError
from heatproof.lipschitz import gram_bound, spectral_bound

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
EXPONENTS = st.integers(-120, 120)


def _matrix(sizes: tuple[int, int], seed: int, exponent: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    values: np.ndarray = np.ldexp(draw.standard_normal(sizes) * draw.choice([1e-6, 1.0], sizes), exponent)
    return values


def _power_iteration(matrix: np.ndarray, steps: int, seed: int = 0) -> float:
    v: Any = np.random.default_rng(seed).standard_normal(matrix.shape[1])
    for _ in range(steps):
        moved = matrix.T @ (matrix @ v)
        v = moved / float(np.linalg.norm(moved))
    return float(np.linalg.norm(matrix @ v))


def _below_exactly(matrix: np.ndarray, bound: float) -> bool:
    """Whether bound²·I − AᵀA has positive leading minors, in exact rational arithmetic (Sylvester)."""
    exact = [[Fraction(float(value)) for value in row] for row in matrix]
    size = matrix.shape[1]
    gram = [[-sum((row[i] * row[j] for row in exact), Fraction(0)) for j in range(size)] for i in range(size)]
    for i in range(size):
        gram[i][i] += Fraction(bound) ** 2
    for k in range(size):
        if gram[k][k] <= 0:
            return False
        for i in range(k + 1, size):
            factor = gram[i][k] / gram[k][k]
            gram[i] = [one - factor * other for one, other in zip(gram[i], gram[k], strict=True)]
    return True


@settings(max_examples=60)
@given(sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)), seed=st.integers(0, 999), exponent=EXPONENTS)
def test_is_an_upper_bound_in_exact_arithmetic(sizes: tuple[int, int], seed: int, exponent: int) -> None:
    matrix = _matrix(sizes, seed, exponent)
    if matrix.any():
        assert _below_exactly(matrix, spectral_bound(matrix))
        assert _below_exactly(matrix, float(gram_bound(torch.from_numpy(matrix))))
        assert not _below_exactly(matrix, spectral_bound(matrix) * (1 - 1e-9))


@settings(max_examples=100)
@given(sizes=SIZES, seed=st.integers(0, 999), exponent=EXPONENTS)
def test_is_tight(sizes: tuple[int, int], seed: int, exponent: int) -> None:
    matrix = _matrix(sizes, seed, exponent)
    truth = np.linalg.norm(matrix, 2)
    assert truth <= spectral_bound(matrix) <= truth * (1 + 1e-11)
    assert truth <= float(gram_bound(torch.from_numpy(matrix))) <= truth * (min(sizes) ** (2.0**-9) + 1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_of_large_matrices(seed: int) -> None:
    matrix = _matrix((300, 120), seed)
    truth = np.linalg.norm(matrix, 2)
    assert truth < spectral_bound(matrix) < truth * (1 + 1e-9)
    assert truth < float(gram_bound(torch.from_numpy(matrix))) < truth * 1.01


def test_of_a_stack_is_the_largest_and_complex_ones_count() -> None:
    draw = np.random.default_rng(0)
    stack = draw.standard_normal((7, 4, 3)) + 1j * draw.standard_normal((7, 4, 3))
    assert spectral_bound(stack) == pytest.approx(np.linalg.norm(stack, 2, axis=(1, 2)).max(), rel=1e-10)


def test_power_iteration_presented_as_a_bound_is_caught() -> None:
    """The negative control: a few steps from a random start end below the truth, nearly always."""
    matrices = [_matrix((40, 40), seed) for seed in range(50)]
    caught = sum(_power_iteration(m, 5) < np.linalg.norm(m, 2) * (1 - 1e-3) for m in matrices)
    assert caught >= 45
    assert not any(spectral_bound(m) < np.linalg.norm(m, 2) for m in matrices)
    small = [_matrix((4, 4), seed) for seed in range(20)]
    assert not all(_below_exactly(m, _power_iteration(m, 3)) for m in small)


@pytest.mark.parametrize("exponent", [-1070, -1000, -500, 500, 1000, 1020])
def test_at_the_ends_of_the_floats(exponent: int) -> None:
    matrix = np.ldexp(np.array([[1.0, 2.0], [2.0, 5.0]]), exponent)
    assert Fraction(spectral_bound(matrix)) >= Fraction(3 + 8**0.5 - 1e-15) * Fraction(2) ** exponent
    assert spectral_bound(matrix + 0j) == pytest.approx(spectral_bound(matrix), rel=1e-9)


def test_zero_and_nonsense() -> None:
    assert spectral_bound(np.zeros((3, 4))) == 0
    assert float(gram_bound(torch.zeros(3, 4))) < 1e-60
    with pytest.raises(LipschitzError, match="NaN or infinite"):
        spectral_bound(np.full((2, 2), np.nan))


def test_gram_bound_has_the_gradient_of_its_value() -> None:
    weight = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(gram_bound, (weight.requires_grad_(),))
