"""Bounds, stopping rules and their exact audit; knows nothing of models."""

from heatproof.statistics._boundary import Boundary, draws_needed
from heatproof.statistics._calibrated import boundary
from heatproof.statistics._looks import check_draws
from heatproof.statistics._rule import State, StoppingRule
from heatproof.statistics._scores import score_nodes
from heatproof.statistics.betting import Bets, betting_lower_bounds, spread_bets
from heatproof.statistics.binomial import simultaneous_bounds
from heatproof.statistics.decision import CERTIFIED, NOT_CERTIFIED, OPEN, DecisionRule, DecisionState
from heatproof.statistics.fixed import FixedRule
from heatproof.statistics.mixture import mixture_lower_bounds
from heatproof.statistics.multiplicity import MULTIPLICITIES, Multiplicity, holm, level_of_one
from heatproof.statistics.radius import RadiusRule, gaussian_radii
from heatproof.statistics.selection import (
    choice_probability,
    false_certificate_probability,
    selection_samples,
)
from heatproof.statistics.simulation import Simulated, check_probabilities, simulate
from heatproof.statistics.student import student_half_width

__all__ = [
    "CERTIFIED",
    "MULTIPLICITIES",
    "NOT_CERTIFIED",
    "OPEN",
    "Bets",
    "Boundary",
    "DecisionRule",
    "DecisionState",
    "FixedRule",
    "Multiplicity",
    "RadiusRule",
    "Simulated",
    "State",
    "StoppingRule",
    "betting_lower_bounds",
    "boundary",
    "check_draws",
    "check_probabilities",
    "choice_probability",
    "draws_needed",
    "false_certificate_probability",
    "gaussian_radii",
    "holm",
    "level_of_one",
    "mixture_lower_bounds",
    "score_nodes",
    "selection_samples",
    "simulate",
    "simultaneous_bounds",
    "spread_bets",
    "student_half_width",
]
