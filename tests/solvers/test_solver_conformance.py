"""Every solver on every problem that it takes: it does what it states, and liars are found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal, Self, final

import pytest
import torch
from torch import Tensor

from cases import solver_checks as checks
from cases.solvers import ENTRIES, pairs, points, problem
from heatproof.equation import FunctionVelocity, Problem
from heatproof.solvers import GridSolver, Properties, Solution, Solver

ROUNDING = 1e-9
"""In float64: values are of order one, sums have at most 10⁵ terms."""


@pytest.mark.parametrize(("solver", "case"), list(pairs()))
def test_it_keeps_its_promises(solver: str, case: str) -> None:
    method, known = ENTRIES[solver].coarse, problem(case)
    task, x = known.problem, points(known)
    promised = method.properties
    kept = {
        "monotone": promised.monotone,
        "keeps_range": promised.keeps_range,
        "linear": promised.linear,
        "keeps_constants": promised.keeps_constants,
    }
    for name in (name for name, promise in kept.items() if promise):
        assert _CHECKS[name](method, task, x, task.time) <= ROUNDING, name


@pytest.mark.parametrize(("solver", "case"), [pair for pair in pairs() if ENTRIES[pair[0]].fine])
def test_it_is_near_the_truth(solver: str, case: str) -> None:
    fine, known = _fine(solver), problem(case)
    x = points(known)
    found = fine.solve(known.problem, x)
    assert found.success, found.sentence
    error = (found.values - known.exact(x, known.problem.time)).abs()
    allowed = torch.full_like(error, _bias(solver))
    if fine.properties.random:
        assert found.standard_error is not None
        allowed += 6 * found.standard_error  # normal tails of 2e-9, for some thousand numbers
    assert bool((error <= allowed).all()), float((error - allowed).max())


@pytest.mark.parametrize("solver", [name for name, entry in ENTRIES.items() if entry.fine])
def test_a_wrong_sign_of_the_velocity_would_be_noticed(solver: str) -> None:
    """The tolerance of the test above is small beside the effect of a common mistake."""
    known = problem("rotation_transport")
    velocity = known.problem.velocity
    turned = replace(known.problem, velocity=FunctionVelocity(lambda x, t: -velocity(x, t)))
    x = points(known)
    found = _fine(solver).solve(turned, x)
    error = (found.values - known.exact(x, known.problem.time)).abs().max()
    allowed = _bias(solver) + 6 * float(0 if found.standard_error is None else found.standard_error.max())
    assert float(error) > 2 * allowed


@pytest.mark.parametrize(("solver", "case"), list(pairs()))
def test_a_batch_is_its_rows(solver: str, case: str) -> None:
    known = problem(case)
    excess = checks.batch_excess(ENTRIES[solver].coarse, known.problem, points(known), known.problem.time)
    assert excess <= (1e-4 if solver == "adaptive" else ROUNDING)  # its steps are chosen for the batch


@pytest.mark.parametrize(("solver", "case"), [pair for pair in pairs() if ENTRIES[pair[0]].whole])
def test_two_halves_are_the_whole(solver: str, case: str) -> None:
    whole, known = ENTRIES[solver].whole, problem(case)
    assert whole is not None
    assert whole.properties.markov
    x = whole.nodes(known.problem)[::7] if isinstance(whole, GridSolver) else points(known)
    assert checks.markov_excess(whole, known.problem, x) <= ROUNDING


def test_only_solvers_that_promise_it_have_two_halves() -> None:
    for entry in ENTRIES.values():
        assert (entry.whole is not None) == entry.coarse.properties.markov


@pytest.mark.parametrize(
    ("solver", "case"),
    [pair for pair in pairs(smooth=True) if ENTRIES[pair[0]].coarse.properties.differentiable],
)
def test_autograd_gives_its_slope(solver: str, case: str) -> None:
    method, known = ENTRIES[solver].coarse, problem(case)
    excess = checks.gradient_excess(method, known.problem, points(known), known.problem.time)
    assert excess <= (1e-3 if solver == "adaptive" else 1e-6)


@pytest.mark.parametrize(
    ("solver", "case"),
    [
        pair
        for pair in pairs(smooth=True)
        if ENTRIES[pair[0]].coarse.properties.order
        and not ENTRIES[pair[0]].coarse.properties.random
        and not isinstance(ENTRIES[pair[0]].coarse, GridSolver)
    ],
)
def test_errors_fall_at_the_stated_order(solver: str, case: str) -> None:
    """Within 0.2 of what is stated, from the second refinement to the third.

    Weak orders are read without sampling in test_solver_feynman_kac_order, those in h over whole grids in
    test_solver_grid_order.
    """
    method, known = ENTRIES[solver].whole or ENTRIES[solver].coarse, problem(case)
    order = method.properties.order
    assert order is not None
    observed = checks.observed_orders(method, known, points(known, 40), 4)[-1]
    assert abs(observed - order) <= 0.2, observed


@pytest.mark.parametrize(
    ("solver", "case"),
    [
        pair
        for pair in pairs()
        if ENTRIES[pair[0]].coarse.properties.keeps_mass and checks.has_mass(problem(pair[1]).problem)
    ],
)
def test_mass_stays_where_the_velocity_has_no_divergence(solver: str, case: str) -> None:
    method, known = ENTRIES[solver].coarse, problem(case)
    assert isinstance(method, GridSolver)
    assert checks.mass_excess(method, known.problem, method.nodes(known.problem)) <= ROUNDING


@pytest.mark.parametrize("solver", ENTRIES)
def test_nothing_has_happened_at_the_start(solver: str) -> None:
    known = next(problem(case) for name, case in pairs() if name == solver)
    x = points(known)
    found = ENTRIES[solver].coarse.solve(known.problem, x, known.problem.start)
    assert torch.equal(found.values, known.problem.initial(x))


_CHECKS: dict[str, Callable[[Solver, Problem, Tensor, float], float]] = {
    "monotone": checks.comparison_excess,
    "keeps_range": checks.range_excess,
    "linear": checks.linearity_excess,
    "keeps_constants": checks.constants_excess,
}


@final
class _Liar(Solver):
    """Promises everything, and adds one fault to the initial values."""

    name: Literal["liar"] = "liar"
    fault: Literal["overshoot", "square", "drain", "neighbours", "rows"]
    properties: ClassVar[Properties] = Properties(
        order=1,
        random=False,
        monotone=True,
        keeps_range=True,
        linear=True,
        keeps_constants=True,
        keeps_mass=True,
        markov=True,
        differentiable=True,
    )

    def refined(self, factor: int) -> Self:
        del factor
        return self

    def _solve(self, problem: Problem, x: Tensor, t: float) -> Solution:
        values = problem.initial_values(x)
        lag = 0.3 * (t - problem.start)
        faults: dict[str, Callable[[], Tensor]] = {
            "overshoot": lambda: 1.5 * values - 0.5 * problem.initial_values(x + 0.2),  # anti-diffusion
            "square": lambda: values * values.abs(),
            "drain": lambda: 0.9 * values,
            "neighbours": lambda: values + lag**2 * problem.initial_values(x + 1).detach(),
            "rows": lambda: values + 0.01 * values.mean(),
        }
        return Solution(faults[self.fault]())


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("overshoot", "monotone"),
        ("overshoot", "keeps_range"),
        ("square", "linear"),
        ("drain", "keeps_constants"),
    ],
)
def test_a_liar_is_found_out(fault: Literal["overshoot", "square", "drain"], name: str) -> None:
    known = problem("rotation_transport")
    assert _CHECKS[name](_Liar(fault=fault), known.problem, points(known), 1.0) > 1e-3


def test_liars_about_rows_halves_slopes_and_orders_are_found_out() -> None:
    known = problem("rotation_transport")
    x = points(known)
    assert checks.batch_excess(_Liar(fault="rows"), known.problem, x, 1.0) > 1e-3
    assert checks.mass_excess(_Liar(fault="drain"), known.problem, x) > 1e-3
    assert checks.markov_excess(_Liar(fault="neighbours"), known.problem, x) > 1e-3
    assert checks.gradient_excess(_Liar(fault="neighbours"), known.problem, x, 1.0) > 1e-3
    assert abs(checks.observed_orders(_Liar(fault="drain"), known, x, 2)[-1] - 1) > 0.2


def _bias(solver: str) -> float:
    """Return what the step may cost: C·step^order, or 1e-4 where steps are chosen."""
    entry, order = ENTRIES[solver], _fine(solver).properties.order
    return entry.bias * entry.step**order if order else 1e-4


def _fine(solver: str) -> Solver:
    fine = ENTRIES[solver].fine
    assert fine is not None
    return fine
