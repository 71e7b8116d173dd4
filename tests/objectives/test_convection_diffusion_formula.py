"""The convection–diffusion objective against its formula, written once more with loops over single points."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from heatproof.equation.laplacian import Axes, Coordinates, Differences, Directions
from heatproof.networks import MLP, ResNet
from heatproof.objectives import ConvectionDiffusion

LAPLACIANS: list[Differences] = [
    Axes(),
    Coordinates(),
    Directions(),
    Directions(directions=3),
    Directions(distribution="rademacher"),
    Directions(directions=3, distribution="rademacher"),
]
COMBINATIONS = list(
    itertools.product(LAPLACIANS, [1, 2, 4], ["probabilities", "logits"], [False, True], [None, 0.7])
)


def network(*event: int) -> nn.Module:
    torch.manual_seed(3)
    kind = MLP(widths=(12, 12), activation="tanh", time_conditioned=True)
    return kind.build(event, 3, [0.2], [0.5]).double()


def batch(rows: int, *event: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, *event, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 3, (rows,), generator=generator)


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def directions_of(laplacian: Differences, x: Tensor, generator: torch.Generator) -> Tensor:
    """Return the directions (J, B, *event) that one set of pairs takes, before the step h."""
    if isinstance(laplacian, Axes):
        count = x[0].numel()
        return torch.stack([axis.reshape(x[0].shape).expand_as(x) for axis in torch.eye(count).double()])
    if isinstance(laplacian, Coordinates):
        return laplacian.offsets(x, 1.0, generator)
    if not isinstance(laplacian, Directions):
        raise TypeError(laplacian)
    shape = (laplacian.directions, *x.shape)
    if laplacian.distribution == "gaussian":
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    bits: Tensor = torch.randint(0, 2, shape, generator=generator)
    signs: Tensor = bits.double() * 2 - 1
    return signs


def by_loops(
    objective: ConvectionDiffusion, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
) -> tuple[float, float]:
    """Return L1 and L2 as the module's text defines them, one point at a time."""
    steps = round(1 / objective.time_step)
    tau, dimension = 1 / steps, x[0].numel()
    sigma_squared = objective.diffusivity or (objective.noise_std or math.nan) ** 2 / 2
    laplacian, axes = objective.laplacian, isinstance(objective.laplacian, Axes)
    longest = 1 if isinstance(laplacian, Directions) else dimension
    h = objective.space_step or math.sqrt(2 * longest * tau * sigma_squared)
    share = 1.0 if axes else 1.0 / directions_of(laplacian, x, seeded()).shape[0]
    if isinstance(laplacian, Coordinates):
        share *= dimension

    def at(point: Tensor, k: int) -> Tensor:
        logits: Tensor = model(point[None], torch.tensor([k * tau], dtype=torch.float64))[0]
        return logits if objective.residual_of == "logits" else logits.exp() / logits.exp().sum()

    first, second = [], []
    for k in range(steps + 1):
        for point, label in zip(x, y, strict=True):
            logits = model(point[None], torch.tensor([k * tau], dtype=torch.float64))[0]
            first.append(float(logits.exp().sum().log() - logits[label]))
    for k in range(1, steps + 1):
        sets = 2 if objective.unbiased and not axes else 1
        drawn = [directions_of(laplacian, x, generator) for _ in range(sets)]
        for row, point in enumerate(x):
            before, after = at(point, k - 1), at(point, k)
            halves = []
            for directions in drawn:
                differences = torch.zeros_like(before)
                for direction in directions[:, row]:
                    pair = at(point + h * direction, k - 1) + at(point - h * direction, k - 1)
                    differences = differences + (pair - 2 * before) / h**2 * share
                halves.append((after - before) / tau - sigma_squared * differences)
            second.append(float((halves[0] * halves[-1]).sum()))
    return sum(first) / len(first), sum(second) / len(second)


@pytest.mark.parametrize(("laplacian", "steps", "of", "unbiased", "space_step"), COMBINATIONS, ids=str)
def test_equals_the_formula(
    laplacian: Differences, steps: int, of: str, *, unbiased: bool, space_step: float | None
) -> None:
    objective = ConvectionDiffusion(
        noise_std=0.6,
        weight=3.5,
        time_step=1 / steps,
        laplacian=laplacian,
        residual_of=of,
        unbiased=unbiased,
        space_step=space_step,
    )
    model, (x, y) = network(2), batch(3, 2)
    with torch.no_grad():
        losses = objective(model, x, y, seeded())
        first, second = by_loops(objective, model, x, y, seeded())
    assert float(losses.parts["cross_entropy"]) == pytest.approx(first, rel=1e-9)
    assert float(losses.parts["residual"]) == pytest.approx(second, rel=1e-8, abs=1e-12)
    assert float(losses.total) == pytest.approx(first + 3.5 * second, rel=1e-8)
    assert abs(second) > 1e-6  # the comparison can fail


