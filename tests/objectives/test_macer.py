"""MACER: its formula point by point, whom the hinge moves, and what it is of in the limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.special import ndtri
from torch import Tensor, nn

from cases.objectives import LAWS, seeded, slope_error, smooth_batch, smooth_network
from heatproof.noise import AnisotropicGaussian, Gaussian, Laplace, Noise, Uniform
from heatproof.objectives import MACER, GaussianAugmentation


class Table(nn.Module):
    """Logits that are the weights: a row for each input, which is the number of its row (up to noise)."""

    def __init__(self, logits: list[list[float]]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        rows: Tensor = self.logits[x[:, 0].round().long()]
        return rows


def numbered(rows: int) -> Tensor:
    return torch.arange(rows, dtype=torch.float64)[:, None]


def mostly_right(rows: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Every fourth label is another than the network's."""
    model, (x, _) = smooth_network(), smooth_batch(rows)
    with torch.no_grad():
        y = model(x).argmax(dim=1)
    return model, x, (y + (torch.arange(rows) % 4 == 0)) % 3


def radius_over_half_scale(noise: Noise, top: float, second: float) -> float:
    """ξ by the noise's own certificate, negative where the class is not on top."""
    if isinstance(noise, Uniform):
        return 2 * (top - second)
    if isinstance(noise, Laplace):
        quantile = [math.log(2 * p) if p < 0.5 else -math.log(2 * (1 - p)) for p in (top, second)]
        return quantile[0] - quantile[1]
    return float(ndtri(top) - ndtri(second))


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("margin", [1.8, 8.0])
def test_equals_the_formula(law: dict[str, Any], margin: float) -> None:
    objective = MACER(copies=6, weight=1.3, margin=margin, inverse_temperature=3, **law)
    model, x, y = mostly_right(12)
    views = objective.noisy(x, 6, seeded())
    noise = objective.smoothing_noise
    fits, hinges = [], []
    with torch.no_grad():
        losses = objective(model, x, y, seeded())
        for row, label in enumerate(y.tolist()):
            logits = [model(view[row][None])[0] for view in views]
            mean = torch.stack([one.softmax(0) for one in logits]).mean(dim=0)
            shares = torch.stack([(3 * one).softmax(0) for one in logits]).mean(dim=0).tolist()
            fits.append(-math.log(float(mean[label])))
            others = shares[:label] + shares[label + 1 :]
            gap = radius_over_half_scale(noise, shares[label], max(others))
            hinges.append(noise.scale / 2 * max(0.0, margin - gap) if shares[label] > max(others) else 0.0)
    first, second = sum(fits) / 12, sum(hinges) / 12
    assert float(losses.parts["cross_entropy"]) == pytest.approx(first, rel=1e-9)
    assert float(losses.parts["radius_hinge"]) == pytest.approx(second, rel=1e-9)
    assert float(losses.total) == pytest.approx(first + 1.3 * second, rel=1e-9)
    assert 0 < sum(value > 0 for value in hinges) < 12  # of the others some are wrong, some sure


@pytest.mark.parametrize(
    "noise",
    [
        Gaussian(noise_std=1e-3),
        Uniform(half_width=1e-3),
        Laplace(noise_scale=1e-3),
        AnisotropicGaussian(noise_stds=[1e-3]),
    ],
)
def test_the_hinge_raises_the_radius_of_the_right_and_leaves_the_wrong(noise: Noise) -> None:
    """Inputs 0 and 1 are right, 2 and 3 wrong, 4 is right by more than the margin."""
    far = 12.0 if isinstance(noise, Uniform) else 3.0
    model = Table([[0.5, 0.0, 0.2], [0.0, 0.4, 0.3], [0.0, 0.9, 0.1], [0.2, 0.0, 0.3], [far, 0.0, 0.0]])
    y = torch.tensor([0, 1, 0, 1, 0])
    margin = 1.9 if isinstance(noise, Uniform) else 1.5
    objective = MACER(noise=noise, copies=2, margin=margin, inverse_temperature=1)

    def radii() -> list[float]:
        shares = model.logits.detach().softmax(dim=1).tolist()
        tops = [share[label] for share, label in zip(shares, y.tolist(), strict=True)]
        seconds = [max(s[:c] + s[c + 1 :]) for s, c in zip(shares, y.tolist(), strict=True)]
        return [noise.radius(top, second) for top, second in zip(tops, seconds, strict=True)]

    before = radii()
    objective(model, numbered(5), y, seeded()).parts["radius_hinge"].backward()
    gradient = model.logits.grad
    assert gradient is not None
    assert gradient[2:].abs().max() == 0
    assert bool((gradient[:2].abs().max(dim=1).values > 0).all())
    with torch.no_grad():
        model.logits.sub_(gradient, alpha=1e-3 / noise.scale)
    after = radii()
    assert after[0] > before[0] * (1 + 1e-6)
    assert after[1] > before[1] * (1 + 1e-6)
    assert after[2:] == before[2:]
    assert before[2] == before[3] == 0


