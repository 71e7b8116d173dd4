"""Projected gradient descent against closed forms, and what must not change its result."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from heatproof._types import Classifier
from heatproof.attacks import attack
from heatproof.attacks._result import AttackResult

DUAL = {"l2": 2.0, "linf": 1.0}


def _half_space(dimension: int = 6, seed: int = 0) -> tuple[Classifier, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(dimension, generator=generator)
    x = torch.randn(40, dimension, generator=generator)

    def model(points: Tensor) -> Tensor:
        score = points @ weight + 0.3
        return torch.stack([-score, score], dim=1)

    return model, x, weight


def _network(seed: int = 0, *, double: bool = False) -> tuple[nn.Module, Tensor, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(5, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 4))
        for layer in network:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.6)
        x = torch.randn(60, 5)
    if double:
        network, x = network.double(), x.double()
    y = network(x).detach().argmax(dim=1)
    return network, x, y


def _share(result: AttackResult) -> float:
    return result.robust_accuracy.value


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("loss", ["margin", "cross_entropy"])
def test_a_half_space_breaks_just_outside_the_exact_radius_and_never_inside(norm: str, loss: str) -> None:
    model, x, weight = _half_space()
    y = model(x).argmax(dim=1)
    exact = (x @ weight + 0.3).abs() / torch.linalg.vector_norm(weight, ord=DUAL[norm])
    for row in range(0, 40, 5):
        one = slice(row, row + 1)
        radius = float(exact[row])
        outside = attack(model, x[one], y[one], norm=norm, radius=1.001 * radius, loss=loss)
        inside = attack(model, x[one], y[one], norm=norm, radius=0.999 * radius, loss=loss, restarts=2)
        assert bool(outside.success)
        assert float(outside.distance) == pytest.approx(radius, rel=2e-3)
        assert not bool(inside.success)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_robust_accuracy_of_a_half_space_is_the_exact_one_natural_errors_included(norm: str) -> None:
    model, x, weight = _half_space()
    y = model(x).argmax(dim=1)
    y[:4] = 1 - y[:4]
    exact = (x @ weight + 0.3).abs() / torch.linalg.vector_norm(weight, ord=DUAL[norm])
    for radius in (0.1, 0.3, 1.0):
        assert float((exact - radius).abs().min()) > 1e-5 * radius
        result = attack(model, x, y, norm=norm, radius=radius)
        right = torch.arange(40) >= 4
        assert torch.equal(result.natural_correct, right)
        assert torch.equal(result.success, ~right | (exact < radius))
        assert result.robust_accuracy.successes == int((right & (exact >= radius)).sum())
        assert torch.equal(result.adversarial[:4], x[:4])
        assert float(result.distance[:4].max()) == 0.0


def test_no_point_closer_than_the_exact_distance_of_a_linear_classifier_succeeds() -> None:
    generator = torch.Generator().manual_seed(3)
    weight, x = torch.randn(5, 7, generator=generator), torch.randn(50, 7, generator=generator)
    z = x @ weight.T
    y = z.argmax(dim=1)
    gap = (z.gather(1, y[:, None]) - z) / (weight[y][:, None] - weight[None]).norm(dim=2).clamp(min=1e-9)
    exact = gap.scatter(1, y[:, None], torch.inf).amin(dim=1)
    result = attack(lambda points: points @ weight.T, x, y, radius=0.5, restarts=3)
    assert not bool((result.success & (exact > 0.5)).any())
    found = int((result.success & (exact <= 0.5)).sum())
    assert found >= 0.95 * int((exact <= 0.5).sum()) > 10


def test_success_is_what_the_model_says_at_the_returned_points() -> None:
    network, x, y = _network()
    result = attack(network, x, y, norm="linf", radius=0.3)
    again = network(result.adversarial).argmax(dim=1)
    assert torch.equal(result.label, again)
    assert torch.equal(result.success, again != y)
    assert 0.0 < _share(result) < 1.0


def test_the_candidate_returned_where_nothing_was_found_is_worse_for_the_model_than_the_input() -> None:
    network, x, y = _network()
    result = attack(network, x, y, radius=0.05)
    held = ~result.success

    def lead(points: Tensor) -> Tensor:
        z: Tensor = network(points).detach()
        return z.gather(1, y[:, None])[:, 0] - z.scatter(1, y[:, None], -torch.inf).amax(dim=1)

    assert bool((lead(result.adversarial) < lead(x))[held].all())
    assert int(held.sum()) > 30


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_batch_size_and_order_do_not_matter(norm: str) -> None:
    network, x, y = _network(double=True)
    index = torch.arange(60)

    def run(rows: Tensor, batch_size: int, *, keyed: bool = True) -> AttackResult:
        return attack(
            network,
            x[rows],
            y[rows],
            norm=norm,
            radius=0.25,
            steps=8,
            restarts=3,
            index=index[rows] if keyed else None,
            batch_size=batch_size,
        )

    whole = run(index, 512)
    assert 5 < int(whole.success.sum()) < 55
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    for batch_size in (1, 7):
        part = run(order, batch_size)
        assert torch.equal(part.success, whole.success[order])
        torch.testing.assert_close(part.adversarial, whole.adversarial[order], rtol=1e-6, atol=1e-6)
    hashed, part = run(index, 512, keyed=False), run(order, 7, keyed=False)
    torch.testing.assert_close(part.adversarial, hashed.adversarial[order], rtol=1e-6, atol=1e-6)


def test_the_seed_matters_to_restarts_and_to_nothing_else() -> None:
    network, x, y = _network()

    def points(seed: int, restarts: int) -> Tensor:
        return attack(network, x, y, radius=0.1, steps=2, restarts=restarts, seed=seed).adversarial

    assert torch.equal(points(0, 1), points(1, 1))
    assert torch.equal(points(0, 3), points(0, 3))
    assert not torch.equal(points(0, 3), points(1, 3))


def test_more_restarts_never_lose_an_input() -> None:
    network, x, y = _network()
    found = [attack(network, x, y, radius=0.3, steps=4, restarts=count).success for count in (1, 2, 5)]
    for fewer, more in itertools.pairwise(found):
        assert not bool((fewer & ~more).any())


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_more_steps_do_not_weaken_the_attack(norm: str) -> None:
    network, x, y = _network()
    shares = [_share(attack(network, x, y, norm=norm, radius=0.3, steps=steps)) for steps in (1, 5, 20, 80)]
    for fewer, more in itertools.pairwise(shares):
        assert more <= fewer + 1 / 60
    assert shares[-1] <= shares[0]


def test_the_attack_is_as_strong_as_exhaustive_search_in_two_dimensions() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = nn.Linear(2, 30)
        nn.init.normal_(first.weight, std=2.0)
        network = nn.Sequential(first, nn.Tanh(), nn.Linear(30, 2))
        x = torch.randn(80, 2)
    y = network(x).detach().argmax(dim=1)
    angle = torch.linspace(0, 2 * torch.pi, 721)
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    disc = torch.cat([share * 0.5 * circle for share in torch.linspace(0.05, 1, 20)])
    breakable = (network(x[:, None] + disc).detach().argmax(dim=2) != y[:, None]).any(dim=1)
    result = attack(network, x, y, radius=0.5, restarts=3)
    assert int((breakable & ~result.success).sum()) <= 1
    assert 10 < int(breakable.sum()) < 70


def test_a_better_start_is_used_and_a_start_outside_is_brought_inside() -> None:
    model, x, weight = _half_space()
    y = model(x).argmax(dim=1)
    towards = x - (x @ weight + 0.3).sign()[:, None] * weight * 100
    exact = (x @ weight + 0.3).abs() / weight.norm()
    near = attack(model, x, y, radius=0.5, steps=1)
    led = attack(model, x, y, radius=0.5, steps=1, start=towards)
    assert bool((led.distance <= 0.5).all())
    assert torch.equal(led.success, exact < 0.5)
    assert torch.equal(near.success, exact < 0.5)  # one step of 2.5 radii, projected, is exact as well


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_the_margin_loss_does_not_saturate(scale: float) -> None:
    model, x, weight = _half_space()
    y = model(x).argmax(dim=1)
    exact = (x @ weight + 0.3).abs() / weight.norm()
    result = attack(lambda points: scale * model(points), x, y, radius=0.5)
    assert torch.equal(result.success, exact < 0.5)


def test_a_box_costs_the_l2_attack_little_against_the_exact_optimum() -> None:
    """The nearest point of a plane inside a box has δ = clip(−μw) with one μ, found by bisection."""
    generator = torch.Generator().manual_seed(8)
    weight = torch.randn(12, generator=generator).double()
    x = torch.rand(30, 12, generator=generator).double()
    score = x @ weight - 0.5

    def model(points: Tensor) -> Tensor:
        z = points @ weight - 0.5
        return torch.stack([-z, z], dim=1)

    low, high = torch.zeros(30).double(), torch.full((30,), 1e3).double()
    for _ in range(80):
        middle = (low + high) / 2
        moved = (x - (middle * score.sign())[:, None] * weight).clamp(0, 1)
        crossed = (moved @ weight - 0.5) * score < 0
        low, high = torch.where(crossed, low, middle), torch.where(crossed, middle, high)
    exact = ((x - (high * score.sign())[:, None] * weight).clamp(0, 1) - x).norm(dim=1)
    assert bool((exact > (score.abs() / weight.norm()) * 1.01).any())  # the box matters for some
    y = model(x).argmax(dim=1)
    for row in range(0, 30, 3):
        one, radius = slice(row, row + 1), float(exact[row])
        inside = attack(model, x[one], y[one], radius=0.999 * radius, input_range=(0.0, 1.0))
        beyond = attack(model, x[one], y[one], radius=1.03 * radius, input_range=(0.0, 1.0))
        assert not bool(inside.success)
        assert bool(beyond.success)
