"""Consistency regularisation: its formula point by point, and when its two terms vanish."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cases.objectives import LAWS, seeded, slope_error, smooth_batch, smooth_network
from heatproof.objectives import Consistency, GaussianAugmentation


class Listed(nn.Module):
    """Gives the logits it holds, one row after another, whatever the input."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, x: Tensor) -> Tensor:
        del x
        return self.logits.flatten(0, -2)


def divergence(p: Tensor, q: Tensor) -> float:
    return sum(float(a) * math.log(float(a) / float(b)) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("copies", [2, 4])
def test_equals_the_formula(law: dict[str, Any], copies: int) -> None:
    objective = Consistency(copies=copies, weight=3, entropy_weight=0.7, **law)
    model, (x, y) = smooth_network(), smooth_batch()
    views = objective.noisy(x, copies, seeded())
    fits, apart, doubts, exchanged = [], [], [], []
    with torch.no_grad():
        losses = objective(model, x, y, seeded())
        for row, label in enumerate(y):
            each = [model(view[row][None])[0].softmax(0) for view in views]
            mean = torch.stack(each).mean(dim=0)
            fits.append(-sum(math.log(float(p[label])) for p in each) / copies)
            apart.append(sum(divergence(mean, p) for p in each) / copies)
            exchanged.append(sum(divergence(p, mean) for p in each) / copies)
            doubts.append(-sum(float(p) * math.log(float(p)) for p in mean))
    first, second, third = (sum(values) / 5 for values in (fits, apart, doubts))
    assert float(losses.parts["cross_entropy"]) == pytest.approx(first, rel=1e-10)
    assert float(losses.parts["consistency"]) == pytest.approx(second, rel=1e-9)
    assert float(losses.parts["entropy"]) == pytest.approx(third, rel=1e-10)
    assert float(losses.total) == pytest.approx(first + 3 * second + 0.7 * third, rel=1e-10)
    assert abs(sum(exchanged) / 5 / second - 1) > 1e-4  # KL the other way round is another number


@settings(max_examples=50)
@given(seed=st.integers(0, 9999), scale=st.floats(0.01, 30), copies=st.integers(2, 5))
def test_it_vanishes_where_the_copies_agree_and_only_there(seed: int, scale: float, copies: int) -> None:
    """Whatever they agree on; and it does not look at the labels."""
    logits = scale * torch.randn(copies, 6, 4, generator=seeded(seed), dtype=torch.float64)
    x, y = torch.zeros(6, 2, dtype=torch.float64), torch.arange(6) % 4
    objective = Consistency(noise_std=1, copies=copies)
    with torch.no_grad():
        apart = objective(Listed(logits), x, y, seeded()).parts
        other_labels = objective(Listed(logits), x, 3 - y, seeded()).parts
        agreed = objective(Listed(logits[:1].expand(copies, 6, 4)), x, y, seeded()).parts
    spread = float((logits.softmax(-1) - logits.softmax(-1).mean(0)).pow(2).sum(-1).mean())
    assert float(apart["consistency"]) >= spread / 2  # Pinsker: KL ≥ ½‖p − q‖₁² ≥ ½‖p − q‖₂²
    assert abs(float(agreed["consistency"])) < 1e-13
    for part in ("consistency", "entropy"):
        assert float(apart[part]) == float(other_labels[part])
    assert float(apart["cross_entropy"]) != float(other_labels["cross_entropy"])


def test_sure_and_agreed_is_the_only_loss_free_state() -> None:
    """The entropy is between 0 (one class has it all) and ln K (all alike), of the mean: not of each copy."""
    x, y = torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
    objective = Consistency(noise_std=1)
    opposite = 100 * torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]])
    sure = opposite[:1].expand(2, 1, 3)
    with torch.no_grad():
        torn, flat, agreed = (
            objective(Listed(one), x, y, seeded()) for one in (opposite, torch.zeros(2, 1, 3), sure)
        )
    assert float(torn.parts["entropy"]) == pytest.approx(math.log(2), rel=1e-6)
    assert float(flat.parts["entropy"]) == pytest.approx(math.log(3), rel=1e-6)
    assert float(flat.parts["consistency"]) == pytest.approx(0, abs=1e-6)
    assert float(agreed.total) < 1e-30


def test_without_weights_it_is_augmentation_with_more_copies() -> None:
    model, (x, y) = smooth_network(), smooth_batch()
    plain = Consistency(noise_std=0.4, copies=3, weight=0, entropy_weight=0)
    thrice = GaussianAugmentation(noise_std=0.4)
    with torch.no_grad():
        ours = plain(model, x, y, seeded()).total
        theirs = thrice(model, x.repeat(3, 1), y.repeat(3), seeded()).total
    assert float(ours) == pytest.approx(float(theirs), rel=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_the_gradient_is_the_derivative_and_reaches_every_weight(law: dict[str, Any]) -> None:
    """Through the copies and through their mean: nothing is cut off."""
    objective = Consistency(copies=3, **law)
    model, (x, y) = smooth_network(), smooth_batch()
    assert slope_error(objective, model, x, y) < 1e-6
    for part in ("consistency", "entropy"):
        model.zero_grad()
        objective(model, x, y, seeded()).parts[part].backward()
        for name, weight in model.named_parameters():
            assert weight.grad is not None, name
            assert float(weight.grad.abs().max()) > 0, name


def test_logits_without_bound_stay_finite() -> None:
    logits = 1e4 * torch.randn(2, 6, 4, generator=seeded())
    model = Listed(logits)
    total = Consistency(noise_std=1)(model, torch.zeros(6, 2), torch.arange(6) % 4, seeded()).total
    total.backward()
    assert math.isfinite(total.item())
    assert model.logits.grad is not None
    assert bool(model.logits.grad.isfinite().all())
