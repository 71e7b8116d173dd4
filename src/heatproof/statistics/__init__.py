"""Bounds, stopping rules and their exact audit; knows nothing of models."""

from heatproof.statistics._boundary import Boundary
from heatproof.statistics._calibrated import boundary
from heatproof.statistics._rule import State, StoppingRule
from heatproof.statistics.decision import CERTIFIED, NOT_CERTIFIED, OPEN, DecisionRule, DecisionState
from heatproof.statistics.fixed import FixedRule
from heatproof.statistics.mixture import mixture_lower_bounds
from heatproof.statistics.radius import RadiusRule, gaussian_radii
from heatproof.statistics.selection import (
    SELECTION_SAMPLES,
    choice_probability,
    false_certificate_probability,
)
from heatproof.statistics.simulation import Simulated, check_probabilities, simulate

__all__ = [
    "CERTIFIED",
    "NOT_CERTIFIED",
    "OPEN",
    "SELECTION_SAMPLES",
    "Boundary",
    "DecisionRule",
    "DecisionState",
    "FixedRule",
    "RadiusRule",
    "Simulated",
    "State",
    "StoppingRule",
    "boundary",
    "check_probabilities",
    "choice_probability",
    "false_certificate_probability",
    "gaussian_radii",
    "mixture_lower_bounds",
    "simulate",
]
