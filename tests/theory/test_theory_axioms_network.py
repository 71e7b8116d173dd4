"""The evolution of a network: which axioms it has, with and without noise, and what couples its rows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from cases.evolutions import arena, blocks
from heatproof.equation import NetworkVelocity, Problem
from heatproof.errors import InputError
from heatproof.networks import GaussianInjection, Residual, StochasticDepth
from heatproof.solvers import EulerCharacteristics, Evolution
from heatproof.theory.axioms import Effort, NetworkEvolution, constants, measure_axioms, rows


def _waves(x: Tensor) -> Tensor:
    return torch.stack([x.sum(dim=1).sin(), x[:, 0].tanh()], dim=1)


def _plain(size: int = 2) -> list[nn.Module]:
    return [Residual(branch.double(), 0.25) for branch in blocks(size)]


def _noisy(size: int = 2, noise_std: float = 0.05) -> list[nn.Module]:
    return [GaussianInjection(one.double(), noise_std, step=0.25, always=True) for one in blocks(size)]


def _dropped(size: int = 2) -> list[nn.Module]:
    return [StochasticDepth(one.double(), 0.7, step=0.25, always=True) for one in blocks(size)]


X = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def test_it_is_the_network_in_front_of_f() -> None:
    layers = _plain()
    state = X
    for layer in layers:
        state = layer(state)
    assert torch.equal(NetworkEvolution(layers)(_waves, X, 1.0), _waves(state))


def test_depth_runs_against_time() -> None:
    layers, operator = _plain(), NetworkEvolution(_plain())
    assert torch.equal(operator(_waves, X, 0.25), _waves(layers[3](X)))
    assert torch.equal(operator(_waves, X, 1.0, 0.75), _waves(layers[0](X)))
    assert torch.equal(operator(_waves, X, 0.5, 0.5), _waves(X))


@pytest.mark.parametrize("t", [1.0, 0.75, 0.6, 0.3, 0.1])
def test_inside_blocks_it_is_eulers_method(t: float) -> None:
    """Against the solver on the network's velocity, block by block; the whole of each block below t."""
    layers = _plain()
    problem = Problem(_waves, NetworkVelocity(layers))
    boundary = 0.25 * math.ceil(t / 0.25 - 1)
    operator = NetworkEvolution(layers)
    solver = Evolution(EulerCharacteristics(time_step=0.25), problem)
    assert torch.allclose(operator(_waves, X, t, boundary), solver(_waves, X, t, boundary), atol=1e-13)


@pytest.mark.parametrize("make", [_plain, _noisy, _dropped])
def test_the_network_satisfies_the_axioms(make: object) -> None:
    layers = make()  # type: ignore[operator]
    operator = NetworkEvolution(layers, draws=None if make is _plain else 24)
    found = {
        one.axiom: one for one in measure_axioms(operator, arena(count=3, step=0.2, effort=Effort(2, 6)))
    }
    assert all(one.holds for one in found.values()), found
    by_construction = {axiom for axiom, one in found.items() if one.verdict == "holds by construction"}
    expected = {"comparison", "linearity", "constants"} | ({"markov"} if make is _plain else set())
    assert by_construction == expected


def test_batch_statistics_are_found_out() -> None:
    class Normed(nn.Module):
        def __init__(self, branch: nn.Module) -> None:
            super().__init__()
            self.branch, self.norm = branch, nn.BatchNorm1d(2)

        def forward(self, x: Tensor) -> Tensor:
            moved: Tensor = x + 0.25 * self.branch(self.norm(x))
            return moved

    layers = [Normed(branch).double() for branch in blocks(2)]
    before = layers[0].norm.running_mean.clone()  # type: ignore[union-attr]
    training = rows(NetworkEvolution([layer.train() for layer in layers]), arena())
    assert training.verdict == "violated"
    assert training.size > 0.05
    assert rows(NetworkEvolution([layer.eval() for layer in layers]), arena()).holds
    assert torch.equal(layers[0].norm.running_mean, before)  # type: ignore[arg-type]


