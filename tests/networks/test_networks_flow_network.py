"""The network of potential flows: a bound that no search beats, certificates by margin and inside noise."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.stats import norm
from sklearn.datasets import load_digits
from torch import Tensor, nn

from cases.distances import worst_stretch
from heatproof.attacks import attack
from heatproof.certification import certify, certify_margin
from heatproof.errors import InputError
from heatproof.lipschitz import lipschitz_bound
from heatproof.networks import (
    MLP,
    ConvolutionalPotentialFlow,
    DiffusionChain,
    InteriorClassifier,
    LeNet,
    PotentialFlow,
    PotentialFlowNetwork,
    at_time,
    diffusion_chain,
    interior_diffusion,
    parameters,
)

IMAGE = (1, 8, 8)
SMALL: dict[str, Any] = {"stages": 1, "blocks": 2, "channels": 8, "width": 8}


def _digits() -> tuple[Tensor, Tensor]:
    images, labels = load_digits(return_X_y=True)
    return torch.as_tensor(images, dtype=torch.float32).view(-1, *IMAGE) / 16, torch.as_tensor(labels)


def _shaken(kind: PotentialFlowNetwork, event: tuple[int, ...], seed: int, **numbers: Any) -> nn.Module:
    """Return a network in float64 whose weights are far from their start."""
    torch.manual_seed(seed)
    model = kind.build(event, 4, **numbers).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.5)
    return model.eval()


@pytest.mark.parametrize("gain", [None, 3.0])
@pytest.mark.parametrize(
    ("event", "options"),
    [
        ((7,), {"width": 5, "blocks": 2}),
        ((2,), {"width": 12, "blocks": 1, "activation": "tanh"}),
        ((3, 4), {"width": 6}),
        ((1, 6, 7), SMALL),
        ((3, 9, 4), {**SMALL, "stages": 2, "padding": "circular"}),
        ((2, 4, 4), {**SMALL, "kernel_size": 1, "time_conditioned": True}),
    ],
    ids=str,
)
def test_the_bound_is_the_head_and_no_search_beats_it(
    event: tuple[int, ...], options: dict[str, Any], gain: float | None
) -> None:
    model = _shaken(PotentialFlowNetwork(gain=gain, **options), event, 1, mean=0.3, std=0.5)
    bound = lipschitz_bound(model, event)
    assert bound.event_shape == (4,)
    head: Any = model.backbone.head  # type: ignore[union-attr]
    truth = float(torch.linalg.matrix_norm(head.weight.detach(), 2)) / 0.5
    assert truth <= bound.value <= truth * (1 + 1e-9)
    if gain is not None:
        assert 0.97 * gain / 0.5 < bound.value <= gain / 0.5 * (1 + 1e-12)
    found = worst_stretch(model, event, 0, steps=10)
    assert 0.1 * bound.value < found <= bound.value * (1 + 1e-10)


def test_layers_between_are_isometries() -> None:
    model = PotentialFlowNetwork(**{**SMALL, "stages": 2}).build((3, 7, 10), 4)
    x = torch.randn(5, 3, 7, 10)
    for layer in model.backbone.flows:  # type: ignore[union-attr]
        before = x
        x = layer(x)
        if not isinstance(layer, ConvolutionalPotentialFlow):
            torch.testing.assert_close(x.flatten(1).norm(dim=1), before.flatten(1).norm(dim=1))
            assert lipschitz_bound(layer, before.shape[1:]).event_shape == x.shape[1:]


def test_parameters_are_as_the_docstring_counts() -> None:
    kind = PotentialFlowNetwork(stages=2, blocks=3, channels=8, width=5, kernel_size=3)
    flows = 3 * 5 * (12 * 9 + 1) + 3 * 5 * (48 * 9 + 1)  # 4·3 channels are more than 8
    assert parameters(kind.build((3, 8, 8), 10)) == flows + (48 * 2 * 2 + 1) * 10
    dense = PotentialFlowNetwork(stages=2, blocks=2, width=16).build((5,), 3)
    assert parameters(dense) == 4 * (16 * 16 + 16) + 17 * 3
    assert sum(isinstance(one, PotentialFlow) for one in dense.modules()) == 4


def test_too_many_stages_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"event_shape: got \(1, 7, 9\).*at least 8 pixels a side for 3 stages"
    ):
        PotentialFlowNetwork(stages=3).build((1, 7, 9), 2)


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Module, DiffusionChain, Tensor, Tensor]:
    """Return a network, and a chain with noise inside, trained for a moment; and inputs they never saw."""
    x, y = _digits()
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    learn, judge = order[:1300], order[1300:1400]
    torch.manual_seed(0)
    model = PotentialFlowNetwork(**SMALL).build(IMAGE, 10)
    noisy = PotentialFlowNetwork(**SMALL).build(IMAGE, 10)
    chain = diffusion_chain(noisy, [0.2, 0.2, 0.2])
    for one in (model, chain):
        optimiser = torch.optim.Adam(one.parameters(), lr=0.02)
        for _ in range(8):
            for rows in learn[torch.randperm(len(learn))].split(100):
                optimiser.zero_grad()
                nn.functional.cross_entropy(one(x[rows]), y[rows]).backward()
                optimiser.step()
    return model.eval(), chain.eval(), x[judge], y[judge]


def test_margin_certificates_hold_and_stretched_they_do_not(trained: tuple[Any, ...]) -> None:
    model, _, x, y = trained
    certificates = certify_margin(model, x, y)
    assert sum(bool(one.correct) and one.radius > 0.15 for one in certificates) > 60
    tried = [i for i, one in enumerate(certificates) if one.correct and one.radius > 0.05][:10]
    broken = {0.999: 0, 6.0: 0}
    for factor in broken:
        for i in tried:
            radius = factor * certificates[i].radius
            report = attack(model, x[i : i + 1], y[i : i + 1], norm="l2", radius=radius, steps=20)
            broken[factor] += int(report.success.sum())
    assert broken[0.999] == 0
    assert broken[6.0] >= 3


def test_interior_certificates_through_the_public_call(trained: tuple[Any, ...]) -> None:
    _, chain, x, y = trained
    classifier = InteriorClassifier(chain, IMAGE).eval()
    assert classifier.noise.lipschitz_bounds == (1.0, 1.0, 1.0)
    assert classifier.noise.scale == pytest.approx(0.2 * math.sqrt(3), rel=1e-6)
    found = certify(
        classifier, x[:30], y[:30], selection_samples=32, estimation_samples=200, alpha=0.01, pilot=False
    )
    radii = [one.radius for one in found if one.correct and not one.abstained]
    assert len(radii) >= 12
    assert max(radii) > 0.2 * norm.ppf(0.01 ** (1 / 200))  # all that noise at the input alone can reach
    assert found.settings.classifier == "interior"


def test_a_chain_shares_weights_and_counts_every_layer() -> None:
    torch.manual_seed(0)
    model = PotentialFlowNetwork(**SMALL).build(IMAGE, 3, mean=0.2, std=0.5).eval()
    x = torch.rand(4, *IMAGE)
    for noise_stds, at_input in [([0.1], True), ([0.1, 0.2], True), ([0.1, 0.2], False), ([0.3], False)]:
        chain = diffusion_chain(model, noise_stds, at_input=at_input)
        size = chain.interior_dimension(IMAGE)
        torch.testing.assert_close(chain.forward_with_noise(x, torch.zeros(4, size)), model(x))
        assert {id(one) for one in chain.parameters()} == {id(one) for one in model.parameters()}
        stretch = [1.0, 2.0, 1.0] if at_input else [2.0, 1.0]
        passed, total = 1.0, 0.0
        for noise_std, factor in zip(noise_stds, stretch, strict=False):
            passed *= factor
            total += (noise_std / passed) ** 2
        assert interior_diffusion(chain, IMAGE).scale == pytest.approx(math.sqrt(total), rel=1e-6)


def test_a_chain_of_any_network_with_a_dense_head() -> None:
    chain = diffusion_chain(LeNet().build((1, 16, 16), 3).eval(), [0.1, 0.1, 0.1])
    assert len(chain.blocks) == 3
    assert interior_diffusion(chain, (1, 16, 16)).scale > 0.1
    assert len(diffusion_chain(MLP(widths=(4, 4)).build((2,), 2), [0.1] * 3).blocks) == 3


@pytest.mark.parametrize(
    ("model", "noise_stds", "says"),
    [
        (nn.ReLU(), [0.1], "model: got a ReLU; allowed: a network without time that ends with a dense layer"),
        (MLP(time_conditioned=True).build((2,), 2), [0.1], "model: got a TimeConditioned"),
        (at_time(MLP(time_conditioned=True).build((2,), 2), 0), [0.1], "model: got a AtTime"),
        (
            MLP(widths=(4,)).build((2,), 2),
            [0.1] * 3,
            "noise_stds: got 3 numbers; allowed: 1 to 2 numbers > 0",
        ),
        (MLP(widths=(4,)).build((2,), 2), [], "noise_stds: got 0 numbers"),
        (MLP(widths=(4,)).build((2,), 2), [0.1, -0.1], "noise_stds: got -0.1"),
    ],
)
def test_what_cannot_be_cut_is_refused(model: nn.Module, noise_stds: list[float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        diffusion_chain(model, noise_stds)
