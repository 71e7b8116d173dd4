"""SmoothAdv: Gaussian augmentation at radius 0, the smoothed classifier's gradient, draws that are shared."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cases.adversarial import batch, network, seeded
from heatproof.noise import Gaussian, Uniform
from heatproof.noise.additive import draw
from heatproof.objectives import GaussianAugmentation, SmoothAdv


class Watched(nn.Module):
    """Keeps the points of every pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.seen = network(), list[Tensor]()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        logits: Tensor = self.inner(x)
        return logits


@pytest.mark.parametrize("copies", [1, 4])
def test_radius_zero_is_gaussian_augmentation(copies: int) -> None:
    """With the same generator, number for number; with one draw the other objective itself."""
    model, (x, y) = network(), batch()
    found = SmoothAdv(noise_std=0.5, radius=0, copies=copies)(model, x, y, seeded(7)).total
    noisy = x + draw(Gaussian(noise_std=0.5), x, copies, seeded(7))
    expected = nn.functional.cross_entropy(model(noisy.flatten(0, 1)), y.repeat(copies))
    assert torch.equal(found, expected)
    if copies == 1:
        assert torch.equal(found, GaussianAugmentation(noise_std=0.5)(model, x, y, seeded(7)).total)
    assert not torch.equal(found, SmoothAdv(noise_std=0.5, copies=copies)(model, x, y, seeded(7)).total)


def mean_of_softmax(model: nn.Module, points: Tensor, noise: Tensor, y: Tensor) -> Tensor:
    """−log of the mean probability of the label, row by row from its definition."""
    probabilities = torch.stack([model(points + one).softmax(1) for one in noise]).mean(0)
    return -probabilities[torch.arange(len(y)), y].log()


def mean_of_losses(model: nn.Module, points: Tensor, noise: Tensor, y: Tensor) -> Tensor:
    losses = [nn.functional.cross_entropy(model(points + one), y, reduction="none") for one in noise]
    return torch.stack(losses).mean(0)


def test_the_smoothed_classifier_is_attacked() -> None:
    """One long step goes along ∇ −log of the mean, not along the mean of ∇ −log (their section 2.2)."""
    model, (x, y) = network().double(), batch()
    model.load_state_dict({name: 4 * value for name, value in model.state_dict().items()})
    x = x.double()
    noise = draw(Gaussian(noise_std=1.0), x, 8, seeded(2))
    objective = SmoothAdv(noise_std=1.0, copies=8, steps=1, radius=0.5)
    shift = objective.worst_points(model, x, y, noise) - x

    def cosine(gain: Tensor, points: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(gain.sum(), points)
        return torch.cosine_similarity(slope, shift)

    points = x.clone().requires_grad_()
    torch.testing.assert_close(
        cosine(mean_of_softmax(model, points, noise, y), points), torch.ones(6, dtype=torch.float64)
    )
    assert float(cosine(mean_of_losses(model, points, noise, y), points).min()) < 0.99
    torch.testing.assert_close(shift.norm(dim=1), torch.full((6,), 0.5, dtype=torch.float64))


def test_the_mean_of_losses_is_the_larger() -> None:
    """Jensen: training minimises an upper bound of the smoothed classifier's loss, here at the same point."""
    model, (x, y) = network(), batch()
    noise = draw(Gaussian(noise_std=1.0), x, 8, seeded(7))
    objective = SmoothAdv(noise_std=1.0, copies=8)
    points = objective.worst_points(model, x, y, noise)
    loss = objective(model, x, y, seeded(7)).total
    torch.testing.assert_close(loss, mean_of_losses(model, points, noise, y).mean())
    assert bool((mean_of_losses(model, points, noise, y) > mean_of_softmax(model, points, noise, y)).all())


def test_the_attack_hurts_the_smoothed_classifier() -> None:
    model, (x, y) = network(), batch(64)
    noise = draw(Gaussian(noise_std=0.5), x, 16, seeded(2))
    objective = SmoothAdv(noise_std=0.5, copies=16, radius=0.5)
    points = objective.worst_points(model, x, y, noise)
    fresh = draw(Gaussian(noise_std=0.5), x, 500, seeded(3))
    with torch.no_grad():
        before, after = (mean_of_softmax(model, one, fresh, y) for one in (x, points))
        other = mean_of_softmax(model, x + 0.5 * nn.functional.normalize(x - x.mean(0)), fresh, y)
    assert bool((after > before).all())
    assert float((other - before).mean()) < 0.5 * float((after - before).mean())


def test_one_set_of_draws_serves_the_whole_step() -> None:
    watched, (x, y) = Watched(), batch()
    objective = SmoothAdv(noise=Uniform(half_width=0.25), copies=3, steps=4, radius=0.6)
    objective(watched, x, y, seeded(7))
    passes = torch.stack(watched.seen).unflatten(1, (3, 6))  # (steps + 1, copies, batch, 4)
    noise = draw(Uniform(half_width=0.25), x, 3, seeded(7))
    shifts = passes - x - noise
    assert len(passes) == 5
    assert float(shifts[0].abs().max()) < 1e-6
    assert float((shifts - shifts[:, :1]).abs().max()) < 1e-6  # the same δ for all copies
    assert float(shifts.norm(dim=-1).max()) <= 0.6 + 1e-6
    assert float(shifts[-1].norm(dim=-1).min()) > 0.5
    assert float(noise.abs().max()) <= 0.25
