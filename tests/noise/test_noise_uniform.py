"""Uniform noise: its law on the lattice is exact; the ℓ1 radius and what it replaces."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from heatproof.noise import Lattice, Uniform
from heatproof.noise.keyed import Stage, generator

WORDS = 1 << 24


def test_all_words_give_the_law_of_a_rounded_uniform_variable() -> None:
    """Enumerated: every lattice point inside the cube has 8 of the 2²⁴ words, the two ends 4; no ties."""
    words = torch.arange(WORDS, dtype=torch.float32)
    values = words.clone().mul_(2 / WORDS).add_(1 / WORDS - 1)
    assert torch.equal(values.double(), (2 * words.double() + 1) / WORDS - 1)
    sums = Lattice.for_noise(Uniform(half_width=1.0)).add_noise(torch.zeros(1).double(), values[:, None])
    counts = torch.bincount((sums[:, 0].double() * 2**20).long() + 2**20)
    assert counts[0] == counts[-1] == 4
    assert bool((counts[1:-1] == 8).all())
    assert len(counts) == 2**21 + 1


def test_draws_are_those_words() -> None:
    values = torch.empty(1000, 20)
    Uniform(half_width=3.0).fill(values, generator(0, 0, Stage.SELECTION))
    odd = values.double() * WORDS
    assert bool((odd % 2 == 1).all())
    assert float(odd.abs().max()) < WORDS
    again = torch.empty(1000, 20).random_(0, WORDS, generator=generator(0, 0, Stage.SELECTION))
    assert torch.equal(odd, 2 * again.double() + 1 - WORDS)


@given(half_width=st.floats(1e-3, 100), p=st.floats(0, 1), q=st.floats(0, 1))
def test_the_formula(half_width: float, p: float, q: float) -> None:
    noise = Uniform(half_width=half_width)
    assert noise.radius(p, q) == half_width * max(0.0, p - q)
    assert abs(noise.radius(p) - half_width * max(0.0, 2 * p - 1)) <= 1e-12 * half_width


def test_the_scale_is_the_half_width_and_no_standard_deviation() -> None:
    """Negative control: a/√3 taken for a gives a radius that the half-space refutes the other way round."""
    values = torch.empty(4000, 8)
    noise = Uniform(half_width=0.5)
    noise.fill(values, generator(0, 0, Stage.SELECTION))
    drawn = values * noise.scale
    assert abs(float(drawn.std()) * 3**0.5 - 0.5) < 0.01
    assert 0.4999 < float(drawn.abs().max()) < 0.5
