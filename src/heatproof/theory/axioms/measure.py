"""All axioms of an operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from heatproof._check import check_choice
from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._finding import AXIOMS, Finding
from heatproof.theory.axioms._operator import EvolutionOperator, check_operator
from heatproof.theory.axioms.comparison import comparison
from heatproof.theory.axioms.constants import constants
from heatproof.theory.axioms.linearity import linearity
from heatproof.theory.axioms.locality import locality
from heatproof.theory.axioms.markov import markov
from heatproof.theory.axioms.rows import rows
from heatproof.theory.axioms.space import spatial_regularity
from heatproof.theory.axioms.time import temporal_regularity

__all__ = ["measure_axioms"]

_MEASURES: dict[str, Callable[[EvolutionOperator, Arena], Finding]] = {
    "comparison": comparison,
    "linearity": linearity,
    "constants": constants,
    "markov": markov,
    "locality": locality,
    "spatial regularity": spatial_regularity,
    "temporal regularity": temporal_regularity,
    "batch": rows,
}


def measure_axioms(
    operator: EvolutionOperator, arena: Arena, axioms: Sequence[str] | str = AXIOMS
) -> tuple[Finding, ...]:
    """Return what a search finds about each axiom of an evolution operator (arXiv 2307.12333, section 2).

    Each finding says whether the axiom holds by construction or was only measured, with the worst case.
    Cost: for each axiom about (starts + ascents)·B·K values of the operator, with gradients; the limits
    take (1 + halvings/4) times that. Errors: `UnknownNameError` for an axiom of another name; `InputError`
    for what is no operator; those of the operator.
    """
    check_operator(operator)
    asked = (axioms,) if isinstance(axioms, str) else axioms
    return tuple(_MEASURES[check_choice("axiom", axiom, _MEASURES)](operator, arena) for axiom in asked)
