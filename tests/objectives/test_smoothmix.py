"""SmoothMix: the formula, the path of the attack, the mixture's law, and what it does to confidence."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, nn

from cases.adversarial import Halfspace, batch, network, seeded
from heatproof.noise import Gaussian, Laplace
from heatproof.noise.additive import draw
from heatproof.objectives import SmoothAdv, SmoothMix
from heatproof.objectives.smoothmix import _targets

W = (1.0, -2.0, 0.5, 3.0)


def pieces(objective: SmoothMix, x: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The draws and the λ that a call with this seed uses."""
    generator = seeded(seed)
    noise = draw(objective.smoothing_noise, x, objective.copies, generator)
    return noise, (1 - torch.rand(len(x), generator=generator)).to(x) / 2


@pytest.mark.parametrize("one_step", [False, True])
def test_it_is_the_formula_of_the_paper(*, one_step: bool) -> None:
    """Row by row from the definitions, in float64, value and gradient."""
    model, (x, y) = network().double(), batch()
    x = x.double()
    objective = SmoothMix(noise_std=0.7, copies=3, steps=3, step_size=0.9, weight=2.0, one_step=one_step)
    noise, share = pieces(objective, x, 5)
    path = objective.path(model, x, y, noise)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(x)):
        near, far = path[1 if one_step else 0, i], path[3, i]
        clean = [model((near + noise[j, i])[None]).softmax(1)[0] for j in range(3)]
        target = (1 - share[i]) * sum(clean, torch.zeros(3)) / 3 + share[i] / 3
        mixed = (1 - share[i]) * near + share[i] * far
        for j in range(3):
            between = model((mixed + noise[j, i])[None]).softmax(1)[0]
            divergence = sum(target[k] * (target[k] / between[k]).log() for k in range(3))
            total = total + (-clean[j][y[i]].log() + 2.0 * divergence) / (3 * len(x))
    found = objective(model, x, y, seeded(5))
    torch.testing.assert_close(found.total, total)
    weights = list(model.parameters())
    for one, other in zip(
        torch.autograd.grad(found.total, weights), torch.autograd.grad(total, weights), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_the_path_climbs_the_smoothed_loss() -> None:
    """x̃⁽ᵗ⁺¹⁾ = x̃⁽ᵗ⁾ + α·∇J/‖∇J‖ with J = −log of the mean probability, written out."""
    model, (x, y) = network().double(), batch()
    x = x.double()
    objective = SmoothMix(noise_std=0.7, copies=5, steps=3, step_size=0.6)
    noise, _ = pieces(objective, x, 5)
    path = objective.path(model, x, y, noise)
    assert torch.equal(path[0], x)
    for here, there in pairwise(path):
        points = here.clone().requires_grad_()
        mean = torch.stack([model(points + one).softmax(1) for one in noise]).mean(0)
        (slope,) = torch.autograd.grad(-mean[torch.arange(6), y].log().sum(), points)
        torch.testing.assert_close(there - here, 0.6 * slope / slope.norm(dim=1, keepdim=True))


def test_no_ball_holds_the_attack() -> None:
    """Against a half-space every step goes on straight: T·α = 8·noise_std from x at the default."""
    model, (x, y) = Halfspace(*W), batch(classes=2)
    for steps in (2, 4, 8):
        objective = SmoothMix(noise_std=0.25, steps=steps)
        path = objective.path(model, x, y, pieces(objective, x, 0)[0])
        straight = 2.0 * nn.functional.normalize(model.outwards(y))
        torch.testing.assert_close(path[-1] - x, straight, rtol=0, atol=1e-5)
        assert len(path) == steps + 1


def test_step_sizes_of_the_paper() -> None:
    """MNIST: α = 1 with T = 2, 4, 8; CIFAR-10: T = 4 with α = .5, 1, 2."""
    for std, steps, expected in ((0.25, 2, 1), (0.5, 4, 1), (1, 8, 1), (0.25, 4, 0.5), (1, 4, 2)):
        assert SmoothMix(noise_std=std, steps=steps).chosen_step_size == pytest.approx(expected)
    assert SmoothMix(noise=Laplace(noise_scale=0.5), steps=8).chosen_step_size == pytest.approx(0.5)
    assert SmoothMix(noise_std=3, step_size=0.1).chosen_step_size == 0.1


class Watched(Halfspace):
    """Keeps the points of the last pass."""

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x.detach()
        return super().forward(x)


def test_mixtures_end_half_way() -> None:
    """λ is uniform on (0, ½], one for each input (Kolmogorov–Smirnov, 5,000 inputs, level 1e-6)."""
    model = Watched(*W).double()
    x = torch.randn(5_000, 4, generator=seeded(1), dtype=torch.float64)
    y = torch.arange(5_000) % 2
    objective = SmoothMix(noise_std=0.5, copies=2, one_step=False, steps=1)
    objective(model, x, y, seeded(3))
    noise, _ = pieces(objective, x, 3)
    clean, mixed = model.seen.unflatten(0, (2, 2, 5_000))
    torch.testing.assert_close(clean, x + noise)
    shift = mixed - x - noise
    torch.testing.assert_close(shift[0], shift[1])
    share = shift[0].norm(dim=1) / 4.0
    assert 0 < float(share.min()) <= float(share.max()) <= 0.5 + 1e-12
    assert kstest(2 * share, "uniform").pvalue > 1e-6
    assert kstest(share, "uniform").pvalue < 1e-6


def test_targets_are_less_sure_and_no_other_class() -> None:
    log_p = (4 * torch.randn(3, 500, 5, generator=seeded(), dtype=torch.float64)).log_softmax(dim=-1)
    mean = log_p.exp().mean(0)
    share = torch.linspace(1e-6, 0.5, 500, dtype=torch.float64)
    targets = _targets(log_p, share)
    torch.testing.assert_close(targets.sum(1), torch.ones(500, dtype=torch.float64))
    assert torch.equal(targets.argmax(1), mean.argmax(1))
    assert bool((torch.special.entr(targets).sum(1) > torch.special.entr(mean).sum(1)).all())


def test_sure_answers_give_finite_losses() -> None:
    """Probabilities that are 0 in float32, and λ as small as it comes."""
    model, (x, y) = network(), batch(64)
    with torch.no_grad():
        for weight in model[-1].parameters():
            weight.mul_(1e4)
    losses = SmoothMix(noise_std=0.1)(model, x, y, seeded())
    losses.total.backward()
    assert bool(torch.isfinite(losses.total))
    gradients = [weight.grad for weight in model.parameters()]
    assert all(one is not None and bool(torch.isfinite(one).all()) for one in gradients)


def test_the_uniform_answer_costs_nothing_more() -> None:
    model, (x, y) = network(), batch()
    with torch.no_grad():
        for weight in model[-1].parameters():
            weight.zero_()
    losses = SmoothMix(noise_std=0.5)(model, x, y, seeded())
    assert float(losses.parts["mixture"].detach()) == pytest.approx(0, abs=1e-6)
    assert float(losses.total.detach()) == pytest.approx(torch.tensor(3.0).log().item(), rel=1e-6)


def test_without_weight_it_is_augmentation() -> None:
    """At x with one_step off: SmoothAdv at radius 0, with the same draws; else it is at the first step."""
    model, (x, y) = network(), batch()
    plain = SmoothAdv(noise_std=0.5, radius=0)(model, x, y, seeded(4)).total
    off = SmoothMix(noise_std=0.5, weight=0, one_step=False)(model, x, y, seeded(4)).total
    torch.testing.assert_close(off, plain)
    objective = SmoothMix(noise_std=0.5, weight=0)
    noise, _ = pieces(objective, x, 4)
    first = objective.path(model, x, y, noise)[1]
    expected = nn.functional.cross_entropy(model((first + noise).flatten(0, 1)), y.repeat(4))
    torch.testing.assert_close(objective(model, x, y, seeded(4)).total, expected)
    assert float((expected - plain).detach()) > 0.1


def confidence_on_the_way(weight: float) -> tuple[float, float]:
    """Train on two blobs; return accuracy, and the smoothed confidence half way to x̃⁽ᵀ⁾."""
    y = torch.arange(64) % 2
    x = torch.randn(64, 4, generator=seeded(1)) * 0.3 + (2.0 * y - 1)[:, None]
    model, generator = network(), seeded(2)
    objective = SmoothMix(noise_std=0.5, copies=2, steps=2, weight=weight, one_step=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        objective(model, x, y, generator).total.backward()
        optimizer.step()
    noise = draw(Gaussian(noise_std=0.5), x, 64, seeded(9))
    half = 0.5 * (x + objective.path(model, x, y, noise)[-1])
    with torch.no_grad():
        sure = torch.stack([model(half + one).softmax(1) for one in noise]).mean(0).max(1).values
        right = (model(x).argmax(1) == y).double().mean()
    return float(right), float(sure.mean())


def test_it_takes_confidence_from_the_way_to_the_other_class() -> None:
    """The claim of the paper's title, against the same training without L_mix."""
    without, with_it = confidence_on_the_way(0.0), confidence_on_the_way(5.0)
    assert without[0] == with_it[0] == 1.0
    assert with_it[1] < without[1] - 0.1
