"""The noise of every layer against its formula C = 2Δt·A, and wrong formulas that must fail the same test.

Test: n draws of the step at one point, entry by entry of the second moment of layer(x) − mean_step(x).
The entries of one draw are bounded, or products of normals. Bernstein's inequality, |mean − expectation| ≤
√(2vL/n) + bL/n with probability 1 − 2e^−L, holds with v the variance and b = ⅔·(largest deviation) for
bounded numbers; for X² − 1 with v = 2, b = 2 (Laurent & Massart 2000) and for X·Y with v = 1, b = 1 (as
ln E e^{λXY} = −½ln(1 − λ²) ≤ ½λ²/(1 − |λ|)). L is ln(2·entries/10⁻⁶): a true formula fails with
probability 10⁻⁶ at most, for each test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from heatproof.networks import (
    BranchDropout,
    GaussianInjection,
    InputNoise,
    MultiplicativeNoise,
    NoiseLayer,
    ShakeShake,
    StateDropout,
    StochasticDepth,
)

ALPHA = 1e-6
DRAWS = 20_000
STEP = 0.5
EVENTS = [(5,), (2, 3, 3)]
TIME_STEP = 0.25


class Bend(nn.Module):
    """A branch of any event shape, away from 0."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = torch.tanh(2 * x + self.shift) + 0.3 * x.flip(-1) + 1.5
        return moved


FIRST, SECOND = Bend(0.3), Bend(-0.8)


@dataclass(frozen=True)
class Case:
    """A layer whose noise is w⊙direction(x) with E w = 0: what is known of w.

    `variance` is E w², `fourth` E w⁴, `largest` the largest |w|, None for normals; `shared` is one w a row.
    """

    name: str
    layer: NoiseLayer
    direction: Callable[[Tensor], Tensor]
    variance: float
    fourth: float
    largest: float | None
    shared: bool = False


def normal(name: str, layer: NoiseLayer, std: float, direction: Callable[[Tensor], Tensor]) -> Case:
    return Case(name, layer, direction, std**2, 3 * std**4, None)


def kept(
    name: str, layer: NoiseLayer, q: float, direction: Callable[[Tensor], Tensor], *, shared: bool = False
) -> Case:
    fourth = q * (1 / q - 1) ** 4 + (1 - q)
    return Case(name, layer, direction, (1 - q) / q, fourth, max(1.0, 1 / q - 1), shared)


def moved(x: Tensor) -> Tensor:
    step: Tensor = STEP * FIRST(x)
    return step


CASES = [
    normal("gaussian injection", GaussianInjection(FIRST, 0.7, step=STEP), 0.7, torch.ones_like),
    normal("input noise", InputNoise(0.4), 0.4, torch.ones_like),
    normal("multiplicative", MultiplicativeNoise(FIRST, 0.6, step=STEP), 0.6, lambda x: x),
    kept("branch dropout", BranchDropout(FIRST, 0.8, step=STEP), 0.8, moved),
    kept("state dropout", StateDropout(FIRST, 0.3, step=STEP), 0.3, lambda x: x),
    kept("stochastic depth", StochasticDepth(FIRST, 0.7, step=STEP), 0.7, moved, shared=True),
    Case(
        "shake-shake",
        ShakeShake(FIRST, SECOND, step=STEP),
        lambda x: STEP * (FIRST(x) - SECOND(x)),
        1 / 12,
        1 / 80,
        0.5,
        shared=True,
    ),
]
BY_NAME = {case.name: case for case in CASES}


