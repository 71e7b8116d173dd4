"""Sums of objectives: value, cost, names, what they refuse, and that they are configured like any other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.objectives import Spy, batch, seeded, slope_error, smooth_batch, smooth_network
from heatproof._specification import Specification
from heatproof.errors import InputError, StabilityWarning, UnknownNameError
from heatproof.networks import MLP
from heatproof.noise import AnisotropicGaussian, Gaussian, Uniform
from heatproof.objectives import (
    MACER,
    Consistency,
    ConvectionDiffusion,
    GaussianAugmentation,
    InputGradientPenalty,
    Natural,
    ObjectiveSettings,
    Stability,
    Term,
    WeightedSum,
)


class Holder(Specification):
    objective: ObjectiveSettings


def total_of(*terms: tuple[float, Any]) -> WeightedSum:
    return WeightedSum(terms=tuple(Term(weight=weight, objective=one) for weight, one in terms))


@settings(max_examples=30)
@given(
    weights=st.tuples(st.floats(0.1, 10), st.floats(0, 10), st.floats(0, 10)),
    seed=st.integers(0, 999),
)
def test_it_is_the_weighted_sum(weights: tuple[float, float, float], seed: int) -> None:
    """The terms draw one after another from one generator."""
    singles = [Consistency(noise_std=0.3), Natural(), Stability(noise_std=0.3)]
    model, (x, y) = smooth_network(), smooth_batch(seed=seed)
    alone = seeded(seed)
    with torch.no_grad():
        losses = total_of(*zip(weights, singles, strict=True))(model, x, y, seeded(seed))
        values = [one(model, x, y, alone) for one in singles]
    wanted = sum(weight * float(one.total) for weight, one in zip(weights, values, strict=True))
    assert float(losses.total) == pytest.approx(wanted, rel=1e-12)
    assert losses.total.dtype == torch.float64
    for single, one in zip(singles, values, strict=True):
        for part, value in one.parts.items():
            assert float(losses.parts[f"{single.name}.{part}"]) == float(value)
    assert len(losses.parts) == 6


def test_draws_of_two_terms_are_independent() -> None:
    """Two terms of one objective see other noise: their parts differ."""
    one = GaussianAugmentation(noise_std=0.5)
    model, (x, y) = smooth_network(), smooth_batch()
    with torch.no_grad():
        parts = total_of((1, one), (1, one))(model, x, y, seeded()).parts
    assert set(parts) == {"gaussian_augmentation1.cross_entropy", "gaussian_augmentation2.cross_entropy"}
    first, second = parts.values()
    assert abs(float(first - second)) > 1e-4


@pytest.mark.parametrize(
    "single", [Natural(), MACER(noise_std=0.5, copies=3), InputGradientPenalty()], ids=lambda one: one.name
)
def test_one_term_is_the_objective_itself(single: Any) -> None:
    model, (x, y) = smooth_network(), smooth_batch()
    alone, summed = single(model, x, y, seeded(3)).total, total_of((1, single))(model, x, y, seeded(3)).total
    assert summed.item() == alone.item()
    weights = list(model.parameters())
    for ours, theirs in zip(
        torch.autograd.grad(summed, weights), torch.autograd.grad(alone, weights), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_the_gradient_is_the_derivative() -> None:
    objective = total_of((0.5, Consistency(noise_std=0.5)), (2, InputGradientPenalty()))
    assert slope_error(objective, smooth_network(), *smooth_batch()) < 1e-6


def test_cost_is_the_sum_and_what_is_spent() -> None:
    objective = total_of(
        (0, MACER(noise_std=0.5, copies=7)),
        (1, InputGradientPenalty()),
        (1, ConvectionDiffusion(noise_std=0.5)),
    )
    passes = objective.passes(4)
    assert (passes.forward, passes.backward) == (7 + 1 + 4, 7 + 3 + 4)
    spy, (x, y) = Spy(), batch()
    objective(spy, x, y, seeded()).total.backward()
    assert (spy.rows, spy.backward_rows) == (6 * 12, 6 * 14)


NOISES: list[tuple[Any, Any, list[str]]] = [
    (GaussianAugmentation(noise_std=0.25), Consistency(noise_std=0.5), ["noise_std 0.25", "noise_std 0.5"]),
    (
        GaussianAugmentation(noise_std=0.25),
        Stability(noise=Uniform(half_width=0.25)),
        ["Gaussian noise (noise_std 0.25)", "uniform noise (half_width 0.25)"],
    ),
    (
        Stability(noise_std=0.25),
        ConvectionDiffusion(diffusivity=0.25),
        ["noise_std 0.25", "noise_std 0.707107"],
    ),
    (
        Stability(noise=AnisotropicGaussian(noise_stds=[1, 2, 3])),
        Stability(noise=AnisotropicGaussian(noise_stds=[1, 3, 2])),
        ["(1.0, 2.0, 3.0)", "(1.0, 3.0, 2.0)"],
    ),
    (Stability(noise_std=0.25), Stability(noise_std=0.25 + 1e-8), ["0.25", "0.25000001"]),
]


@pytest.mark.parametrize(("first", "second", "named"), NOISES, ids=str)
def test_terms_of_different_noises_are_refused(first: Any, second: Any, named: list[str]) -> None:
    for order in ((first, second), (second, first), (Natural(), first, first, second)):
        with pytest.raises(InputError, match=r"^terms: got .* allowed: the same noise in all") as caught:
            total_of(*((1, one) for one in order))
        assert all(word in str(caught.value) for word in named)
        assert caught.value.name == "terms"


def test_a_noise_may_be_said_in_other_words() -> None:
    """As σ² or as s, as a law or as a number; terms without noise agree with every noise."""
    same = [
        Natural(),
        ConvectionDiffusion(diffusivity=0.5 * 0.3**2),
        Consistency(noise_std=0.3),
        Stability(noise=Gaussian(noise_std=0.3)),
    ]
    objective = total_of(*((1, one) for one in same))
    noise = objective.smoothing_noise
    assert isinstance(noise, Gaussian)
    assert noise.noise_std == pytest.approx(0.3)
    assert objective.equation_noise_std == pytest.approx(0.3)
    assert total_of((1, Natural()), (1, InputGradientPenalty())).smoothing_noise is None
    assert total_of((1, Natural()), (1, Consistency(noise_std=1))).equation_noise_std is None


def test_every_term_is_asked_before_training() -> None:
    diffusion = ConvectionDiffusion(noise_std=0.5, space_step=0.1)
    objective = total_of((1, Natural()), (1, diffusion))
    with pytest.raises(InputError, match="time-conditioned"):
        objective.check(MLP(widths=()).build((2,), 2), 2)
    with pytest.warns(StabilityWarning, match="space_step"):
        objective.check(MLP(widths=(), time_conditioned=True).build((2,), 2), 2)
    assert "space_step" in objective.likely_knob(2)
    assert total_of((1, Natural())).likely_knob(2) == ""


DOCUMENT = """
objective:
  name: weighted_sum
  terms:
    - objective: natural
    - weight: 2.5
      objective: {name: consistency, noise: {name: uniform, half_width: 0.5}, copies: 3}
    - weight: 0
      objective: {name: input_gradient_penalty, weight: 4}
