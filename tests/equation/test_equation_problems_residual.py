"""Every problem of the catalogue solves its own equation, and no other one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cases.residuals import derivatives, residual, terms
from heatproof.equation import Diffusion, FullDiffusion, FunctionVelocity, SolvedProblem, ZeroVelocity
from heatproof.equation.problems import find_problem, names

EXACT = 1e-11
"""Shares of the largest term: rounding in float64 stays below, a wrong equation far above `WRONG`."""
WRONG = 5e-3

DRIFTING = [name for name in names() if not isinstance(find_problem(name).problem.velocity, ZeroVelocity)]
DIFFUSING = [name for name in names() if not find_problem(name).problem.diffusion.vanishes]
CHANGING = ["changing_drift", "changing_diffusivity"]
EXPANDING = [name for name in DRIFTING if not find_problem(name).problem.velocity.divergence_free]


def _points(case: SolvedProblem, count: int = 12) -> Tensor:
    return case.points(count, torch.Generator().manual_seed(3))


def _scaled(diffusion: Diffusion, factor: float) -> Diffusion:
    return FullDiffusion(lambda x, t: factor * diffusion.matrix(x, t))


@pytest.mark.parametrize("name", names())
def test_the_solution_solves_the_equation(name: str) -> None:
    case = find_problem(name)
    coefficients = (case.problem.velocity, case.problem.diffusion)
    for share in (0.1, 0.5, 1.0):
        t = torch.tensor(share * case.problem.time, dtype=torch.float64)
        assert residual(case.exact, coefficients, _points(case), t) < EXACT


@pytest.mark.parametrize("name", DRIFTING)
def test_it_does_not_solve_the_equation_with_the_other_sign_of_the_velocity(name: str) -> None:
    case = find_problem(name)
    turned = FunctionVelocity(lambda x, t: -case.problem.velocity(x, t))
    half = torch.tensor(case.problem.time / 2, dtype=torch.float64)
    assert residual(case.exact, (turned, case.problem.diffusion), _points(case), half) > WRONG


@pytest.mark.parametrize("name", DIFFUSING)
@pytest.mark.parametrize("factor", [1.1, 0.5, 2.0])
def test_it_does_not_solve_the_equation_with_another_diffusion(name: str, factor: float) -> None:
    """A factor 2 is what mixing up diffusivity and noise_std² comes to."""
    case = find_problem(name)
    other = _scaled(case.problem.diffusion, factor)
    half = torch.tensor(case.problem.time / 2, dtype=torch.float64)
    assert residual(case.exact, (case.problem.velocity, other), _points(case), half) > WRONG


@pytest.mark.parametrize("name", CHANGING)
def test_it_does_not_solve_the_equation_with_time_reversed(name: str) -> None:
    case = find_problem(name)
    t = torch.tensor(0.8 * case.problem.time, dtype=torch.float64)
    coefficients = (case.problem.velocity, case.problem.diffusion)
    assert residual(case.exact, coefficients, _points(case), t) < EXACT
    assert residual(case.exact, coefficients, _points(case), t, when=case.problem.time - t) > WRONG


@pytest.mark.parametrize("name", EXPANDING)
def test_it_does_not_solve_the_conservative_form(name: str) -> None:
    """u_t = div(vu) + … is another equation where div v ≠ 0: it keeps mass, not constants."""
    case = find_problem(name)
    x, t = _points(case), torch.tensor(case.problem.time / 2, dtype=torch.float64)

    def flow(point: Tensor) -> Tensor:
        return case.problem.velocity(point[None], t)[0]

    divergence = torch.stack([torch.func.jacrev(flow)(point).trace() for point in x])
    u_t, drift, spread = terms(case.exact, (case.problem.velocity, case.problem.diffusion), x, t)
    conservative = u_t - drift - spread - divergence[:, None] * case.exact(x, t)
    assert float(conservative.abs().max()) > WRONG * float(u_t.abs().max())


def test_the_residual_of_a_known_function_by_hand() -> None:
    """u = t·x² has u_t = x², ∇u = 2tx, ∇²u = 2t: the checker itself is checked."""
    x, t = torch.tensor([[2.0]], dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    found = [part.item() for part in derivatives(lambda y, s: s * y**2, x, t)]
    assert found == pytest.approx([4.0, 2.0, 1.0])
