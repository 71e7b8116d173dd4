"""The inner search: exact where the worst point is known, inside its budget, and without a trace."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, nn

from cases.adversarial import ALL, Halfspace, batch, network, seeded
from heatproof.attacks import NORMS
from heatproof.attacks._budget import Budget
from heatproof.errors import DataError, ModelError
from heatproof.noise.additive import draw
from heatproof.objectives import TRADES, Adversarial, Objective, SmoothAdv
from heatproof.objectives._ascent import SearchObjective, lent, uniform_in_ball

W = (1.0, -2.0, 0.5, 3.0)


def found(objective: SearchObjective, model: nn.Module, x: Tensor, y: Tensor, seed: int = 0) -> Tensor:
    """Where the search of an objective ends."""
    if isinstance(objective, TRADES):
        return objective.worst_points(model, x, seeded(seed))
    if isinstance(objective, SmoothAdv):
        noise = draw(objective.smoothing_noise, x, objective.copies, seeded(seed))
        return objective.worst_points(model, x, y, noise)
    assert isinstance(objective, Adversarial)
    return objective.worst_points(model, x, y, seeded(seed))


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_worst_point_of_a_half_space_is_exact(norm: str, dtype: torch.dtype) -> None:
    """ℓ2: straight towards the plane; ℓ∞: the corner of the cube, from any start."""
    model, (x, y) = Halfspace(*W), batch(classes=2)
    x = x.to(dtype)
    expected = x + 0.7 * NORMS[norm].steepest(model.outwards(y).to(dtype))
    objectives: list[SearchObjective] = [
        Adversarial(radius=0.7, norm=norm, random_start=False),
        SmoothAdv(noise_std=0.5, radius=0.7, norm=norm, copies=5),
    ]
    if norm == "linf":
        objectives.append(Adversarial(radius=0.7, norm=norm))
    for objective in objectives:
        points = found(objective, model, x, y)
        assert points.dtype == dtype
        torch.testing.assert_close(points, expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize(("norm", "dual"), [("l2", 2), ("linf", 1)])
def test_a_linear_model_pays_the_dual_norm(norm: str, dual: int) -> None:
    """CE at the worst point of a half-space is log(1 + exp(−(±⟨w, x⟩ − radius·‖w‖_dual)))."""
    model, (x, y) = Halfspace(*W), batch(classes=2)
    objective = Adversarial(radius=0.7, norm=norm, random_start=False)
    with torch.no_grad():
        margins = (2 * y - 1) * (x @ model.w)
        expected = nn.functional.softplus(0.7 * model.w.norm(dual) - margins).mean()
        wrong = nn.functional.softplus(0.7 * model.w.norm(3 - dual) - margins).mean()
    loss = float(objective(model, x, y, seeded()).total.detach())
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert loss != pytest.approx(float(wrong), rel=1e-2)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("box", [None, (-0.6, 0.9)])
def test_the_loss_of_a_convex_case_never_falls(norm: str, box: tuple[float, float] | None) -> None:
    """For a convex gain ⟨∇, p_{k+1} − p_k⟩ ≥ 0 after projection, so every step gains, in the box as well."""
    matrix, (x, y) = torch.randn(4, 3, generator=seeded()), batch(64)
    x = x.clamp(-0.5, 0.5)
    losses = [nn.functional.cross_entropy(x @ matrix, y, reduction="none")]
    for steps in (1, 2, 5):
        objective = Adversarial(radius=0.3, norm=norm, steps=5, random_start=False, input_range=box)
        budget = objective.budget(x)
        points = x
        for _ in range(steps):  # the first `steps` of five
            points = points.detach().requires_grad_()
            gain = nn.functional.cross_entropy(points @ matrix, y, reduction="none")
            (slope,) = torch.autograd.grad(gain.sum(), points)
            points = budget.step(points.detach(), slope, 0.5)
        losses.append(nn.functional.cross_entropy(points @ matrix, y, reduction="none"))
    model = nn.Linear(4, 3, bias=False)
    model.weight.data = matrix.T.clone()
    torch.testing.assert_close(found(objective, model, x, y), points)
    for before, after in pairwise(losses):
        assert bool((after >= before - 1e-6).all())
    assert float((losses[-1] - losses[0]).min()) > 1e-3


@pytest.mark.parametrize("objective", [one for one in ALL if isinstance(one, SearchObjective)], ids=str)
@pytest.mark.parametrize("radius", [1e-4, 0.37, 50.0])
@pytest.mark.parametrize("box", [None, (-4.0, 4.0)])
def test_the_budget_is_never_left(
    objective: SearchObjective, radius: float, box: tuple[float, float] | None
) -> None:
    objective = objective.model_copy(update={"radius": radius, "input_range": box})
    x, y = batch(32)
    for dtype in (torch.float32, torch.float64):
        points = found(objective, network().to(dtype), x.to(dtype), y)
        size = NORMS[objective.norm].measure(points.double() - x.double())
        assert float(size.max()) <= radius
        if box is None:
            assert float(size.max()) > 0.9 * radius
        else:
            assert -4 <= float(points.min()) <= float(points.max()) <= 4


def test_without_the_projection_it_would_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above: the steps together are 2.5 radii long."""
    model, (x, y) = Halfspace(*W), batch(classes=2)
    monkeypatch.setattr(Budget, "enforce", lambda _, points: points)
    points = found(Adversarial(radius=0.37, random_start=False), model, x, y)
    torch.testing.assert_close((points - x).norm(dim=1), torch.full((6,), 2.5 * 0.37))


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_start_is_uniform_in_the_ball(norm: str) -> None:
    """(‖δ‖/radius)^d is uniform; Kolmogorov–Smirnov, 20,000 points, level 1e-6 each."""
    budget = Adversarial(radius=2.0, norm=norm).budget(torch.ones(20_000, 3))
    delta = uniform_in_ball(budget, seeded(4)) - 1
    share = (NORMS[norm].measure(delta) / 2).clamp(0, 1)
    assert kstest(share**3, "uniform").pvalue > 1e-6
    assert kstest(share, "uniform").pvalue < 1e-6  # as if the radius were uniform
    signs = (delta > 0).double().mean(0)
    assert float((signs - 0.5).abs().max()) < 4.9 * 0.5 / 20_000**0.5