"""


def test_a_configuration_writes_and_reads_it() -> None:
    objective = Holder.from_mapping(yaml.safe_load(DOCUMENT)).objective
    assert objective == total_of(
        (1, Natural()),
        (2.5, Consistency(noise=Uniform(half_width=0.5), copies=3)),
        (0, InputGradientPenalty(weight=4)),
    )
    text = yaml.safe_dump({"objective": objective.to_mapping()})
    assert Holder.from_mapping(yaml.safe_load(text)).objective == objective
    assert objective.smoothing_noise == Uniform(half_width=0.5)


BAD: list[tuple[Any, str]] = [
    ({}, "terms: got nothing"),
    ({"terms": []}, "terms: got []"),
    ({"terms": [{"weight": 1}]}, "objective"),
    ({"terms": [{"objective": "natural", "weight": -1}]}, "weight: got -1"),
    ({"terms": [{"objective": "natural", "weight": float("inf")}]}, "weight: got inf"),
    ({"terms": [{"objective": "natural", "weight": 0}]}, "terms: got weight 0 in all of them"),
    ({"terms": [{"objective": "consistency"}]}, "noise_std or noise: got neither"),
    ({"terms": [{"objective": "natural", "wieght": 1}]}, "Did you mean 'weight'?"),
    ({"terms": [{"objective": "natural"}], "term": [1]}, "Did you mean 'terms'?"),
    ({"terms": [{"objective": {"name": "weighted_sum", "terms": []}}]}, "got 'weighted_sum'; allowed:"),
]


@pytest.mark.parametrize(("values", "text"), BAD, ids=str)
def test_bad_settings_are_refused(values: dict[str, Any], text: str) -> None:
    for attempt in (
        lambda: WeightedSum.from_mapping(values),
        lambda: Holder.from_mapping({"objective": {"name": "weighted_sum", **values}}),
    ):
        with pytest.raises(InputError) as caught:
            attempt()
        assert text in str(caught.value)


def test_an_unknown_term_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'consistency'"):
        WeightedSum.from_mapping({"terms": [{"objective": "consistensy"}]})
