"""Stability training: its formula point by point, what it becomes without noise, and its gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cases.objectives import LAWS, seeded, slope_error, smooth_batch, smooth_network
from heatproof.objectives import Natural, Stability


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("distance", ["cross_entropy", "kullback_leibler"])
def test_equals_the_formula(law: dict[str, Any], distance: str) -> None:
    objective = Stability(weight=1.7, distance=distance, **law)
    model, (x, y) = smooth_network(), smooth_batch()
    noisy = objective.noisy(x, 1, seeded())[0]
    first, second = [], []
    with torch.no_grad():
        losses = objective(model, x, y, seeded())
        for point, moved, label in zip(x, noisy, y, strict=True):
            p, q = (model(one[None])[0].softmax(0) for one in (point, moved))
            first.append(-float(p[label].log()))
            crossed = -sum(float(a * b.log()) for a, b in zip(p, q, strict=True))
            own = -sum(float(a * a.log()) for a in p)
            second.append(crossed - (own if distance == "kullback_leibler" else 0))
    assert float(losses.parts["cross_entropy"]) == pytest.approx(sum(first) / 5, rel=1e-12)
    assert float(losses.parts["stability"]) == pytest.approx(sum(second) / 5, rel=1e-9)
    assert float(losses.total) == pytest.approx(sum(first) / 5 + 1.7 * sum(second) / 5, rel=1e-12)
    assert abs(sum(second)) > 1e-3
    assert not torch.equal(noisy, x)


def test_without_noise_only_doubt_is_left() -> None:
    """At s → 0 the divergence vanishes, so that L is cross-entropy; the paper's distance is the entropy."""
    model, (x, y) = smooth_network(), smooth_batch()
    with torch.no_grad():
        plain = float(Natural()(model, x, y, seeded()).total)
        p = model(x).softmax(dim=1)
        entropy = -float((p * p.log()).sum(dim=1).mean())
        alike = Stability(noise_std=1e-9, weight=5, distance="kullback_leibler")(model, x, y, seeded())
        unsure = Stability(noise_std=1e-9, weight=5)(model, x, y, seeded())
    assert float(alike.total) == pytest.approx(plain, rel=1e-9)
    assert float(unsure.total) == pytest.approx(plain + 5 * entropy, rel=1e-7)
    assert entropy > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_disagreement_never_pays(seed: int) -> None:
    """D(p, q) ≥ D(p, p) (Gibbs): the divergence is ≥ 0, and grows with the noise."""
    model, (x, y) = smooth_network(seed=seed), smooth_batch(50)
    with torch.no_grad():
        sizes = [
            float(
                Stability(noise_std=s, distance="kullback_leibler")(model, x, y, seeded()).parts["stability"]
            )
            for s in (1e-6, 0.1, 1.0)
        ]
    assert -1e-15 < sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("distance", ["cross_entropy", "kullback_leibler"])
def test_the_gradient_is_the_derivative_and_reaches_every_weight(distance: str) -> None:
    """Through the prediction at x and through the one under noise."""
    objective = Stability(noise_std=0.5, distance=distance)
    model, (x, y) = smooth_network(), smooth_batch()
    assert slope_error(objective, model, x, y) < 1e-6
    objective(model, x, y, seeded()).parts["stability"].backward()
    assert all(float(weight.grad.abs().max()) > 0 for weight in model.parameters() if weight.grad is not None)
    assert all(weight.grad is not None for weight in model.parameters())


def test_weight_zero_is_natural_training() -> None:
    model, (x, y) = smooth_network(), smooth_batch()
    ours, plain = (one(model, x, y, seeded()).total for one in (Stability(noise_std=1, weight=0), Natural()))
    assert ours.item() == pytest.approx(plain.item(), rel=1e-12)
