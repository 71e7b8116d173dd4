"""Effective diffusivity of networks by others: which layers, what stays as it was, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from heatproof.errors import DataError, InputError
from heatproof.networks import DiffusionChain, GaussianInjection, InputNoise
from heatproof.theory import EffectiveDiffusivity, measure_diffusivity


class Block(nn.Module):
    """A residual block as others write it: batch normalisation, and dropout inside."""

    def __init__(self, channels: int, keep_shape: bool = True) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.pool = nn.Identity() if keep_shape else nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        after: Tensor = self.pool(x + self.branch(x))
        return after


class Backbone(nn.Module):
    """Stem, blocks, head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 3, 3, padding=1)
        self.blocks = nn.Sequential(Block(3), Block(3), Block(3, keep_shape=False))
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(27, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.drop(self.blocks(self.stem(x)).flatten(1)))
        return logits


class Wrapped(nn.Module):
    """A model inside a model."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.backbone(2 * x)
        return logits


class Functional(nn.Module):
    """Noise that no module shows."""

    def __init__(self, *, stays_on: bool = False) -> None:
        super().__init__()
        self.inner, self.stays_on = nn.Linear(6, 6), stays_on

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(self.inner(x), 0.25, training=self.training or self.stays_on)


class StochasticDepth(nn.Module):
    """Stochastic depth by others: one z for the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        return x if not self.training else x * (torch.rand(()) < 0.6) / 0.6


class Twice(nn.Module):
    """The same layer, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = GaussianInjection(nn.Identity(), 0.5)

    def forward(self, x: Tensor) -> Tensor:
        after: Tensor = self.layer(self.layer(x))
        return after


class Two(nn.Module):
    """A layer of two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.mix = nn.Dropout(0.5), nn.Bilinear(6, 6, 6)

    def forward(self, x: Tensor) -> Tensor:
        after: Tensor = self.mix(self.drop(x), x)
        return after


def images(count: int = 5) -> Tensor:
    return torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(4))


def vectors(count: int = 5) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(4))


def short(model: nn.Module, x: Tensor, **options: Any) -> EffectiveDiffusivity:
    return measure_diffusivity(model, x, **{"draws": 12, **options})


def names(found: EffectiveDiffusivity) -> list[str]:
    return [layer.name for layer in found.layers]


def test_blocks_are_layers_and_what_changes_the_shape_is_opened() -> None:
    torch.manual_seed(0)
    found = short(Wrapped(), images())
    assert names(found) == [
        "backbone.blocks.0",
        "backbone.blocks.1",
        "backbone.blocks.2.branch.3",
        "backbone.drop",
    ]
    assert [layer.kind for layer in found.layers] == ["Block", "Block", "Dropout", "Dropout"]
    assert [layer.formula is not None for layer in found.layers] == [False, False, True, True]
    assert all(layer.noisy and layer.keeps_shape for layer in found.layers)


def test_measured_block_is_the_covariance_of_its_dropout_carried_through_the_last_layer() -> None:
    """x + W(h⊙z/q): C = W diag((1−q)/q·h²) Wᵀ, exactly."""
    torch.manual_seed(0)
    first, last = nn.Linear(6, 8), nn.Linear(8, 6)

    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.drop, self.last = first, nn.Dropout(0.25), last

        def forward(self, x: Tensor) -> Tensor:
            after: Tensor = x + self.last(self.drop(torch.tanh(self.first(x))))
            return after

    x = vectors(40)
    found = measure_diffusivity(
        nn.Sequential(Dense(), nn.Linear(6, 2)), x, draws=200, block_time=0.5, confidence=1 - 1e-6
    ).layers[0]
    spread = last.weight.detach() * (torch.tanh(first(x)).detach() / 3**0.5)[:, None]
    covariance = spread @ spread.mT
    trace = covariance.diagonal(dim1=1, dim2=2).sum(dim=1)
    rank = float(trace.square().sum() / covariance.square().sum())
    assert found.mean_diffusivity.contains(float(trace.mean()) / 6)
    assert found.effective_rank is not None
    assert found.effective_rank.contains(rank)
    assert found.effective_rank.value == pytest.approx(rank, rel=0.1)
    assert not found.mean_diffusivity.contains(2 * float(trace.mean()) / 6)


def test_a_stack_is_opened_and_attention_keeps_its_dropout() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Flatten())
    found = short(model.eval(), torch.randn(3, 4, 8))
    assert names(found) == ["0.layers.0", "0.layers.1"]
    assert all(layer.noisy for layer in found.layers)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_the_random_state_are_as_they_were(training: bool) -> None:
    torch.manual_seed(0)
    wrapped, layer = Wrapped(), InputNoise(0.1, always=True)
    model = nn.Sequential(layer, wrapped).train(training)
    wrapped.backbone.blocks[1].training = not training
    before = {key: value.clone() for key, value in model.state_dict().items()}
    flags = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    short(model, images())
    with pytest.raises(DataError, match="states of"):
        short(nn.Sequential(GaussianInjection(nn.Identity(), 0.1, step=1e38), layer), vectors() * 100)
    with pytest.raises(RuntimeError):
        short(model, torch.ones(3, 5))
    assert flags == [module.training for module in model.modules()]
    assert layer.always is True
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(weight.grad is None for weight in model.parameters())


def test_seeds_repeat_and_a_layer_depends_on_no_other() -> None:
    torch.manual_seed(0)
    model, x = Wrapped(), images()
    one = short(model, x, seed=3)
    torch.manual_seed(99)
    assert short(model, x, seed=3) == one
    assert short(model, x, seed=4) != one
    alone = short(model, x, seed=3, layers=["backbone.blocks.1"], block_time=one.block_time).layers[0]
    assert alone.mean_diffusivity == one.layers[1].mean_diffusivity


