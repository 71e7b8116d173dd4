"""Chains with diffusion inside: what they compute, that noise stays on, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from heatproof.errors import InputError
from heatproof.networks import DiffusionChain, PotentialFlow


def _chain() -> DiffusionChain:
    torch.manual_seed(0)
    blocks = [nn.Identity(), nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Tanh()), PotentialFlow(5)]
    return DiffusionChain(blocks, (0.5, 0.25, 0.125), nn.Linear(5, 3))


def test_equals_the_recursion_written_out() -> None:
    chain, x, noise = _chain().eval(), torch.randn(6, 3, 4), torch.randn(6, 22)
    state = x + 0.5 * noise[:, :12].reshape(6, 3, 4)
    state = chain.blocks[1](state) + 0.25 * noise[:, 12:17]
    state = chain.blocks[2](state) + 0.125 * noise[:, 17:]
    torch.testing.assert_close(chain.forward_with_noise(x, noise), chain.head(state))
    assert chain.interior_dimension((3, 4)) == 22


def test_given_noise_is_all_the_randomness_there_is() -> None:
    chain, x, noise = _chain(), torch.randn(6, 3, 4), torch.randn(6, 22)
    first = chain.forward_with_noise(x, noise)
    assert torch.equal(chain.forward_with_noise(x, noise), first)
    torch.testing.assert_close(chain.forward_with_noise(x[2:3], noise[2:3]), first[2:3])
    assert not torch.allclose(chain.forward_with_noise(x, noise.flip(0)), first)


@pytest.mark.parametrize("training", [True, False])
def test_noise_is_on_in_either_mode(training: bool) -> None:
    """Mean and covariance of a linear chain's outputs; false alarms below 10⁻⁶ (5.5 standard errors of 6)."""
    chain = DiffusionChain([nn.Identity(), nn.Linear(2, 2, bias=False)], (1.0, 0.5), nn.Identity()).train(
        training
    )
    weight = chain.blocks[1].weight
    assert isinstance(weight, torch.Tensor)
    torch.manual_seed(3)
    out = chain(torch.ones(1, 2).expand(200_000, 2)).detach()
    mean, covariance = weight.detach().sum(dim=1), weight.detach() @ weight.detach().T + 0.25 * torch.eye(2)
    deviation = covariance.diagonal().sqrt()
    assert float(((out.mean(dim=0) - mean).abs() / deviation).max()) < 5.5 / 200_000**0.5
    spread = (out.T.cov() - covariance).abs() / torch.outer(deviation, deviation)
    assert float(spread.max()) < 5.5 * (2 / 200_000) ** 0.5


def test_trains() -> None:
    chain, x, y = _chain(), torch.randn(64, 3, 4), torch.randint(0, 3, (64,))
    optimiser = torch.optim.SGD(chain.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(chain(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < sum(losses[:5])


def test_no_path_leads_round_a_noise() -> None:
    """With all noise between x and the head infinite in effect, x no longer matters."""
    chain = DiffusionChain([nn.Identity(), nn.Identity()], (1.0, 1e12), nn.Identity()).double().eval()
    noise = torch.randn(4, 6, dtype=torch.float64)
    one = chain.forward_with_noise(torch.zeros(4, 3, dtype=torch.float64), noise)
    other = chain.forward_with_noise(torch.ones(4, 3, dtype=torch.float64), noise)
    torch.testing.assert_close(one, other, rtol=1e-9, atol=0)


def test_counting_normals_leaves_modes_alone() -> None:
    chain = DiffusionChain([nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))], (1.0,), nn.BatchNorm1d(3))
    chain.blocks[0].eval()
    before = {name: value.clone() for name, value in chain.state_dict().items()}
    assert chain.interior_dimension((3,)) == 3
    assert [module.training for module in chain.modules()] == [True, True, False, False, False, True]
    assert all(torch.equal(value, before[name]) for name, value in chain.state_dict().items())


@pytest.mark.parametrize(
    "noise_stds",
    [(0.5,), (0.5, 0.0), (0.5, -1.0), (0.5, float("nan")), (0.5, True), (0.5, "1"), torch.ones(2), ()],
)
def test_noise_that_certifies_nothing_is_refused(noise_stds: Sequence[Any]) -> None:
    with pytest.raises(InputError, match="noise_stds"):
        DiffusionChain([nn.Identity(), nn.Identity()], noise_stds, nn.Identity())


@pytest.mark.parametrize("value", [torch.ones(4, 1), torch.tensor(0.5), np.ones(4), lambda x: x])
def test_noise_that_depends_on_the_input_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="depends on x"):
        DiffusionChain([nn.Identity()], [value], nn.Identity())


def test_noise_cannot_be_changed_afterwards() -> None:
    with pytest.raises(AttributeError):
        _chain().noise_stds = (1.0, 1.0, 1.0)  # type: ignore[misc]


@pytest.mark.parametrize("count", [21, 23])
def test_miscounted_normals_are_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"{count} normals a row"):
        _chain().forward_with_noise(torch.randn(2, 3, 4), torch.randn(2, count))
