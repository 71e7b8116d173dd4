"""Effective diffusivity against the layers' formulas, and wrong formulas that must be found.

Intervals are Student's over inputs, at 1 − 10⁻⁶: that is the false-alarm level, as far as means over 32
inputs of means over 100 draws are normal. Seeds are fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from heatproof.equation import (
    DiagonalDiffusion,
    Diffusion,
    FullDiffusion,
    IsotropicDiffusion,
    LowRankDiffusion,
)
from heatproof.lipschitz import Bound
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
from heatproof.theory import LayerDiffusivity, measure_diffusivity

CONFIDENCE = 1 - 1e-6
EVENT = (2, 3, 3)


def branch(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 2, 3, padding=1))


def layers() -> dict[str, NoiseLayer]:
    return {
        "gaussian injection": GaussianInjection(branch(0), 0.7),
        "input noise": InputNoise(0.4),
        "multiplicative": MultiplicativeNoise(branch(0), 0.6),
        "branch dropout": BranchDropout(branch(0), 0.8),
        "state dropout": StateDropout(branch(0), 0.7),
        "stochastic depth": StochasticDepth(branch(0), 0.7),
        "shake-shake": ShakeShake(branch(0), branch(1)),
    }


NAMES = list(layers())


def inputs(count: int = 32, event: tuple[int, ...] = EVENT) -> Tensor:
    return torch.randn(count, *event, generator=torch.Generator().manual_seed(4))


def measured(layer: nn.Module, block_time: float = 0.25) -> LayerDiffusivity:
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(math.prod(EVENT), 3))
    return measure_diffusivity(
        model, inputs(), draws=100, block_time=block_time, confidence=CONFIDENCE
    ).layers[0]


class Claim(NoiseLayer):
    """A layer that makes the noise of another, and says another diffusion of it."""

    def __init__(self, layer: NoiseLayer, claim: Callable[[float], Diffusion]) -> None:
        super().__init__()
        self.layer, self.claim = (layer,), claim  # a tuple hides the module

    def mean_step(self, x: Tensor) -> Tensor:
        return self.layer[0].mean_step(x)

    def diffusion(self, time_step: float) -> Diffusion:
        return self.claim(time_step)

    def _noisy_step(self, x: Tensor) -> Tensor:
        return self.layer[0]._noisy_step(x)

    def _mean_bound(self, event_shape: tuple[int, ...]) -> Bound:
        return self.layer[0]._mean_bound(event_shape)

    def _settings(self) -> list[str]:
        return []


@pytest.mark.parametrize("name", NAMES)
def test_measured_is_the_formula(name: str) -> None:
    layer = layers()[name]
    found = measured(layer)
    said = found.formula
    assert said is not None
    assert said.squared_distance is not None
    assert said.agrees
    exact = layer.diffusion(0.25).mean_diffusivity(inputs(), 0.0).mean()
    assert said.mean_diffusivity == pytest.approx(float(exact.detach()), rel=1e-5)
    assert said.difference.contains(0)
    assert abs(said.squared_distance.value) < 0.05
    assert found.mean_diffusivity.contains(said.mean_diffusivity)
    assert found.effective_rank is not None
    assert said.effective_rank is not None
    assert found.effective_rank.value == pytest.approx(said.effective_rank, rel=0.1)
    assert found.noisy
    assert found.keeps_shape


@pytest.mark.parametrize("name", NAMES)
def test_formula_as_a_full_matrix_is_the_same(name: str) -> None:
    layer = layers()[name]
    own = measured(layer).formula
    full = measured(
        Claim(layer, lambda time: FullDiffusion(lambda x, t: layer.diffusion(time).matrix(x, t)))
    ).formula
    assert own is not None
    assert full is not None
    assert own.effective_rank is not None
    assert full.effective_rank == pytest.approx(own.effective_rank, rel=1e-4)
    assert full.mean_diffusivity == pytest.approx(own.mean_diffusivity, rel=1e-5)
    top = len(own.eigenvalues)
    assert full.eigenvalues[:top] == pytest.approx(own.eigenvalues, rel=1e-3, abs=1e-6)
    assert full.agrees


def scaled(layer: NoiseLayer, factor: float) -> Callable[[float], Diffusion]:
    return lambda time: layer.diffusion(time / factor)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        *((name, 2.0) for name in NAMES),  # 2Δt without its 2
        *((name, 0.5) for name in NAMES),
        ("branch dropout", (0.8 / 0.2) / (0.2 / 0.8)),  # q and 1 − q swapped
        ("state dropout", (0.7 / 0.3) / (0.3 / 0.7)),
        ("stochastic depth", (0.7 / 0.3) / (0.3 / 0.7)),
        ("shake-shake", 12 / 3),
    ],
)
def test_a_wrong_factor_falls_outside(name: str, factor: float) -> None:
    layer = layers()[name]
    said = measured(Claim(layer, scaled(layer, factor))).formula
    assert said is not None
    assert not said.agrees
    assert not said.difference.contains(0)


def _isotropic(layer: NoiseLayer) -> Callable[[float], Diffusion]:
    return lambda time: IsotropicDiffusion(layer.diffusion(time).mean_diffusivity)


def _diagonal(layer: NoiseLayer) -> Callable[[float], Diffusion]:
    def own(x: Tensor, t: float | Tensor, time: float) -> Tensor:
        return layer.diffusion(time).matrix(x, t).diagonal(dim1=1, dim2=2).reshape(x.shape)

    return lambda time: DiagonalDiffusion(lambda x, t: own(x, t, time))


def _one_direction(layer: NoiseLayer) -> Callable[[float], Diffusion]:
    def own(x: Tensor, t: float | Tensor, time: float) -> Tensor:
        diagonal = layer.diffusion(time).matrix(x, t).diagonal(dim1=1, dim2=2)
        return diagonal.sqrt().reshape(len(x), 1, *x.shape[1:])

    return lambda time: LowRankDiffusion(lambda x, t: own(x, t, time))


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("multiplicative", _isotropic),
        ("state dropout", _isotropic),
        ("stochastic depth", _isotropic),
        ("stochastic depth", _diagonal),
        ("shake-shake", _diagonal),
        ("branch dropout", _one_direction),
        ("gaussian injection", _one_direction),
    ],
)
def test_a_formula_with_the_right_trace_and_wrong_directions_is_found(
    name: str, claim: Callable[[NoiseLayer], Callable[[float], Diffusion]]
) -> None:
    layer = layers()[name]
    said = measured(Claim(layer, claim(layer))).formula
    assert said is not None
    assert said.difference.contains(0)
    assert said.squared_distance is not None
    assert said.squared_distance.low > 0.05
    assert not said.agrees


def test_gaussian_injection_is_isotropic_and_stochastic_depth_has_one_direction() -> None:
    isotropic, one = measured(layers()["gaussian injection"]), measured(layers()["stochastic depth"])
    assert isotropic.isotropy == pytest.approx(1, rel=0.02)
    assert one.effective_rank is not None
    assert one.effective_rank.value == pytest.approx(1, rel=1e-5)
    assert one.isotropy == pytest.approx(1 / 18, rel=1e-5)
    trace = one.mean_diffusivity.value * one.dimension
    assert one.eigenvalues[0] == pytest.approx(trace, rel=1e-6)
    assert one.held_out[0] == pytest.approx(trace, rel=0.02)


def test_spectra_enclose_the_formula() -> None:
    found = measured(layers()["multiplicative"])
    assert found.formula is not None
    true = torch.tensor(found.formula.eigenvalues[:4]).cumsum(0)
    assert bool((torch.tensor(found.eigenvalues[:4]).cumsum(0) > true).all())
    assert bool((torch.tensor(found.held_out[:4]).cumsum(0) < true).all())


def test_accumulated_is_half_the_sum_of_covariances_whatever_the_block_time() -> None:
    model = nn.Sequential(InputNoise(0.4), GaussianInjection(branch(0), 0.7), InputNoise(0.2))
    for block_time in (None, 0.1):
        found = measure_diffusivity(model, inputs(), draws=100, block_time=block_time, confidence=CONFIDENCE)
        used = 1 / 3 if block_time is None else block_time
        assert found.block_time == used
        halves = (0.16 / 2, (0.16 + 0.49) / 2, (0.16 + 0.49 + 0.04) / 2)
        for layer, half, own in zip(found.layers, halves, (0.16, 0.49, 0.04), strict=True):
            assert layer.accumulated.contains(half)
            assert not layer.accumulated.contains(2 * half)
            assert layer.mean_diffusivity.contains(own / (2 * used))


def test_intervals_hold_the_expectation_over_inputs() -> None:
    """tr A/d of multiplicative noise over N(0, I) inputs is a²/(2Δt); 40 data sets at 99.9 % each.

    More than 3 misses have probability 10⁻⁷ at that level. A number 1.5 times as large is missed
    often.
    """
    model = nn.Sequential(MultiplicativeNoise(nn.Identity(), 0.5), nn.Linear(6, 2))
    misses, others = 0, 0
    for seed in range(40):
        x = torch.randn(30, 6, generator=torch.Generator().manual_seed(seed))
        found = measure_diffusivity(model, x, draws=16, block_time=1.0, confidence=0.999, seed=seed)
        misses += not found.layers[0].mean_diffusivity.contains(0.125)
        others += not found.layers[0].mean_diffusivity.contains(0.1875)
    assert misses <= 3
    assert others >= 10
