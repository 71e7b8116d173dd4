"""Laplace noise: its law by enumeration of all words, and the tight radius beside the published ones."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, laplace
from torch import Tensor

from heatproof.noise import Laplace
from heatproof.noise.keyed import Stage, generator

WORDS, BITS = 1 << 24, 20
NOISE = Laplace(noise_scale=1.0)


def _filled(coarse: Tensor, fine: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Return what `fill` makes of given words."""
    queue = [coarse, fine]
    with monkeypatch.context() as patch:
        patch.setattr(Tensor, "random_", lambda self, *_, **__: self.copy_(queue.pop(0)))
        values = torch.empty_like(coarse)
        NOISE.fill(values, torch.Generator())
    return values


def test_its_law_is_that_of_a_rounded_laplace_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """All coarse words with one fine word, all fine words with one coarse: total variation ≤ 1.4e-4."""
    words = torch.arange(WORDS, dtype=torch.float32)
    nearly_nothing = torch.full_like(words, WORDS / 2)
    whole = _filled(words + 1, nearly_nothing, monkeypatch) * 2**10
    assert bool((whole == whole.round()).all() & (whole >= 0).all())
    coarse = torch.bincount(whole.long()).double() / WORDS
    rest = _filled(torch.full_like(words, WORDS), words, monkeypatch) * 2**BITS
    assert bool((rest == rest.round()).all())
    assert int((rest > 0).sum()) == int((rest < 0).sum())  # the sign is fair
    fine = torch.bincount(rest.abs().long()).double() / WORDS
    assert len(fine) == 2**10 + 1
    point = torch.zeros((len(coarse) + 1) << 10, dtype=torch.float64)
    for step, share in enumerate(coarse.tolist()):
        point[step << 10 : (step << 10) + len(fine)] += share * fine
    middle = torch.arange(len(point), dtype=torch.float64)
    exact = torch.exp(-(middle - 0.5) * 2.0**-BITS) * -math.expm1(-(2.0**-BITS))
    exact[0] = -math.expm1(-(2.0 ** -(BITS + 1)))
    assert float((point - exact).abs().sum()) / 2 < 1.4e-4
    bulk = slice(0, 3 << BITS)
    assert float((point / exact - 1)[bulk].abs().max()) < 2e-3
    assert bool((point[: 9 << BITS] > 0).all())  # no point of the lattice is left out


def test_the_largest_value(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = torch.tensor([1.0, 1.0, WORDS, WORDS])
    values = _filled(ends, torch.tensor([0.0, WORDS - 1, 0.0, WORDS - 1]), monkeypatch)
    assert values.tolist() == [-values[1], values[1], -values[3], values[3]]
    assert 24 * math.log(2) <= float(values.max()) + 1e-3 < NOISE.largest


def test_draws_have_it() -> None:
    """Kolmogorov–Smirnov at level 1e-6; a scale 1.05 times as large is refused."""
    values = torch.empty(16_000, 10)
    NOISE.fill(values, generator(0, 0, Stage.SELECTION))
    drawn = values.flatten().double().numpy()
    assert kstest(drawn, laplace.cdf).pvalue > 1e-6
    assert kstest(1.05 * drawn, laplace.cdf).pvalue < 1e-6


@given(p=st.floats(0, 1), q=st.floats(0, 1), scale=st.floats(0.01, 10))
def test_the_published_radii_are_never_larger(p: float, q: float, scale: float) -> None:
    """Lecuyer et al. (2019): ½b·ln(p_A/p_B); Teng et al. (2020): −b·ln(1 − p_A + p_B); p_B ≤ 1 − p_A."""
    q *= 1 - p
    if not 1e-9 < q < p < 1 - 1e-9:
        return
    tight = Laplace(noise_scale=scale).radius(p, q)
    assert tight >= scale / 2 * math.log(p / q) - 1e-9 * scale
    assert tight >= -scale * math.log(1 - p + q) - 1e-9 * scale


@pytest.mark.parametrize(
    ("p", "q", "ratio"),
    [(0.9, 0.1, math.log(5)), (0.8, 0.05, -math.log(0.04) / 2), (0.4, 0.1, math.log(4) / 2)],
)
def test_by_hand(p: float, q: float, ratio: float) -> None:
    assert Laplace(noise_scale=2.0).radius(p, q) == pytest.approx(2 * ratio, rel=1e-12)
    published = max(math.log(p / q) / 2, -math.log(1 - p + q))
    assert ratio >= published - 1e-12
    assert (ratio > published + 0.1) == (p == 0.8)  # strictly better between the two extremes only
