"""PGD adversarial training and TRADES: the formulas, and what their papers say of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cases.adversarial import Halfspace, batch, network, seeded
from heatproof.objectives import TRADES, Adversarial, Natural, Objective

W = (1.0, -2.0, 0.5, 3.0)


def gradients(model: nn.Module, loss: Tensor) -> Tensor:
    found = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([one.flatten() for one in found])


def test_the_gradient_is_that_at_the_point_found() -> None:
    """Danskin's theorem, as Madry et al. 2018 (appendix A) use it: the point is held fixed."""
    model, (x, y) = network(), batch()
    objective = Adversarial(radius=0.5)
    points = objective.worst_points(model, x, y, seeded(5))
    loss = nn.functional.cross_entropy(model(points), y)
    torch.testing.assert_close(
        gradients(model, objective(model, x, y, seeded(5)).total), gradients(model, loss), rtol=0, atol=0
    )


def test_more_steps_find_more() -> None:
    """Mean loss on 256 inputs: nothing < a random start < one step < ten, all well apart."""
    model, (x, y) = network(), batch(256)
    with torch.no_grad():
        losses = [float(Natural()(model, x, y, seeded()).total)]
        objectives = [Adversarial(radius=1.0, steps=steps) for steps in (1, 10)]
        losses += [float(objective(model, x, y, seeded()).total) for objective in objectives]
    assert losses[0] + 0.1 < losses[1] < losses[2]


def fitted(objective: Objective) -> Tensor:
    """Train a half-space on a wide feature that is right in 9 of 10 rows, and a narrow one that always is."""
    y = torch.arange(200) % 2
    sign = (2.0 * y - 1)[:, None]
    wide = torch.where(torch.arange(200) % 10 < 9, 1.0, -1.0)[:, None] * sign
    x = torch.cat([wide, 0.1 * sign], dim=1)
    model, generator = Halfspace(0.0, 0.0), seeded()
    optimizer = torch.optim.SGD(model.parameters(), lr=2.0)
    for _ in range(60):
        optimizer.zero_grad()
        objective(model, x, y, generator).total.backward()
        optimizer.step()
    return model.w.detach()


def test_robust_training_leaves_the_brittle_feature() -> None:
    """A feature that radius 0.3 turns round is worth nothing to either (Zhang et al. 2019, section 2)."""
    natural = fitted(Natural())
    robust = fitted(Adversarial(radius=0.3, norm="linf", steps=3))
    traded = fitted(TRADES(radius=0.3, norm="linf", steps=3, weight=6.0))
    assert float(natural[1] / natural[0]) > 0.3
    assert abs(float(robust[1] / robust[0])) < 0.1
    assert float(traded[1] / traded[0]) < 0.5 * float(natural[1] / natural[0])


def test_trades_without_weight_is_natural() -> None:
    model, (x, y) = network(), batch()
    found = TRADES(radius=0.5, weight=0)(model, x, y, seeded())
    expected = Natural()(model, x, y, seeded()).total
    torch.testing.assert_close(found.total, expected)
    torch.testing.assert_close(
        gradients(model, found.total), gradients(model, Natural()(model, x, y, seeded()).total)
    )
    assert float(found.parts["divergence"].detach()) > 0


def test_trades_is_the_formula_of_the_paper() -> None:
    """CE(f(x)) + β·KL(f(x) ‖ f(x′)), row by row from its definition, with the gradient through both."""
    model, (x, y) = network().double(), batch()
    x = x.double()
    objective = TRADES(radius=0.5, weight=3.0)
    moved = objective.worst_points(model, x, seeded(5))

    def loss(first: Tensor, second: Tensor) -> Tensor:
        rows = []
        for p, q, label in zip(first, second, y, strict=True):
            divergence = sum(p[k] * (p[k].log() - q[k].log()) for k in range(3))
            rows.append(-p[label].log() + 3.0 * divergence)
        return sum(rows, torch.zeros(())) / len(rows)

    p, q = model(x).softmax(1), model(moved).softmax(1)
    found = objective(model, x, y, seeded(5)).total
    torch.testing.assert_close(found, loss(p, q))
    torch.testing.assert_close(gradients(model, found), gradients(model, loss(p, q)))
    backwards = loss(q, p)
    assert float((backwards - found).detach().abs()) > 1e-3


def test_the_second_term_of_trades_sees_no_label() -> None:
    model, (x, y) = network(), batch()
    parts = [TRADES(radius=0.5)(model, x, labels, seeded()).parts for labels in (y, (y + 1) % 3)]
    assert float(parts[0]["divergence"].detach()) == float(parts[1]["divergence"].detach())
    assert float(parts[0]["cross_entropy"].detach()) != float(parts[1]["cross_entropy"].detach())


def test_trades_ends_at_a_worst_point_of_a_half_space() -> None:
    """KL(f(x) ‖ ·) is convex in ⟨w, x′⟩ with its minimum at x: the ends are the two opposite corners."""
    model, (x, _) = Halfspace(*W), batch(64, classes=2)
    corner = 0.4 * model.w.detach().sign()
    shift = TRADES(radius=0.4, norm="linf").worst_points(model, x, seeded()) - x
    side = (shift @ model.w.detach()).sign()[:, None]
    torch.testing.assert_close(shift, side * corner, rtol=0, atol=1e-6)
    assert {-1.0, 1.0} == set(side.flatten().tolist())


def test_the_divergence_has_no_slope_at_the_input() -> None:
    """Why TRADES begins beside x: from x itself rounding alone would choose the direction."""
    model, (x, _) = network().double(), batch()
    x = x.double()
    clean = model(x).detach().log_softmax(1)

    def gain(points: Tensor) -> Tensor:
        log_q = model(points).log_softmax(1)
        return nn.functional.kl_div(log_q, clean, reduction="none", log_target=True).sum(1)

    points = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(gain(points).sum(), points)
    assert float(slope.abs().max()) < 1e-15
    objective = TRADES(radius=0.5)
    moved = objective.worst_points(model, x, seeded())
    assert bool((gain(moved) > 1e-4).all())
    assert bool((gain(x + 1e-3) < 1e-6).all())
