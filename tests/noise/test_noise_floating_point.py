"""Classifiers that read what rounding leaves of the input: plain sums are fooled by them, the lattice is not.

The published kind (Voráček & Hein 2023; Jin et al. 2022; for Laplace noise Mironov 2012). Each test states a
classifier, certifies it at x from its votes, and asks for the votes at a point inside that radius.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from heatproof._intervals import lower_bound
from heatproof.noise import Gaussian, Laplace, Lattice, Noise, Uniform
from heatproof.noise.keyed import Stage, Stream, generator, pieces, random

DIMENSION, DRAWS, ALPHA = 3072, 2048, 0.001
SHIFT = 2.0**-9
Sampler = Callable[[Tensor], Tensor]


def _finer_than_33_bits_near_zero(noisy: Tensor) -> Tensor:
    """Return, for each row, whether some |coordinate| < 2⁻¹⁰ is no multiple of 2⁻³³.

    Where the input is 0, plain sums keep every bit of the noise, and one is. Where it is 2⁻⁹, they come from
    noise above 2⁻¹⁰, whose bits end at 2⁻³³: none is.
    """
    small = torch.where(noisy.abs() < 2.0**-10, noisy, torch.zeros_like(noisy)).double()
    return ((small * 2.0**33) % 1 != 0).any(dim=1)


def _plain(noise: Gaussian) -> Sampler:
    """Return a sampler of x + noise in float32."""

    def draw(x: Tensor) -> Tensor:
        source = torch.Generator().manual_seed(0)
        return x + noise.noise_std * torch.randn(DRAWS, len(x), generator=source)

    return draw


def _on_the_lattice(noise: Noise, grid_step: float | None) -> Sampler:
    lattice = Lattice.for_noise(noise, grid_step)

    def draw(x: Tensor) -> Tensor:
        stream, codes = Stream(0, 0, Stage.ESTIMATION), lattice.codes(x[None])[0]
        drawn = [random(noise, x.shape, stream, piece.chunk) for piece in pieces(0, DRAWS)]
        return torch.cat([lattice.perturb(codes, values) for values in drawn])

    return draw


def _share(rule: Callable[[Tensor], Tensor], noisy: Tensor) -> int:
    return int(sum(int(rule(part).sum()) for part in noisy.split(256)))


def test_plain_gaussian_sums_are_certified_far_beyond_the_truth() -> None:
    """A radius of about 2 noise_std is claimed; 0.43 noise_std away the answer is the other one."""
    noise, x = Gaussian(noise_std=0.25), torch.zeros(DIMENSION)
    here = _share(_finer_than_33_bits_near_zero, _plain(noise)(x))
    there = _share(_finer_than_33_bits_near_zero, _plain(noise)(x + SHIFT))
    claimed = noise.radius(lower_bound(here, DRAWS, ALPHA))
    assert there == 0
    assert claimed > 4 * SHIFT * math.sqrt(DIMENSION)


@pytest.mark.parametrize("grid_step", [None, 1 / 256, 1 / 255])
@pytest.mark.parametrize(
    "noise",
    [Gaussian(noise_std=0.25), Uniform(half_width=0.4), Laplace(noise_scale=0.2)],
    ids=lambda noise: noise.name,
)
def test_the_lattice_is_not_fooled(noise: Noise, grid_step: float | None) -> None:
    """The same classifier votes alike at both points: sums on the lattice keep nothing of the input."""
    draw = _on_the_lattice(noise, grid_step)
    x = torch.zeros(DIMENSION)
    here = _share(_finer_than_33_bits_near_zero, draw(x))
    there = _share(_finer_than_33_bits_near_zero, draw(x + SHIFT))
    assert abs(here - there) <= 0.01 * DRAWS
    assert here == 0 or here > 0.98 * DRAWS  # 0 where the unit is no finer than 2⁻³³


# The low bits of ℓ1 noises. One unit in each coordinate is an ℓ1 distance of d·2⁻²⁰ scales, more than the
# half cell that a radius gives up, and far less than the radii claimed.


def _mostly_even(points: Tensor) -> Tensor:
    return (points.double() % 2 == 0).double().mean(dim=1) > 0.5


def test_a_plain_uniform_number_on_a_lattice_prefers_even_points() -> None:
    """Negative control: 9 of 16 words round to even, so one unit of shift turns the majority."""
    draws = torch.empty(DRAWS, DIMENSION).uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    whole = draws.mul_(2**20).round_()
    here, there = int(_mostly_even(whole).sum()), int(_mostly_even(whole + 1).sum())
    noise = Uniform(half_width=1.0)
    claimed = noise.radius(lower_bound(here, DRAWS, ALPHA)) - noise.half_cell(DIMENSION, 2.0**-20)
    assert here == DRAWS
    assert there == 0
    assert claimed > 300 * DIMENSION * 2.0**-20


def test_ours_prefers_none() -> None:
    """Level 1e-6 for the parity of all coordinates together."""
    noise = Uniform(half_width=1.0)
    draws = torch.empty(DRAWS, DIMENSION)
    noise.fill(draws, generator(0, 0, Stage.ESTIMATION))
    even = (draws.mul_(2**20).round_().double() % 2 == 0).double().mean()
    assert abs(float(even) - 0.5) < 4.9 * 0.5 / math.sqrt(draws.numel())


def _reachable() -> Tensor:
    """Return which of the first 8·2²⁰ lattice points −ln u meets, u any of 2²⁴ words."""
    words = torch.arange(1, 2**24 + 1).float().div_(2**24)
    points = words.log_().mul_(-(2.0**20)).round_().long()
    met = torch.zeros(18 << 20, dtype=torch.bool)
    met[points] = True
    return met


def test_a_logarithm_of_one_word_leaves_points_out() -> None:
    """Negative control (Mironov 2012): the points that can occur at x hardly all occur one unit away."""
    met = _reachable()
    words = torch.empty(DRAWS, DIMENSION).random_(1, 2**24 + 1, generator=torch.Generator().manual_seed(0))
    whole = words.div_(2**24).log_().mul_(-(2.0**20)).round_()
    sign = torch.empty_like(whole).random_(0, 2, generator=torch.Generator().manual_seed(1)).mul_(2).sub_(1)
    whole.mul_(sign)

    def rule(points: Tensor) -> Tensor:
        return met[points.abs().long()].all(dim=1)

    here, there = _share(rule, whole), _share(rule, whole + 1)
    noise = Laplace(noise_scale=1.0)
    claimed = noise.radius(lower_bound(here, DRAWS, ALPHA)) - noise.half_cell(DIMENSION, 2.0**-20)
    assert here == DRAWS
    assert there == 0
    assert claimed > 1000 * DIMENSION * 2.0**-20


def test_ours_leaves_none_out() -> None:
    """The same rule, of what one word of ours meets, votes alike at both points."""
    met = _reachable()
    draws = torch.empty(DRAWS, DIMENSION)
    Laplace(noise_scale=1.0).fill(draws, generator(0, 0, Stage.ESTIMATION))
    whole = draws.mul_(2**20)

    def share(points: Tensor) -> float:
        return float(met[points.abs().long()].double().mean())

    here, there = share(whole), share(whole + 1)
    assert abs(here - there) < 4.9 * math.sqrt(2 * 0.25 / draws.numel())