@pytest.mark.parametrize("objective", ALL, ids=str)
def test_no_trace_in_the_model(objective: Objective) -> None:
    model, (x, y) = network(normalised=True).train(), batch()
    model[2].eval()  # a part that the user froze stays frozen
    before = {name: value.clone() for name, value in model.named_parameters()}
    modes = [module.training for module in model.modules()]
    objective(model, x, y, seeded())
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.named_parameters())
    assert [module.training for module in model.modules()] == modes
    assert int(model.state_dict()["1.num_batches_tracked"]) == 1  # the step itself: no pass of the search
    assert x.grad is None
    assert not x.requires_grad


def test_the_model_is_given_back_after_an_error() -> None:
    model, (x, y) = network(normalised=True).train(), batch()
    modes = [module.training for module in model.modules()]
    with lent(model) as judge:
        assert not any(module.training for module in judge.modules())
    assert [module.training for module in model.modules()] == modes
    y[2] = 7
    for objective in ALL:
        with pytest.raises(DataError, match="first is 7 at row 2"):
            objective(model, x, y, seeded())
        assert [module.training for module in model.modules()] == modes


@pytest.mark.parametrize("objective", ALL, ids=str)
def test_gradients_reach_every_parameter(objective: Objective) -> None:
    model, (x, y) = network(), batch()
    objective(model, x, y, seeded()).total.backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in model.parameters())


@pytest.mark.parametrize("objective", ALL, ids=str)
def test_a_loss_can_be_looked_at_without_gradients(objective: Objective) -> None:
    model, (x, y) = network(), batch()
    expected = float(objective(model, x, y, seeded(2)).total.detach())
    with torch.no_grad():
        losses = objective(model, x, y, seeded(2))
    assert float(losses.total) == expected
    assert not losses.total.requires_grad


@pytest.mark.parametrize("objective", ALL, ids=str)
def test_a_model_without_gradients_is_refused(objective: Objective) -> None:
    class Blind(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.detach()[:, :3]

    with pytest.raises(ModelError, match="logits without gradient"):
        objective(Blind(), *batch(), seeded())


def test_inputs_outside_the_box_are_refused() -> None:
    objective = Adversarial(radius=1, input_range=(0, 1))
    with pytest.raises(DataError, match=r"x: got values from .* allowed: values from 0 to 1"):
        objective(network(), *batch(), seeded())


def test_what_runs_in_parallel_is_searched_alone(tmp_path: Path) -> None:
    """Only the pass that is trained on goes through DistributedDataParallel, which shares at every pass."""
    place, calls = f"file://{tmp_path / 'store'}", list[int]()
    torch.distributed.init_process_group("gloo", init_method=place, rank=0, world_size=1)
    try:
        plain, (x, y) = network(), batch()
        shared = nn.parallel.DistributedDataParallel(network())
        shared.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs)))
        for done, objective in enumerate(ALL, start=1):
            totals = [objective(model, x, y, seeded()).total for model in (plain, shared)]
            assert totals[0].item() == totals[1].item()
            totals[1].backward()
            assert len(calls) == done
        assert all(weight.grad is not None for weight in shared.parameters())
    finally:
        torch.distributed.destroy_process_group()
