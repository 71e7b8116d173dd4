"""The learned solver's parts: Taylor mode, which initial values it takes, gradients, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from heatproof.equation import (
    Domain,
    FunctionVelocity,
    IsotropicDiffusion,
    LinearVelocity,
    LowRankDiffusion,
    Problem,
)
from heatproof.equation.problem import InitialValue
from heatproof.errors import InputError
from heatproof.networks import MLP
from heatproof.networks.mlp import MLPBackbone
from heatproof.solvers import LearnedSolver
from heatproof.solvers.learned._initial import smoothness_defect
from heatproof.solvers.learned._paths import leaving
from heatproof.solvers.learned._pool import trained_box
from heatproof.solvers.learned._taylor import Jet, propagate
from heatproof.solvers.learned.solver import _trouble

BOX = Domain((-1.0, -1.0), (1.0, 1.0))
SHORT = LearnedSolver(widths=(16,), points=64, batch=64, steps=20, polish=5)
HEAT = IsotropicDiffusion(0.1)


def _wave(x: Tensor) -> Tensor:
    return torch.cos(x.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("activation", ["tanh", "silu"])
def test_taylor_mode_is_the_hessian(activation: str) -> None:
    torch.manual_seed(0)
    network = MLPBackbone(3, (7, 6), 2, activation).double()  # type: ignore[arg-type]
    z, drift = torch.randn(2, 5, 3, dtype=torch.float64)
    roots = torch.randn(4, 5, 3, dtype=torch.float64)
    jet = propagate(network, Jet(z, roots, drift))
    for row in range(5):
        for k in range(2):
            slope = torch.autograd.functional.jacobian(lambda y, k=k: network(y[None])[0, k], z[row])
            bend = torch.autograd.functional.hessian(lambda y, k=k: network(y[None])[0, k], z[row])
            expected = slope @ drift[row] + 0.5 * sum(root[row] @ bend @ root[row] for root in roots)
            assert float(jet.operated[row, k].detach()) == pytest.approx(float(expected), abs=1e-12)
    assert torch.equal(jet.value, network(z))


def test_taylor_mode_refuses_what_it_does_not_know() -> None:
    network = MLPBackbone(2, (3,), 2, "relu")
    with pytest.raises(InputError, match="got ReLU; allowed: SiLU, Tanh"):
        propagate(network, Jet(torch.zeros(1, 2), torch.zeros(1, 1, 2), torch.zeros(1, 2)))


class _Network(nn.Module):
    """Class probabilities of a small random network."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Linear(2, 16), activation, nn.Linear(16, 3), nn.Softmax(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        probabilities: Tensor = self.layers(3 * x)
        return probabilities


