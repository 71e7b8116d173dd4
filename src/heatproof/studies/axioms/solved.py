"""True operators: exact evolutions and solvers, which must satisfy every axiom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from heatproof._types import Progress
from heatproof.equation import FullDiffusion, LinearVelocity, Problem
from heatproof.solvers import Evolution, FeynmanKac, RungeKuttaCharacteristics
from heatproof.studies._study import Cell, Results, Section, Summary
from heatproof.studies.axioms.charts import locality_chart
from heatproof.studies.axioms.judging import Stored, all_hold, axiom_table, plain
from heatproof.theory.axioms import AXIOMS, Arena, EvolutionOperator, LinearEvolution, measure_axioms

if TYPE_CHECKING:
    from heatproof.studies.axioms.study import Axioms

__all__ = ["arena", "cells", "summarise"]


def arena(study: Axioms, dimension: int, **given: Any) -> Arena:
    """Return points in the plane or on the line, with the study's effort."""
    source = torch.Generator().manual_seed(study.seed)
    points = torch.randn(study.points, dimension, generator=source, dtype=torch.float64)
    if dimension == 1:
        points = torch.linspace(-1.2, 1.2, study.points, dtype=torch.float64)[:, None]
    settings: dict[str, Any] = {
        "functions": study.functions,
        "effort": study.effort,
        "halvings": study.halvings,
        "seed": study.seed,
        **given,
    }
    return Arena(points, **settings)


def cells(study: Axioms) -> Iterator[Cell]:
    """Yield a cell for each operator."""
    for name in _OPERATORS:
        yield Cell(f"operator.{name}", partial(_measured, study, name))


def summarise(study: Axioms, results: Results) -> Summary:
    """Return a verdict for each operator, the table, and the decay of differences."""
    found = {name: results[f"operator.{name}"] for name in _OPERATORS}
    verdicts = tuple(
        all_hold(f"All axioms hold for {_TITLES[name]}", findings) for name, findings in found.items()
    )
    named = {_TITLES[name]: findings for name, findings in found.items()}
    table = axiom_table(
        "True operators",
        named,
        "Sizes: largest violation found, functions within ±1; locality: rate of the difference in η; "
        "regularity: the constant with its range over the last three halvings.",
    )
    local = {title: _curve(findings) for title, findings in named.items()}
    jumps = results.get("control.jumps", {}).get("wrong", [])
    if jumps:
        local["jumps (control)"] = _curve(jumps)
    section = Section(
        "True operators",
        "The exact evolution of an Ornstein–Uhlenbeck process, the method of characteristics for a rotation, "
        "and Feynman–Kac for a rotation with diffusion, antithetic paths.",
        (table,),
        (locality_chart(local),),
    )
    del study
    return Summary(verdicts, (section,))


def _curve(findings: Sequence[Stored]) -> list[Sequence[float]]:
    return [pair for one in findings if one["axiom"] == "locality" for pair in one["curve"]]


def _measured(study: Axioms, name: str, progress: Progress) -> list[dict[str, Any]]:
    make, dimension = _OPERATORS[name]
    operator, found = make(study), []
    for number, axiom in enumerate(AXIOMS):
        progress(number, len(AXIOMS), axiom)
        found += plain(measure_axioms(operator, arena(study, dimension), (axiom,)))
    return found


def _zero(x: Tensor) -> Tensor:
    return x.new_zeros(len(x), 1)


def _ornstein_uhlenbeck(study: Axioms) -> EvolutionOperator:
    del study
    return LinearEvolution(LinearVelocity([[-1.0]]), FullDiffusion([[0.1]]))


def _rotation(study: Axioms) -> EvolutionOperator:
    del study
    problem = Problem(_zero, LinearVelocity([[0.0, 1.0], [-1.0, 0.0]]))
    return Evolution(RungeKuttaCharacteristics(time_step=0.1), problem)


def _feynman_kac(study: Axioms) -> EvolutionOperator:
    problem = Problem(
        _zero, LinearVelocity([[-0.2, 1.0], [-1.0, -0.2]]), FullDiffusion([[0.1, 0.02], [0.02, 0.05]])
    )
    return Evolution(FeynmanKac(time_step=0.25, paths=study.paths, antithetic=True, seed=study.seed), problem)


_OPERATORS: Mapping[str, tuple[Callable[[Axioms], EvolutionOperator], int]] = {
    "ornstein-uhlenbeck": (_ornstein_uhlenbeck, 1),
    "characteristics": (_rotation, 2),
    "feynman-kac": (_feynman_kac, 2),
}
_TITLES = {
    "ornstein-uhlenbeck": "the exact Ornstein–Uhlenbeck evolution",
    "characteristics": "characteristics (Runge–Kutta)",
    "feynman-kac": "Feynman–Kac",
}
