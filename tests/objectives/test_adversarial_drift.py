"""Adversarial drift: its formula point by point, the direction and length of the drift, and its limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases.objectives import LAWS, seeded, smooth_batch, smooth_network
from heatproof.objectives import AdversarialDrift, Consistency


class Heard(nn.Module):
    """A module that keeps everything it was asked."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.asked = inner, list[Tensor]()

    def forward(self, x: Tensor) -> Tensor:
        self.asked.append(x.detach().clone())
        logits: Tensor = self.inner(x)
        return logits


def divergence(p: Tensor, q: Tensor) -> float:
    return sum(float(a) * math.log(float(a) / float(b)) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize("pace", ["confidence", "constant"])
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_equals_the_formula(law: dict[str, Any], pace: str) -> None:
    objective = AdversarialDrift(drift=1.5, weight=3, entropy_weight=0.7, pace=pace, **law)
    model, (x, y) = smooth_network(), smooth_batch()
    still, moved = objective.noisy(x, 2, seeded())
    with torch.no_grad():
        losses = objective(model, x, y, seeded())
    fits, apart, doubts = 0.0, 0.0, 0.0
    for row, label in enumerate(y):
        point = still[row].clone().requires_grad_()
        loss = -model(point[None])[0].log_softmax(0)[label]
        (slope,) = torch.autograd.grad(loss, point)
        share = float(loss.detach().neg().exp()) if pace == "confidence" else 1.0
        carried = moved[row] + 1.5 * share * objective.smoothing_noise.scale * slope / slope.norm()
        with torch.no_grad():
            each = [model(one[None])[0].softmax(0) for one in (point, carried)]
        mean = (each[0] + each[1]) / 2
        fits -= sum(math.log(float(p[label])) for p in each) / 2
        apart += sum(divergence(mean, p) for p in each) / 2
        doubts -= sum(float(p) * math.log(float(p)) for p in mean)
    rows = len(y)
    assert float(losses.parts["cross_entropy"]) == pytest.approx(fits / rows, rel=1e-9)
    assert float(losses.parts["consistency"]) == pytest.approx(apart / rows, rel=1e-8)
    assert float(losses.parts["entropy"]) == pytest.approx(doubts / rows, rel=1e-9)
    assert float(losses.total) == pytest.approx((fits + 3 * apart + 0.7 * doubts) / rows, rel=1e-9)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_without_drift_it_is_consistency(law: dict[str, Any]) -> None:
    model, (x, y) = smooth_network(), smooth_batch()
    with torch.no_grad():
        still = AdversarialDrift(drift=0, weight=2, **law)(model, x, y, seeded())
        other = Consistency(weight=2, **law)(model, x, y, seeded())
    assert float(still.total) == pytest.approx(float(other.total), rel=1e-12)


def test_the_drift_raises_the_loss_of_a_linear_network_the_most() -> None:
    """For logits ±w·x/2 the steepest direction is −w for class 1 and w for class 0, at every point."""
    w = torch.tensor([3.0, -4.0])
    linear = nn.Linear(2, 2, bias=False)
    linear.weight.data = torch.stack([-w / 2, w / 2])
    model, y = Heard(linear), torch.tensor([0, 1, 1])
    x = torch.zeros(3, 2)
    objective = AdversarialDrift(
        noise_std=1e-6, drift=2e5, pace="constant"
    )  # a drift of .2, and hardly any noise
    objective(model, x, y, seeded())
    along = torch.stack([w, -w, -w]) / 5 * 0.2
    assert torch.allclose(model.asked[1], along, atol=1e-4)


@pytest.mark.parametrize("event", [(2,), (1, 4, 4)])
def test_the_drift_has_the_length_that_is_asked_for(event: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = Heard(nn.Sequential(nn.Flatten(), nn.Linear(math.prod(event), 5), nn.Tanh(), nn.Linear(5, 3)))
    x = torch.randn(6, *event, generator=seeded(1))
    objective = AdversarialDrift(noise_std=0.5, drift=3, pace="constant")
    objective(model, x, torch.arange(6) % 3, seeded())
    moved = model.asked[1] - objective.noisy(x, 2, seeded())[1]
    assert moved.flatten(1).norm(dim=1).tolist() == pytest.approx([1.5] * 6, rel=1e-4)


def test_a_flat_loss_drifts_nowhere() -> None:
    flat = nn.Linear(2, 3)
    nn.init.zeros_(flat.weight)
    losses = AdversarialDrift(noise_std=0.5)(flat, torch.ones(4, 2), torch.arange(4) % 3, seeded())
    assert bool(torch.isfinite(losses.total))
    assert float(losses.parts["consistency"].detach()) == pytest.approx(0, abs=1e-6)


def test_gradients_take_the_views_as_they_are() -> None:
    """The gradient is that of the loss at the two points that were asked, whatever led to them."""
    objective = AdversarialDrift(noise_std=0.3)
    model, (x, y) = Heard(smooth_network()), smooth_batch()
    weights = list(model.parameters())
    found = torch.autograd.grad(objective(model, x, y, seeded()).total, weights)
    logits = torch.stack([model.inner(points) for points in model.asked[:2]])
    each = logits.softmax(dim=-1)
    mean = each.mean(dim=0)
    fit = nn.functional.cross_entropy(logits.flatten(0, 1), y.repeat(2))
    apart = (mean * (mean.log() - each.log())).sum(dim=-1).mean()
    doubt = -(mean * mean.log()).sum(dim=-1).mean()
    wanted = torch.autograd.grad(fit + 5 * apart + 0.5 * doubt, weights)
    for got, other in zip(found, wanted, strict=True):
        assert torch.allclose(got, other, rtol=1e-9, atol=1e-12)
        assert float(got.abs().max()) > 0


def test_the_caller_s_inputs_are_left_alone() -> None:
    model, (x, y) = smooth_network(), smooth_batch()
    given = x.clone().requires_grad_()
    AdversarialDrift(noise_std=0.3)(model, given, y, seeded()).total.backward()
    assert given.grad is None
    assert torch.equal(given.detach(), x)


@pytest.mark.parametrize("pace", ["confidence", "constant"])
def test_no_drift_is_longer_than_asked_however_flat_the_loss(pace: str) -> None:
    """Slopes down to where float32 squares underflow, and to 0."""
    linear = nn.Linear(2, 2, bias=False)
    for margin in range(0, 201, 8):
        linear.weight.data = torch.tensor([[margin / 2.0, 0.0], [-margin / 2.0, 0.0]])
        model = Heard(linear)
        objective = AdversarialDrift(noise_std=0.1, pace=pace)
        x = torch.tensor([[1.0, 0.0]])
        objective(model, x, torch.tensor([0]), seeded())
        moved = model.asked[1] - objective.noisy(x, 2, seeded())[1]
        assert float(moved.norm()) <= 0.2 * (1 + 1e-4)