def point(event: tuple[int, ...]) -> Tensor:
    return torch.randn(1, *event, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def noise(case: Case, x: Tensor, draws: int = DRAWS) -> Tensor:
    """Return draws of layer(x) − mean_step(x), (draws, d), without the factor direction(x)."""
    torch.manual_seed(11)
    with torch.no_grad():
        step = case.layer.train()(x.expand(draws, *x.shape[1:]))
        difference: Tensor = step - case.layer.mean_step(x)
    return difference.flatten(1)


def limits(case: Case, size: int, draws: int) -> Tensor:
    """Return how far entries of the empirical second moment of w may be from E w_i w_j, (size, size)."""
    level = math.log(2 * size * (size + 1) / 2 / ALPHA)
    second = case.variance**2
    variance = torch.full((size, size), second, dtype=torch.float64)
    spread = torch.full((size, size), case.variance, dtype=torch.float64)
    variance.fill_diagonal_(case.fourth - second)
    spread.fill_diagonal_(2 * case.variance)
    if case.shared:
        variance.fill_(case.fourth - second)
    if case.largest is not None:
        spread = torch.full_like(spread, 2 / 3 * (case.largest**2 + case.variance))
    return (2 * variance * level / draws).sqrt() + spread * level / draws


def agrees(case: Case, x: Tensor, covariance: Tensor) -> bool:
    """Return whether draws agree with this covariance at every entry, at false-alarm level ALPHA."""
    drawn = noise(case, x)
    g = case.direction(x).flatten()
    allowed = limits(case, len(g), len(drawn)) * g.abs().outer(g.abs()) + 1e-12
    return bool(((drawn.T @ drawn / len(drawn) - covariance).abs() <= allowed).all())


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_covariance_of_a_step_is_twice_the_time_step_times_the_diffusion(
    case: Case, event: tuple[int, ...]
) -> None:
    x = point(event)
    matrix = case.layer.diffusion(TIME_STEP).matrix(x, 0.0)[0]
    assert agrees(case, x, 2 * TIME_STEP * matrix)
    assert agrees(case, x, case.layer.step_covariance(x)[0])
    assert not agrees(case, x, TIME_STEP * matrix)  # without the factor 2 of 2Δt
    assert not agrees(case, x, 1.15 * 2 * TIME_STEP * matrix)


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_mean_of_a_step_is_the_noise_free_step(case: Case, event: tuple[int, ...]) -> None:
    x = point(event)
    g = case.direction(x).flatten().abs()
    level = math.log(2 * len(g) / ALPHA)
    largest = 0.0 if case.largest is None else 2 / 3 * case.largest
    drawn = noise(case, x)
    allowed = (math.sqrt(2 * case.variance * level / len(drawn)) + largest * level / len(drawn)) * g
    assert bool((drawn.mean(dim=0).abs() <= allowed).all())
    assert not bool(((drawn + 0.2 * g).mean(dim=0).abs() <= allowed).any())


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("branch dropout", (0.8 / 0.2) / (0.2 / 0.8)),  # q and 1 − q swapped
        ("state dropout", (0.3 / 0.7) / (0.7 / 0.3)),
        ("stochastic depth", (0.7 / 0.3) / (0.3 / 0.7)),
        ("stochastic depth", 0.7 * 0.3 / (0.3 / 0.7)),  # the scaling of test time
        ("shake-shake", 12 / 3),  # the variance of U(−1, 1)
        ("gaussian injection", 1 / 0.7),  # a for a²
        ("multiplicative", 1 / 0.6),
    ],
)
def test_a_wrong_factor_is_found(name: str, factor: float) -> None:
    case, x = BY_NAME[name], point((5,))
    assert not agrees(case, x, factor * case.layer.step_covariance(x)[0])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("stochastic depth", BranchDropout(FIRST, 0.7, step=STEP)),  # one z an entry, not one a row
        ("branch dropout", StochasticDepth(FIRST, 0.8, step=STEP)),
        ("branch dropout", StateDropout(FIRST, 0.8, step=STEP)),  # diag(x²) for diag(F²)
        ("state dropout", BranchDropout(FIRST, 0.3, step=STEP)),
        ("stochastic depth", StochasticDepth(FIRST, 0.7)),  # the step forgotten
        ("shake-shake", ShakeShake(FIRST, SECOND)),
        ("multiplicative", GaussianInjection(FIRST, 0.6, step=STEP)),
    ],
)
def test_the_formula_of_another_row_is_found(name: str, other: NoiseLayer) -> None:
    x = point((5,))
    assert not agrees(BY_NAME[name], x, other.step_covariance(x)[0])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rows_have_noise_of_their_own(case: Case) -> None:
    x = point((5,)).expand(2, 5)
    torch.manual_seed(2)
    with torch.no_grad():
        one, other = (
            (case.layer.train()(x.repeat(DRAWS, 1)) - case.layer.mean_step(x).repeat(DRAWS, 1))
            .view(DRAWS, 2, 5)
            .unbind(dim=1)
        )
    g = case.direction(x[:1]).flatten().abs()
    level = math.log(2 * 25 / ALPHA)
    spread = case.variance if case.largest is None else 2 / 3 * case.largest**2
    allowed = (case.variance * math.sqrt(2 * level / DRAWS) + spread * level / DRAWS) * g.outer(g)
    assert bool(((one.T @ other / DRAWS).abs() <= allowed).all())
    assert not bool(((one.T @ one / DRAWS).diagonal() <= allowed.diagonal()).any())
