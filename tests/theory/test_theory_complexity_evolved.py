"""Evolved classes: Jensen's bound, the corrected covering bound, the counter-example, the search."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from torch import Tensor

from heatproof.equation import FunctionVelocity, IsotropicDiffusion, LinearVelocity, Problem
from heatproof.errors import DataError, InputError
from heatproof.solvers import FeynmanKac, SecondOrderFeynmanKac
from heatproof.studies.complexity.counter_example import FLOW, PRINTED
from heatproof.studies.complexity.linear_flow import LinearFlow
from heatproof.theory.complexity import (
    ClassConstants,
    covering_bound,
    covering_formula,
    draw_ends,
    evolved_rows,
    expected_reach,
    finite_class_value,
    from_below,
    identity_ends,
    jensen_bound,
    linear_value,
    path_ends,
    searched_value,
)


def _clip(values: Tensor) -> Tensor:
    return values.clamp(-1.0, 1.0)


def _corners(count: int, dimension: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.randint(0, 2, (count, dimension), generator=generator).double() - 1.0


def _clipped_mean(mean: np.ndarray, std: float) -> np.ndarray:
    """Return E clip(m + s·ξ) in closed form."""
    a, b = (-1 - mean) / std, (1 - mean) / std
    density = (np.exp(-(a**2) / 2) - np.exp(-(b**2) / 2)) / math.sqrt(2 * math.pi)
    inside: np.ndarray = mean * (ndtr(b) - ndtr(a)) + std * density - ndtr(a) + ndtr(-b)
    return inside


def test_the_bound_with_the_old_b_x_is_refuted_exactly() -> None:
    """ρ = clip, v = 5x, σ² = 0.05, d = 10, N = 100, b_w = 0.01, b_x = 1, confidence 1 − 10⁻⁶.

    The members are the 20 corners of the ball, in closed form: E clip(w·X_T) with X_T ~ N(e⁵x, s²I). The
    old bound is 0.0092, or 0.01 as the trivial one, or 0.03 where b = 1 and ε may go to 3·b_w·b_x; with
    b = 1 and ε ≤ b_w·b_x the printed formula gives 0.48, is weaker than the trivial bound, and not refuted.
    """
    x, weight, std = _corners(100, 10), 0.01, 0.01 * FLOW.spread
    corners = torch.cat([x.T, -x.T]).numpy()  # (2d, N)
    members = torch.from_numpy(_clipped_mean(weight * FLOW.growth * corners, std))
    found = finite_class_value(members, draws=20_000, confidence=1 - 1e-6)
    constants = ClassConstants(weight, 1.0, 10)
    old = covering_bound(constants, 100)
    assert old.value == pytest.approx(0.00922, abs=1e-5)
    printed = covering_formula(ClassConstants(weight, 1.0, 10, 1.0), 100, 3 * weight)
    assert printed == pytest.approx(PRINTED, abs=1e-6)
    assert found.low > 0.10 > 3 * PRINTED > old.value
    reach = expected_reach(FLOW, x, spread=FLOW.spread, confidence=1 - 1e-6)
    corrected = covering_bound(ClassConstants(weight, reach.low, 10, 1.0), 100)
    assert (found.high or 1.0) <= corrected.value


def test_the_search_refutes_it_too_and_stays_below_the_corrected_bound() -> None:
    x = _corners(100, 10)
    rows = evolved_rows(
        FLOW, x, 0.01, _clip, 1.0, subject=("G", "S"), spread=FLOW.spread, confidence=1 - 1e-6
    )
    covering, jensen, found = rows
    assert found.low > 3 * PRINTED
    assert found.value <= jensen.low <= covering.low
    assert covering.constants["input_bound"] == pytest.approx(FLOW.growth, rel=0.3)


def test_where_the_flow_keeps_the_box_the_old_bound_holds() -> None:
    x, flow = _corners(100, 10), LinearFlow(-2.0, 1e-4)
    found = searched_value(flow, x, _clip, 0.5, 1.0, confidence=1 - 1e-6)
    assert (expected_reach(flow, x).high or 2.0) <= 1.0
    assert found.value <= covering_bound(ClassConstants(0.5, 1.0, 10, 1.0), 100).value


@pytest.mark.parametrize("rate", [-1.0, 0.0, 1.5])
def test_jensen_bounds_the_evolved_linear_class(rate: float) -> None:
    """ρ = id: T_T F is linear in E X_T, its value exact; each side at a level of 10⁻⁶ or so."""
    x, flow = _corners(10, 3), LinearFlow(rate, 0.3)
    exact = linear_value(flow.growth * x, 2.0).value
    jensen = jensen_bound(flow, x, 2.0, draws=4000, confidence=1 - 1e-6)
    assert exact <= (jensen.high or 0.0)
    reach = expected_reach(flow, x, draws=2000, spread=flow.spread, confidence=1 - 1e-6)
    assert exact <= covering_bound(ClassConstants(2.0, reach.low, 3), 10).value


def test_jensen_without_diffusion_is_the_exact_value_at_the_end_points() -> None:
    x = _corners(10, 3)
    exact = linear_value(x, 1.0).value
    found = jensen_bound(identity_ends, x, 1.0, draws=20_000, confidence=1 - 1e-6)
    assert found.low <= exact <= (found.high or 0.0)
    assert not found.low <= 1.1 * exact <= (found.high or math.inf)


def _reaches(norms: Callable[[Tensor], Tensor]) -> float:
    """Return a statistic of ‖X^i‖_∞ of heavy-tailed end points, R·x with R = 16 once in 16 draws."""
    return float(norms(torch.tensor([[16.0] + [0.0] * 15, [0.0] * 15 + [16.0]], dtype=torch.float64)))


def test_the_mean_of_the_largest_is_more_than_the_largest_mean() -> None:
    """Why the weights are covered and not the end points: E max_i ‖X^i‖ = 2, max_i E‖X^i‖ = 1."""
    assert _reaches(lambda norms: norms.mean(dim=1).max()) == 1.0
    assert _reaches(lambda norms: norms.amax(dim=0).mean()) == 2.0


def test_the_corrected_bound_holds_where_end_points_have_heavy_tails() -> None:
    """X^i = R_i·x_i with R_i = K once in K draws: max_i E‖X^i‖_∞ = 1, E max_i is K times a likely event.

    G = {E clip(w·X)} exactly: clip(K·w·x)/K; the complexity by all signs, the supremum over d = 1 by a grid.
    """
    count, heavy, weight = 10, 8.0, 1.0
    x = torch.ones(count, 1, dtype=torch.float64)
    grid = torch.linspace(-weight, weight, 2001, dtype=torch.float64)
    members = _clip(heavy * grid)[:, None] / heavy * x.T
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=count)), dtype=torch.float64)
    exact = float((signs @ members.T / count).amax(dim=1).mean())
    assert exact <= covering_bound(ClassConstants(weight, 1.0, 1, 1.0), count).value


@pytest.mark.parametrize("rate", [-1.0, 0.0, 1.0])
def test_the_reach_is_the_solution_for_the_norm(rate: float) -> None:
    """E‖X_T‖_∞ is T_T applied to ‖·‖_∞: draws against a solver, 5.5 standard errors on either side."""
    x, flow = torch.tensor([[0.3, -0.2], [1.0, 0.5]], dtype=torch.float64), LinearFlow(rate, 0.2)
    problem = Problem(
        lambda y: y.abs().amax(dim=1, keepdim=True),
        LinearVelocity([[rate, 0.0], [0.0, rate]]),
        IsotropicDiffusion(0.2),
    )
    solved = SecondOrderFeynmanKac(paths=20_000, time_step=0.1).solve(problem, x)
    draws = draw_ends(flow, x, 20_000, torch.Generator().manual_seed(1)).abs().amax(dim=2)
    error = (draws.var(dim=1) / 20_000 + solved.standard_error[:, 0] ** 2).sqrt()  # type: ignore[index]
    assert bool(((draws.mean(dim=1) - solved.values[:, 0]).abs() <= 5.5 * error + 2e-3).all())
    reach = expected_reach(flow, x, draws=20_000, spread=flow.spread, confidence=1 - 1e-6)
    assert reach.low <= float(solved.values.max()) + 5.5 * float(error.max()) + 2e-3
    assert float(solved.values.max()) - 5.5 * float(error.max()) - 2e-3 <= (reach.high or 0.0)


@pytest.mark.parametrize("solver", [None, FeynmanKac(time_step=0.02), SecondOrderFeynmanKac(time_step=0.1)])
def test_paths_of_a_problem_end_as_in_closed_form(solver: FeynmanKac | SecondOrderFeynmanKac | None) -> None:
    """Mean and covariance of 20,000 ends, within 5.5 standard errors and the error of the step."""
    flow, x = LinearFlow(0.5, 0.2), torch.tensor([[0.3, -0.2], [1.0, 0.5]], dtype=torch.float64)
    problem = Problem(lambda y: y, LinearVelocity([[0.5, 0.0], [0.0, 0.5]]), IsotropicDiffusion(0.2))
    ends = draw_ends(path_ends(problem, solver), x, 20_000, torch.Generator().manual_seed(0))
    assert ends.shape == (2, 20_000, 2)
    near = 5.5 * flow.spread / math.sqrt(20_000) + 0.02
    assert bool(((ends.mean(dim=1) - flow.growth * x).abs() <= near).all())
    assert ends.std(dim=1) == pytest.approx(torch.full((2, 2), flow.spread), abs=0.03)
    assert abs(float(torch.corrcoef(ends[:, :, 0])[0, 1])) <= 5.5 / math.sqrt(20_000)


def test_paths_begin_at_the_end_of_time() -> None:
    """v = 1 at late times t, v = x at early ones: paths first move by ½, and then grow by e^½."""

    def late_first(x: Tensor, t: float | Tensor) -> Tensor:
        return torch.ones_like(x) if float(torch.as_tensor(t).max()) > 0.5 + 1e-9 else x

    problem = Problem(lambda y: y, FunctionVelocity(late_first), IsotropicDiffusion(0.0))
    x = torch.tensor([[0.3], [1.0]], dtype=torch.float64)
    ends = draw_ends(path_ends(problem, FeynmanKac(time_step=0.001)), x, 2, torch.Generator())
    assert ends[:, 0] == pytest.approx((x + 0.5) * math.exp(0.5), rel=2e-3)


def test_the_reach_without_a_spread_says_that_it_approximates() -> None:
    x, flow = _corners(5, 2), LinearFlow(0.0, 0.1)
    approximate, proved = expected_reach(flow, x), expected_reach(flow, x, spread=flow.spread)
    assert "Student" in approximate.how
    assert "Gaussian concentration" in proved.how
    assert proved.low <= approximate.value <= (proved.high or 0.0)


def test_the_search_finds_the_supremum_of_a_class_that_is_linear_where_it_matters() -> None:
    """b_w·b_x ≤ 1: clip never acts, the supremum is the best corner, and the mean that of `linear_value`."""
    x = _corners(40, 6)
    found = searched_value(identity_ends, x, _clip, 1.0, 1.0, draws=2000, path_draws=1, steps=5)
    exact = linear_value(x, 1.0, draws=20_000, confidence=1 - 1e-6)
    assert found.value == pytest.approx(exact.value, rel=0.02)
    assert found.low <= exact.value
    assert found.high is None


def test_the_search_fits_all_signs_where_weights_can() -> None:
    """N ≤ d and long weights: every row of signs is a value of the class."""
    x = torch.randn(8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = searched_value(identity_ends, x, _clip, 1e4, 1.0, path_draws=1)
    assert found.value == pytest.approx(1.0, abs=1e-6)


def test_judging_on_the_paths_of_the_search_would_be_biased() -> None:
    """The negative control: end points are noise, so R = 0; a maximum over the same noise says otherwise."""
    x, flow = torch.full((20, 30), 1e-9, dtype=torch.float64), LinearFlow(0.0, 0.5)
    fair = searched_value(flow, x, _clip, 1.0, 1.0, draws=400, path_draws=8, steps=3)
    assert abs(fair.value) <= 5.5 * math.sqrt((1 / 400 + 1 / 32) / 20)
    jensen = jensen_bound(flow, x, 1.0)
    assert jensen.low > 10 * abs(fair.value)


def test_paths_that_all_signs_share_do_not_average_out() -> None:
    """One input that is all noise, R = 0: every row of signs is judged by the same four paths.

    The mean over 500 rows is then off by half in about a third of the seeds; the limit allows for it.
    """
    x, flow = torch.full((1, 2), 1e-9, dtype=torch.float64), LinearFlow(0.0, 0.5)
    found = [
        searched_value(flow, x, _clip, 1e3, 1.0, draws=500, path_draws=1, steps=0, seed=seed)
        for seed in range(30)
    ]
    assert max(one.value for one in found) > 0.45
    assert all(one.low <= 0 for one in found)


def test_from_below_keeps_its_level() -> None:
    """A class of one member and its negative, N = 1: R = 1·b. The limit never exceeds it."""
    assert from_below(torch.ones(1, dtype=torch.float64), 1, 1.0).low < 1.0
    drawn = from_below(torch.full((50,), 0.5, dtype=torch.float64), 100, 1.0, confidence=0.99)
    assert drawn.low == pytest.approx(0.5 - math.sqrt(2 * math.log(100) / 5000))
    noisy = from_below(torch.full((50,), 0.5, dtype=torch.float64), 100, 1.0, noise_draws=1)
    assert noisy.low == pytest.approx(0.5 - math.sqrt(2 * math.log(20) * (1 / 50 + 1) / 100))


def test_a_finite_class_is_its_enumeration() -> None:
    generator = torch.Generator().manual_seed(5)
    members = torch.rand((7, 8), generator=generator, dtype=torch.float64)
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=8)), dtype=torch.float64)
    exact = float((signs @ members.T / 8).amax(dim=1).mean())
    found = finite_class_value(members, draws=50_000, confidence=1 - 1e-6)
    assert found.low <= exact <= (found.high or 0.0)
    assert not found.low <= exact + 0.03 <= (found.high or 1.0)


@pytest.mark.parametrize(
    ("ends", "kind", "said"),
    [
        (lambda x, _, __: x, InputError, "ends"),
        (lambda x, draws, _: x[:, None].expand(-1, draws + 1, -1), InputError, "ends"),
        (lambda x, draws, _: x[:, None].expand(-1, draws, -1).long(), InputError, "ends"),
        (lambda x, draws, _: x[:, None].expand(-1, draws, -1) / 0.0, DataError, "ends"),
    ],
)
def test_end_points_of_another_shape_are_refused(ends: Callable[..., Tensor], kind: type, said: str) -> None:
    with pytest.raises(kind, match=said):
        draw_ends(ends, torch.ones(3, 2), 4, torch.Generator())


def test_a_rho_that_exceeds_its_bound_is_refused() -> None:
    with pytest.raises(InputError, match="value_bound"):
        searched_value(identity_ends, 5 * _corners(10, 2), lambda z: z, 1.0, 1.0)
    with pytest.raises(InputError, match="correlations"):
        from_below(torch.tensor([1.5], dtype=torch.float64), 10, 1.0)
    with pytest.raises(InputError, match="correlations"):
        from_below(torch.zeros(0, dtype=torch.float64), 10, 1.0)
    with pytest.raises(InputError, match="draws"):
        jensen_bound(identity_ends, _corners(3, 2), 1.0, draws=1)
    with pytest.raises(InputError, match="values"):
        finite_class_value(torch.zeros(0, 4))
