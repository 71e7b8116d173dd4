"""Options of the convection–diffusion objective: labels at the views, noisy residuals, stopped gradients."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from heatproof.equation.laplacian import Axes, Directions
from heatproof.networks import MLP
from heatproof.objectives import ConvectionDiffusion

GENERATORS = 11


class Asked(nn.Module):
    """Keeps the points and times of its last call; its logits are a fixed smooth function of both."""

    time_conditioned = True

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.x, self.t = x, t
        flat = x.flatten(1)
        return torch.stack([flat.sin().sum(1) + t, (flat * (1 + t[:, None])).cos().sum(1)], dim=1)


class Parabola(nn.Module):
    """u = (|x|², t): its residual is the same at every point, −2dσ² and 1."""

    time_conditioned = True

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return torch.stack([x.square().flatten(1).sum(1), t], dim=1)


def batch(rows: int = 5, dimension: int = 3) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    return torch.randn(rows, dimension, generator=source, dtype=torch.float64), torch.arange(rows) % 2


def seeded(seed: int = GENERATORS) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def objective(**settings: object) -> ConvectionDiffusion:
    return ConvectionDiffusion(**{"noise_std": 0.5, **settings})


@pytest.mark.parametrize("time_step", [1.0, 1 / 3])
@pytest.mark.parametrize("laplacian", [Axes(), Directions(directions=2)], ids=str)
def test_labels_at_the_views(laplacian: Axes | Directions, time_step: float) -> None:
    (x, y), model = batch(), Asked()
    kind = {"laplacian": laplacian, "time_step": time_step}
    losses = objective(labels_at="views", **kind)(model, x, y, seeded())
    points, times = model.x.view(-1, *x.shape), model.t.view(-1, len(x))[:, 0]
    views = [place for place, point in enumerate(points) if not torch.equal(point, x)]
    at_views = [nn.functional.cross_entropy(model(points[k], times[k].expand(len(x))), y) for k in views]
    at_end = nn.functional.cross_entropy(model(x, torch.ones(len(x))), y)
    assert len(views) == 2 * laplacian.pairs(3) * round(1 / time_step)
    assert float(losses.parts["cross_entropy"]) == pytest.approx(
        float((at_end + torch.stack(at_views).mean()) / 2)
    )
    plain = objective(**kind)(model, x, y, seeded())
    assert float(losses.parts["residual"]) == pytest.approx(float(plain.parts["residual"]), rel=1e-12)


def test_three_evaluations_at_the_bound_and_four_elsewhere() -> None:
    assert objective(labels_at="views").evaluations(784) == 3
    assert objective().evaluations(784) == 4
    assert objective(labels_at="views", space_step=0.6).evaluations(784) == 4
    assert objective(residual_at="noisy").evaluations(784) == 5
    assert objective(residual_at="noisy", space_step=0.6).evaluations(784) == 6
    assert objective(residual_at="noisy", labels_at="views").evaluations(784) == 4


COMBINATIONS = list(
    itertools.product(["data", "noisy"], ["data", "views"], [None, 0.9], [1.0, 0.5], [False, True])
)


@pytest.mark.parametrize(("residual_at", "labels_at", "space_step", "time_step", "unbiased"), COMBINATIONS)
def test_cost_is_what_it_says(
    residual_at: str, labels_at: str, space_step: float | None, time_step: float, *, unbiased: bool
) -> None:
    (x, y), model = batch(), Asked()
    one = objective(
        residual_at=residual_at,
        labels_at=labels_at,
        space_step=space_step,
        time_step=time_step,
        unbiased=unbiased,
    )
    one(model, x, y, seeded())
    assert len(model.x) == len(x) * one.evaluations(3)


@pytest.mark.parametrize("space_step", [None, 0.9])
def test_a_residual_that_is_the_same_everywhere(space_step: float | None) -> None:
    x, y = batch()
    kind = {"laplacian": Axes(), "space_step": space_step, "residual_of": "logits"}
    exact = (2 * 3 * 0.125) ** 2 + 1.0
    for place in ("data", "noisy"):
        losses = objective(residual_at=place, **kind)(Parabola(), x, y, seeded())
        assert float(losses.parts["residual"]) == pytest.approx(exact)


def test_noisy_points_have_the_law_of_the_smoothing() -> None:
    x, y = batch(4_000, 3)
    model = Asked()
    objective(residual_at="noisy")(model, x, y, seeded())
    centre = model.x.view(-1, *x.shape)[2] - x  # after both times of x
    assert float(centre.std()) == pytest.approx(0.5, rel=5 / math.sqrt(2 * centre.numel()))
    assert abs(float(centre.mean())) < 5 * 0.5 / math.sqrt(centre.numel())


@pytest.mark.parametrize("space_step", [None, 0.9])
def test_stopped_gradients_add_up_to_the_whole(space_step: float | None) -> None:
    """r² has the gradient 2r·r′, a sum over both sides; labels apart."""
    x, y = batch()
    torch.manual_seed(0)
    model = MLP(widths=(8,), activation="tanh", time_conditioned=True).build((3,), 2).double()

    def gradient(stop: str) -> Tensor:
        losses = objective(stop_gradient=stop, space_step=space_step)(model, x, y, seeded())
        parts = torch.autograd.grad(losses.parts["residual"], list(model.parameters()), allow_unused=True)
        return torch.cat(
            [
                torch.zeros(p.numel()) if g is None else g.flatten()
                for g, p in zip(parts, model.parameters(), strict=True)
            ]
        )

    whole, after, before = gradient("none"), gradient("after"), gradient("before")
    assert torch.allclose(after + before, whole, atol=1e-12)
    assert not torch.allclose(after, whole)
    assert not torch.allclose(before, whole)
