"""The axioms of evolution operators, measured by search: verdicts with the worst case found."""

from heatproof.theory.axioms._arena import Arena
from heatproof.theory.axioms._finding import AXIOMS, Axiom, AxiomVerdict, Finding
from heatproof.theory.axioms._functions import Family, Function
from heatproof.theory.axioms._operator import (
    EvolutionOperator,
    check_operator,
    constructions,
    is_sampled,
    reseeded,
)
from heatproof.theory.axioms._search import Effort
from heatproof.theory.axioms.comparison import comparison
from heatproof.theory.axioms.constants import constants
from heatproof.theory.axioms.linearity import linearity
from heatproof.theory.axioms.locality import locality
from heatproof.theory.axioms.markov import markov
from heatproof.theory.axioms.measure import measure_axioms
from heatproof.theory.axioms.operators import (
    ExplicitHeat,
    JumpOperator,
    LinearEvolution,
    NetworkEvolution,
    NetworkValues,
)
from heatproof.theory.axioms.rows import rows
from heatproof.theory.axioms.space import spatial_regularity
from heatproof.theory.axioms.time import temporal_regularity
from heatproof.theory.axioms.values import (
    ValuesArena,
    consistency_in_time,
    measure_values,
    residual,
    value_range,
)

__all__ = [
    "AXIOMS",
    "Arena",
    "Axiom",
    "AxiomVerdict",
    "Effort",
    "EvolutionOperator",
    "ExplicitHeat",
    "Family",
    "Finding",
    "Function",
    "JumpOperator",
    "LinearEvolution",
    "NetworkEvolution",
    "NetworkValues",
    "ValuesArena",
    "check_operator",
    "comparison",
    "consistency_in_time",
    "constants",
    "constructions",
    "is_sampled",
    "linearity",
    "locality",
    "markov",
    "measure_axioms",
    "measure_values",
    "reseeded",
    "residual",
    "rows",
    "spatial_regularity",
    "temporal_regularity",
    "value_range",
]