@settings(max_examples=25, deadline=None)
@given(
    shape=st.sampled_from([(1, 1), (2, 1), (3, 3), (1, 1, 2, 2), (3, 1, 2, 2), (2, 2, 3)]),
    laplacian=st.sampled_from(LAPLACIANS),
    steps=st.integers(1, 5),
    diffusivity=st.floats(1e-3, 4),
    seed=st.integers(0, 99),
)
def test_equals_the_formula_for_any_shape(
    shape: tuple[int, ...],
    laplacian: Differences,
    steps: int,
    diffusivity: float,
    seed: int,
) -> None:
    objective = ConvectionDiffusion(diffusivity=diffusivity, time_step=1 / steps, laplacian=laplacian)
    model, (x, y) = network(*shape[1:]), batch(*shape, seed=seed)
    with torch.no_grad():
        parts = objective(model, x, y, seeded(seed)).parts
        first, second = by_loops(objective, model, x, y, seeded(seed))
    assert float(parts["cross_entropy"]) == pytest.approx(first, rel=1e-9)
    assert float(parts["residual"]) == pytest.approx(second, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("given", [{}, {"laplacian": "axes"}, {"time_step": 0.25, "unbiased": True}])
def test_noise_std_and_diffusivity_are_one_number(given: dict[str, Any]) -> None:
    model, (x, y) = network(3), batch(4, 3)
    by_std = ConvectionDiffusion(noise_std=0.5, **given)
    by_diffusivity = ConvectionDiffusion(diffusivity=0.125, **given)
    mixed_up = ConvectionDiffusion(diffusivity=0.25, **given)
    with torch.no_grad():
        totals = [float(one(model, x, y, seeded()).total) for one in (by_std, by_diffusivity, mixed_up)]
    assert totals[0] == pytest.approx(totals[1], rel=1e-12)
    assert abs(totals[0] - totals[2]) > 1e-6
    assert by_diffusivity.equation_noise_std == pytest.approx(0.5)
    assert by_std.sigma_squared == pytest.approx(0.125)


def test_rows_do_not_touch_each_other() -> None:
    """The loss of a batch is the mean of the losses of its rows (with `axes`, which draws nothing)."""
    objective = ConvectionDiffusion(noise_std=0.5, laplacian="axes", time_step=0.5)
    model, (x, y) = network(3), batch(5, 3)
    with torch.no_grad():
        together = float(objective(model, x, y, seeded()).total)
        alone = [float(objective(model, x[i : i + 1], y[i : i + 1], seeded()).total) for i in range(5)]
    assert together == pytest.approx(sum(alone) / 5, rel=1e-10)
    assert max(alone) - min(alone) > 1e-3


@pytest.mark.parametrize("unbiased", [False, True])
def test_gradient_is_the_derivative(*, unbiased: bool) -> None:
    """Nothing is cut off from the graph: a step along the weights changes L as the gradient says."""
    objective = ConvectionDiffusion(noise_std=0.5, time_step=0.5, unbiased=unbiased)
    model, (x, y) = network(2), batch(4, 2)
    weights = list(model.parameters())
    direction = [torch.randn(w.shape, generator=seeded(1), dtype=w.dtype) for w in weights]
    gradients = torch.autograd.grad(objective(model, x, y, seeded()).total, weights)
    slope = sum(float((g * v).sum()) for g, v in zip(gradients, direction, strict=True))
    totals = []
    with torch.no_grad():
        for sign in (1, -2):
            for weight, v in zip(weights, direction, strict=True):
                weight.add_(v, alpha=sign * 1e-6)
            totals.append(float(objective(model, x, y, seeded()).total))
    assert (totals[0] - totals[1]) / 2e-6 == pytest.approx(slope, rel=1e-5)


def test_gradients_reach_every_weight_of_an_image_network() -> None:
    torch.manual_seed(0)
    model = ResNet(depth=8, width=4, time_conditioned=True).build((1, 8, 8), 3)
    x = torch.rand(4, 1, 8, 8, generator=seeded())
    losses = ConvectionDiffusion(noise_std=0.25)(model, x, torch.tensor([0, 1, 2, 0]), seeded())
    for part in losses.parts.values():
        model.zero_grad()
        part.backward(retain_graph=True)
        for name, weight in model.named_parameters():
            assert weight.grad is not None, name
            assert float(weight.grad.abs().max()) > 0, name
