"""Noise layers as settings: every kind in every network that offers them."""

from __future__ import annotations

import pytest
import torch
import yaml
from torch import nn

from heatproof.errors import InputError, LipschitzError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks import (
    BlockNoise,
    BranchDropoutNoise,
    GaussianNoise,
    MultiplicativeGaussianNoise,
    NetworkBase,
    NoiseLayer,
    ResidualMLP,
    ResNet,
    ShakeShakeNoise,
    StateDropoutNoise,
    StochasticDepthNoise,
    VisionTransformer,
    WideResNet,
    describe,
    parameters,
)
from heatproof.theory import measure_diffusivity

NOISES: list[BlockNoise] = [
    GaussianNoise(noise_std=0.2),
    MultiplicativeGaussianNoise(noise_std=0.3),
    BranchDropoutNoise(keep=0.5),
    StateDropoutNoise(keep=0.8),
    StochasticDepthNoise(survival=0.5),
    ShakeShakeNoise(),
]
NETWORKS: list[tuple[NetworkBase, tuple[int, ...], int]] = [
    (ResidualMLP(width=8, depth=3), (5,), 3),
    (ResNet(depth=14, width=4), (1, 8, 8), 4),  # 6 blocks, 2 of which halve the image
    (WideResNet(depth=16, widen=1), (1, 8, 8), 4),
    (VisionTransformer(patch=4, width=8, depth=2, heads=2, hidden=8), (1, 8, 8), 4),
]


def _with(kind: NetworkBase, noise: BlockNoise) -> NetworkBase:
    return type(kind).from_mapping({**kind.to_mapping(), "noise_layers": noise.to_mapping()})


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
@pytest.mark.parametrize(("kind", "event", "layers"), NETWORKS, ids=str)
class TestEvery:
    def test_noise_in_training_and_none_in_evaluation(
        self, kind: NetworkBase, event: tuple[int, ...], layers: int, noise: BlockNoise
    ) -> None:
        torch.manual_seed(0)
        model = _with(kind, noise).build(event, 3)
        found = [one for one in model.modules() if isinstance(one, NoiseLayer)]
        assert len(found) == layers
        x = torch.rand(16, *event)
        model(x)
        assert float((model(x) - model(x)).detach().abs().max()) > 1e-6
        nn.functional.cross_entropy(model(x), torch.arange(16) % 3).backward()
        assert all(one.grad is not None for one in model.parameters())
        model.eval()
        assert torch.equal(model(x), model(x))

    def test_yaml_there_and_back(
        self, kind: NetworkBase, event: tuple[int, ...], layers: int, noise: BlockNoise
    ) -> None:
        del event, layers
        settings = _with(kind, noise)
        assert getattr(settings, "noise_layers") == noise  # noqa: B009 - a field of these four only
        text = yaml.safe_dump(settings.to_mapping())
        assert type(kind).from_mapping(yaml.safe_load(text)) == settings


@pytest.mark.parametrize("noise", NOISES[:-1], ids=lambda noise: noise.name)
@pytest.mark.parametrize(("kind", "event", "layers"), NETWORKS, ids=str)
def test_in_evaluation_it_is_the_network_without_noise(
    kind: NetworkBase, event: tuple[int, ...], layers: int, noise: BlockNoise
) -> None:
    del layers
    torch.manual_seed(1)
    plain = kind.build(event, 3).eval()
    torch.manual_seed(1)
    noisy = _with(kind, noise).build(event, 3).eval()
    assert parameters(noisy) == parameters(plain)
    x = torch.rand(4, *event)
    torch.testing.assert_close(noisy(x), plain(x), rtol=1e-5, atol=1e-6)
    if type(kind).lipschitz and isinstance(noise, StochasticDepthNoise):
        bound = lipschitz_bound(plain, event).value
        assert lipschitz_bound(noisy, event).value == pytest.approx(bound, rel=1e-9)
        with pytest.raises(LipschitzError):
            lipschitz_bound(noisy.train(), event)


def test_shake_shake_has_two_branches_of_their_own() -> None:
    kind = ResidualMLP(width=8, depth=3)
    more = parameters(_with(kind, ShakeShakeNoise()).build((5,), 3)) - parameters(kind.build((5,), 3))
    assert more == 3 * 2 * 9 * 8


@pytest.mark.parametrize(("kind", "event", "layers"), NETWORKS[:2], ids=str)
def test_the_effective_diffusivity_of_gaussian_noise_is_half_its_variance(
    kind: NetworkBase, event: tuple[int, ...], layers: int
) -> None:
    """½C a layer, C = a²·I on its state, whatever the step: found in the network by the public call."""
    torch.manual_seed(0)
    model = _with(kind, GaussianNoise(noise_std=0.2)).build(event, 3).eval()
    found = measure_diffusivity(model, torch.rand(4, *event), draws=64, block_time=0.5)
    assert len(found.layers) == layers
    for number, layer in enumerate(found.layers):
        assert layer.formula is not None
        assert layer.formula.agrees
        assert layer.mean_diffusivity.value == pytest.approx(0.2**2, rel=0.2)
        assert layer.accumulated.value == pytest.approx((number + 1) * 0.2**2 / 2, rel=0.2)


def test_settings_that_are_none() -> None:
    for values, says in [
        ({"name": "stochastic_depth"}, "survival: got nothing"),
        ({"name": "stochastic_depth", "survival": 0.0}, "survival: got 0.0"),
        ({"name": "branch_dropout", "keep": 1.5}, "keep: got 1.5"),
        ({"name": "gaussian_injection", "noise_std": -1}, "noise_std: got -1"),
        ({"name": "gaussian_injection", "keep": 0.5}, "noise_layers"),
        ({"name": "gaussian"}, "Did you mean 'gaussian_injection'"),
        ({"name": "shake_shake", "keep": 1}, "keep"),
    ]:
        with pytest.raises(InputError, match=says):
            ResidualMLP.from_mapping({"noise_layers": values})


def test_info_names_the_networks_that_carry_noise() -> None:
    offered = {one.name for one in describe() if one.noise_layers}
    assert offered == {kind.name for kind, _, _ in NETWORKS}