def test_many_votes_make_it_the_radius_that_smoothing_certifies() -> None:
    """β → ∞: the soft share is the share of votes (the paper: "converges almost everywhere")."""
    model, x, y = mostly_right(30)
    objective = MACER(noise_std=0.8, copies=64, margin=100, inverse_temperature=1e6)
    with torch.no_grad():
        found = float(objective(model, x, y, seeded()).parts["radius_hinge"])
        votes = model(objective.noisy(x, 64, seeded()).flatten(0, 1)).argmax(dim=1).view(64, 30)
    hinges = []
    for row, label in enumerate(y.tolist()):
        shares = [float((votes[:, row] == k).sum()) / 64 for k in range(3)]
        second = max(shares[:label] + shares[label + 1 :])
        if shares[label] > second:
            least = 2.0**-1022  # no share is 0 where Φ⁻¹ is taken: the smallest number stands for it
            low, high = float(ndtri(max(second, least))), -float(ndtri(max(1 - shares[label], least)))
            hinges.append(0.8 / 2 * max(0.0, 100 - (high - low)))
    assert found == pytest.approx(sum(hinges) / 30, rel=1e-6)
    assert 5 < len(hinges) < 30


def test_one_copy_without_weight_is_augmentation() -> None:
    model, (x, y) = smooth_network(), smooth_batch()
    with torch.no_grad():
        ours = MACER(noise_std=0.4, copies=1, weight=0)(model, x, y, seeded()).total
        theirs = GaussianAugmentation(noise_std=0.4)(model, x, y, seeded()).total
    assert float(ours) == pytest.approx(float(theirs), rel=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_the_gradient_is_the_derivative_and_reaches_every_weight(law: dict[str, Any]) -> None:
    objective = MACER(copies=3, inverse_temperature=2, **law)
    model, (x, y) = smooth_network(), smooth_batch(12)
    assert slope_error(objective, model, x, y) < 1e-5
    objective(model, x, y, seeded()).parts["radius_hinge"].backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().max()) > 0, name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("law", [{"noise_std": 1e-3}, {"noise": Laplace(noise_scale=1e-3)}], ids=str)
def test_sure_inputs_cost_nothing_and_stay_finite(dtype: torch.dtype, law: dict[str, Any]) -> None:
    """Where Φ⁻¹ is infinite the plain formula has the gradient 0·∞."""
    model = Table([[1e4, 0.0, 0.0], [30.0, 0.0, -1e4], [0.0, 50.0, 50.0]]).to(dtype)
    y = torch.tensor([0, 0, 0])
    losses = MACER(copies=2, **law)(model, numbered(3).to(dtype), y, seeded())
    losses.total.backward()
    assert losses.parts["radius_hinge"].item() == 0
    assert math.isfinite(losses.total.item())
    assert model.logits.grad is not None
    assert bool(model.logits.grad.isfinite().all())


def test_the_least_sure_of_right_inputs_is_pushed_hardest_by_uniform_noise_alike() -> None:
    """ξ = 2(p_A − p_B) ≤ 2: with γ = 8 the hinge never ends, and its slope in p is the same everywhere."""
    model = Table([[0.1, 0.0], [2.0, 0.0], [6.0, 0.0]])
    objective = MACER(noise=Uniform(half_width=1e-3), copies=1, inverse_temperature=1)
    objective(model, numbered(3), torch.zeros(3, dtype=torch.int64), seeded()).parts[
        "radius_hinge"
    ].backward()
    p = model.logits.detach().softmax(dim=1)[:, 0]
    assert model.logits.grad is not None
    slope = model.logits.grad[:, 0] / (p * (1 - p))
    assert torch.allclose(slope, slope[0].expand(3), rtol=1e-9)
    assert float(slope[0]) < 0