SMOOTH: dict[str, InitialValue] = {
    "wave": _wave,
    "tanh network": _Network(nn.Tanh()),
    "affine": lambda x: torch.stack([x[:, 0], 1 - x[:, 0]], dim=1),
    "constant": lambda x: torch.full((len(x), 2), 0.5, dtype=x.dtype),
    "softmax of a linear map": lambda x: torch.softmax(6 * torch.stack([x[:, 0], x[:, 1]], dim=1), dim=1),
}
ROUGH: dict[str, InitialValue] = {
    "step": lambda x: (x[:, :1] > 0).to(x),
    "step beside a wave": lambda x: torch.cat([_wave(x), (x[:, :1] > 0).to(x)], dim=1),
    "absolute value": lambda x: x[:, :1].abs(),
    "probabilities of a ReLU network": _Network(nn.ReLU()),
    "logits of a ReLU network": _Network(nn.ReLU()).layers[:3],
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_initial_values_are_taken(name: str) -> None:
    problem = Problem(SMOOTH[name], diffusion=HEAT, domain=BOX)
    assert SHORT.refusal(problem) == ""


@pytest.mark.parametrize("name", ROUGH)
def test_steps_and_kinks_are_refused(name: str) -> None:
    problem = Problem(ROUGH[name], diffusion=HEAT, domain=BOX)
    with pytest.raises(InputError, match="not the integral of its first two derivatives"):
        SHORT.solve(problem, torch.zeros(1, 2))
    with pytest.raises(InputError, match="not the integral"):
        SHORT.fit(problem)


def test_the_defect_is_far_from_its_threshold_on_both_sides() -> None:
    for f in SMOOTH.values():
        like = torch.zeros((), dtype=torch.float32)
        assert smoothness_defect(f, BOX, like) < 0.02
    for f in (ROUGH["step"], ROUGH["absolute value"]):
        assert smoothness_defect(f, BOX, torch.zeros(())) > 0.5


def test_a_constant_stays_as_promised() -> None:
    problem = Problem(
        lambda x: torch.full((len(x), 2), 0.3, dtype=x.dtype),
        FunctionVelocity(lambda x, t: torch.sin(x) + t),
        HEAT,
        domain=BOX,
    )
    solution = SHORT.solve(problem, torch.zeros(3, 2, dtype=torch.float64))
    assert torch.equal(solution.values, torch.full((3, 2), 0.3, dtype=torch.float64))
    assert solution.numbers["residual"] == 0.0
    assert LearnedSolver.properties.keeps_constants


def test_gradients_in_x() -> None:
    fitted = SHORT.fit(Problem(_wave, diffusion=HEAT, domain=BOX))
    x = torch.tensor([[0.2, -0.4], [0.9, 0.1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: fitted(y, 0.5), (x,))


def test_float32_classifiers_and_inputs() -> None:
    problem = Problem(_Network(nn.Tanh()), diffusion=HEAT, domain=BOX)
    values = SHORT.solve(problem, torch.zeros(2, 2)).values
    assert values.dtype == torch.float32
    assert values.shape == (2, 3)


def test_degenerate_and_absent_diffusion() -> None:
    flat = LowRankDiffusion(lambda x, _: torch.tensor([[1.0, 0.0]]).to(x).expand(len(x), 1, 2))
    for diffusion in (flat, IsotropicDiffusion(0.0)):
        problem = Problem(_wave, FunctionVelocity(lambda x, _: 0.1 * x), diffusion, domain=BOX)
        assert math.isfinite(SHORT.fit(problem).numbers["residual"])


def test_a_loss_that_is_not_finite_is_told() -> None:
    wild = SHORT.model_copy(update={"learning_rate": 1e200})
    solution = wild.solve(Problem(_wave, diffusion=HEAT, domain=BOX), torch.zeros(1, 2))
    assert not solution.success
    assert "smaller learning_rate" in solution.sentence


def test_refused_problems_and_points() -> None:
    nowhere = Problem(_wave, diffusion=HEAT)
    for call in (lambda: SHORT.solve(nowhere, torch.zeros(1, 2)), lambda: SHORT.fit(nowhere)):
        with pytest.raises(InputError, match="without a domain"):
            call()
    problem = Problem(_wave, diffusion=HEAT, domain=BOX)
    fitted = SHORT.fit(problem)
    with pytest.raises(InputError, match="1 points outside, the first in row 1"):
        fitted(torch.tensor([[0.0, 0.0], [0.0, 1.6]]), 0.5)
    with pytest.raises(InputError, match="shape"):
        fitted(torch.zeros(1, 3), 0.5)
    for t in (-0.1, 1.1, math.nan):
        with pytest.raises(InputError, match="t: got"):
            fitted(torch.zeros(1, 2), t)


@pytest.mark.parametrize(
    "settings", [{"widths": ()}, {"widths": (0,)}, {"activation": "relu"}, {"points": 1}, {"margin": -1.0}]
)
def test_bad_settings(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        LearnedSolver(**settings)


def test_the_paths_that_leave_run_down_from_the_end() -> None:
    """Out and back in leaves the box; in and out again, the same velocities in the other order, does not."""

    def breath(sign: float) -> FunctionVelocity:
        return FunctionVelocity(lambda x, t: sign * 4 * x if t > 0.5 else -sign * 4 * x)

    like = torch.zeros((), dtype=torch.float64)
    out, inside = (Problem(_wave, breath(sign), domain=BOX) for sign in (1.0, -1.0))
    assert leaving(out, trained_box(BOX, 0.25), 0, like) > 0.5
    assert leaving(inside, trained_box(BOX, 0.25), 0, like) == 0.0


def test_the_residual_is_that_of_the_solution_whatever_the_length_of_time() -> None:
    """u_t by a central difference over the solution; the network sees time scaled to [0, 1]."""
    solution = SHORT.fit(Problem(_wave, diffusion=HEAT, domain=BOX, time=2.5, start=0.5))
    x, t, step = torch.rand(6, 2, generator=torch.Generator().manual_seed(0)).double(), 1.7, 1e-4
    u_t = (solution(x, t + step) - solution(x, t - step)) / (2 * step)
    bends = [
        torch.autograd.functional.hessian(lambda y: solution(y[None], t)[0, 0], row).trace() for row in x
    ]
    assert torch.allclose(solution.residual(x, t), u_t - 0.1 * torch.stack(bends)[:, None], atol=1e-6)
    assert float(u_t.abs().max()) > 1e-2


@pytest.mark.parametrize(("share", "words"), [(0.09, ""), (0.11, "11% of the paths leave the box")])
def test_more_than_a_tenth_of_the_paths_may_not_leave(share: float, words: str) -> None:
    told = _trouble({"steps": 1.0, "residual": 0.01, "start_residual": 1.0, "leaving": share})
    assert told.startswith(words)
    assert bool(told) == bool(words)


def test_the_estimate_of_the_error_is_the_largest_residual_over_all_the_time() -> None:
    problem = Problem(_wave, diffusion=HEAT, domain=BOX, time=2.5, start=0.5)
    numbers = SHORT.fit(problem).numbers
    assert numbers["largest_residual"] > 1.2 * numbers["residual"] > 0
    assert numbers["error_estimate"] == 2 * numbers["largest_residual"]


@pytest.mark.parametrize("wind", [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_the_share_of_paths_that_leave_is_what_the_wind_says(wind: tuple[float, float]) -> None:
    """From [−1, 1]² into [−1.5, 1.5]²: x + 1 > 1.5 for a quarter; six deviations of 1,024 paths."""
    problem = Problem(_wave, LinearVelocity(torch.zeros(2, 2), wind), domain=BOX)
    share = leaving(problem, trained_box(BOX, 0.25), 0, torch.zeros((), dtype=torch.float64))
    assert abs(share - 0.25) < 6 * math.sqrt(0.25 * 0.75 / 1024)


def test_it_trains_where_gradients_are_off() -> None:
    problem, x = Problem(_wave, diffusion=HEAT, domain=BOX), torch.zeros(3, 2, dtype=torch.float64)
    usual = SHORT.solve(problem, x).values.detach()
    with torch.no_grad():
        assert torch.equal(SHORT.solve(problem, x).values, usual)
    with torch.inference_mode():
        assert torch.equal(SHORT.solve(problem, x.clone()).values, usual)


def test_refining_means_more_points_and_steps() -> None:
    finer = SHORT.refined(3)
    assert (finer.points, finer.steps) == (192, 60)
    assert MLP(widths=(4,), activation="tanh", time_conditioned=True).build((2,), 2) is not None
