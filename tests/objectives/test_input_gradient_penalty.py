"""The penalty on the input gradient: exact for linear models, its own derivative, its cost in arithmetic."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cases.objectives import LAWS, seeded, slope_error, smooth_batch, smooth_network
from heatproof.errors import ModelError
from heatproof.noise import Gaussian
from heatproof.objectives import InputGradientPenalty, Natural, Objective


def test_a_linear_softmax_in_closed_form() -> None:
    """∇ₓ CE = Wᵀ(softmax(Wx + b) − e_y)."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3).double()
    x, y = smooth_batch(9, 4)
    losses = InputGradientPenalty(weight=2.5)(model, x, y, seeded())
    with torch.no_grad():
        wrong = model(x).softmax(dim=1) - nn.functional.one_hot(y, 3)
        squares = (wrong @ model.weight).pow(2).sum(dim=1)
    assert losses.parts["penalty"].item() == pytest.approx(float(squares.mean()), rel=1e-12)
    plain = Natural()(model, x, y, seeded()).total.item()
    assert losses.total.item() == pytest.approx(plain + 2.5 * float(squares.mean()), rel=1e-12)


@pytest.mark.parametrize("law", [{}, *LAWS], ids=str)
def test_equals_the_formula(law: dict[str, Any]) -> None:
    """One point at a time, by differences of the cross-entropy."""
    objective = InputGradientPenalty(**law)
    model, (x, y) = smooth_network(), smooth_batch()
    points = objective.noisy(x, 1, seeded())[0]
    found = objective(model, x, y, seeded()).parts["penalty"].item()
    squares = []

    def loss(point: Tensor, label: Tensor) -> float:
        return -float(model(point[None])[0].log_softmax(0)[label])

    with torch.no_grad():
        for point, label in zip(points, y, strict=True):
            slopes = [
                (loss(point + step, label) - loss(point - step, label)) / 2e-5
                for step in 1e-5 * torch.eye(2, dtype=torch.float64)
            ]
            squares.append(sum(slope**2 for slope in slopes))
    assert found == pytest.approx(sum(squares) / len(squares), rel=1e-7)


def test_it_is_the_first_order_rise_of_the_loss() -> None:
    """A step ε along ∇ raises the cross-entropy by ε·‖∇‖ + O(ε²), and no direction by more."""
    model, (x, y) = smooth_network(), smooth_batch(1)
    slope = math.sqrt(InputGradientPenalty()(model, x, y, seeded()).parts["penalty"].item())
    angles = torch.linspace(0, 2 * math.pi, 1001, dtype=torch.float64)
    around = x + 1e-5 * torch.stack([angles.cos(), angles.sin()], dim=1)
    with torch.no_grad():
        here = float(Natural()(model, x, y, seeded()).total)
        rises = -model(around).log_softmax(1)[:, y[0]] - here
    assert float(rises.max()) / 1e-5 == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("law", [{}, {"noise_std": 0.5}], ids=str)
def test_the_gradient_is_the_derivative_and_reaches_every_weight(law: dict[str, Any]) -> None:
    model, (x, y) = smooth_network(), smooth_batch()
    objective = InputGradientPenalty(weight=3, **law)
    assert slope_error(objective, model, x, y) < 1e-6
    objective(model, x, y, seeded()).parts["penalty"].backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        if name != "4.bias":  # the last bias too moves it, through the probabilities
            assert float(weight.grad.abs().max()) > 0, name
    assert x.grad is None
    assert not x.requires_grad


def test_steps_along_it_flatten_the_loss() -> None:
    model, (x, y) = smooth_network(), smooth_batch(20)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    sizes = []
    for _ in range(30):
        penalty = InputGradientPenalty()(model, x, y, seeded()).parts["penalty"]
        optimiser.zero_grad()
        penalty.backward()
        optimiser.step()
        sizes.append(penalty.item())
    assert sizes[-1] < 0.5 * sizes[0]


class Products(TorchDispatchMode):
    """Counts matrix products."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        self.count += func in {torch.ops.aten.mm.default, torch.ops.aten.addmm.default}
        return func(*args, **(kwargs or {}))


def products(objective: Objective, depth: int) -> int:
    model = nn.Sequential(*[nn.Linear(8, 8, bias=False) for _ in range(depth)])
    x, y = torch.randn(4, 8, generator=seeded()), torch.arange(4)
    with Products() as counter:  # type: ignore[no-untyped-call]
        objective(model, x, y, seeded()).total.backward()
    return int(counter.count)


def test_cost_in_matrix_products() -> None:
    """Natural training of L layers: 3L − 1 products (none back to x). The penalty: twice that, up to two."""
    assert products(Natural(), 12) == 35
    assert abs(products(InputGradientPenalty(), 12) - 2 * 36) <= 2
    assert InputGradientPenalty().evaluations(8) == 2 * Natural().evaluations(8)


def test_with_batch_statistics_neighbours_count() -> None:
    """∇ of the sum of all losses, as in the formula; alone, each input has another gradient."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3)).double()
    x, y = smooth_batch(6)
    points = x.clone().requires_grad_()
    loss = nn.functional.cross_entropy(model(points), y, reduction="sum")
    (slope,) = torch.autograd.grad(loss, points)
    found = InputGradientPenalty()(model, x, y, seeded()).parts["penalty"].item()
    assert found == pytest.approx(float(slope.pow(2).sum(dim=1).mean()), rel=1e-10)


class Blind(nn.Module):
    def __init__(self, *, constant: bool) -> None:
        super().__init__()
        self.layer, self.constant = nn.Linear(2, 3).double(), constant

    def forward(self, x: Tensor) -> Tensor:
        bias: Tensor = self.layer.bias
        return bias.expand(len(x), 3) if self.constant else self.layer(x).detach()


@pytest.mark.parametrize("constant", [False, True])
def test_logits_without_derivative_are_refused(*, constant: bool) -> None:
    with pytest.raises(ModelError, match="logits without derivative by x; allowed: logits that depend on x"):
        InputGradientPenalty()(Blind(constant=constant), *smooth_batch(), seeded())


def test_its_value_is_known_without_gradients() -> None:
    model, (x, y) = smooth_network(), smooth_batch()
    value = InputGradientPenalty()(model, x, y, seeded()).total.item()
    with torch.no_grad():
        assert float(InputGradientPenalty()(model, x, y, seeded()).total.detach()) == pytest.approx(value)


def test_noise_is_optional() -> None:
    assert InputGradientPenalty().smoothing_noise is None
    assert InputGradientPenalty(noise_std=0.25).smoothing_noise == Gaussian(noise_std=0.25)
