"""The solution as a network, trained on the residual of the equation alone."""

from heatproof.solvers.learned.fitted import FittedSolution
from heatproof.solvers.learned.solver import LearnedSolver

__all__ = ["FittedSolution", "LearnedSolver"]
