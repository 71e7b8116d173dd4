"""Features of networks as end points, and the constants that bounds need, measured."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from heatproof.errors import ModelError
from heatproof.networks import ResidualMLP
from heatproof.theory.complexity import (
    ClassConstants,
    draw_ends,
    feature_ends,
    features,
    last_layer,
    measured_constants,
)


def test_features_of_a_network_are_what_its_head_takes() -> None:
    torch.manual_seed(0)
    network = ResidualMLP(width=8, depth=2, time_conditioned=True).build((4,), 3).eval()
    x = torch.randn(6, 4)
    head = last_layer(network)
    rows = features(network, head, x)
    weights = torch.cat([head.weight, head.bias[:, None]], dim=1).double()
    assert torch.allclose(rows @ weights.T, network(x).double(), atol=1e-5)
    still = draw_ends(feature_ends(network, head), x, 3, torch.Generator())
    assert torch.equal(still[:, 0], rows)
    noisy = draw_ends(feature_ends(network, head, 0.5), x, 3, torch.Generator().manual_seed(0))
    assert noisy.shape == (6, 3, 9)
    assert not torch.allclose(noisy[:, 0], noisy[:, 1])


def test_heat_flow_at_the_input_has_the_noise_std_that_it_says() -> None:
    """The features are the inputs: mean and standard deviation of 40,000 numbers, 5.5 standard errors."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    ends = feature_ends(network, last_layer(network), 0.5)
    found = draw_ends(ends, torch.ones(2, 4), 5000, torch.Generator().manual_seed(0)) - 1
    assert abs(float(found.mean())) <= 5.5 * 0.5 / 200
    assert abs(float(found.std()) - 0.5) <= 5.5 * 0.5 / 200


def test_measured_constants_by_hand() -> None:
    layer = nn.Linear(2, 2)
    network = nn.Sequential(nn.Flatten(), layer)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0], [0.5, 0.0]]))
        layer.bias.copy_(torch.tensor([0.25, -4.0]))
    found = measured_constants(network, torch.tensor([[3.0, -5.0], [0.0, 1.0]]))
    assert (found.weight_bound, found.input_bound, found.dimension) == (4.5, 5.0, 3)
    assert found.margin_bound == (0.5 + 2.0 + 4.25) / 2
    assert found.lipschitz == pytest.approx(
        float(torch.linalg.matrix_norm(layer.weight.detach(), 2)), rel=1e-3
    )
    assert found.constants(1.0) == ClassConstants(4.5, 5.0, 3, 1.0)
    assert found.constants(1.0, margin=True).weight_bound == found.margin_bound


def test_a_network_without_a_lipschitz_bound_is_measured_all_the_same() -> None:
    network = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2))
    found = measured_constants(network, torch.randn(3, 4))
    assert found.lipschitz is None
    assert "LayerNorm" in found.lipschitz_how


def test_a_layer_that_makes_no_logits_is_refused() -> None:
    first = nn.Linear(4, 4)
    network = nn.Sequential(first, nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ModelError, match="head"):
        features(network, first, torch.randn(3, 4))
    with pytest.raises(ModelError, match="head"):
        features(network, nn.Linear(4, 2), torch.randn(3, 4))
    with pytest.raises(ModelError, match="no dense layer"):
        last_layer(nn.ReLU())
