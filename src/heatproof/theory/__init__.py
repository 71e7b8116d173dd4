"""The theory, measured: axioms of evolution operators, recovery of coefficients, complexity, diffusivity."""

from heatproof.theory.complexity import (
    ClassConstants,
    ComplexityRow,
    MeasuredConstants,
    base_rows,
    check_orderings,
    covering_bound,
    evolved_rows,
    linear_value,
    massart_bound,
    measured_constants,
    random_label_value,
)
from heatproof.theory.effective_diffusivity import (
    EffectiveDiffusivity,
    Estimate,
    FormulaComparison,
    LayerDiffusivity,
    measure_diffusivity,
)

__all__ = [
    "ClassConstants",
    "ComplexityRow",
    "EffectiveDiffusivity",
    "Estimate",
    "FormulaComparison",
    "LayerDiffusivity",
    "MeasuredConstants",
    "base_rows",
    "check_orderings",
    "covering_bound",
    "evolved_rows",
    "linear_value",
    "massart_bound",
    "measure_diffusivity",
    "measured_constants",
    "random_label_value",
]
