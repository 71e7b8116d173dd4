"""Trained networks: the axioms of their own evolutions, their recovered equation, and g(x, t)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from heatproof._types import Progress
from heatproof.studies._study import Cell, Results, Section, Summary
from heatproof.studies._verdict import Verdict, from_deviations
from heatproof.studies.axioms import recovered, values
from heatproof.studies.axioms.judging import all_hold, axiom_table, plain
from heatproof.studies.axioms.networks import KINDS, Trained, train_recipe
from heatproof.theory.axioms import AXIOMS, Arena, NetworkEvolution, measure_axioms

if TYPE_CHECKING:
    from heatproof.studies.axioms.study import Axioms

__all__ = ["cells", "summarise"]


_FIRST = 1 / 64
"""The largest η, as a share of a block: a branch left out moves the state by √η, and η is to be small."""


def cells(study: Axioms) -> Iterator[Cell]:
    """Yield a cell for each recipe."""
    for recipe in study.recipes:
        yield Cell(f"trained.{recipe}", partial(_measured, study, recipe))


def summarise(study: Axioms, results: Results) -> Summary:
    """Return the verdicts and tables of all three questions."""
    found = {recipe: results[f"trained.{recipe}"] for recipe in study.recipes}
    parts = [_operators(found), recovered.summarise(found), values.summarise(found)]
    verdicts = tuple(verdict for part in parts for verdict in part.verdicts)
    return Summary(verdicts, tuple(section for part in parts for section in part.sections))


def _operators(found: Mapping[str, Any]) -> Summary:
    verdicts: list[Verdict] = []
    tables = []
    for recipe, one in found.items():
        verdicts.append(
            from_deviations(
                f"{recipe}: the evolution over all blocks is the network",
                [one["difference"]],
                tolerance=1e-10,
                evidence="T_{1,0} of softmax of the head, at the states of test inputs",
            )
        )
        for kind in KINDS:
            claim = f"{recipe}, {kind}: its evolution satisfies all axioms"
            verdicts.append(all_hold(claim, one["axioms"][kind]))
        title = f"{recipe} (test accuracy {100 * one['accuracy']:.1f} %)"
        tables.append(axiom_table(title, one["axioms"]))
    text = (
        "T_{t,r} f = E f(blocks) on the states behind the first layer, four blocks on [0, 1]. Noise is put "
        "into the trained blocks: Gaussian after each, or branches left out. Markov with noise is judged by "
        "fresh draws, with an interval."
    )
    return Summary(tuple(verdicts), (Section("Trained networks as operators", text, tuple(tables)),))


def _measured(study: Axioms, recipe: str, progress: Progress) -> dict[str, Any]:
    """Train, then measure the evolutions, recover their equation, and ask g(x, t)."""
    stages = 2 * len(KINDS) + 3
    trained = train_recipe(
        study, recipe, lambda done, total, note="": progress(3 * done, stages * total, note)
    )
    axioms: dict[str, Any] = {}
    for number, kind in enumerate(KINDS):
        progress(3 + number, stages, kind)
        draws = None if kind == "no noise" else study.draws
        operator = NetworkEvolution(trained.blocks(study, kind), draws=draws, seed=study.seed)
        axioms[kind] = plain(measure_axioms(operator, _arena(study, trained), AXIOMS))
    progress(stages - 2, stages, "recovery")
    rows = recovered.measured(study, trained, study.recipes.index(recipe))
    progress(stages - 1, stages, "g(x, t)")
    return {
        "accuracy": trained.accuracy,
        "difference": _difference(trained, study),
        "axioms": axioms,
        "recovered": rows,
        "values": values.measured(study, trained),
    }


def _arena(study: Axioms, trained: Trained) -> Arena:
    return Arena(
        trained.states,
        step=trained.backbone.step * _FIRST,
        halvings=study.halvings,
        functions=study.functions,
        effort=study.effort,
        seed=study.seed,
    )


def _difference(trained: Trained, study: Axioms) -> float:
    """Return how far the evolution's value is from the network's own probabilities."""
    operator = NetworkEvolution(trained.blocks(study, "no noise"))
    with torch.no_grad():
        evolved = operator(trained.of_states, trained.states, 1.0)
        return float((evolved - trained.probabilities(trained.x, 1.0)).abs().max())
