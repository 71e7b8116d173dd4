"""Rademacher complexity: bounds, exact values and estimates from below, in one table with its orderings."""

from heatproof.theory.complexity.constants import ClassConstants, constants_of
from heatproof.theory.complexity.covering import CoveringBound, covering_bound, covering_formula
from heatproof.theory.complexity.ends import Ends, draw_ends, feature_ends, features
from heatproof.theory.complexity.estimate import Estimate, concentration, mean_interval
from heatproof.theory.complexity.evolved import expected_reach, jensen_bound
from heatproof.theory.complexity.linear import linear_value
from heatproof.theory.complexity.lower import finite_class_value, from_below, searched_value
from heatproof.theory.complexity.massart import massart_bound
from heatproof.theory.complexity.measured import MeasuredConstants, last_layer, measured_constants
from heatproof.theory.complexity.paths import path_ends
from heatproof.theory.complexity.random_labels import Fit, correlation, label_signs, random_label_value
from heatproof.theory.complexity.rows import base_rows, evolved_rows, identity_ends
from heatproof.theory.complexity.search import Rho
from heatproof.theory.complexity.table import (
    ComplexityRow,
    Ordering,
    Subject,
    check_orderings,
    estimate_row,
    orderings,
)

__all__ = [
    "ClassConstants",
    "ComplexityRow",
    "CoveringBound",
    "Ends",
    "Estimate",
    "Fit",
    "MeasuredConstants",
    "Ordering",
    "Rho",
    "Subject",
    "base_rows",
    "check_orderings",
    "concentration",
    "constants_of",
    "correlation",
    "covering_bound",
    "covering_formula",
    "draw_ends",
    "estimate_row",
    "evolved_rows",
    "expected_reach",
    "feature_ends",
    "features",
    "finite_class_value",
    "from_below",
    "identity_ends",
    "jensen_bound",
    "label_signs",
    "last_layer",
    "linear_value",
    "massart_bound",
    "mean_interval",
    "measured_constants",
    "orderings",
    "path_ends",
    "random_label_value",
    "searched_value",
]
