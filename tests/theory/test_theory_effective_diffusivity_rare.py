"""Effective diffusivity where noise is rare and shared, or layers work in place: nothing is passed over."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from heatproof.networks import InputNoise
from heatproof.theory import measure_diffusivity


class DropPath(nn.Module):
    """Stochastic depth by others: one z for the whole batch, in place if asked for."""

    def __init__(self, survival: float, *, in_place: bool = False) -> None:
        super().__init__()
        self.survival, self.in_place = survival, in_place

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        factor = (torch.rand(()) < self.survival) / self.survival
        return x.mul_(factor) if self.in_place else x * factor


class Block(nn.Module):
    """A block whose first layer overwrites what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.bend, self.drop = nn.SiLU(inplace=True), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        kept: Tensor = self.drop(self.bend(x))
        return kept


def vectors(count: int = 20) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize(("survival", "in_place"), [(0.9, False), (0.97, False), (0.6, True)])
def test_shared_noise_is_measured_however_rare(survival: float, in_place: bool) -> None:
    """C = (1−q)/q·x xᵀ. At q = 0.97 none of 16 calls differs in 6 of 10 seeds: all six find it here."""
    x = vectors()
    model, odds = nn.Sequential(DropPath(survival, in_place=in_place), nn.Linear(6, 2)), 1 / survival - 1
    found = [
        measure_diffusivity(model, x, draws=64, block_time=0.5, confidence=1 - 1e-6, seed=seed).layers[0]
        for seed in range(6)
    ]
    assert all(layer.noisy for layer in found)
    mean = sum(layer.mean_diffusivity.value for layer in found) / len(found)
    assert mean == pytest.approx(odds * float(x.square().mean()), rel=0.25)


def test_equal_layers_have_draws_of_their_own() -> None:
    model = nn.Sequential(InputNoise(0.4), InputNoise(0.4))
    one, other = measure_diffusivity(model, vectors(), draws=8).layers
    assert one.mean_diffusivity != other.mean_diffusivity


def test_a_layer_that_works_in_place_is_measured_at_what_it_was_given() -> None:
    x = vectors()
    model = nn.Sequential(nn.Identity(), Block(), nn.Linear(6, 2))
    kept = x.clone()
    found = measure_diffusivity(model, x, draws=200, block_time=0.5, confidence=1 - 1e-6).layers[0]
    assert (found.name, found.kind) == ("1", "Block")
    once = nn.functional.silu(x)
    assert found.mean_diffusivity.value == pytest.approx(float(once.square().mean()), rel=0.05)
    assert found.mean_diffusivity.value > 1.2 * float(nn.functional.silu(once).square().mean())
    assert torch.equal(x, kept)