def test_draws_are_the_same_for_all_points_functions_and_calls() -> None:
    operator = NetworkEvolution(_noisy(), draws=16, seed=4)
    state = torch.random.get_rng_state()
    together = operator(_waves, X, 1.0)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(9)
    alone = torch.cat([operator(_waves, X[i : i + 1], 1.0) for i in (4, 3, 2, 1, 0)]).flip(0)
    assert torch.allclose(together, alone, atol=1e-14)
    assert torch.allclose(operator(lambda x: _waves(x)[:, :1], X, 1.0), together[:, :1], atol=1e-14)
    assert not torch.allclose(operator.reseeded(5)(_waves, X, 1.0), together)
    assert torch.equal(operator.reseeded(4)(_waves, X, 1.0), together)


def test_blocks_that_cannot_be_vectorised_have_the_same_draws() -> None:
    class Looks(nn.Module):
        """A block that asks for the value of a number, which `torch.func.vmap` cannot give."""

        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            moved: Tensor = self.inner(x)
            return moved if float(moved.sum()) < 1e9 else x

    plain, looking = _noisy(), [Looks(layer) for layer in _noisy()]
    values = [NetworkEvolution(layers, draws=8)(_waves, X, 0.9) for layers in (plain, looking)]
    assert torch.allclose(values[0], values[1], atol=1e-14)


def test_the_mean_is_that_of_the_network_under_noise() -> None:
    """200,000 passes against 40 seeds of 500 draws: within 5 standard errors (level 10⁻⁶ a number)."""
    layers = _noisy(noise_std=0.4)
    operator = NetworkEvolution(layers, draws=500)
    means = torch.stack([operator.reseeded(seed)(_waves, X[:1], 1.0)[0] for seed in range(40)])
    torch.manual_seed(0)
    state = X[:1].expand(200_000, 2)
    for layer in layers:
        state = layer(state)
    values = _waves(state)
    error = (means.var(dim=0) / 40 + values.var(dim=0) / 200_000).sqrt()
    assert bool(((means.mean(dim=0) - values.mean(dim=0)).abs() <= 5 * error).all())
    without = NetworkEvolution(_plain())(_waves, X[:1], 1.0)[0]
    assert bool(((without - values.mean(dim=0)).abs() > 5 * error).any())


def test_part_of_a_noisy_block_has_that_part_of_mean_and_variance() -> None:
    operator = NetworkEvolution([_noisy(noise_std=0.4)[0]], time=0.25, draws=4000)
    x = X[:1]

    def moments(y: Tensor) -> Tensor:
        return torch.cat([y - x, (y - x).square()], dim=1)

    whole, part = operator(moments, x, 0.25)[0], operator(moments, x, 0.05)[0]
    assert torch.allclose(part[:2], whole[:2] / 5, atol=1e-12)
    variances = [one[2:] - one[:2].square() for one in (whole, part)]
    assert torch.allclose(variances[1], variances[0] / 5, atol=1e-12)


def test_gradients_are_those_of_the_paths() -> None:
    operator = NetworkEvolution(_noisy(), draws=8)
    x = X[:2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda y: operator(_waves, y, 0.7), (x,), eps=1e-6, atol=1e-7)
    assert constants(operator, arena()).size < 1e-12


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"t": 0.5, "r": 0.3}, "a boundary of blocks"),
        ({"t": 0.25, "r": 0.5}, "0 ≤ r ≤ t"),
        ({"t": 1.5}, "0 ≤ r ≤ t"),
        ({"t": math.nan}, "finite"),
    ],
)
def test_bad_times_are_refused(given: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        NetworkEvolution(_plain())(_waves, X, **given)


def test_bad_blocks_are_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        NetworkEvolution([])
    with pytest.raises(InputError, match="keeps the shape"):
        NetworkEvolution([nn.Linear(2, 3)])(_waves, X.float(), 1.0)
    with pytest.raises(InputError, match="draws"):
        NetworkEvolution(_plain(), draws=1)
