"""Recovery of v and A where they are known: from exact evolutions and solvers, and from jumps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from heatproof._types import Progress
from heatproof.equation import FullDiffusion, LinearVelocity, Problem
from heatproof.equation.problems import find_problem
from heatproof.solvers import Evolution, RungeKuttaCharacteristics
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import from_deviations, from_ratios
from heatproof.theory.axioms import EvolutionOperator, Family, JumpOperator, LinearEvolution
from heatproof.theory.recovery import Recovered, equation_residual, recover

if TYPE_CHECKING:
    from heatproof.studies.axioms.study import Axioms

__all__ = ["cells", "summarise"]

_LINEAR = (
    "heat_gaussian_2d",
    "ornstein_uhlenbeck_gaussian",
    "expanding_gaussian",
    "diagonal_gaussian",
    "correlated_gaussian",
)
_FLOWS = ("sine_transport", "rotation_transport")
_STEP, _LEVELS = 0.02, 3
_TOLERANCE = 1e-4
"""Relative error of v and A: three levels of extrapolation from η = 0.02 leave O(η³)."""
_RESIDUAL = 1e-3
"""A residual of at most this share of ∂_t T f counts as none."""


def cells(study: Axioms) -> Iterator[Cell]:
    """Yield one cell: the catalogue is quick."""
    yield Cell("recovery.catalogue", partial(_measured, study))


def summarise(study: Axioms, results: Results) -> Summary:
    """Return the verdicts on coefficients, on the residual, and on jumps, the control."""
    del study
    found = results["recovery.catalogue"]
    rows, jumps = found["problems"], found["jumps"]
    names = ", ".join(row["name"] for row in rows)
    share = [row["residual"] / row["slope"] for row in rows]
    jump_share = jumps["residual"] / jumps["slope"]
    verdicts = (
        from_deviations(
            "v and A are recovered from the evolution alone, on the catalogue",
            [row[kind] for row in rows for kind in ("velocity_error", "matrix_error")],
            tolerance=_TOLERANCE,
            evidence=names,
        ),
        from_ratios(
            "The recovered equation is that of the evolution: no residual on other functions",
            [(one / _RESIDUAL,) * 2 for one in share],
            quantity=f"residual over {_RESIDUAL:g} of ∂_t T f",
            evidence=names,
        ),
        from_ratios(
            "Jumps obey the second-order equation of their own v and A",
            [(jump_share / _RESIDUAL,) * 2],
            quantity=f"residual over {_RESIDUAL:g} of ∂_t T f",
            evidence="a control: jumps have a mean and a covariance, and no equation of second order",
            expected="refuted",
        ),
    )
    text = (
        "v is the limit of T(y − x)/η, A half that of the covariance over η, extrapolated from η = 0.02, "
        "0.01, 0.005. The covariance is taken around the mean: the form printed with products of coordinates "
        "has the same limit and an error ½ηvvᵀ more."
    )
    tables = (_errors_table(rows, share, jump_share), _rates(found["rates"]))
    return Summary(verdicts, (Section("Recovery of the equation", text, tables),))


def _errors_table(rows: Sequence[Mapping[str, Any]], share: Sequence[float], jump_share: float) -> StudyTable:
    columns = ("problem", "error of v", "error of A", "residual / ∂_t T f")
    return StudyTable(
        "Recovery on the catalogue",
        columns,
        (
            *(
                (row["name"], *(f"{row[k]:.1e}" for k in ("velocity_error", "matrix_error")), f"{one:.1e}")
                for row, one in zip(rows, share, strict=True)
            ),
            ("jumps (control)", "–", "–", f"{jump_share:.2g}"),
        ),
        "Errors relative to the largest coefficient.",
    )


def _rates(rates: list[dict[str, float]]) -> StudyTable:
    rows = []
    for number, row in enumerate(rates):
        cells = [f"{row['eta']:g}"]
        for name in ("printed", "covariance", "extrapolated"):
            before = rates[number - 1][name] if number else None
            order = f" (order {math.log2(before / row[name]):.2f})" if before else ""
            cells.append(f"{row[name]:.2e}{order}")
        rows.append(tuple(cells))
    return StudyTable(
        "Error of A as η is halved (Ornstein–Uhlenbeck in the plane)",
        ("η", "printed form", "covariance", "covariance, extrapolated twice"),
        tuple(rows),
        "Largest entry of |recovered − A|.",
    )


def _measured(study: Axioms, progress: Progress) -> dict[str, Any]:
    names = (*_LINEAR, *_FLOWS)
    problems = []
    for number, name in enumerate(names):
        progress(number, len(names) + 1, name)
        problems.append(_problem(study, name))
    return {"problems": problems, "rates": _errors(study), "jumps": _jumps(study)}


def _problem(study: Axioms, name: str) -> dict[str, Any]:
    case = find_problem(name)
    x = case.points(study.catalogue_points, torch.Generator().manual_seed(study.seed)).double()
    operator: EvolutionOperator
    if name in _LINEAR:
        operator = _exact(case.problem, x.shape[1])
    else:
        operator = Evolution(RungeKuttaCharacteristics(time_step=0.01), case.problem)
    v, a = case.problem.velocity(x, 0.0), case.problem.diffusion.matrix(x, 0.0)
    found = recover(operator, x, step=_STEP, levels=_LEVELS)
    scale = float(torch.maximum(v.abs().max(), a.abs().max()))
    residual, slope = _residual(study, operator, x, found)
    return {
        "name": name,
        "velocity_error": float((found.velocity - v).abs().max()) / scale,
        "matrix_error": float((found.matrix - a).abs().max()) / scale,
        "residual": residual,
        "slope": slope,
    }


def _exact(problem: Problem, size: int) -> LinearEvolution:
    """Return the exact evolution of a problem with linear velocity and constant diffusion."""
    zero = torch.zeros(1, size, dtype=torch.float64)
    matrix = torch.func.jacrev(lambda y: problem.velocity(y[None], 0.0)[0])(zero[0])
    velocity = LinearVelocity(matrix, problem.velocity(zero, 0.0)[0])
    return LinearEvolution(velocity, FullDiffusion(problem.diffusion.matrix(zero, 0.0)[0]), nodes=32)


def _residual(study: Axioms, operator: EvolutionOperator, x: Tensor, found: Recovered) -> tuple[float, float]:
    """Return the largest residual and the largest ∂_t T f over smooth test functions."""
    family = Family(x.mean(dim=0), 2.0, study.functions)
    f = family.smooth(family.draw(torch.Generator().manual_seed(study.seed)))
    residual, slope = equation_residual(operator, f, x, found, step=0.01, levels=4)
    return float(residual.abs().max()), float(slope.abs().max())


def _jumps(study: Axioms) -> dict[str, float]:
    source = torch.Generator().manual_seed(study.seed)
    places = torch.randn(24, 2, generator=source, dtype=torch.float64)
    x = torch.randn(study.catalogue_points, 2, generator=source, dtype=torch.float64)
    operator = JumpOperator.to_places(places)
    residual, slope = _residual(study, operator, x, recover(operator, x))
    return {"residual": residual, "slope": slope}


def _errors(study: Axioms) -> list[dict[str, float]]:
    """Return the error of A for each form, at halved η, far from the origin."""
    matrix = FullDiffusion([[0.2, 0.05], [0.05, 0.1]])
    operator = LinearEvolution(LinearVelocity([[-1.0, 0.5], [-0.5, -1.0]]), matrix, nodes=32)
    source = torch.Generator().manual_seed(study.seed)
    x = 3 + torch.randn(study.catalogue_points, 2, generator=source, dtype=torch.float64)
    exact = matrix.matrix(x, 0.0)
    rows = []
    for eta in (0.04, 0.02, 0.01):
        once, twice = recover(operator, x, step=eta, levels=1), recover(operator, x, step=eta, levels=3)
        printed = _printed(operator, x, eta)
        forms = {"printed": printed, "covariance": once.matrix, "extrapolated": twice.matrix}
        rows.append({"eta": eta, **{k: float((a - exact).abs().max()) for k, a in forms.items()}})
    return rows


def _printed(operator: EvolutionOperator, x: Tensor, eta: float) -> Tensor:
    """Return ½(T(y_i y_j) − x_i x_j − ηv_i x_j − ηv_j x_i)/η with ηv = T y − x."""
    d = x.shape[1]
    values = operator(lambda y: torch.cat([y, (y[:, :, None] * y[:, None]).flatten(1)], dim=1), x, eta, 0.0)
    moved = values[:, :d] - x
    cross = moved[:, :, None] * x[:, None] + x[:, :, None] * moved[:, None]
    second: Tensor = values[:, d:].reshape(len(x), d, d)
    return (second - x[:, :, None] * x[:, None] - cross) / (2 * eta)