def test_evaluation_mode_finds_no_noise_and_says_so() -> None:
    found = short(Wrapped(), images(), mode="evaluation")
    assert not any(layer.noisy for layer in found.layers)
    assert all(layer.mean_diffusivity.value == layer.accumulated.high == 0 for layer in found.layers)
    assert all(layer.effective_rank is None for layer in found.layers)
    assert "No noise in evaluation mode: backbone.blocks.0, backbone.blocks.1" in str(found)
    always = nn.Sequential(InputNoise(0.5, always=True), nn.Dropout(0.5), nn.Linear(6, 2))
    found = short(always, vectors(), mode="evaluation")
    assert [layer.noisy for layer in found.layers] == [True, False]
    assert [layer.formula is not None for layer in found.layers] == [True, False]


def test_states_are_those_without_noise() -> None:
    """The second layer's covariance is that at x, although the first one has noise, always."""
    model = nn.Sequential(InputNoise(100.0, always=True), nn.Dropout(0.5))
    x = vectors(30)
    found = measure_diffusivity(model, x, draws=64, block_time=0.5, confidence=1 - 1e-6).layers[1]
    assert found.formula is not None
    assert found.formula.mean_diffusivity == pytest.approx(float(x.square().mean()), rel=1e-5)
    assert found.formula.agrees


def test_functional_dropout_is_measured_by_name() -> None:
    model = nn.Sequential(nn.Linear(6, 6), Functional(), nn.Linear(6, 2))
    with pytest.raises(InputError, match=r"no layer makes noise.*layers="):
        short(model, vectors())
    found = short(model, vectors(), layers=["1", "0"])
    assert names(found) == ["0", "1"]  # in the order of the forward pass
    assert [layer.noisy for layer in found.layers] == [False, True]


def test_noise_that_stays_on_before_a_layer_is_refused() -> None:
    model = nn.Sequential(Functional(stays_on=True), nn.Dropout(0.5), nn.Linear(6, 2))
    with pytest.raises(InputError, match="another state of '1' each time, with all noise off"):
        short(model, vectors())
    assert short(model, vectors(), layers=["0"]).layers[0].noisy


def test_noise_shared_by_a_batch_is_drawn_anew() -> None:
    """C = (1−q)/q·x xᵀ, whatever the batch: a layer that keeps its rows in step is called a row at a time."""
    x = vectors(20)
    found = measure_diffusivity(
        nn.Sequential(StochasticDepth(), nn.Linear(6, 2)), x, draws=100, block_time=0.5, confidence=1 - 1e-6
    ).layers[0]
    assert found.kind == "StochasticDepth"
    assert found.mean_diffusivity.contains(float(x.square().mean()) * 0.4 / 0.6)
    assert found.mean_diffusivity.value > 0
    assert found.effective_rank is not None
    assert found.effective_rank.value == pytest.approx(1, rel=1e-4)


def test_a_layer_that_is_called_twice_is_two_layers() -> None:
    found = short(Twice(), vectors())
    assert names(found) == ["layer", "layer, call 2"]
    assert found.block_time == 0.5


def test_a_layer_of_another_shape_is_measured_by_its_output() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(6, 2))
    found = short(model, vectors(), layers=[""])
    assert names(found) == ["(model)"]
    assert (found.layers[0].dimension, found.layers[0].keeps_shape) == (2, False)
    assert found.layers[0].formula is None
    chain = DiffusionChain([nn.Linear(6, 3)], [0.5], nn.Identity())
    logits = short(chain, vectors(), mode="evaluation", draws=400, confidence=1 - 1e-6).layers[0]
    assert logits.mean_diffusivity.contains(0.125)


def test_a_formula_is_not_held_against_noise_inside_the_branch() -> None:
    model = nn.Sequential(GaussianInjection(nn.Dropout(0.5), 0.1), nn.Linear(6, 2))
    layer = short(model, vectors()).layers[0]
    assert layer.formula is None
    assert layer.noisy


def test_keeping_all_is_found_to_be_no_noise() -> None:
    layer = short(nn.Sequential(InputNoise(0.0), nn.Linear(6, 2)), vectors()).layers[0]
    assert not layer.noisy
    assert layer.formula is not None
    assert layer.formula.agrees
    assert (layer.formula.effective_rank, layer.formula.squared_distance) == (None, None)


def test_what_cannot_be_repeated_is_left_out_by_default_and_refused_by_name() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 2, dropout=0.5, batch_first=True)
            self.drop, self.unused = nn.Dropout(0.5), nn.Dropout(0.5)

        def forward(self, x: Tensor) -> Tensor:
            seen: Tensor = self.drop(self.attention(x, x, x)[0])[:, :1]
            return seen

    x = torch.randn(4, 3, 6)
    found = short(Holder(), x)
    assert names(found) == ["drop"]
    assert found.left_out == (
        "unused, which the model does not call",
        "attention, that takes more than one tensor",
    )
    assert "Not measured: unused" in found.table()
    with pytest.raises(InputError, match="'attention' that takes more than one tensor"):
        short(Holder(), x, layers=["attention"])
    with pytest.raises(InputError, match="'unused', which the model does not call"):
        short(Holder(), x, layers=["drop", "unused"])
    with pytest.raises(InputError, match="'mix' that takes more than one tensor"):
        short(Two(), vectors(), layers=["mix"])
